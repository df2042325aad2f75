"""Adapter: the tables of the forecasts as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import paper_table, write_table
    from ldae.studies.forecasting.record import IN_TABLE
    from ldae.studies.forecasting.table import difference_table

    evaluate = Path(snakemake.params.evaluate)
    for name, plan in IN_TABLE.items():
        write_table(paper_table(plan, evaluate), Path(snakemake.output[name]).with_suffix(""))
    write_table(difference_table(evaluate), Path(snakemake.output.differences).with_suffix(""))
