"""Adapter: every way to decode, with intervals."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.reconstruction.figure import figure_reconstruction_methods

    stem = Path(snakemake.output.png).with_suffix("")
    figure_reconstruction_methods(snakemake.input.summary, snakemake.input.ventricles, stem)
