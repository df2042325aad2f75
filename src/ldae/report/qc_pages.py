"""``results/qc``: the pages on which a person looks at every scan and says which are to be left out.

One file, ``index.html``, holds the numbers of all scans and works from a folder, without a network; pictures lie beside
it. They are scans of people: the folder is private, and nothing of it is in ``results/public``.
"""

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.config import Preprocessing, Registration
from ldae.core.batches import track
from ldae.core.files import read_json, read_tsv, write_text
from ldae.core.keys import KEY, KEY_TYPES
from ldae.preprocessing.cohort_quality import FEWEST_FOR_OUTLIERS, METRICS, robust_spread
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import ScanFiles, sidecar
from ldae.preprocessing.description import MEANING
from ldae.preprocessing.one_scan import ROW, claim_of
from ldae.preprocessing.pictures import BLOCK, BLOCKS, Scan, draw_scan, draw_template
from ldae.preprocessing.pool import run_isolated
from ldae.preprocessing.quality import LIMITS
from ldae.preprocessing.registration_template import template_of
from ldae.preprocessing.review import Review

STEPS = 20
PRELOAD = ["ldae.preprocessing.pictures"]
SHOWN = (
    "brain_ml",
    "dice_template",
    "ncc_template",
    "grey_white",
    "determinant",
    "noise",
    "cut_head_cm2",
    "bias_range",
    "ncc_mean_slice",
)
OF_GIVEN = ("ncc_mean_slice",)


@dataclass(frozen=True)
class Places:
    """Where the pages find what they show.

    Attributes:
        raw: the dataset whose ``t1w`` the manifest names.
        derivatives: of the preprocessing; of volumes that came as they are, the folder that holds them.
        out: ``results/qc``.
        given: the volumes came as they are (``source: csv``): there is no scan, no mask and no registration to show.
        alone: the scans came one by one (``ldae preprocess``): no workflow reads what is rated.
    """

    raw: Path
    derivatives: Path
    out: Path
    given: bool = False
    alone: bool = False


def write_qc_pages(
    scans: pd.DataFrame, qc: pd.DataFrame, places: Places, settings: Preprocessing, review: Review, workers: int = 1
) -> None:
    """Draw what is not drawn yet, and write ``index.html``.

    Args:
        scans: scans.tsv; qc: qc.tsv.
        review: the scans that are excluded already (``qc.exclude``), which the pages show as rated.
        workers: scans side by side.
    """
    pictures = places.out / "pictures"
    template = template_of(settings.registration)
    draw_template(pictures, template, settings.conform.shape, grid_affine(settings.conform))
    paths = dict(zip(zip(scans["participant_id"], scans["session_id"], strict=True), scans["t1w"], strict=True))
    rows = qc.to_dict("records")
    items = [drawing_of(row, paths.get((row["participant_id"], row["session_id"])), places, settings) for row in rows]
    remove_strangers(pictures, items)
    work = partial(draw_work, settings.registration)
    ends = run_isolated(work, items, workers, settings.scans_per_worker, PRELOAD, [places.out])
    records: list[dict[str, Any]] = [{} for _ in rows]
    for position, outcome in track(ends, "qc_pages", total=len(rows)):
        records[position] = {"why": outcome.reason} if outcome.reason else outcome.value
    write_index(places.out / "index.html", qc, records, settings, review, places.alone)


def write_pages_of_folder(root: Path, settings: Preprocessing) -> Path:
    """The same pages, ``root/qc``, of the scans that ``ldae preprocess`` has put into a folder.

    A scan that was given as a DICOM series, or whose file has gone, is shown as N4 has left it.

    Returns:
        The page.
    """
    tables = sorted(root.glob(f"sub-*/ses-*/anat/*{ROW}"))
    qc = pd.concat([read_tsv(table, dtype=KEY_TYPES) for table in tables], ignore_index=True)
    costly = {"none": [], "fail": ["fail"], "warn": ["warn", "fail"]}[settings.quality.quarantine]
    lost = qc["qc"].isin(costly)
    qc = qc.assign(state=np.where(lost, "quarantined", "done"), reason=qc["qc_reason"].where(lost))
    shown = []
    for row in qc.to_dict("records"):
        files = ScanFiles(root, row["participant_id"], row["session_id"])
        known = claim_of(files)
        source = Path(read_json(known)["source"]) if known.is_file() else root
        shown.append(str(source if source.is_file() else files.corrected.resolve()))
    places = Places(raw=root, derivatives=root, out=root / "qc", alone=True)
    write_qc_pages(qc[KEY].assign(t1w=shown), qc, places, settings, {})
    return places.out / "index.html"


def drawing_of(row: dict[str, Any], t1w: str | None, places: Places, settings: Preprocessing) -> Scan:
    """The files that the pictures of a scan (a row of qc.tsv) are made from."""
    files = ScanFiles(places.derivatives, row["participant_id"], row["session_id"])
    volume = files.root / row["path"] if isinstance(row["path"], str) else None
    if places.given:
        return given_drawing(row, volume, places, settings)
    inside = None
    if volume is not None:
        inside = volume.with_name(volume.name.replace("_desc-preproc_T1w", "_desc-brain_mask"))
    source = places.raw / t1w if isinstance(t1w, str) else None
    return Scan(
        participant_id=files.participant_id,
        session_id=files.session_id,
        t1w=source,
        content=content_of_source(files, source),
        mask=files.mask,
        volume=volume,
        volume_mask=inside,
        sheet=sheet_of(files, places),
        orientation=settings.orientation,
        min_slices=settings.min_slices,
    )


def given_drawing(row: dict[str, Any], volume: Path | None, places: Places, settings: Preprocessing) -> Scan:
    """The same of a volume that came as it is."""
    files = ScanFiles(places.derivatives, row["participant_id"], row["session_id"])
    return Scan(
        participant_id=files.participant_id,
        session_id=files.session_id,
        t1w=None,
        content=row["sha256"] if volume else None,
        mask=None,
        volume=volume,
        volume_mask=None,
        sheet=sheet_of(files, places),
        given=settings.conform,
    )


def sheet_of(files: ScanFiles, places: Places) -> Path:
    """The large picture of a scan."""
    return places.out / "pictures" / files.participant_id / f"{files.stem}.webp"


def content_of_source(files: ScanFiles, source: Path | None) -> str | None:
    """What stands for the scan as it came: the digest that its preprocessing noted, else size and time."""
    if sidecar(files.corrected).is_file():
        return read_json(sidecar(files.corrected))["inputs"]["t1w"]
    if source is None or not source.is_file():
        return None
    return f"{source.stat().st_size} {source.stat().st_mtime_ns}"


def draw_work(registration: Registration, scan: Scan) -> dict[str, Any]:
    """The pictures of one scan, in a worker process."""
    return draw_scan(scan, template_of(registration))


def remove_strangers(pictures: Path, items: Sequence[Scan]) -> None:
    """Pictures of subjects that left the cohort: nobody would look for them there."""
    ours = {item.participant_id for item in items}
    for folder in pictures.glob("sub-*"):
        if folder.is_dir() and folder.name not in ours:
            shutil.rmtree(folder)


def write_index(
    out: Path,
    qc: pd.DataFrame,
    records: Sequence[dict[str, Any]],
    settings: Preprocessing,
    review: Review,
    alone: bool = False,
) -> None:
    """The page itself, with style, program and data inside.

    Args:
        qc: rows of qc.tsv.
        records: of :func:`ldae.preprocessing.pictures.draw_scan`, row by row; ``why`` where nothing could be drawn.
        alone: as :class:`Places` has it.
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    data = json.dumps(page_data(qc, records, settings, review), separators=(",", ":"), allow_nan=False)
    page = environment.get_template("qc.html.j2").render(
        scans=len(qc),
        block=BLOCK,
        alone=alone,
        data=Markup(data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")),
    )
    write_text(out, page)


def page_data(
    qc: pd.DataFrame, records: Sequence[dict[str, Any]], settings: Preprocessing, review: Review
) -> dict[str, Any]:
    """All that the page knows: columns over the scans, what is usual, and what the metrics mean."""
    limits = {**LIMITS, **settings.quality.limits}
    known = [name for name in (*METRICS, *OF_GIVEN) if name in qc and qc[name].notna().any()]
    metrics = [*(name for name in SHOWN if name in known), *(name for name in known if name not in SHOWN)]
    return {
        "keys": [list(qc[name].astype(str)) for name in KEY],
        "lost": [int(state == "quarantined") for state in qc["state"]],
        "qc": words(qc["qc"]),
        "why": [reason or why or "" for reason, why in zip(words(qc["reason"]), words(qc["qc_reason"]), strict=True)],
        "blocks": [sum(1 << BLOCKS.index(name) for name in record.get("blocks", ())) for record in records],
        "undrawn": {place: record["why"] for place, record in enumerate(records) if "why" in record},
        "values": [rounded(qc[name]) for name in metrics],
        "metrics": [described(name, qc[name], limits.get(name)) for name in metrics],
        "outlier": settings.quality.outlier_z,
        "excluded": [[*name, reason] for name, reason in sorted(review.items())],
        **histograms([record.get("histogram") or [] for record in records]),
    }


def words(column: pd.Series) -> list[str | None]:
    """The cells of a column of text; None where there is none."""
    return [cell if isinstance(cell, str) else None for cell in column]


def rounded(column: pd.Series) -> list[float | None]:
    """Four significant digits, None for what was not measured."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in column.astype(float)]


def described(name: str, column: pd.Series, limits: Sequence[float | None] | None) -> dict[str, Any]:
    """A metric: what it means, its limits, and what is usual in the cohort (no spread where the scans are few)."""
    values = column.astype(float).dropna()
    spread = robust_spread(values) if len(values) >= FEWEST_FOR_OUTLIERS else 0.0
    meaning, unit = MEANING[name]
    return {
        "name": name,
        "meaning": meaning + (f" ({unit})" if unit else ""),
        "limits": list(limits or (None,) * 4),
        "median": float(f"{values.median():.4g}"),
        "spread": float(f"{spread:.4g}"),
        "shown": name in SHOWN,
    }


def histograms(counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Densities by scan (1: as many as an even spread had), a byte a bin in steps of 1 / :data:`STEPS`, as base64; and
    their 5th, 50th and 95th percentile over the scans."""
    known = {place: np.asarray(row, float) * len(row) / sum(row) for place, row in enumerate(counts) if sum(row)}
    usual = np.percentile(list(known.values()), [5, 50, 95], axis=0).round(3).tolist() if known else []
    packed = {place: np.minimum(np.rint(row * STEPS), 255).astype(np.uint8).tobytes() for place, row in known.items()}
    texts = [base64.b64encode(packed.get(place, b"")).decode("ascii") for place in range(len(counts))]
    return {"histograms": texts, "usual": usual, "steps": STEPS}


def read_tables(scans: Path, qc: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """scans.tsv and qc.tsv, names as text."""
    return read_tsv(scans, dtype=KEY_TYPES), read_tsv(qc, dtype=KEY_TYPES)
