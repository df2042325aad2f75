"""Adapter: the table of reconstruction as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.reconstruction.table import reconstruction_table

    evaluate = Path(snakemake.params.evaluate)
    write_table(reconstruction_table(evaluate), Path(snakemake.output[0]).with_suffix(""))
