"""Two visits that differ by pose and noise alone, with and without the subject's mean."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from ldae.config import Conform, Registration
from ldae.core.files import read_tsv, sha256_file
from ldae.preprocessing.derivatives import ScanFiles, save_image, sidecar, write_sidecar
from ldae.preprocessing.longitudinal import SubjectMean, centred, mean_of
from ldae.preprocessing.shard import Shard, run_register

SETTINGS = Registration(transform="affine", resolution_mm=4.0)
GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5), interpolation="linear", intensity="robust")
DEGREES, MM = ((0, 0, 0), (4, -3, 5), (-3, 4, -2)), ((0, 0, 0), (5, -4, 8), (-6, 3, -5))


def pose(degrees, mm) -> np.ndarray:
    """R-A-S mm of a visit -> R-A-S mm of the template."""
    matrix = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn, (i, j) = np.eye(4), [other for other in range(3) if other != axis]
        turn[[i, i, j, j], [i, j, i, j]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
        matrix = matrix @ turn
    matrix[:3, 3] = mm
    return matrix


POSES = [pose(*both) for both in zip(DEGREES, MM, strict=True)]


@pytest.fixture(scope="module")
def visits(brain) -> list[nib.Nifti1Image]:
    """The brain as a scanner sees it in three poses, each with its own noise and inhomogeneity."""
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = -93, -130, -93
    images = []
    for number, matrix in enumerate(POSES):
        rng = np.random.default_rng(number)
        mapping = np.linalg.inv(brain.affine) @ matrix @ affine
        data = ndimage.affine_transform(
            brain.get_fdata(dtype=np.float32), mapping[:3, :3], mapping[:3, 3], (64, 76, 64), order=1
        )
        slope = np.exp(rng.normal(0, 0.1) * np.linspace(-1, 1, 64))[:, None, None]
        noisy = np.where(data > 20, data * slope + rng.normal(0, 6, data.shape), 0)
        images.append(nib.Nifti1Image(np.clip(noisy, 0, None).astype(np.float32), affine))
    return images


def spread_mm(to_common: list[np.ndarray], visits: list[nib.Nifti1Image]) -> float:
    """Largest mean distance between where two visits put the same point of the brain (mm)."""
    voxels = np.argwhere(visits[0].get_fdata() > 0)[::50]
    points = POSES[0] @ visits[0].affine @ np.c_[voxels, np.ones(len(voxels))].T  # in the template
    places = [(found @ np.linalg.inv(true) @ points)[:3] for found, true in zip(to_common, POSES, strict=False)]
    return max(float(np.linalg.norm(a - b, axis=0).mean()) for a in places for b in places)


def test_centring_keeps_what_lies_between_the_visits():
    moved = centred(POSES)
    for one, two in ((0, 1), (1, 2)):
        between = np.linalg.inv(moved[one]) @ moved[two]
        assert between == pytest.approx(np.linalg.inv(POSES[one]) @ POSES[two], abs=1e-9)
    assert centred([moved[2], moved[0]])[0] == pytest.approx(np.linalg.inv(centred([moved[2], moved[0]])[1]), abs=1e-6)


def test_visits_meet_in_the_mean_and_none_is_preferred(visits, tmp_path):
    _, to_mean = mean_of(visits[:2], SETTINGS, tmp_path / "scratch")
    assert spread_mm(to_mean, visits) < 0.4
    _, turned = mean_of(visits[1::-1], SETTINGS, tmp_path / "scratch")
    for one, two in zip(to_mean, turned[::-1], strict=True):
        assert np.abs((one - two) @ [0, 0, 0, 1]).max() < 0.5


@pytest.fixture(scope="module")
def registered(visits, tmp_path_factory) -> dict[bool, pd.DataFrame]:
    """Two visits of one subject and one of another through the registration step, without and with the mean."""
    names = [("sub-A", "ses-M000"), ("sub-A", "ses-M012"), ("sub-B", "ses-M000")]
    scans = pd.DataFrame(names, columns=["participant_id", "session_id"])
    root = tmp_path_factory.mktemp("derivatives")
    for (subject, session), image in zip(names, visits, strict=True):
        files = ScanFiles(root, subject, session)
        save_image(files.corrected, image, "int16")
        save_image(files.mask, nib.Nifti1Image((image.get_fdata() > 0).astype(np.uint8), image.affine), "uint8")
        write_sidecar(files.mask, {"parameters": {"mask": "hard"}, "sha256": sha256_file(files.mask)})
    previous = scans.assign(state="done", reason=None)
    tables = {}
    for longitudinal in (False, True):
        shard = Shard(scans, root, root / f"{longitudinal}.tsv", root / "timings.tsv")
        run_register(shard, previous, SETTINGS.model_copy(update={"longitudinal": longitudinal}), GRID, True)
        matrices = [np.loadtxt(ScanFiles(root, *name).transform("MNI152NLin2009aSym")) for name in names]
        volumes = [nib.load(root / path).get_fdata() for path in read_tsv(shard.status)["path"]]
        tables[longitudinal] = (matrices, volumes, read_tsv(shard.status))
    return tables | {"root": root, "previous": previous, "scans": scans}


def test_the_mean_brings_two_visits_closer(registered, visits):
    apart = {option: spread_mm(registered[option][0][:2], visits[:2]) for option in (False, True)}
    difference = {
        option: float(np.abs(registered[option][1][0] - registered[option][1][1]).mean()) for option in (False, True)
    }
    assert registered[True][2]["state"].eq("done").all()
    assert apart[True] < max(apart[False], 0.4)
    assert difference[True] < 1.02 * difference[False]
    assert np.array_equal(registered[True][0][2], registered[False][0][2])  # one visit: nothing to average


def test_the_mean_is_kept_until_a_visit_changes(registered):
    root, mean = registered["root"], SubjectMean(registered["root"], "sub-A").image
    before = mean.stat().st_mtime_ns
    shard = Shard(registered["scans"], root, root / "again.tsv", root / "timings.tsv")
    settings = SETTINGS.model_copy(update={"longitudinal": True})
    run_register(shard, registered["previous"], settings, GRID, True)
    assert mean.stat().st_mtime_ns == before
    assert (root / "again.tsv").read_bytes() == (root / "True.tsv").read_bytes()
    assert sidecar(mean).is_file()
