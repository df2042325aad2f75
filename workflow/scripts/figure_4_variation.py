"""Adapter: samples of one semantic code."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.samples.figure import figure_4_variation

    stem = Path(snakemake.output.png).with_suffix("")
    figure_4_variation(
        Path(snakemake.params.samples),
        Path(snakemake.params.std),
        snakemake.input.scans,
        stem,
    )
