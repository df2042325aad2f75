"""Adapter: interpolation quality by method and time gap."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.interpolation.figure import figure_8_interpolation

    stem = Path(snakemake.output.png).with_suffix("")
    figure_8_interpolation(snakemake.input.summary, snakemake.input.by_group, stem)
