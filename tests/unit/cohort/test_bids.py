"""source: bids. Datasets as others lay them out: their column names, units, visit names; with and without sessions."""

from pathlib import Path

import pandas as pd
import pytest
from any_dataset import nifti
from converted import Dataset

from ldae.cohort.bids import bids_scans
from ldae.cohort.columns import content_keys
from ldae.cohort.manifest import COLUMNS, write_manifest
from ldae.config import Bids, Manifest
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json, write_tsv

A, B = "sub-ADNI002S0001", "sub-ADNI002S0002"


def dataset(root: Path, images: dict[str, bytes], **tables: list[dict]) -> Path:
    """Images by path below ``root``; tables by path, with ``__`` for ``/`` and without ``.tsv``."""
    write_json(root / "dataset_description.json", {"Name": "test", "BIDSVersion": "1.10.0"})
    for path, content in images.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(nifti(content) if content else b"")
    for path, rows in tables.items():
        path = path.replace("__", "/").replace("sub_", "sub-").replace("ses_", "ses-")
        write_tsv(root / f"{path}.tsv", pd.DataFrame(rows))
    return root


def manifest(folder: Path, settings: Bids, require_diagnosis: bool = False) -> pd.DataFrame:
    scans, exclusions = folder / "manifest/scans.tsv", folder / "manifest/exclusions.tsv"
    write_manifest(bids_scans(settings), "bids", Manifest(require_diagnosis=require_diagnosis), 5, scans, exclusions)
    return read_tsv(scans)


def one_image(participant: str, session: str | None = None, more: str = "") -> str:
    folder = f"{participant}/{session}" if session else participant
    return f"{folder}/anat/{folder.replace('/', '_')}{more}_T1w.nii.gz"


def test_converted_adni_as_any_bids_dataset_gives_the_same_rows(tmp_path):
    adni = Dataset(
        tmp_path / "adni",
        {
            A: {0: ("2010-01-11", b"1"), 12: ("2011-03-01", b"22"), 24: ("2012-01-05", "no image: nothing of I24")},
            B: {0: ("2010-02-05", b"3"), 3: ("2010-02-01", b"5"), 12: ("2011-01-05", b"1"), 24: ("2010-01-01", b"6")},
        },
    )
    ours = adni.manifest()
    theirs = manifest(tmp_path / "other", Bids(path=adni.bids))
    assert set(ours["reason"].dropna().str.split(":").str[0]) == {
        "no image",
        "duplicate",
        "visits out of date order",
    }
    in_bids = ours[~ours["reason"].fillna("").str.startswith("no image")].reset_index(drop=True)
    pd.testing.assert_frame_equal(theirs, in_bids)


def test_names_units_and_values_of_others(tmp_path):
    """OASIS-3: visits named by days, a table of its own, ages at entry; ages here in months."""
    root = dataset(
        tmp_path / "oasis",
        {one_image("sub-OAS30001", "ses-d0129"): b"1", one_image("sub-OAS30001", "ses-d0860"): b"22"},
        participants=[{"participant_id": "OAS30001", "AgeatEntry": 780, "GENDER": 2}],
    )
    visits = tmp_path / "visits.csv"
    visits.write_text(
        "participant_id,session_id,dx1,mmse\nOAS30001,d0129,Cognitively normal,29\nOAS30001,d0860,AD Dementia,20\n"
    )
    settings = Bids.model_validate(
        {
            "path": root,
            "visits": visits,
            "age_unit": "months",
            "session_pattern": r"d(\d+)",
            "session_unit": "days",
            "columns": {"baseline_age": ["AgeatEntry"], "diagnosis": ["dx1"]},
            "values": {"diagnosis": {"cognitively normal": "CN", "AD dementia": "AD"}, "sex": {"1": "M", "2": "F"}},
        }
    )
    scans = manifest(tmp_path, settings, require_diagnosis=True)
    assert list(scans["months"]) == [4, 28]  # 129 and 860 days
    assert list(scans["age"]) == [65.33, 67.33] and set(scans["age_from"]) == {"months"}
    assert list(scans["diagnosis"]) == ["CN", "AD"] and list(scans["sex"]) == ["F", "F"]
    assert list(scans["mmse"]) == [29, 20]


def test_without_sessions_and_without_labels(tmp_path, caplog):
    """As OpenNeuro's ds002748: one visit, a group that is no diagnosis of ours, several images of one visit."""
    images = {one_image(f"sub-0{number}"): bytes(number) for number in (1, 2)}
    images |= {one_image("sub-03", more=f"_run-{run}"): b"x" * (7 + run) for run in (1, 2)}
    facts = {"gender": "m", "group": "depr"}
    people = [{"participant_id": f"sub-0{number}", "age": 30 + number} | facts for number in (1, 2)]
    root = dataset(tmp_path / "ds", images, participants=people)
    scans = manifest(tmp_path, Bids(path=root))
    assert list(scans) == list(COLUMNS)
    assert list(scans["session_id"]) == ["ses-M000"] * 4 and list(scans["months"]) == [0] * 4
    assert list(scans["age"][:2]) == [31, 32] and list(scans["age_from"][:2]) == ["months"] * 2
    assert scans["diagnosis"].isna().all() and list(scans["sex"][:2]) == ["M", "M"]
    assert "bids.values.diagnosis for 'depr' (2)" in caplog.text
    assert list(scans["reason"].fillna("")) == [
        "",
        "",
        "",
        "another image of the visit is used: sub-03_run-1_T1w.nii.gz",
    ]
    assert (root / scans["t1w"][0]).is_file()
    with pytest.raises(UserError, match=r"3 x diagnosis missing.*require_diagnosis: false"):
        manifest(tmp_path, Bids(path=root), require_diagnosis=True)


def test_months_and_ages_from_dates_alone(tmp_path):
    """Sessions named by number: months are counted from the first scan, the age is that at the first scan plus days."""
    images = {one_image("sub-1", f"ses-{number}"): bytes(number) for number in (1, 2)}
    tables = {
        f"sub_1__ses_{number}__sub-1_ses-{number}_scans": [
            {"filename": f"anat/sub-1_ses-{number}_T1w.nii.gz", "acq_time": f"{2009 + number}-03-01T12:30:00"}
        ]
        for number in (1, 2)
    }
    root = dataset(tmp_path / "ds", images, participants=[{"participant_id": "sub-1", "age": 60}], **tables)
    scans = manifest(tmp_path, Bids(path=root))
    assert list(scans["months"]) == [0, 12] and list(scans["age"]) == [60, 61]
    assert set(scans["age_from"]) == {"scan"}


def test_age_at_the_visit_when_no_date_is_known(tmp_path):
    images = {one_image("sub-1", session): session.encode() for session in ("ses-M00", "ses-M120")}
    visits = [{"session_id": "ses-M00", "age": 70.5}, {"session_id": "ses-M120", "age": 80.25}]
    scans = manifest(tmp_path, Bids(path=dataset(tmp_path / "ds", images, **{"sub_1__sub-1_sessions": visits})))
    assert list(scans["age"]) == [70.5, 80.25] and set(scans["age_from"]) == {"visit"}
    assert list(scans["months"]) == [0, 120]


def test_visits_that_nothing_places_in_time_stay_without_months(tmp_path):
    images = {one_image("sub-1", session): session.encode() for session in ("ses-test", "ses-again")}
    images[one_image("sub-2", "ses-test")] = b"the only one"
    visits = [{"session_id": "ses-test", "age": 70}, {"session_id": "ses-again", "age": 70}]
    tables = {f"sub_{number}__sub-{number}_sessions": visits[: 3 - number] for number in (1, 2)}
    scans = manifest(tmp_path, Bids(path=dataset(tmp_path / "ds", images, **tables)))
    assert scans["months"].isna().to_list() == [True, True, False] and scans["months"][2] == 0
    assert set(scans["status"]) == {"included"}


def test_filters_and_links_to_nowhere(tmp_path):
    images = {one_image("sub-1", more="_acq-mprage"): b"1", one_image("sub-1", more="_acq-fast"): b"22"}
    people = [{"participant_id": f"sub-{number}", "age": 70} for number in (1, 2, 3)]
    root = dataset(tmp_path / "ds", images | {one_image("sub-3", more="_acq-mprage"): b""}, participants=people)
    link = root / one_image("sub-2", more="_acq-mprage")
    link.parent.mkdir(parents=True)
    link.symlink_to("../../.git/annex/objects/nothing")
    scans = manifest(tmp_path, Bids(path=root, filters={"acquisition": "mprage"}))
    reasons = scans["reason"].fillna("").str.split(":").str[0]
    assert list(reasons) == ["", "image not on disk", "empty file"]


def test_no_dataset_and_no_image(tmp_path):
    with pytest.raises(UserError, match=r"not a BIDS dataset.*set bids\.path"):
        bids_scans(Bids(path=tmp_path))
    with pytest.raises(UserError, match=r"no T1w image with \{'acquisition': 'x'\}"):
        root = dataset(tmp_path / "ds", {one_image("sub-1"): b"1"})
        bids_scans(Bids(path=root, filters={"acquisition": "x"}))


def test_equal_files_have_equal_keys_and_others_do_not(tmp_path):
    long = bytes(3 << 20)
    contents = [b"a", b"b", b"a", b"cc", long + b"1", long + b"2", long + b"1"]
    paths = [tmp_path / str(place) for place in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    keys = content_keys([*paths, tmp_path / "nowhere"])
    assert keys[-1] is None
    pairs = [(i, j) for i in range(7) for j in range(i) if keys[i] == keys[j]]
    assert pairs == [(2, 0), (6, 4)]
