"""Cohorts for the pages of quality control: numbers of many scans, with the traits that a page has to survive."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ldae.config import Preprocessing, Quality
from ldae.preprocessing.cohort_quality import METRICS, judge
from ldae.preprocessing.pictures import BINS, BLOCK, BLOCKS, THUMB, save_webp
from ldae.preprocessing.review import Review
from ldae.report.qc_pages import write_index

USUAL = {  # metric -> (typical value, spread)
    "bias_range": (1.3, 0.1),
    "brain_ml": (1400, 120),
    "noise": (0.02, 0.004),
    "noise_brain": (0.03, 0.004),
    "detail": (0.5, 0.04),
    "ghost": (0.1, 0.03),
    "dice_template": (0.96, 0.005),
    "ncc_template": (0.6, 0.03),
    "determinant": (1.3, 0.08),
    "shear": (0.02, 0.003),
    "stretch": (1.1, 0.03),
    "turn": (12, 5),
    "grey_white": (0.72, 0.03),
    "fluid_white": (0.35, 0.04),
    "range_used": (0.7, 0.05),
    "volume_ratio": (1.04, 0.02),
    "enhanced": (0.0, 0.0),
}
SETTINGS = Preprocessing(shards=1)
NASTY = '</script><img src=x onerror="window.hit=1">\u2028 "quoted" & \'single\''


def cohort(size: int, lost: int = 0) -> pd.DataFrame:
    """qc.tsv of ``size`` scans of three visits each; the last ``lost`` of them never came to a verdict."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {name: USUAL.get(name, (0, 0))[0] + rng.normal(0, 1, size) * USUAL.get(name, (0, 0))[1] for name in METRICS}
    )
    table[["dice_affine", "ncc_affine"]] = np.nan
    table.insert(0, "participant_id", [f"sub-{place // 3:04d}" for place in range(size)])
    table.insert(1, "session_id", [f"ses-M{12 * (place % 3):03d}" for place in range(size)])
    table = table.assign(state="done", reason=None, path="x", sha256="0", qc=None, qc_reason=None)
    table = judge(table, Quality()) if 0 < size < 1000 else table.assign(qc="pass")  # row by row: seconds
    gone = table.index[size - lost :]
    table = table.astype({"reason": object, "qc": object})
    table.loc[gone, METRICS] = np.nan
    table.loc[gone, ["state", "reason", "qc", "qc_reason", "path"]] = [
        "quarantined",
        "earlier: unreadable",
        None,
        None,
        None,
    ]
    return table


def page_of(folder: Path, table: pd.DataFrame, review: Review | None = None, pictures: bool = True) -> Path:
    """index.html of the cohort, with grey pictures of the scans that came to a verdict."""
    drawn = table["qc"].notna()
    histogram = np.bincount(np.arange(2000) % BINS, minlength=BINS).tolist()
    record = {"blocks": [*BLOCKS] if pictures else [], "histogram": histogram}
    records = [record if there else {"why": "unreadable"} for there in drawn]
    if pictures:
        sheet = np.repeat(np.array([60, 120, 180], np.uint8), BLOCK)[:, None].repeat(BLOCK, 1)
        for row in table[drawn].itertuples():
            stem = folder / "pictures" / row.participant_id / f"{row.participant_id}_{row.session_id}"
            save_webp(stem.with_name(f"{stem.name}.webp"), np.asarray(Image.fromarray(sheet).convert("RGB")))
            save_webp(stem.with_name(f"{stem.name}_thumb.webp"), np.full((THUMB, 3 * THUMB, 3), 90, np.uint8))
        save_webp(folder / "pictures/template.webp", np.full((BLOCK, BLOCK, 3), 240, np.uint8))
        save_webp(folder / "pictures/contour.webp", np.zeros((BLOCK, BLOCK, 4), np.uint8), lossless=True)
    write_index(folder / "index.html", table, records, SETTINGS, review or {})
    return folder / "index.html"
