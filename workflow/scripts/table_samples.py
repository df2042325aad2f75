"""Adapter: the table of unconditional samples as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.core.files import read_tsv
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.reconstruction.table import samples_table

    table = samples_table(read_tsv(snakemake.input.distances), read_tsv(snakemake.input.memorisation))
    write_table(table, Path(snakemake.output[0]).with_suffix(""))
