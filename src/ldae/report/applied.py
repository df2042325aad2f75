"""The pages of `ldae apply`: one of all scans, and one of each."""

import base64
import io
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.core.files import write_text
from ldae.core.folders import alone_in
from ldae.inference.answers import COLUMNS, NOTE
from ldae.inference.apply import Request, answered_before, targets, volume_path
from ldae.inference.discriminant import Plane
from ldae.inference.model import LDAE
from ldae.preprocessing.derivatives import ScanFiles

DIFFERENCE = 0.25  # intensity at the ends of the colours
SHOWN = ("status", "probability_ad", "age", "age_low", "age_high", "percentile", "qc")


def write_pages(model: LDAE, answers: pd.DataFrame, out: Path, request: Request) -> None:
    """``index.html`` and, unless codes alone were asked for, ``sub-X_ses-Y.html`` of every scan into ``out``.

    The index shows what was answered in this folder before, too (:func:`ldae.inference.apply.answered_before`).
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    rows = [spelled(answer) for answer in answers.to_dict("records")]
    linked = not request.codes_only
    page = environment.get_template("applied.html.j2")
    common = {
        "note": NOTE,
        "digest": model.digest,
        "phantom": model.facts.recipe.phantom,
        "columns": COLUMNS,
        "plane": None,
    }
    with alone_in(out):  # as for the tables
        before = answered_before(model, out, request, {row["name"] for row in rows})
        everyone = rows + [spelled(answer) for answer in before]
        index = page.render(**common, rows=everyone, shown=SHOWN, linked=linked, pictures=[], one=None)
        write_text(out / "index.html", index)
    for row, answer in zip(rows, answers.to_dict("records"), strict=True):
        if linked:
            drawn = plane_of(model.facts.reference.plane, answer)
            pictures = [] if answer["status"] == "refused" else pictures_of(model, answer, out, request)
            text = page.render(
                **common | {"plane": drawn}, rows=[], shown=SHOWN, linked=linked, pictures=pictures, one=row
            )
            write_text(out / f"{row['name']}.html", text)


def spelled(answer: dict[str, Any]) -> dict[str, str]:
    """An answer as words: numbers with three digits, what is missing as n/a."""

    def word(value: Any) -> str:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return "n/a"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    words = {name: word(answer.get(name)) for name in COLUMNS}
    return words | {"name": f"{answer['participant_id']}_{answer['session_id']}"}


def pictures_of(model: LDAE, answer: dict[str, Any], out: Path, request: Request) -> list[tuple[str, Markup]]:
    """Caption and source of every picture: quality control, the scan decoded, its counterfactuals, what they change."""
    files = ScanFiles(out, answer["participant_id"], answer["session_id"])
    found = []
    if files.picture.is_file():
        found.append(
            ("Quality control: the scan with its brain mask, and in MNI space", data_uri(files.picture.read_bytes()))
        )
    kinds = {"reconstruction": "The scan, encoded and decoded again (made by the model)"}
    for name, probability in targets(model.facts, request).items():
        kinds[name] = f"Moved to a probability of AD of {probability:g} (made by the model)"
        kinds[f"{name}difference"] = f"What that changes; red brighter, blue darker, ends at {DIFFERENCE:g}"
    for kind, caption in kinds.items():
        path = volume_path(files, model.facts, kind)
        volume = np.asarray(nib.Nifti1Image.from_filename(path).dataobj, dtype=np.float32)
        found.append((caption, picture(volume, kind.endswith("difference"))))
    return found


def plane_of(plane: Plane | None, answer: dict[str, Any]) -> dict[str, Any] | None:
    """The plane of Figure 5 as numbers for the drawing: an ellipse of two standard deviations for every diagnosis, and
    this scan. Nothing where the model has no plane, or the scan no place in it."""
    x, y = answer.get("plane_x"), answer.get("plane_y")
    if plane is None or x is None or y is None or not np.isfinite([x, y]).all():
        return None
    clouds: list[dict[str, Any]] = []
    for name, cloud in plane.clouds.items():
        values, vectors = np.linalg.eigh(cloud.covariance)
        long, short = 2 * np.sqrt(values[::-1].clip(min=0))
        angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
        place = {"x": float(cloud.mean[0]), "y": float(cloud.mean[1]), "angle": angle}
        clouds.append(place | {"name": name, "long": float(long), "short": float(short), "subjects": cloud.subjects})
    reach = [*(one["x"] + side * one["long"] for one in clouds for side in (-1, 1)), x]
    rise = [*(one["y"] + side * one["long"] for one in clouds for side in (-1, 1)), y]
    left, right, bottom, top = min(reach) - 0.5, max(reach) + 0.5, min(rise) - 0.5, max(rise) + 0.5
    box = {"left": left, "width": right - left, "top": -top, "height": top - bottom}
    return {"clouds": clouds, "x": x, "y": y, **box, "unit": max(right - left, top - bottom) / 100}


def picture(volume: np.ndarray, difference: bool) -> Markup:
    """Axial, coronal and sagittal middle slices, the subject's right on the left."""
    from PIL import Image

    size = max(volume.shape)
    tiles = []
    for axis in (2, 1, 0):
        plane = np.take(volume, volume.shape[axis] // 2, axis=axis).T[::-1, ::-1]
        tile = np.zeros((size, size), np.float32)
        top, left = ((size - length) // 2 for length in plane.shape)
        tile[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
        tiles.append(tile)
    row = np.concatenate(tiles, axis=1)
    if difference:
        strength = np.clip(row / DIFFERENCE, -1, 1)
        colours = [1 - np.clip(-strength, 0, 1), 1 - np.abs(strength), 1 - np.clip(strength, 0, 1)]
        pixels = np.rint(255 * np.stack(colours, axis=-1)).astype(np.uint8)
    else:
        pixels = np.rint(255 * np.clip(row, 0, 1)).astype(np.uint8)
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    image.resize((image.width * 4, image.height * 4) if size < 100 else image.size).save(stream, format="PNG")
    return data_uri(stream.getvalue())


def data_uri(content: bytes) -> Markup:
    """A PNG inside a page."""
    return Markup(f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}")
