"""Adapter: confounds of the codes."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.probes.figure import figure_confounds

    figure_confounds(snakemake.input.estimates, Path(snakemake.output.png).with_suffix(""))
