"""Adapter: scan, autoencoder reconstruction, difference."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.reconstruction.figure import figure_3_autoencoder

    stem = Path(snakemake.output.png).with_suffix("")
    figure_3_autoencoder(Path(snakemake.params.examples), stem)
