"""Adapter: losses and validation of the three stages."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.studies.training_curves.figure import figure_training

    stem = Path(snakemake.output.png).with_suffix("")
    figure_training(dict(snakemake.input.items()), stem)
