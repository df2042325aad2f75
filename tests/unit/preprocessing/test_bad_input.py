"""Every kind of bad scan in one shard with ten healthy ones: the ten come through, each bad one has its own reason."""

import numpy as np
import pandas as pd
import pytest
from bad_scans import BAD, write

from ldae.config import BiasField, BrainExtraction, Conform, Quality, Registration
from ldae.core.files import read_tsv
from ldae.preprocessing.cohort_quality import qc_scans
from ldae.preprocessing.shard import Shard, run_bias_field, run_extract_brain, run_register

pytestmark = pytest.mark.slow

N4 = BiasField(shrink_factor=6, iterations=[5], tolerance=1e-3)
BRAIN = BrainExtraction(second_stage=False)
AFFINE = Registration(transform="affine", resolution_mm=4.0)
GRID = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5), interpolation="linear", intensity="robust")
HEALTHY = ["int16"] * 6 + ["uint8", "int32", "uint16", "float64"]


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
