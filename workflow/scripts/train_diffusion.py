"""Adapter: stage 2."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0], snakemake.threads):
    from ldae.config import Diffusion, Launch, Method
    from ldae.training.run import train_diffusion

    train_diffusion(
        latents=Path(snakemake.input.latents).parent,
        splits=Path(snakemake.input.splits),
        out=Path(snakemake.output.model).parent,
        settings=Diffusion.model_validate(snakemake.params.settings),
        method=Method.model_validate(snakemake.params.method),
        seed=snakemake.params.seed,
        launch=Launch.model_validate(snakemake.config.get("launch", {})),
    )
