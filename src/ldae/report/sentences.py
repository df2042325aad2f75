"""One sentence under a table: which cached codes a study read, and how measured ventricles became true ones."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import MINUS

SOLVERS = {"ddim": "DDIM", "dpmpp_2m": "DPM++2M"}
KINDS = {
    "scans": "scans and averages of their voxels ({scans} training and validation scans",
    "decoded": "decoded volumes (reconstructions of {scans} training scans",
}


def reads_sentence(evaluate: Path, study: str) -> str | None:
    """What ``reads.tsv`` of a study says; nothing where the study was not run or read no code.

    Models are named by their digests, as in the provenance.
    """
    path = evaluate / study / "reads.tsv"
    table = read_tsv(path, dtype={"model": str}) if path.is_file() else pd.DataFrame({"uses": []})
    if table["uses"].sum() == 0:
        return None
    kinds = table.drop_duplicates(["conditional", "model"])
    uses = [
        f"{'with y_sem' if row.conditional else 'unconditional'} (model {row.model})"
        for row in kinds.itertuples(index=False)
    ]
    ways = table.drop_duplicates(["solver", "steps"])
    solvers = [f"{SOLVERS.get(row.solver, row.solver)} in {row.steps} steps" for row in ways.itertuples(index=False)]
    calls, without = (int(table[name].sum()) for name in ("network_calls", "network_calls_without_cache"))
    saved = "each used once" if calls == without else f"made once; at every use it would be {without:,}"
    return (
        f"Cached x_T, {' and '.join(uses)}, of {table['scans'].max()} scans by {', '.join(solvers)}: "
        f"{calls:,} network calls, {saved}."
    )


def calibration_sentence(evaluate: Path) -> str | None:
    """The lines of ``ventricle_calibration.tsv``; nothing where the truth is unknown."""
    path = evaluate / "interpolation" / "ventricle_calibration.tsv"
    table = read_tsv(path) if path.is_file() else pd.DataFrame()
    if table.empty:
        return None
    lines = [
        f"{row.slope:.2f} × measured {MINUS if row.offset < 0 else '+'} {abs(row.offset):.1f} ml for "
        f"{KINDS[row.volumes].format(scans=row.scans)}, r = {row.r:.2f})"
        for row in table.itertuples(index=False)
    ]
    return f"Ventricles by kind: {'; '.join(lines)}. No test scan is in the fit."
