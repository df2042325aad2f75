"""What the report says of the interpolation: how decoded ventricles came to the scale of scans and of the truth."""

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import MINUS
from ldae.studies.common.study import ReportSources

KINDS = {
    "scans": "scans and averages of their voxels ({scans} training and validation scans",
    "decoded": "decoded volumes (reconstructions of {scans} training scans",
    "decoded_to_scans": "decoded volumes on the scale of scans (reconstructions of {scans} training scans, no truth",
}


def drawn(sources: ReportSources, public: bool) -> str | None:
    """How many triplets were measured where not all of them were (``evaluation.max_triplets``)."""
    path = sources.evaluate / "interpolation" / "drawn.tsv"
    counts = read_tsv(path).iloc[0] if path.is_file() else None
    if counts is None or counts["measured"] == counts["triplets"]:
        return None
    return (
        f"{counts['measured']:,} of the {counts['triplets']:,} triplets were measured, drawn by a hash of their names "
        "(evaluation.max_triplets)."
    )


def calibration(sources: ReportSources, public: bool) -> str:
    """The lines of ``ventricle_calibration.tsv``; nothing where there was no training scan."""
    path = sources.evaluate / "interpolation" / "ventricle_calibration.tsv"
    table = read_tsv(path) if path.is_file() else pd.DataFrame()
    if table.empty:
        return ""
    lines = [
        f"{row.slope:.2f} × measured {MINUS if row.offset < 0 else '+'} {abs(row.offset):.1f} ml for "
        f"{KINDS[row.volumes].format(scans=row.scans)}, r = {row.r:.2f})"
        for row in table.itertuples(index=False)
    ]
    return f"Ventricles: {'; '.join(lines)}. No test scan is in the fit."
