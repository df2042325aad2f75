"""Every kind of bad scan that preprocessing knows goes through `ldae apply`: none is answered as if it were usual."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bad_scans import BAD

from ldae.cli import main
from ldae.core.files import read_tsv

pytestmark = pytest.mark.slow

GONE = {"missing"}  # a file that is not there is no scan: one sentence, and nothing is begun


@pytest.fixture(scope="module")
def answers(exported, raw, tmp_path_factory) -> pd.DataFrame:
    """All of them and, last, the healthy scan that they were made of."""
    folder, image = tmp_path_factory.mktemp("bad"), nib.load(raw)
    data = np.clip(np.rint(image.get_fdata()), 0, 255).astype(np.int16)
    paths = [folder / f"sub-{name}_T1w.nii.gz" for name in BAD if name not in GONE]
    for path in paths:
        BAD[path.name.split("_")[0].removeprefix("sub-")][0](path, data, image.affine)
    paths.append(folder / "sub-healthy_T1w.nii.gz")
    shutil.copy(raw, paths[-1])
    out = folder / "out"
    assert main(["apply", str(exported), *map(str, paths), "--out", str(out), "--codes-only"]) == 3
    return read_tsv(out / "predictions.tsv", dtype={"session_id": str}).set_index("participant_id")


@pytest.mark.parametrize("name", sorted(BAD.keys() - GONE))
def test_every_bad_scan_is_refused_with_its_reason(answers, name):
    row = answers.loc[f"sub-{name}"]
    assert row["status"] == "refused" and row[["probability_ad", "age", "percentile"]].isna().all()
    assert pd.Series([row["reason"]]).str.contains(BAD[name][1]).all(), row["reason"]


def test_the_healthy_scan_among_them_is_answered(answers):
    row = answers.loc["sub-healthy"]
    assert row["status"] in ("usual", "unusual") and np.isfinite(row["age"])
    assert len(answers) == len(BAD)


def test_a_file_that_is_not_there_is_one_sentence(exported, tmp_path, capsys):
    path = tmp_path / "sub-missing_T1w.nii.gz"
    assert main(["apply", str(exported), str(path), "--out", str(tmp_path / "out")]) == 1
    assert f"{path} does not exist" in capsys.readouterr().err
