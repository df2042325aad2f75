"""Adapter: this cohort's results beside the model's own."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.core.files import read_json
    from ldae.report.external import RESULTS, comparison
    from ldae.studies.common.paper_tables import write_table

    files, given = snakemake.input, snakemake.params
    reference = read_json(files.reference).get(RESULTS)
    table = comparison(read_json(files.headline), reference, Path(files.predictions), given.bootstrap, given.seed)
    write_table(table, Path(snakemake.output.table).with_suffix(""))
