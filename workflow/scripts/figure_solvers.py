"""Adapter: quality against network calls."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.reconstruction.figure_solvers import figure_solvers

    figure_solvers(snakemake.input.summary, Path(snakemake.output.png).with_suffix(""))
