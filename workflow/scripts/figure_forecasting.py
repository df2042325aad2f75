"""Adapter: the figure of the forecasts."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.forecasting.figure import figure_forecasting

    given = snakemake.input
    stem = Path(snakemake.output.png).with_suffix("")
    figure_forecasting(Path(given.one_visit), Path(given.two_visits), Path(given.by_group), stem)
