"""Adapter: discriminant axes fitted on training subjects, test subjects drawn."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.probes.figure_lda import figure_5_lda

    stem = Path(snakemake.output.png).with_suffix("")
    figure_5_lda(snakemake.input.lda, stem)
