"""Adapter: the figure of subgroups."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.calibration.figure import figure_subgroups

    figure_subgroups(snakemake.input.subgroups, Path(snakemake.output.png).with_suffix(""))
