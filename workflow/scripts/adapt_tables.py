"""Adapter: write the study tables as Clinica reads them."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.adni.clinica_tables import write_adapted_tables

    write_adapted_tables(Path(snakemake.params.images), Path(snakemake.params.tables), Path(snakemake.output[0]).parent)
