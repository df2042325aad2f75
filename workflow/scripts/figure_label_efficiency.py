"""Adapter: labels against what the probes read."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.probes.figure import figure_label_efficiency

    figure_label_efficiency(snakemake.input.estimates, Path(snakemake.output.png).with_suffix(""))
