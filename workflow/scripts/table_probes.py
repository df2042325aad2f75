"""Adapter: Table 7, the paired differences, confounds and label efficiency as TSV, Markdown and LaTeX."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0], snakemake.input, snakemake.output):
    from ldae.studies.common.paper_tables import write_table
    from ldae.studies.probes.table import check_table, difference_table, probe_table

    evaluate = Path(snakemake.params.evaluate)
    write_table(probe_table(evaluate), Path(snakemake.output.probes).with_suffix(""))
    write_table(difference_table(evaluate), Path(snakemake.output.differences).with_suffix(""))
    for name in ("confounds", "label_efficiency"):
        write_table(
            check_table(evaluate / "probe_checks" / f"{name}.tsv"),
            Path(snakemake.output[name]).with_suffix(""),
        )
