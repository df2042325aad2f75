"""Adapter: losses and validation of the three stages."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.figures.training import figure_training

    stem = Path(snakemake.output.png).with_suffix("")
    figure_training(dict(snakemake.input.items()), stem)
