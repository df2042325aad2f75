"""Adapter: the figure of reliability."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.reliability.figure import figure_reliability

    figure_reliability(Path(snakemake.input.summary), Path(snakemake.output.png).with_suffix(""))
