"""Adapter: the figure of conversions."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.conversion.figure import figure_conversion

    files = snakemake.input
    figure_conversion(files.summary, files.thirds, Path(snakemake.output.png).with_suffix(""))
