"""Adapter: the tables of the arena as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.arena.table import arena_table, codes_table, difference_table
    from ldae.studies.common.paper_tables import write_table

    evaluate = Path(snakemake.params.evaluate)
    write_table(arena_table(evaluate), Path(snakemake.output.arena).with_suffix(""))
    write_table(difference_table(evaluate), Path(snakemake.output.differences).with_suffix(""))
    write_table(codes_table(evaluate), Path(snakemake.output.codes).with_suffix(""), on_test_scans=False)
