"""Adapter: Table 1, the flow of scans, and every exclusion with its reason."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.cohort.exclusions import all_exclusions, analysed_scans
    from ldae.core.files import read_tsv, write_tsv
    from ldae.studies.cohort.table import demographics, flow
    from ldae.studies.common.paper_tables import inert, write_table

    scans, qc = read_tsv(snakemake.input.scans), read_tsv(snakemake.input.qc)
    exclusions = all_exclusions(read_tsv(snakemake.input.exclusions), qc)
    write_tsv(snakemake.output.exclusions, exclusions.map(inert))  # words of somebody's files are among the reasons
    inventory = snakemake.input.get("inventory")
    write_tsv(snakemake.output.flow, flow(scans, exclusions, read_tsv(inventory) if inventory else None))
    stem = Path(snakemake.output.cohort).with_suffix("")
    write_table(demographics(analysed_scans(scans, qc)), stem, on_test_scans=False)
