"""Adapter: the figure of ranks."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.arena.figure import figure_arena

    figure_arena(snakemake.input.ranks, Path(snakemake.output.png).with_suffix(""))
