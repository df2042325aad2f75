"""Adapter: one scan by every way to decode."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.reconstruction.figure import figure_reconstruction_examples

    stem = Path(snakemake.output.png).with_suffix("")
    figure_reconstruction_examples(Path(snakemake.params.examples), stem)
