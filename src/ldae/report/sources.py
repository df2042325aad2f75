"""What a report is made from, gathered from a finished run: for the report and for the bundle that leaves."""

from pathlib import Path
from typing import Any

from ldae.core.provenance import run_provenance
from ldae.core.scans import read_splits
from ldae.inference.degenerate import degenerate_sentences
from ldae.report.run_description import imported_stages, unseen_sentences
from ldae.studies.common.study import ReportSources
from ldae.training.warm_start import start_sentences


def run_sources(folders: Any, files: Any) -> ReportSources:
    """The sources of a run.

    Args:
        folders: ``train``, ``store``, ``evaluate`` and ``paper`` of the results.
        files: ``table_1``, ``exclusions``, ``volumes``, ``latents``, ``models``, ``splits`` and ``external`` (empty:
            none); ``notes``, which names subjects, for a report that stays.
    """
    train, notes, splits = Path(folders.train), getattr(files, "notes", None), read_splits(files.splits)
    return ReportSources(
        figures=Path(folders.paper) / "figures",
        evaluate=Path(folders.evaluate),
        table_1=Path(files.table_1),
        exclusions=Path(files.exclusions),
        notes=Path(notes) if notes else None,
        tables=Path(folders.paper) / "tables",
        provenance=run_provenance([files.volumes, files.latents], list(files.models)),
        external=Path(files.external) if files.external else None,
        unseen=unseen_sentences(train, Path(folders.store) / "volumes", Path(files.splits)),
        degenerate=degenerate_sentences(train, Path(folders.store)),
        starts=start_sentences(train, splits),
        imported=imported_stages(train),
        split_subjects=splits["split"].value_counts().to_dict(),
    )
