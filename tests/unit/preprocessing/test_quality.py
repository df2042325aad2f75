import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ldae.config import Conform
from ldae.files import read_tsv, write_tsv
from ldae.preprocessing.cohort_quality import flag_outliers, qc_scans
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.quality import alignment_metrics, draw_picture, on_grid, save_rows, verdict
from ldae.preprocessing.template import load_template

GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5))
GOOD = {
    "dice_template": 0.96,
    "ncc_template": 0.6,
    "determinant": 1.3,
    "brain_ml": 1400.0,
    "edge_fraction": 0.0,
    "clipped": 0.0,
}


@pytest.fixture(scope="module")
def placed() -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """The template itself on the target grid, with its mask."""
    affine = grid_affine(GRID)
    data, mask = on_grid(load_template(), GRID.shape, tuple(affine.ravel()))
    return nib.Nifti1Image(data, affine), nib.Nifti1Image(mask.astype(np.uint8), affine)


def test_the_template_fits_itself_and_mirrored_brains_do_not(placed):
    volume, mask = placed
    metrics = alignment_metrics(volume, mask, load_template())
    assert metrics == {"dice_template": 1, "ncc_template": pytest.approx(1), "edge_fraction": 0}
    upside_down = [
        nib.Nifti1Image(np.ascontiguousarray(np.asarray(image.dataobj)[:, :, ::-1]), image.affine)
        for image in (volume, mask)
    ]
    worse = alignment_metrics(*upside_down, load_template())
    assert worse["ncc_template"] < 0.3
    assert verdict(GOOD | worse)[0] == "fail"


def test_brain_on_the_border_is_counted(placed):
    volume, _ = placed
    everything = nib.Nifti1Image(np.ones(GRID.shape, np.uint8), volume.affine)
    inner = np.prod(np.array(GRID.shape) - 2) / np.prod(GRID.shape)
    assert alignment_metrics(volume, everything, load_template())["edge_fraction"] == pytest.approx(1 - inner)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({}, "pass", ""),
        ({"ncc_template": 0.4}, "warn", "ncc_template 0.4"),
        ({"dice_template": 0.5}, "fail", "dice_template 0.5"),
        ({"brain_ml": 2500.0, "ncc_template": 0.4}, "fail", "brain_ml 2.5e+03"),
        ({"determinant": float("nan")}, "fail", "determinant nan"),
    ],
)
def test_verdict(change, state, reason):
    assert verdict(GOOD | change) == (state, reason)


def test_picture_is_small_and_the_same_twice(placed, brain, tmp_path):
    mask = nib.Nifti1Image((brain.get_fdata() > 20).astype(np.uint8), brain.affine)
    for name in ("one.png", "two.png"):
        draw_picture(brain, mask, placed[0], load_template(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = np.asarray(Image.open(tmp_path / "one.png"))
    assert picture.ndim == 3 and max(picture.shape) < 1200
    red = (picture == [255, 64, 64]).all(axis=2)
    assert 0.005 < red.mean() < 0.1


def cohort(size: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame([GOOD] * size)
    rows["determinant"] += rng.normal(0, 0.02, size)
    names = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(size)], "session_id": "ses-M000"})
    files = pd.DataFrame({"path": "x.nii.gz", "sha256": "0", "state": "done", "reason": None}, index=range(size))
    return pd.concat([names, files, rows.assign(qc="pass", qc_reason=None, shear=0.02, bias_range=1.2)], axis=1)


def test_a_scan_far_from_the_cohort_is_a_warning():
    table = cohort(30)
    table.loc[7, "determinant"] = 1.9
    flagged = flag_outliers(table)
    assert flagged["qc"].eq("warn").to_numpy().nonzero()[0].tolist() == [7]
    assert "determinant" in flagged.loc[7, "qc_reason"]
    assert flag_outliers(table[:10])["qc"].eq("pass").all()  # too few scans to know what is usual


def test_a_failed_scan_leaves_the_cohort_and_the_worst_are_shown(tmp_path):
    table = cohort(4).drop(columns="bias_range")
    table.loc[2, ["ncc_template", "qc", "qc_reason"]] = [0.1, "fail", "ncc_template 0.1"]
    table.loc[3, ["state", "reason", "qc", "ncc_template"]] = ["quarantined", "earlier: unreadable", None, None]
    write_tsv(tmp_path / "register.tsv", table)
    keys = table[["participant_id", "session_id"]]
    write_tsv(tmp_path / "bias.tsv", keys.assign(bias_range=[1.1, 1.2, 1.3, 1.4]))
    colours = [10, 20, 200]
    for colour, (_, row) in zip(colours, table[:3].iterrows(), strict=True):
        files = ScanFiles(tmp_path, row["participant_id"], row["session_id"])
        save_rows([np.full((20, 30, 3), colour, np.uint8)], files.picture)
    statuses = [tmp_path / "bias.tsv"], [tmp_path / "register.tsv"]
    qc_scans(*statuses, tmp_path, tmp_path / "qc.tsv", tmp_path / "worst.png")
    qc = read_tsv(tmp_path / "qc.tsv")
    assert qc["state"].tolist() == ["done", "done", "quarantined", "quarantined"]
    assert qc["reason"].tolist()[2:] == ["quality control: ncc_template 0.1", "earlier: unreadable"]
    assert qc["bias_range"].tolist() == [1.1, 1.2, 1.3, 1.4]
    mosaic = np.asarray(Image.open(tmp_path / "worst.png"))
    assert mosaic[5, 5].tolist() == [200, 200, 200]  # the lowest correlation comes first
