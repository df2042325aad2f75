import pytest
from any_dataset import nifti
from converted import Dataset

from ldae.cohort.bids import adni_scans
from ldae.cohort.manifest import COLUMNS
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.core.keys import shard_of

A, B = "sub-ADNI002S0001", "sub-ADNI002S0002"


def test_columns_ages_and_shards(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-11", b"1"), 24: ("2012-03-01", b"22")}})
    scans = dataset.manifest()
    assert list(scans) == list(COLUMNS)
    assert set(read_json(tmp_path / "manifest" / "scans.json")) == set(COLUMNS)
    assert list(scans["months"]) == [0, 24]
    assert list(scans["age"]) == [70.03, 72.16]  # 10 and 790 days after the visit at which the age is 70.0
    assert list(scans["age_from"]) == ["scan", "scan"]
    assert list(scans["status"]) == ["included", "included"]
    assert scans["diagnosis"].isna().to_list() == [False, True]  # not asked for: included, for the networks
    assert list(scans["mmse"]) == [29, 29] and list(scans["cdr"]) == [0.5, 0.5]
    assert list(scans["study_phase"]) == ["ADNIGO", "ADNI2"]
    assert list(read_tsv(tmp_path / "manifest" / "scans.tsv", dtype=str)["site"]) == ["002", "002"]
    assert set(scans["shard"]) == {shard_of(A, 5)}
    assert (dataset.bids / scans["t1w"][1]).read_bytes() == nifti(b"22")


def test_age_without_a_baseline_visit(tmp_path):
    scans = Dataset(tmp_path, {A: {12: ("2011-01-31", b"1")}}).manifest()
    assert list(scans["age"]) == [71.08]  # 71 at the visit of 2011-01-01, scanned 30 days later


def test_every_exclusion_has_its_reason(tmp_path):
    dataset = Dataset(
        tmp_path,
        {
            A: {0: ("2010-02-05", b"1"), 3: ("2010-02-04", b"2"), 24: ("2012-01-05", "no image: nothing of I24")},
            B: {0: ("2010-01-05", b"3"), 12: ("2011-01-05", b"1"), 24: ("2012-01-05", b"4")},
        },
    )
    scans = dataset.manifest(require_diagnosis=True).set_index(["participant_id", "session_id"])
    assert scans.loc[(A, "ses-M003"), "reason"] == "visits out of date order: 2010-02-04 before 2010-02-05"
    assert scans.loc[(A, "ses-M024"), "reason"] == "no image: nothing of I24"
    assert scans.loc[(B, "ses-M012"), "reason"] == f"duplicate: the same image as {A} ses-M000"
    assert scans.loc[(B, "ses-M024"), "reason"].startswith("diagnosis missing")
    assert scans["status"].value_counts().to_dict() == {"excluded": 4, "included": 2}
    steps = read_tsv(tmp_path / "manifest" / "exclusions.tsv")["step"]
    assert steps.value_counts().to_dict() == {"manifest": 3, "convert": 1}


@pytest.mark.parametrize(
    ("age", "reason"), [("-3", None), ("150", "impossible age: 150.01"), ("121", "impossible age"), ("n/a", None)]
)
def test_impossible_ages(tmp_path, age, reason):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", b"1")}}, age)
    if reason is None:  # the age at the visit stands in
        assert list(dataset.manifest()["age"]) == [70.01]
        return
    with pytest.raises(UserError, match=r"No scan is left .* 1 x impossible age"):
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
        adni_scans(dataset.bids, [dataset.status, dataset.status])


def test_empty_cohort(tmp_path):
    dataset = Dataset(tmp_path, {A: {0: ("2010-01-05", "no image: nothing of I0")}})
    with pytest.raises(UserError, match=r"No scan is left .* 1 x no image"):
        dataset.manifest()


def test_same_input_same_bytes(tmp_path):
    dataset = Dataset(tmp_path, {B: {0: ("2010-01-05", b"1")}, A: {0: ("2010-01-05", b"2")}})
    dataset.manifest()
    first = (tmp_path / "manifest" / "scans.tsv").read_bytes()
    dataset.manifest()
    assert (tmp_path / "manifest" / "scans.tsv").read_bytes() == first
