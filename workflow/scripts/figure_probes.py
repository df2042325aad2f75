"""Adapter: aUC and age error of every feature set."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.probes.figure import figure_probes

    stem = Path(snakemake.output.png).with_suffix("")
    figure_probes(snakemake.input.summary, stem)
