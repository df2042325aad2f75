"""Adapter: write the study tables as Clinica reads them."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.adni.adapter import write_adapted_tables

    write_adapted_tables(Path(snakemake.params.images), Path(snakemake.params.tables), Path(snakemake.output[0]).parent)
