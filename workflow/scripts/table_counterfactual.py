"""Adapter: the tables of the counterfactual benchmark as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import paper_table, write_table
    from ldae.studies.counterfactual.record import IN_TABLE
    from ldae.studies.counterfactual.table import difference_table

    evaluate = Path(snakemake.params.evaluate)
    write_table(paper_table(IN_TABLE, evaluate), Path(snakemake.output.counterfactual).with_suffix(""))
    write_table(difference_table(evaluate), Path(snakemake.output.differences).with_suffix(""))
