"""Adapter: write the study tables as Clinica reads them."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.adni.table_adapter import write_adapted_tables

    folders = Path(snakemake.params.images), Path(snakemake.params.tables)
    write_adapted_tables(*folders, Path(snakemake.output[0]).parent, snakemake.params.adni4)
