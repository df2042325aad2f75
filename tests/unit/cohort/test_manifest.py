import hashlib
from pathlib import Path

import pandas as pd
import pytest

from ldae.cohort.manifest import COLUMNS, build_manifest
from ldae.cohort.shards import shard_of
from ldae.errors import UserError
from ldae.files import read_json, read_tsv, write_json, write_tsv


class Dataset:
    """A converted dataset of tiny files. Subjects: ``{name: {months: (scan date, content or a reason)}}``."""

    def __init__(self, folder: Path, subjects: dict, age: str = "70.0") -> None:
        self.folder, self.bids = folder, folder / "bids"
        write_json(self.bids / "dataset_description.json", {"Name": "test", "BIDSVersion": "1.10.0"})
        rows = [row for name, visits in subjects.items() for row in self.subject(name, visits)]
        people = pd.DataFrame({"participant_id": list(subjects), "sex": "F", "age_bl": age})
        write_tsv(self.bids / "participants.tsv", people)
        self.status = folder / "status" / "0.tsv"
        write_tsv(self.status, pd.DataFrame(rows).astype({"size": "Int64"}))

    def subject(self, name: str, visits: dict) -> list[dict]:
        rows, sessions = [], []
        for months, (date, content) in visits.items():
            session = f"ses-M{months:03d}"
            visit = f"{2010 + months // 12}-01-{1 + months % 12:02d}"
            sessions.append({"session_id": session, "examination_date": visit, "age": 70 + months // 12})
            sessions[-1] |= {"diagnosis": "CN" if months < 24 else None, "MMSE": 29, "cdr_global": 0.5}
            rows.append({"participant_id": name, "session_id": session, "scan_date": date, "image_id": months})
            rows[-1] |= {"field_strength": 3.0, "path": None, "size": None, "sha256": None, "reason": None}
            if isinstance(content, str):
                rows[-1] |= {"state": "quarantined", "reason": content}
                continue
            path = self.bids / name / session / "anat" / f"{name}_{session}_T1w.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            rows[-1] |= {"state": "done", "path": path.relative_to(self.bids).as_posix(), "size": len(content)}
            rows[-1]["sha256"] = hashlib.sha256(content).hexdigest()
        write_tsv(self.bids / name / f"{name}_sessions.tsv", pd.DataFrame(sessions))
        return rows

    def manifest(self, shards: int = 5) -> pd.DataFrame:
        scans, exclusions = self.folder / "manifest" / "scans.tsv", self.folder / "manifest" / "exclusions.tsv"
        build_manifest(self.bids, [self.status], shards, scans, exclusions)
        table = read_tsv(scans)
        left_out = table[table["status"] == "excluded"]
        assert list(read_tsv(exclusions)["reason"]) == list(left_out["reason"])
        return table


A, B = "sub-ADNI002S0001", "sub-ADNI002S0002"


def test_columns_ages_and_shards(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-11", b"1"), 24: ("2012-03-01", b"22")}})
    scans = dataset.manifest()
    assert list(scans) == list(COLUMNS)
    assert set(read_json(tmp_path / "manifest" / "scans.json")) == set(COLUMNS)
    assert list(scans["months"]) == [0, 24]
    assert list(scans["age"]) == [70.03, 72.16]  # 10 and 790 days after the visit at which the age is 70.0
    assert list(scans["status"]) == ["included", "included"]
    assert scans["diagnosis"].isna().to_list() == [False, True]  # without a diagnosis: included, for the networks
    assert list(scans["mmse"]) == [29, 29] and list(scans["cdr"]) == [0.5, 0.5]
    assert set(scans["shard"]) == {shard_of(A, 5)}
    assert (dataset.bids / scans["t1w"][1]).read_bytes() == b"22"


def test_age_without_a_baseline_visit(tmp_path):
    scans = Dataset(tmp_path, {A: {12: ("2011-01-31", b"1")}}).manifest()
    assert list(scans["age"]) == [71.08]  # 71 at the visit of 2011-01-01, scanned 30 days later


def test_every_exclusion_has_its_reason(tmp_path):
    dataset = Dataset(
        tmp_path,
        {
            A: {0: ("2010-01-05", b"1"), 12: ("2010-01-04", b"2"), 24: ("2012-01-05", "no image: nothing of I24")},
            B: {0: ("2010-01-05", b"3"), 12: ("2011-01-05", b"1")},
        },
    )
    scans = dataset.manifest().set_index(["participant_id", "session_id"])
    assert scans.loc[(A, "ses-M012"), "reason"] == "visits out of date order: 2010-01-04 before 2010-01-05"
    assert scans.loc[(A, "ses-M024"), "reason"] == "no image: nothing of I24"
    assert scans.loc[(B, "ses-M012"), "reason"] == f"same image as: {A} ses-M000"
    assert scans["status"].value_counts().to_dict() == {"excluded": 3, "included": 2}
    steps = read_tsv(tmp_path / "manifest" / "exclusions.tsv")["step"]
    assert steps.value_counts().to_dict() == {"manifest": 2, "convert": 1}


@pytest.mark.parametrize(("age", "reason"), [("-3", "impossible age: -2.99"), ("150", "impossible age"), ("n/a", None)])
def test_impossible_ages(tmp_path, age, reason):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", b"1")}}, age)
    if reason is None:  # the age at the visit stands in
        assert list(dataset.manifest()["age"]) == [70.01]
        return
    with pytest.raises(UserError, match=r"No scan .* 1 x impossible age"):
        dataset.manifest()


def test_missing_or_changed_image_is_named(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", b"1")}, B: {0: ("2010-01-05", b"2")}})
    image = dataset.bids / A / "ses-M000" / "anat" / f"{A}_ses-M000_T1w.nii.gz"
    image.write_bytes(b"another size")
    with pytest.raises(UserError, match=f"1 converted images are missing or changed .*{A}_ses-M000"):
        dataset.manifest()
    image.unlink()
    with pytest.raises(UserError, match=f"{A}_ses-M000"):
        dataset.manifest()


def test_scan_in_two_status_tables(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", b"1")}})
    with pytest.raises(UserError, match=f"{A} ses-M000 stands in two status tables"):
        build_manifest(dataset.bids, [dataset.status, dataset.status], 1, tmp_path / "s.tsv", tmp_path / "e.tsv")


def test_empty_cohort(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", "no image: nothing of I0")}})
    with pytest.raises(UserError, match=r"No scan of .* 1 x no image"):
        dataset.manifest()


def test_same_input_same_bytes(tmp_path):
    dataset = Dataset(tmp_path, {B: {0: ("2010-01-05", b"1")}, A: {0: ("2010-01-05", b"2")}})
    dataset.manifest()
    first = (tmp_path / "manifest" / "scans.tsv").read_bytes()
    dataset.manifest()
    assert (tmp_path / "manifest" / "scans.tsv").read_bytes() == first
