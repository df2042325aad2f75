"""Adapter: who is in: downloaded, converted, kept; visits by diagnosis."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.cohort.figure import figure_cohort

    stem = Path(snakemake.output.png).with_suffix("")
    figure_cohort(snakemake.input.flow, snakemake.input.scans, snakemake.input.splits, stem)
