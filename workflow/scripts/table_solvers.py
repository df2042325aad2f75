"""Adapter: the table of solvers as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.reconstruction.tables import solver_table
    from ldae.figures.tables import write_table
    from ldae.files import read_tsv

    write_table(solver_table(read_tsv(snakemake.input.summary)), Path(snakemake.output[0]).with_suffix(""))
