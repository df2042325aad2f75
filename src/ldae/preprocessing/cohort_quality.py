"""Quality control of the whole cohort: one table, outliers among the scans themselves, the worst ones as a picture."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Quality
from ldae.core.batches import batches
from ldae.core.errors import UserError, require_own_reasons
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keys import KEY
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.description import describe_dataset, describe_products
from ldae.preprocessing.quality import LIMITS, save_rows, verdict
from ldae.preprocessing.review import exclude_reviewed, read_review

OF_BIAS_FIELD = ["bias_range", "filled", "offset"]
OF_BRAIN = ["brain_ml", "stripped", "noise", "noise_brain", "detail", "ghost", "saturated"]
OF_BRAIN += ["jump", "cut_cm2", "cut_head_cm2", "folded"]
OF_ALIGNMENT = ["dice_template", "ncc_template", "dice_affine", "ncc_affine"]
OF_ALIGNMENT += ["determinant", "shear", "stretch", "turn", "volume_ratio"]
OF_REGISTRATION = [*OF_ALIGNMENT, "grey_white", "fluid_white", "uneven", "enhanced", "edge_fraction"]
OF_REGISTRATION += ["clipped", "range_used"]
METRICS = [*OF_BIAS_FIELD, *OF_BRAIN, *OF_REGISTRATION]
# zero in most scans, or 1: no spread to speak of
COUNTED = ["filled", "offset", "stripped", "cut_cm2", "cut_head_cm2", "saturated", "clipped", "edge_fraction"]
COUNTED += ["enhanced", "jump", "folded"]
FEWEST_FOR_OUTLIERS, WORST = 20, 8


def qc_scans(
    bias_field: list[Path],
    brain: list[Path],
    register: list[Path],
    settings: Quality,
    derivatives: Path,
    out: Path,
    mosaic: Path,
    review: Path | None = None,
    raw: Path | None = None,
) -> None:
    """Write ``qc.tsv`` (one row per scan: metrics, ``qc`` pass | warn | fail, ``qc_reason``) and the mosaic.

    ``state`` is ``done`` only for scans that passed every step, whose flag costs them nothing and whom no reviewer has
    excluded.

    Args:
        review: the reviewer's table (``qc.exclude``).
        raw: BIDS dataset of the scans, which the description of the derivatives names.
    """
    table = read_statuses(register).reindex(columns=[*KEY, "state", "reason", "path", "sha256", *OF_REGISTRATION])
    for statuses, metrics in ((bias_field, OF_BIAS_FIELD), (brain, OF_BRAIN)):
        table = table.merge(read_statuses(statuses).reindex(columns=[*KEY, *metrics]), on=KEY, how="left")
    table = exclude_reviewed(judge(table, settings), read_review(review))
    write_tsv(out, table[[*KEY, "state", "reason", "path", "sha256", "qc", "qc_reason", *METRICS]])
    write_tsv(out.with_name("exclusions.tsv"), table.loc[table["state"] == "quarantined", [*KEY, "reason"]])
    draw_worst(table, derivatives, mosaic)
    describe_dataset(derivatives, raw)
    describe_products(derivatives, (path.name for path in derivatives.glob("sub-*/**/*.nii.gz")))


def judge(table: pd.DataFrame, settings: Quality) -> pd.DataFrame:
    """Flags, outliers, and what they cost.

    Raises:
        UserError: the configuration limits a metric that does not exist.
    """
    if unknown := set(settings.limits) - set(LIMITS):
        raise UserError(f"preprocessing.quality.limits names {', '.join(sorted(unknown))}; known: {', '.join(LIMITS)}.")
    table = table.sort_values(KEY, ignore_index=True).astype({"reason": object}).assign(qc=None, qc_reason=None)
    for row in table.index[table["state"] == "done"]:
        flag, reason = verdict(table.loc[row], settings.limits)
        table.loc[row, ["qc", "qc_reason"]] = [flag, reason or None]
    table = flag_outliers(table, settings)
    costly = {"none": [], "fail": ["fail"], "warn": ["warn", "fail"]}[settings.quarantine]
    lost = (table["state"] == "done") & table["qc"].isin(costly)
    table.loc[lost, "reason"] = "quality control: " + table.loc[lost, "qc_reason"].astype(str)
    table.loc[lost, "state"] = "quarantined"
    return table


def read_statuses(paths: list[Path]) -> pd.DataFrame:
    """The status tables of all shards of a step as one.

    Raises:
        UserError: a table of an earlier version blames a scan for an error of the machine.
    """
    tables = [read_tsv(path) for path in paths]
    for table in tables:
        require_own_reasons(table.get("reason", ()))
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def flag_outliers(table: pd.DataFrame, settings: Quality) -> pd.DataFrame:
    """Flag a ``pass`` where a metric lies more than ``outlier_z`` robust standard deviations from the median."""
    done = table["state"] == "done"
    if done.sum() < FEWEST_FOR_OUTLIERS:
        return table
    table = table.copy()
    for metric in [metric for metric in METRICS if metric in table and metric not in COUNTED]:
        values = table.loc[done, metric].astype(float)
        if values.isna().all():
            continue
        spread = robust_spread(values)
        if spread > 0:
            far = ((values - values.median()).abs() / spread > settings.outlier_z) & (table.loc[done, "qc"] == "pass")
            table.loc[far.index[far], "qc"] = settings.outliers
            table.loc[far.index[far], "qc_reason"] = [
                f"{metric} {value:.3g} is far from the cohort's median, {values.median():.3g}: look at its picture"
                for value in values[far.index[far]]
            ]
    return table


def robust_spread(values: pd.Series) -> float:
    """Standard deviation of a normal distribution with the median absolute deviation of the values."""
    return float(1.4826 * (values - values.median()).abs().median())


def draw_worst(table: pd.DataFrame, derivatives: Path, out: Path) -> None:
    """The pictures of the scans with the lowest correlation to the template, worst first."""
    from PIL import Image

    worst = table.dropna(subset=["ncc_template"]).sort_values(["ncc_template", *KEY])[:WORST]
    pictures = [ScanFiles(derivatives, row["participant_id"], row["session_id"]).picture for _, row in worst.iterrows()]
    sheets = [np.asarray(Image.open(picture)) for picture in pictures if picture.is_file()]
    if not sheets:
        sheets = [np.zeros((40, 120, 3), np.uint8)]
    height, width = (max(sheet.shape[axis] for sheet in sheets) for axis in (0, 1))
    padded = [np.pad(s, ((0, height - s.shape[0]), (0, width - s.shape[1] + 12), (0, 0))) for s in sheets]
    save_rows([np.concatenate(row, axis=1) for row in batches(padded, 4)], out)
