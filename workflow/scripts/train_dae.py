"""Adapter: voxel-space diffusion autoencoder."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.training.launch import launch

    launch(
        "train_dae",
        snakemake.resources,
        snakemake.log[0],
        volumes=str(Path(snakemake.input.volumes).parent),
        splits=snakemake.input.splits,
        out=str(Path(snakemake.output.model).parent),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        launch=snakemake.config.get("launch", {}),
    )
