"""Adapter: the table of reliability as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.reliability.table import reliability_table

    write_table(reliability_table(Path(snakemake.params.evaluate)), Path(snakemake.output[0]).with_suffix(""))
