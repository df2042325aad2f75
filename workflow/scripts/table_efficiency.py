"""Adapter: Table 5 as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.core.files import read_tsv
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.efficiency.table import methods_table, trainings_table

    files, out = snakemake.input, snakemake.output
    write_table(methods_table(read_tsv(files.methods)), Path(out.efficiency).with_suffix(""), on_test_scans=False)
    write_table(trainings_table(read_tsv(files.trainings)), Path(out.trainings).with_suffix(""), on_test_scans=False)
