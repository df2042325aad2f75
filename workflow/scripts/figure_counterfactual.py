"""Adapter: the figure of the counterfactual benchmark."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.counterfactual.figure import figure_counterfactual

    figure_counterfactual(Path(snakemake.input.summary), Path(snakemake.output.png).with_suffix(""))
