"""Adapter: the tables of calibration and subgroups as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.calibration.table import calibration_table, gap_table, subgroup_table
    from ldae.studies.common.paper_tables import write_table

    evaluate, files = Path(snakemake.params.evaluate), snakemake.output
    write_table(calibration_table(evaluate), Path(files.calibration).with_suffix(""))
    write_table(subgroup_table(evaluate), Path(files.subgroups).with_suffix(""))
    write_table(gap_table(evaluate), Path(files.gaps).with_suffix(""))
