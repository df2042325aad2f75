"""The pages of quality control without a browser: their data, and what is drawn, kept and made again."""

import base64
import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from qc_cohort import NASTY, SETTINGS, cohort, page_of

from ldae.config import Preprocessing
from ldae.core.files import read_tsv, write_json, write_tsv
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import ScanFiles, sidecar
from ldae.preprocessing.given_volumes import check_volumes
from ldae.preprocessing.quality import on_grid
from ldae.preprocessing.registration_template import SPACE, load_template
from ldae.report.qc_pages import STEPS, Places, page_data, write_qc_pages

SMALL = Preprocessing(
    shards=1, conform={"shape": (48, 56, 48), "spacing_mm": 3.5, "centre_mm": (0, -17, 5)}, min_slices=12
)


def data_of(page) -> dict:
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    return json.loads(found)


def test_the_page_holds_the_numbers_of_the_table(tmp_path):
    table = cohort(30, lost=2)
    table.loc[3, ["qc", "qc_reason"]] = ["warn", NASTY]
    data = data_of(page_of(tmp_path, table, {("sub-0001", "ses-M000"): NASTY}, pictures=False))
    assert data["keys"] == [table["participant_id"].tolist(), table["session_id"].tolist()]
    assert data["lost"] == [0] * 28 + [1, 1] and data["qc"][3] == "warn" and data["qc"][28:] == [None, None]
    assert (
        data["why"][3] == NASTY and data["why"][29] == "earlier: unreadable" and data["undrawn"]["29"] == "unreadable"
    )
    assert data["excluded"] == [["sub-0001", "ses-M000", NASTY]]
    names = [metric["name"] for metric in data["metrics"]]
    assert "dice_affine" not in names and "ncc_template" in names  # nobody has the first
    values = table["ncc_template"].dropna()
    (metric,) = (each for each in data["metrics"] if each["name"] == "ncc_template")
    assert metric["median"] == pytest.approx(values.median(), rel=1e-3)
    assert metric["spread"] == pytest.approx(1.4826 * (values - values.median()).abs().median(), rel=1e-3)
    assert metric["limits"] == [0.3, 0.45, None, None] and metric["meaning"]
    assert data["values"][names.index("ncc_template")][28:] == [None, None]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "qc: {exclude: qc_exclude.tsv}" in text and "by itself" not in text
    assert NASTY[:20] not in text and "\u2028" not in text
    assert not re.search(r"""(src|href)=["'](?!data:,|#)""", text) and "http" not in text.replace(
        "http://www.w3.org/2000/svg", ""
    )


def test_few_scans_have_no_robust_z_and_limits_of_the_configuration_are_shown():
    table = cohort(19)
    limits = {"noise": (None, None, 0.5, None)}
    settings = SETTINGS.model_copy(update={"quality": SETTINGS.quality.model_copy(update={"limits": limits})})
    data = page_data(table, [{}] * 19, settings, {})
    assert {metric["spread"] for metric in data["metrics"]} == {0.0}
    assert next(metric["limits"] for metric in data["metrics"] if metric["name"] == "noise") == [None, None, 0.5, None]
    assert data["usual"] == [] and set(data["histograms"]) == {""}


def test_histograms_are_densities_beside_those_of_the_cohort():
    counts = [[10, 30], [20, 20], [0, 8000]]
    data = page_data(cohort(3), [{"histogram": row} for row in counts], SETTINGS, {})
    densities = [[byte / STEPS for byte in base64.b64decode(text)] for text in data["histograms"]]
    assert densities == [[0.5, 1.5], [1, 1], [0, 2]]
    assert data["usual"][1] == [0.5, 1.5]  # the medians


@pytest.fixture
def prepared(tmp_path) -> tuple[pd.DataFrame, pd.DataFrame, Places]:
    """Two scans as the chain leaves them, one whose file is cut short, and one that was lost at once."""
    raw, root = tmp_path / "bids", tmp_path / "derivatives"
    affine = grid_affine(SMALL.conform)
    brain, inside = on_grid(load_template(), SMALL.conform.shape, tuple(affine.ravel()))
    rows = []
    for subject in ("sub-A", "sub-B", "sub-C", "sub-D"):
        t1w, files = f"{subject}/anat/{subject}_T1w.nii.gz", ScanFiles(root, subject, "ses-M000")
        row = {"participant_id": subject, "session_id": "ses-M000", "t1w": t1w, "state": "done", "qc": "pass"}
        (raw / t1w).parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(brain.astype(np.float32) + 1, affine), raw / t1w)
        if subject == "sub-D":
            (raw / t1w).write_bytes((raw / t1w).read_bytes()[:5000])
            rows.append(row | {"state": "quarantined", "reason": "unreadable", "qc": None})
            continue
        volume = files.volume(SPACE, 3.5)
        volume.parent.mkdir(parents=True)
        for path, content in (
            (files.mask, inside),
            (volume, brain / brain.max()),
            (files.template_mask(SPACE, 3.5), inside),
        ):
            nib.save(nib.Nifti1Image(content.astype(np.float32), affine), path)
            write_json(sidecar(path), {"sha256": path.name})
        rows.append(row | {"path": volume.relative_to(root).as_posix()})
    table = pd.DataFrame(rows).reindex(columns=[*rows[0], "reason"]).assign(qc_reason=None, ncc_template=0.6)
    return table[["participant_id", "session_id", "t1w"]], table.drop(columns="t1w"), Places(raw, root, tmp_path / "qc")


def test_every_scan_is_drawn_once_and_the_page_says_of_whom_there_is_no_picture(prepared):
    scans, qc, places = prepared
    write_qc_pages(scans, qc, places, SMALL, {})
    data = data_of(places.out / "index.html")
    assert data["blocks"] == [7, 7, 7, 0] and list(data["undrawn"]) == ["3"]
    pictures = places.out / "pictures"
    assert {path.name for path in pictures.iterdir()} == {"sub-A", "sub-B", "sub-C", "template.webp", "contour.webp"}
    sheets = sorted(pictures.glob("*/*ses-M000.webp"))
    assert len(sheets) == 3
    times = [sheet.stat().st_mtime_ns for sheet in sheets]
    page = (places.out / "index.html").read_bytes()
    sheets[1].unlink()  # as after a kill
    write_qc_pages(scans, qc, places, SMALL, {})
    assert [sheet.stat().st_mtime_ns for sheet in sheets[::2]] == times[::2] and sheets[1].is_file()
    assert (places.out / "index.html").read_bytes() == page
    write_qc_pages(scans[:2], qc[:2], places, SMALL, {})  # the others left the cohort
    assert sorted(path.name for path in pictures.glob("sub-*")) == ["sub-A", "sub-B"]
    (places.raw / "sub-A/anat/sub-A_T1w.nii.gz").unlink()  # a user may take away what is preprocessed
    write_json(sidecar(places.derivatives / qc["path"][0]), {"sha256": "another"})
    write_qc_pages(scans[:2], qc[:2], places, SMALL, {})
    assert data_of(places.out / "index.html")["blocks"] == [4, 7]


def test_a_cohort_of_nobody_has_a_page(prepared):
    scans, qc, places = prepared
    write_qc_pages(scans[:0], qc[:0], places, SMALL, {})
    assert data_of(places.out / "index.html")["keys"] == [[], []]


def test_volumes_that_came_as_they_are_have_pages_too(tmp_path):
    """Source csv: volumes of two scales and on two grids, one unreadable, one excluded by a reviewer."""
    affine, root = grid_affine(SMALL.conform), tmp_path / "theirs"
    brain = on_grid(load_template(), SMALL.conform.shape, tuple(affine.ravel()))[0] / 255
    finer = load_template().brain
    root.mkdir()
    for name, image in (
        ("a", nib.Nifti1Image(brain.astype(np.float32), affine)),
        ("b", nib.Nifti1Image((brain * 1000).astype(np.float32), affine)),
        ("c", finer),
        ("d", nib.Nifti1Image(brain.astype(np.float32), affine)),
    ):
        nib.save(image, root / f"{name}.nii.gz")
    write_json(root / "a.json", {"sha256": "of something else"})  # a sidecar that is none of ours
    (root / "d.nii.gz").write_bytes((root / "d.nii.gz").read_bytes()[:3000])
    scans = pd.DataFrame(
        {"participant_id": [f"sub-{name}" for name in "abcd"], "session_id": "ses-M000", "status": "included"}
    ).assign(t1w=[f"{name}.nii.gz" for name in "abcd"])
    write_tsv(
        tmp_path / "review.tsv",
        pd.DataFrame([["sub-b", "ses-M000", "motion"]], columns=["participant_id", "session_id", "reason"]),
    )

    def look():
        qc = tmp_path / "qc.tsv"
        check_volumes(scans, root, SMALL.conform, True, 0.5, qc, tmp_path / "m.png", tmp_path / "review.tsv")
        places = Places(root, root, tmp_path / "qc", given=True)
        write_qc_pages(scans, read_tsv(qc), places, SMALL, {("sub-b", "ses-M000"): "motion"})
        return data_of(tmp_path / "qc/index.html")

    data = look()
    assert data["blocks"] == [4, 4, 4, 0] and data["undrawn"] == {} and data["lost"] == [0, 1, 0, 1]
    assert [metric["name"] for metric in data["metrics"]] == ["ncc_mean_slice"] and "unreadable" in data["why"][3]
    assert data["why"][1] == "excluded by a reviewer: motion"
    assert data["excluded"] == [["sub-b", "ses-M000", "motion"]]
    one, other = (
        np.asarray(Image.open(tmp_path / f"qc/pictures/sub-{name}/sub-{name}_ses-M000.webp"), float) for name in "ab"
    )
    template = np.asarray(Image.open(tmp_path / "qc/pictures/template.webp"), float)
    assert abs(one - other).mean() < 1 and abs(one - template).mean() < 1  # whatever its scale
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "qc").glob("pictures/sub-*/*")}
    nib.save(nib.Nifti1Image(np.ascontiguousarray(brain * 0.5).astype(np.float32), affine), root / "a.nii.gz")
    assert look()["blocks"] == [4, 4, 4, 0]
    drawn = {path.parent.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert drawn == {"sub-a"} and not list(root.glob("sub-*"))  # nothing is written among the user's files
