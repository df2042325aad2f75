"""Adapter: the report."""

from pathlib import Path

from ldae.core.runtime import running

folders = snakemake.params
read = [*snakemake.input, folders.evaluate, folders.paper]

with running(snakemake.log[0], read, snakemake.output):
    from ldae.config import parse_config
    from ldae.report.checklists import write_checklists
    from ldae.report.html import report_html
    from ldae.report.methods_text import run_methods
    from ldae.report.sources import run_sources

    sources, config = run_sources(folders, snakemake.input), parse_config(folders.settings)
    report_html(snakemake.output.report, sources, config)
    run_methods(sources, config).write(Path(snakemake.output.methods), Path(snakemake.output.references))
    write_checklists(Path(snakemake.output.checklist), config, sources)
