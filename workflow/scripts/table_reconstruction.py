"""Adapter: the table of reconstruction as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.reconstruction.tables import reconstruction_table
    from ldae.figures.tables import write_table

    evaluate = Path(snakemake.input.study[0]).parents[1]
    write_table(reconstruction_table(evaluate), Path(snakemake.output[0]).with_suffix(""))
