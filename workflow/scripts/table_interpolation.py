"""Adapter: the table of interpolation as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import paper_table, write_table
    from ldae.studies.interpolation.record import IN_TABLE

    evaluate = Path(snakemake.params.evaluate)
    write_table(paper_table(IN_TABLE, evaluate), Path(snakemake.output[0]).with_suffix(""))
