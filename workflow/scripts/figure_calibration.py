"""Adapter: calibration and decision curves."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.calibration.figure import figure_calibration

    files = snakemake.input
    figure_calibration(files.curves, files.decisions, Path(snakemake.output.png).with_suffix(""))
