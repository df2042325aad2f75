"""Adapter: the scans that follow the template least."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.cohort.figure import figure_qc

    stem = Path(snakemake.output.png).with_suffix("")
    figure_qc(snakemake.input.mosaic, snakemake.input.qc, stem)
