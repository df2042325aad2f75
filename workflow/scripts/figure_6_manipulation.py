"""Adapter: scans moved along the probe, with signed differences."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.manipulation.figure import figure_6_manipulation

    stem = Path(snakemake.output.png).with_suffix("")
    figure_6_manipulation(Path(snakemake.params.examples), stem)
