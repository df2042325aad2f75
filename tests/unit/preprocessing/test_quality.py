import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.processing import resample_from_to
from PIL import Image
from scipy import ndimage

from ldae.config import Conform, Quality
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keys import KEY as KEYS
from ldae.preprocessing.artefacts import detail_of, fold_of, ghost_of, jump_of
from ldae.preprocessing.cohort_quality import OF_BIAS_FIELD, OF_BRAIN, judge, qc_scans
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.derivatives import ScanFiles
from ldae.preprocessing.quality import (
    LIMITS,
    alignment_metrics,
    before_the_warp,
    cut_head_area,
    draw_picture,
    native_metrics,
    on_grid,
    save_rows,
    slices_with_contour,
    verdict,
)
from ldae.preprocessing.registration_template import load_template

GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5))
COSTLY = {"none": 0, "fail": 1, "warn": 2}  # flag that costs a scan its place -> scans lost of four
DETAIL, GHOST, JUMP, FOLD = ({name: LIMITS[name]} for name in ("detail", "ghost", "jump", "folded"))
GOOD = {
    "dice_template": 0.96,
    "ncc_template": 0.6,
    "determinant": 1.3,
    "brain_ml": 1400.0,
    "edge_fraction": 0.0,
    "clipped": 0.0,
    "shear": 0.02,
    "bias_range": 1.2,
    "stripped": 0.0,
    "noise": 0.02,
    "noise_brain": 0.03,
    "saturated": 0.0,
    "detail": 0.5,
    "ghost": 0.1,
    "cut_cm2": 0.0,
    "cut_head_cm2": 0.0,
    "jump": 1.3,
    "folded": None,
    "grey_white": 0.75,
    "fluid_white": 0.3,
    "range_used": 0.6,
    "filled": 0.0,
    "offset": 0.0,
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
        ({"ncc_template": 0.4}, "warn", r"does not look like the template's: .* \(ncc_template 0\.4\)"),
        ({"dice_template": 0.5}, "fail", r"does not cover the template's brain: .* \(dice_template 0\.5\)"),
        ({"brain_ml": 2500.0, "ncc_template": 0.4}, "fail", r"unusual volume: .* \(brain_ml 2500\)"),
        ({"determinant": float("nan")}, "fail", r"it could not be measured \(determinant nan\)"),
        ({"noise": None}, "pass", ""),
        ({"cut_cm2": 40.0}, "fail", r"cuts the brain, .* \(cut_cm2 40\)"),
        ({"cut_head_cm2": 54.0}, "fail", r"cuts the head right beside the brain .* \(cut_head_cm2 54\)"),
        ({"cut_head_cm2": None, "range_used": None, "grey_white": None}, "pass", ""),  # of an earlier version
        ({"range_used": 0.2}, "warn", r"few voxels are so bright .* \(range_used 0\.2\)"),
        ({"filled": 0.4}, "warn", r"background held NaN, .* \(filled 0\.4\)"),
        ({"ncc_affine": 0.2, "ncc_template": 0.7}, "fail", r"before the warp .* \(ncc_affine 0\.2\)"),
        (
            {"grey_white": 1.1, "fluid_white": 0.4},
            "fail",
            r"matter is brighter than white and .*FLAIR.*grey_white 1\.1",
        ),
        ({"grey_white": 1.3, "fluid_white": 2.5}, "fail", r"fluid brightest, as in a T2-weighted.*not T1-weighted"),
        ({"grey_white": 1.1, "fluid_white": 1.1}, "fail", r"proton-density"),
        ({"grey_white": 0.97, "fluid_white": 0.9}, "fail", r"about as bright as white.*not T1-weighted"),
        ({"stripped": 1.0}, "warn", "already skull-stripped"),
        ({"uneven": 2.4, "bias_range": 1.001}, "warn", r"uneven 2\.4; N4 took out a bias_range of 1\)$"),
        ({"jump": 3.0, "ncc_template": 0.2}, "fail", r"^somewhere two neighbouring slices .* missing.*ncc_template"),
        (
            {"cut_cm2": 40.0, "cut_head_cm2": 90.0, "folded": 0.8},
            "fail",
            r"^the head is folded over(?!.*is folded).*\(cut_cm2 40, cut_head_cm2 90, folded 0\.8\)$",
        ),
    ],
)
def test_verdict(change, state, reason):
    found = verdict(GOOD | change)
    assert found[0] == state and re.search(reason or "^$", found[1]), found


def test_two_metrics_of_the_contrast_have_one_sentence():
    reason = verdict(GOOD | {"grey_white": 1.4, "fluid_white": 2.5})[1]
    assert verdict(GOOD | {"grey_white": 1.4, "fluid_white": 2.5, "jump": 2.7, "uneven": 2.0})[1] == reason
    assert reason.count("not T1-weighted") == 1 and reason.endswith("(grey_white 1.4, fluid_white 2.5)")


def test_picture_is_small_and_the_same_twice(placed, brain, tmp_path):
    mask = nib.Nifti1Image((brain.get_fdata() > 20).astype(np.uint8), brain.affine)
    for name in ("one.png", "two.png"):
        draw_picture(brain, mask, placed[0], load_template(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    picture = np.asarray(Image.open(tmp_path / "one.png"))
    assert picture.ndim == 3 and max(picture.shape) < 1200
    red = (picture == [255, 64, 64]).all(axis=2)
    assert 0.005 < red.mean() < 0.1


def test_brains_look_alike_whatever_the_voxels(brain):
    """The same head on a grid of other, uneven voxels and a wider field of view draws the same picture."""
    mask = nib.Nifti1Image((brain.get_fdata() > 20).astype(np.float32), brain.affine)
    affine = brain.affine @ np.diag([1.5, 1.0, 1.25, 1.0])
    affine[:3, 3] -= 20
    shape = tuple(int(size / step) + 30 for size, step in zip(brain.shape, (1.5, 1.0, 1.25), strict=True))
    other, other_mask = (resample_from_to(image, (shape, affine), order=1) for image in (brain, mask))
    one = slices_with_contour(brain, mask.get_fdata() > 0.5).astype(float)
    two = slices_with_contour(other, other_mask.get_fdata() > 0.5).astype(float)
    assert one.shape == two.shape
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.9


def cohort(size: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame([GOOD] * size)
    rows["determinant"] += rng.normal(0, 0.02, size)
    names = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(size)], "session_id": "ses-M000"})
    files = pd.DataFrame({"path": "x.nii.gz", "sha256": "0", "state": "done", "reason": None}, index=range(size))
    return pd.concat([names, files, rows], axis=1)


def test_a_scan_far_from_the_cohort_is_a_warning():
    table = cohort(30)
    table.loc[7, "determinant"] = 1.9
    flagged = judge(table, Quality())
    assert flagged["qc"].eq("warn").to_numpy().nonzero()[0].tolist() == [7]
    assert "determinant" in flagged.loc[7, "qc_reason"]
    assert judge(table[:10], Quality())["qc"].eq("pass").all()  # too few scans to know what is usual
    strict = judge(table, Quality(outliers="fail"))
    assert strict["state"].eq("quarantined").to_numpy().nonzero()[0].tolist() == [7]
    assert judge(table, Quality(outlier_z=1000))["qc"].eq("pass").all()


def test_the_configuration_decides_what_a_flag_costs():
    table = cohort(4)
    table.loc[0, "ncc_template"] = 0.1
    table.loc[1, "ncc_template"] = 0.4
    lost = {flag: judge(table, Quality(quarantine=flag))["state"].eq("quarantined").sum() for flag in COSTLY}
    assert lost == COSTLY
    limits = {"ncc_template": (None, None, None, None)}
    assert judge(table, Quality(limits=limits))["qc"].eq("pass").all()
    with pytest.raises(UserError, match="names ncc;"):
        judge(table, Quality(limits={"ncc": (None, None, None, None)}))


def test_native_metrics_are_what_was_put_in():
    rng, shape = np.random.default_rng(0), (60, 60, 60)
    mask = np.zeros(shape, bool)
    mask[20:40, 20:40, 0:40] = True  # cut by the lower border: 20 x 20 voxels of 2 mm
    data = np.where(mask, 100.0, 0.0)
    noisy = np.hypot(data + rng.normal(0, 5, shape), rng.normal(0, 5, shape)).astype(np.float32)
    noisy[30, 30, 30:32] = noisy.max()
    affine = np.diag([2.0, 2, 2, 1])
    image, brain = nib.Nifti1Image(noisy, affine), nib.Nifti1Image(mask.astype(np.uint8), affine)
    metrics = native_metrics(image, brain)
    assert metrics["noise"] == pytest.approx(0.05, rel=0.05)
    assert metrics["noise_brain"] == pytest.approx(0.05, rel=0.1)
    assert metrics["cut_cm2"] == pytest.approx(20 * 20 * 4 / 100)
    assert metrics["saturated"] == pytest.approx(2 / mask.sum(), rel=0.6)
    head = ndimage.binary_dilation(mask, iterations=1)  # the mask ends on the border, and so does the head
    assert native_metrics(nib.Nifti1Image(noisy, affine), brain)["cut_head_cm2"] == pytest.approx(
        cut_head_area(head, mask, np.array([2.0, 2, 2])), rel=0.2
    )
    assert native_metrics(image, brain, stripped=True)["cut_head_cm2"] is None
    assert native_metrics(nib.Nifti1Image(data.astype(np.float32), affine), brain)["noise"] is None  # blanked air


@pytest.mark.parametrize("axis", range(3))
def test_a_ghost_is_seen_by_its_strength(axis, head, true_mask):
    data, zooms = head.get_fdata(dtype=np.float32), np.array(head.header.get_zooms())
    ghosts = [data + share * np.roll(data, data.shape[axis] // 2, axis) for share in (0.0, 0.25, 0.5)]
    flags = [verdict({"ghost": ghost_of(each, true_mask, zooms)}, GHOST, only=True)[0] for each in ghosts]
    assert flags == ["pass", "warn", "fail"]


def test_blurring_takes_the_detail_and_thick_slices_do_not(head, true_mask):
    data, zooms = head.get_fdata(dtype=np.float32), np.array(head.header.get_zooms())
    images = [ndimage.gaussian_filter(data, np.array(fwhm) / 2.355 / zooms) for fwhm in ((0, 0, 9), [8] * 3, [14] * 3)]
    found = [detail_of(image, true_mask, zooms) for image in (data, *images)]
    assert [verdict({"detail": each}, DETAIL, only=True)[0] for each in found] == ["pass", "pass", "warn", "fail"]
    assert ghost_of(data, np.ones_like(true_mask), zooms) is None  # no room beside the brain
    assert ghost_of(np.where(true_mask, data, np.float32(0.1)), true_mask, zooms) is None  # blanked air
    assert detail_of(np.zeros_like(data), true_mask, zooms) == 0


@pytest.mark.parametrize("axis", range(3))
def test_slices_that_are_missing_or_empty_are_a_jump(axis, head, true_mask):
    data, zooms = head.get_fdata(dtype=np.float32), np.array(head.header.get_zooms())
    place = round(np.argwhere(true_mask)[:, axis].mean()) + 5  # beside the midline
    kept = np.delete(np.arange(data.shape[axis]), range(place, place + 7))
    empty = data.copy()
    np.moveaxis(empty, axis, 0)[place : place + 2] = 0
    lost = (np.take(each, kept, axis) for each in (data, true_mask))
    found = [jump_of(*each, zooms, 0) for each in ((data, true_mask), lost, (empty, true_mask))]
    assert [verdict({"jump": each}, JUMP, only=True)[0] for each in found] == ["pass", "warn", "fail"], found


@pytest.mark.parametrize("axis", range(3))
def test_a_head_that_is_folded_over_goes_on_at_the_opposite_border(axis, head, true_mask):
    data, zooms = head.get_fdata(dtype=np.float32), np.array(head.header.get_zooms())
    shift = data.shape[axis] - np.argwhere(true_mask)[:, axis].max() + 14
    folded = np.roll(data, shift, axis)
    cut = folded.copy()
    np.moveaxis(cut, axis, 0)[:shift] = np.moveaxis(data, axis, 0)[:shift]  # air
    found = []
    for each in (folded, cut, data):
        faces = [(np.take(each, 0, across) > 30, np.take(each, -1, across) > 30) for across in range(3)]
        found.append(fold_of(each, faces, zooms))
    assert [verdict({"folded": each}, FOLD, only=True)[0] for each in found] == ["warn", "pass", "pass"], found
    assert found[2] is None  # no face cuts it


def test_a_brain_that_the_border_cuts_is_seen_where_its_mask_ends_before():
    """A ball of 70 mm in a head of 84 mm; the image ends above the brain, at it, and 10 mm below its top."""
    grid = 2.0 * np.indices((90, 90, 90))
    distance = np.sqrt(((grid - 89) ** 2).sum(axis=0))
    head, brain, zooms = distance < 84, distance < 70, np.array([2.0, 2, 2])
    brain[:, :, :4] = head[:, :, :4] = False  # no neck
    for top_mm, low, high in ((176, 0, 0), (168, 0, 0), (160, 10, 60), (150, 60, 110), (140, 90, 160)):
        last = top_mm // 2
        seen = brain[:, :, :last].copy()
        seen[:, :, -2:] = False  # as a network's mask ends before the border
        area = cut_head_area(head[:, :, :last], seen, zooms)
        assert low <= area <= high, (top_mm, area)


def test_the_affine_stage_is_measured_without_the_warp(placed):
    """The template itself, 5 mm beside its place in the scan's own space, through the affine that brings it back."""
    volume, mask = placed
    shift = np.eye(4)
    shift[0, 3] = 7.0
    moved = [nib.Nifti1Image(np.asanyarray(image.dataobj), shift @ image.affine) for image in (volume, mask)]
    back = before_the_warp(*moved, np.linalg.inv(shift), volume, load_template())
    assert back == {"dice_affine": 1, "ncc_affine": pytest.approx(1)}
    assert before_the_warp(*moved, np.eye(4), volume, load_template())["ncc_affine"] < 0.9


def test_a_failed_scan_leaves_the_cohort_and_the_worst_are_shown(tmp_path):
    table = cohort(4).assign(bias_range=[1.1, 1.2, 1.3, 1.4])
    table.loc[2, "ncc_template"] = 0.1
    table.loc[3, ["state", "reason", "ncc_template"]] = ["quarantined", "earlier: unreadable", None]
    write_tsv(tmp_path / "bias.tsv", table[[*KEYS, *OF_BIAS_FIELD]])
    write_tsv(tmp_path / "brain.tsv", table[[*KEYS, *OF_BRAIN]])
    write_tsv(tmp_path / "register.tsv", table.drop(columns=[*OF_BIAS_FIELD, *OF_BRAIN]))
    colours = [10, 20, 200]
    for colour, (_, row) in zip(colours, table[:3].iterrows(), strict=True):
        files = ScanFiles(tmp_path, row["participant_id"], row["session_id"])
        save_rows([np.full((20, 30, 3), colour, np.uint8)], files.picture)
    statuses = ([tmp_path / f"{step}.tsv"] for step in ("bias", "brain", "register"))
    review = tmp_path / "review.tsv"
    review.write_text("participant_id\tsession_id\treason\nsub-01\tses-M000\tmotion\n")
    qc_scans(*statuses, Quality(), tmp_path, tmp_path / "qc.tsv", tmp_path / "worst.png", review)
    qc = read_tsv(tmp_path / "qc.tsv")
    assert qc["state"].tolist() == ["done", "quarantined", "quarantined", "quarantined"]
    assert qc["reason"][1] == "excluded by a reviewer: motion" and qc["qc"][1] == "pass"
    assert (tmp_path / "dataset_description.json").is_file() and (tmp_path / "qc.json").is_file()
    assert qc["reason"][2].startswith("quality control: the brain does not look like the template's")
    assert "(ncc_template 0.1)" in qc["reason"][2] and qc["reason"][3] == "earlier: unreadable"
    assert qc["bias_range"].tolist() == [1.1, 1.2, 1.3, 1.4]
    exclusions = read_tsv(tmp_path / "exclusions.tsv")
    assert exclusions["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03"]
    mosaic = np.asarray(Image.open(tmp_path / "worst.png"))
    assert mosaic[5, 5].tolist() == [200, 200, 200]  # the lowest correlation comes first
