"""Quality control of the whole cohort: one table, outliers among the scans themselves, the worst ones as a picture."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.files import read_tsv, write_tsv
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.quality import save_rows

KEYS = ["participant_id", "session_id"]
METRICS = [
    "bias_range",
    "brain_ml",
    "dice_template",
    "ncc_template",
    "determinant",
    "shear",
    "edge_fraction",
    "clipped",
]
OUTLIER_Z, FEWEST_FOR_OUTLIERS, WORST = 5.0, 20, 8


def qc_scans(bias_field: list[Path], register: list[Path], derivatives: Path, out: Path, mosaic: Path) -> None:
    """Write ``qc.tsv`` (one row per scan: metrics, ``qc`` pass | warn | fail, ``qc_reason``) and the mosaic.

    ``state`` is ``done`` only for scans that passed every step and did not fail quality control.
    """
    table = read_statuses(register)
    first = read_statuses(bias_field)
    table = table.merge(first.reindex(columns=[*KEYS, "bias_range"]), on=KEYS, how="left")
    table = table.reindex(columns=[*KEYS, "state", "reason", "path", "sha256", "qc", "qc_reason", *METRICS])
    table = flag_outliers(table.astype(dict.fromkeys(("reason", "qc", "qc_reason"), object)))
    failed = (table["state"] == "done") & (table["qc"] == "fail")
    table.loc[failed, "reason"] = "quality control: " + table.loc[failed, "qc_reason"].fillna("")
    table.loc[failed, "state"] = "quarantined"
    write_tsv(out, table.sort_values(KEYS, ignore_index=True))
    draw_worst(table, derivatives, mosaic)


def read_statuses(paths: list[Path]) -> pd.DataFrame:
    tables = [read_tsv(path) for path in paths]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def flag_outliers(table: pd.DataFrame) -> pd.DataFrame:
    """Turn a ``pass`` into a ``warn`` where a metric lies more than 5 robust standard deviations from the median."""
    done = table["state"] == "done"
    if done.sum() < FEWEST_FOR_OUTLIERS:
        return table
    table = table.copy()
    for metric in METRICS:
        values = table.loc[done, metric].astype(float)
        spread = 1.4826 * (values - values.median()).abs().median()
        if spread > 0:
            far = ((values - values.median()).abs() / spread > OUTLIER_Z) & (table.loc[done, "qc"] == "pass")
            table.loc[far.index[far], "qc"] = "warn"
            table.loc[far.index[far], "qc_reason"] = f"{metric} far from the cohort's median"
    return table


def draw_worst(table: pd.DataFrame, derivatives: Path, out: Path) -> None:
    """The pictures of the scans with the lowest correlation to the template, worst first."""
    from PIL import Image

    worst = table.dropna(subset=["ncc_template"]).sort_values(["ncc_template", *KEYS])[:WORST]
    pictures = [ScanFiles(derivatives, row["participant_id"], row["session_id"]).picture for _, row in worst.iterrows()]
    sheets = [np.asarray(Image.open(picture)) for picture in pictures if picture.is_file()]
    if not sheets:
        sheets = [np.zeros((40, 120, 3), np.uint8)]
    height, width = (max(sheet.shape[axis] for sheet in sheets) for axis in (0, 1))
    padded = [np.pad(s, ((0, height - s.shape[0]), (0, width - s.shape[1] + 12), (0, 0))) for s in sheets]
    save_rows([np.concatenate(padded[first : first + 4], axis=1) for first in range(0, len(padded), 4)], out)
