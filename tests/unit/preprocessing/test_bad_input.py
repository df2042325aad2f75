"""Every kind of bad scan in one shard with ten healthy ones: the ten come through, each bad one has its own reason."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.config import BiasField, BrainExtraction, Conform, Quality, Registration
from ldae.core.files import read_tsv
from ldae.preprocessing.cohort_quality import qc_scans
from ldae.preprocessing.shard import Shard, run_bias_field, run_extract_brain, run_register

pytestmark = pytest.mark.slow

N4 = BiasField(shrink_factor=6, iterations=[5], tolerance=1e-3)
BRAIN = BrainExtraction(second_stage=False)
AFFINE = Registration(transform="affine", resolution_mm=4.0)
GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5), interpolation="linear", intensity="robust")
NO_BRAIN = "quality control|not a brain"
HEALTHY = ["int16"] * 6 + ["uint8", "int32", "uint16", "float64"]


def write(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(affine, code=1)
    image.header.set_zooms(np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1).tolist() + [1] * (data.ndim - 3))
    nib.save(nib.Nifti1Image(data, affine, image.header), path)


def cut(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    write(path, data, affine)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_voxel(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    write(path, data, affine)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[80:92] = struct.pack("<3f", 0, 0, 0)  # pixdim
    raw[252:256] = struct.pack("<2h", 1, 0)  # qform_code, sform_code
    path.write_bytes(gzip.compress(bytes(raw)))


def changed(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    return lambda path, data, affine: write(path, *change(data, affine))


def entry(row: int, column: int, value: float) -> Callable:
    def change(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        affine = affine.copy()
        affine[row, column] = value
        return data, affine

    return changed(change)


def with_nan(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = data.astype(np.float32)
    data[:2] = np.nan
    data[2] = np.inf
    return data, affine


def hot(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = data.astype(np.float32)
    data[30, 30, 30] = 1e9
    return data, affine


def colour(data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(data.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), affine


BAD = {
    "truncated": (cut, "unreadable: EOFError"),
    "zerobytes": (lambda path, data, affine: path.write_bytes(b""), "unreadable"),
    "missing": (lambda path, data, affine: None, "missing from the BIDS dataset"),
    "four": (changed(lambda data, affine: (np.stack([data] * 3, axis=-1), affine)), "not three-dimensional"),
    "two": (changed(lambda data, affine: (data[:, :, :1], affine)), "not three-dimensional"),
    "zero": (changed(lambda data, affine: (np.zeros_like(data), affine)), "constant image"),
    "nan": (changed(with_nan), "not finite"),
    "flat": (entry(2, 2, 0.0), "cannot be inverted"),
    "sheared": (entry(0, 1, 1.5), "sheared"),
    "zerovoxel": (zero_voxel, "voxel size of zero"),
    "thick": (entry(2, 2, 6.0), "voxel size"),
    "cropped": (
        changed(lambda data, affine: (data[:, :, : data.shape[2] // 2 + 6], affine)),
        "quality control|not a brain",
    ),
    "contrast": (
        changed(lambda data, affine: (np.where(data > 20, 260 - data, data), affine)),
        "quality control|not a brain",
    ),
    "extreme": (changed(hot), "extreme intensities"),
    "colour": (changed(colour), "not a scalar image"),
}


@pytest.fixture(scope="module")
def qc(head, brain, tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("shard")
    (folder / "bids").mkdir()
    data, names = np.clip(np.rint(head.get_fdata()), 0, 255).astype(np.int16), []
    for number, dtype in enumerate(HEALTHY):
        noise = np.random.default_rng(number).integers(0, 6, data.shape)
        names.append(f"sub-healthy{number}")
        write(folder / "bids" / f"{names[-1]}.nii.gz", np.clip(data + noise, 0, 255).astype(dtype), head.affine)
    names.append("sub-stripped")
    write(
        folder / "bids/sub-stripped.nii.gz",
        np.where(brain.get_fdata() > 20, brain.get_fdata(), 0).astype(np.int16),
        brain.affine,
    )
    for name, (make, _) in BAD.items():
        names.append(f"sub-{name}")
        make(folder / "bids" / f"sub-{name}.nii.gz", data, head.affine)
    scans = pd.DataFrame(
        {"participant_id": names, "session_id": "ses-M000", "t1w": [f"{name}.nii.gz" for name in names]}
    )
    status = {step: folder / step / "0.tsv" for step in ("bias_field", "brain", "register")}

    def shard(step: str) -> Shard:
        return Shard(scans, folder / "out", status[step], folder / f"{step}.scans.tsv", max_quarantined=1, workers=2)

    run_bias_field(shard("bias_field"), folder / "bids", N4)
    run_extract_brain(shard("brain"), read_tsv(status["bias_field"]), BRAIN)
    run_register(shard("register"), read_tsv(status["brain"]), AFFINE, GRID, True)
    qc_scans(
        *([path] for path in status.values()), Quality(), folder / "out", folder / "out/qc.tsv", folder / "worst.png"
    )
    exclusions = read_tsv(folder / "out/exclusions.tsv")
    assert sorted(exclusions["participant_id"]) == sorted(f"sub-{name}" for name in BAD)
    return read_tsv(folder / "out/qc.tsv").set_index("participant_id")


def test_healthy_scans_of_every_type_come_through(qc):
    healthy = qc[qc.index.str.startswith("sub-healthy")]
    assert len(healthy) == 10 and healthy["state"].eq("done").all()


def test_a_stripped_scan_is_accepted_and_said(qc):
    row = qc.loc["sub-stripped"]
    assert row["state"] == "done" and row["qc"] == "warn" and "already skull-stripped" in row["qc_reason"]


@pytest.mark.parametrize("name", BAD)
def test_every_bad_scan_has_its_own_reason(qc, name):
    row = qc.loc[f"sub-{name}"]
    assert row["state"] == "quarantined"
    assert pd.Series([row["reason"]]).str.contains(BAD[name][1]).all(), row["reason"]
