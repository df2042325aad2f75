"""Adapter: losses and validation of the three stages."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.core.lineage import read_chain
    from ldae.studies.training_curves.figure import figure_training

    read_chain(Path(snakemake.params.train), snakemake.input.keys())
    stem = Path(snakemake.output.png).with_suffix("")
    figure_training(dict(snakemake.input.items()), stem)
