"""A subject joins a cohort that is done: every shard is run again, and only the new subject's has work."""

import logging
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.config import BiasField
from ldae.core.files import write_tsv
from ldae.core.keys import scans_of_shard, shard_of
from ldae.preprocessing.shard import Shard, run_bias_field

SHARDS = 2
N4 = BiasField(shrink_factor=6, iterations=[5], tolerance=1e-3)
NAMES = [f"sub-ADNI{number:03d}S0001" for number in range(40)]
OLD = sorted(NAMES, key=lambda name: shard_of(name, SHARDS))[:: len(NAMES) - 1]  # one subject in either shard
NEW = next(name for name in NAMES if name not in OLD and shard_of(name, SHARDS) == 1)


def write_cohort(folder: Path, subjects: list[str], head: nib.Nifti1Image) -> None:
    """BIDS images (those that are there stay) and a manifest with the shard of every subject."""
    image = nib.Nifti1Image(np.rint(head.get_fdata()).astype(np.int16), head.affine)
    rows = []
    for name in subjects:
        path = folder / f"bids/{name}/ses-M000/anat/{name}_ses-M000_T1w.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            nib.save(image, path)
        place = path.relative_to(folder / "bids").as_posix()
        rows.append((name, "ses-M000", place, shard_of(name, SHARDS), "included"))
    columns = ["participant_id", "session_id", "t1w", "shard", "status"]
    write_tsv(folder / "scans.tsv", pd.DataFrame(rows, columns=columns))


def run_every_shard(folder: Path, caplog) -> list[str]:
    """What the shards say they did."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "ldae"):
        for shard in range(SHARDS):
            scans = scans_of_shard(folder / "scans.tsv", shard)
            status, timings = folder / f"status/{shard}.tsv", folder / f"logs/{shard}.tsv"
            run_bias_field(Shard(scans, folder / "derivatives", status, timings), folder / "bids", N4)
    return re.findall(r"correct_bias_field (\d: \d+ processed, \d+ unchanged), 0 lost", caplog.text)


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "derivatives").rglob("sub-*") if path.is_file()}


def test_only_the_shard_of_a_new_subject_has_work(head, tmp_path, caplog):
    assert [shard_of(name, SHARDS) for name in (*OLD, NEW)] == [0, 1, 1]
    write_cohort(tmp_path, OLD, head)
    assert run_every_shard(tmp_path, caplog) == ["0: 1 processed, 0 unchanged", "1: 1 processed, 0 unchanged"]
    before, table = stamps(tmp_path), (tmp_path / "status/0.tsv").read_bytes()

    write_cohort(tmp_path, [NEW, *OLD], head)
    assert run_every_shard(tmp_path, caplog) == ["0: 0 processed, 1 unchanged", "1: 1 processed, 1 unchanged"]
    after = stamps(tmp_path)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() and all(NEW in name for name in after.keys() - before.keys())
    assert (tmp_path / "status/0.tsv").read_bytes() == table
