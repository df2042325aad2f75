"""Adapter: Table 5 as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.efficiency.table import methods_table, trainings_table
    from ldae.figures.tables import write_table
    from ldae.files import read_tsv

    files, out = snakemake.input, snakemake.output
    write_table(methods_table(read_tsv(files.methods)), Path(out.efficiency).with_suffix(""))
    write_table(trainings_table(read_tsv(files.trainings)), Path(out.trainings).with_suffix(""))
