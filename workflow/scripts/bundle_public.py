"""Adapter: what may leave the machine."""

from pathlib import Path

from ldae.core.runtime import running

with running(snakemake.log[0]):
    from ldae.config import parse_config
    from ldae.core.files import read_tsv
    from ldae.core.provenance import run_provenance
    from ldae.report.html import ReportSources
    from ldae.report.public import bundle_public
    from ldae.report.unseen import unseen_sentences

    files = snakemake.input
    scans = read_tsv(files.scans, dtype=str)
    bundle_public(
        Path(snakemake.output.report).parent,
        Path(files.headline).parent,
        ReportSources(
            figures=Path(files.figures[0]).parent,
            evaluate=Path(snakemake.params.evaluate),
            table_1=Path(files.table_1),
            exclusions=Path(files.exclusions),
            tables=Path(files.table_1).parent,
            provenance=run_provenance([files.volumes, files.latents], list(files.models)),
            unseen=unseen_sentences(Path(files.models[0]).parents[1], Path(files.volumes).parent, Path(files.splits)),
        ),
        parse_config(snakemake.params.settings),
        names={*scans["participant_id"], *scans["image_id"].dropna()},
    )
