"""Adapter: Tables 2 to 4, the settings of the three stages."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.config import parse_config
    from ldae.core.lineage import read_chain
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.method.table import settings_tables

    descriptions = read_chain(Path(snakemake.params.train), snakemake.input.keys())
    for stage, table in settings_tables(parse_config(snakemake.params.settings), descriptions).items():
        write_table(table, Path(snakemake.output[stage]).with_suffix(""), on_test_scans=False)
