"""Adapter: the table of unconditional samples as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.reconstruction.tables import samples_table
    from ldae.figures.tables import write_table
    from ldae.files import read_tsv

    table = samples_table(read_tsv(snakemake.input.distances), read_tsv(snakemake.input.memorisation))
    write_table(table, Path(snakemake.output[0]).with_suffix(""))
