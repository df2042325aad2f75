"""Adapter: stage 3."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0], snakemake.threads):
    from ldae.config import Launch, Method, Representation
    from ldae.training.run import train_representation

    train_representation(
        volumes=Path(snakemake.input.volumes).parent,
        latents=Path(snakemake.input.latents).parent,
        splits=Path(snakemake.input.splits),
        autoencoder=Path(snakemake.input.autoencoder).parent,
        diffusion=Path(snakemake.input.diffusion).parent,
        out=Path(snakemake.output.model).parent,
        settings=Representation.model_validate(snakemake.params.settings),
        method=Method.model_validate(snakemake.params.method),
        seed=snakemake.params.seed,
        launch=Launch.model_validate(snakemake.config.get("launch", {})),
    )
