"""Adapter: one triplet by every method."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.interpolation.figure import figure_9_interpolation_examples

    stem = Path(snakemake.output.png).with_suffix("")
    figure_9_interpolation_examples(Path(snakemake.params.examples), stem)
