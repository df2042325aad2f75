"""Adapter: who is in: downloaded, converted, kept; visits by diagnosis."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.figures.cohort import figure_cohort

    stem = Path(snakemake.output.png).with_suffix("")
    figure_cohort(snakemake.input.flow, snakemake.input.scans, snakemake.input.splits, stem)
