"""Adapter: the semantic encoder trained on AD against CN."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output, snakemake.resources):
    from ldae.training.launch import launch

    launch(
        "train_supervised",
        snakemake.resources,
        snakemake.log[0],
        volumes=str(Path(snakemake.input.volumes).parent),
        splits=snakemake.input.splits,
        out=str(Path(snakemake.output.model).parent),
        settings=snakemake.params.settings,
        selection=snakemake.params.selection,
        target="ad",
        seed=snakemake.params.seed,
        launch=snakemake.config.get("launch", {}),
    )
