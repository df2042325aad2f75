"""Adapter: the tables of conversions as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import paper_table, write_table
    from ldae.studies.conversion.record import IN_TABLE
    from ldae.studies.conversion.table import difference_table

    evaluate, files = Path(snakemake.params.evaluate), snakemake.output
    write_table(paper_table(IN_TABLE, evaluate), Path(files.conversion).with_suffix(""))
    write_table(difference_table(evaluate), Path(files.differences).with_suffix(""))
