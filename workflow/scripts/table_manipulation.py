"""Adapter: the table of manipulation as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.tables import paper_table
    from ldae.figures.tables import write_table

    evaluate = Path(snakemake.input.study[0]).parents[1]
    write_table(paper_table("manipulation", evaluate), Path(snakemake.output[0]).with_suffix(""))
