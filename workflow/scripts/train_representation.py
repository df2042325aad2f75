"""Adapter: stage 3."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.training.launch import launch

    launch(
        "train_representation",
        snakemake.resources,
        snakemake.log[0],
        volumes=str(Path(snakemake.input.volumes).parent),
        latents=str(Path(snakemake.input.latents).parent),
        splits=snakemake.input.splits,
        autoencoder=str(Path(snakemake.input.autoencoder).parent),
        diffusion=str(Path(snakemake.input.diffusion).parent),
        out=str(Path(snakemake.output.model).parent),
        settings=snakemake.params.settings,
        method=snakemake.params.method,
        seed=snakemake.params.seed,
        launch=snakemake.config.get("launch", {}),
    )
