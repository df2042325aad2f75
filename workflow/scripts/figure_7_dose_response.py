"""Adapter: the response to the dose."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.manipulation.figure_dose_response import figure_7_dose_response

    stem = Path(snakemake.output.png).with_suffix("")
    figure_7_dose_response(snakemake.input.scans, snakemake.input.doses, snakemake.input.summary, stem)
