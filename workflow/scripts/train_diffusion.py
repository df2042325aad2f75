"""Adapter: stage 2."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.training.launch import launch

    launch(
        "train_diffusion",
        snakemake.resources,
        snakemake.log[0],
        latents=str(Path(snakemake.input.latents).parent),
        splits=snakemake.input.splits,
        out=str(Path(snakemake.output.model).parent),
        settings=snakemake.params.settings,
        method=snakemake.params.method,
        seed=snakemake.params.seed,
        launch=snakemake.config.get("launch", {}),
    )
