"""Adapter: the report."""

from pathlib import Path

from ldae.core.runtime import running

folders = snakemake.params
read = [*snakemake.input, folders.evaluate, folders.paper]

with running(snakemake.log[0], read, snakemake.output):
    from ldae.config import parse_config
    from ldae.core.provenance import run_provenance
    from ldae.core.scans import read_splits
    from ldae.inference.degenerate import degenerate_sentences
    from ldae.report.html import ReportSources, report_html
    from ldae.report.methods_text import run_methods
    from ldae.report.run_description import imported_stages, unseen_sentences
    from ldae.training.warm_start import start_sentences

    files, config = snakemake.input, parse_config(folders.settings)
    sources = ReportSources(
        figures=Path(folders.paper) / "figures",
        evaluate=Path(folders.evaluate),
        table_1=Path(files.table_1),
        exclusions=Path(files.exclusions),
        notes=Path(files.notes),
        tables=Path(folders.paper) / "tables",
        provenance=run_provenance([files.volumes, files.latents], list(files.models)),
        external=Path(files.external) if files.external else None,
        unseen=unseen_sentences(Path(folders.train), Path(folders.store) / "volumes", Path(files.splits)),
        degenerate=degenerate_sentences(Path(folders.train), Path(folders.store)),
        starts=start_sentences(Path(folders.train), read_splits(files.splits)),
        imported=imported_stages(Path(folders.train)),
    )
    report_html(snakemake.output.report, sources, config)
    run_methods(sources, config).write(Path(snakemake.output.methods), Path(snakemake.output.references))
