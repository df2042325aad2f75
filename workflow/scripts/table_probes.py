"""Adapter: Table 7 and the paired differences as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.runtime import running

with running(snakemake.log[0]):
    from ldae.evaluation.probe_table import difference_table, probe_table
    from ldae.figures.tables import write_table

    evaluate = Path(snakemake.input.study[0]).parents[1]
    write_table(probe_table(evaluate), Path(snakemake.output.probes).with_suffix(""))
    write_table(difference_table(evaluate), Path(snakemake.output.differences).with_suffix(""))
