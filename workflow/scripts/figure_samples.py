"""Adapter: samples beside real scans, and the samples that stand out towards one training scan."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.samples.figure import figure_samples, figure_samples_nearest

    figure_samples(snakemake.input.distances, snakemake.input.curves, Path(snakemake.output.png).with_suffix(""))
    figure_samples_nearest(Path(snakemake.params.examples), Path(snakemake.output.nearest_png).with_suffix(""))
