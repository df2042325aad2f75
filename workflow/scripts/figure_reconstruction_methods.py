"""Adapter: every way to decode, with intervals."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.figures.reconstruction import figure_reconstruction_methods

    stem = Path(snakemake.output.png).with_suffix("")
    figure_reconstruction_methods(snakemake.input.summary, snakemake.input.ventricles, stem)
