"""Adapter: the report."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import parse_config
    from ldae.core.provenance import run_provenance
    from ldae.report.html import ReportSources, report_html
    from ldae.report.unseen import unseen_sentences

    files = snakemake.input
    report_html(
        snakemake.output.report,
        ReportSources(
            figures=Path(files.figures[0]).parent,
            evaluate=Path(snakemake.params.evaluate),
            table_1=Path(files.table_1),
            exclusions=Path(files.exclusions),
            notes=Path(files.notes),
            tables=Path(files.table_1).parent,
            provenance=run_provenance([files.volumes, files.latents], list(files.models)),
            unseen=unseen_sentences(Path(files.models[0]).parents[1], Path(files.volumes).parent, Path(files.splits)),
        ),
        parse_config(snakemake.params.settings),
    )
