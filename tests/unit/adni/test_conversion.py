"""The real Clinica on two subjects: one with a damaged scan, one that ends every run it takes part in."""

import gzip
import re
import resource
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from ldae.adni import conversion
from ldae.adni.accounting import NOT_ON_DISK, check_lost
from ldae.adni.bids_tables import STATUS_COLUMNS, SubjectRecord, merge_bids, write_record
from ldae.adni.clinica import run_clinica
from ldae.adni.conversion import convert_shard, stop_if_killed_again, warn_of_losses
from ldae.adni.preflight.arrivals import Arrivals, arrival_findings
from ldae.config import Convert
from ldae.core.errors import MachineError, UserError
from ldae.core.files import read_tsv, sha256_file, write_tsv
from ldae.core.keys import participant_id

SETTINGS = Convert(shards=1, max_quarantined_fraction=0.9)


def convert(download, results: Path) -> pd.DataFrame:
    status = results / "status" / "0.tsv"
    convert_shard(download.images, download.tables, results / "bids", 0, SETTINGS, status, results / "scratch")
    return read_tsv(status, dtype={"image_id": str})


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def converted(tmp_path_factory, plans, make_download):
    """The download, the results folder and the first status table."""
    folder = tmp_path_factory.mktemp("conversion")
    healthy, killer = plans[0].subject, plans[1].subject
    images = make_download(folder / "raw", plans[:2]).chosen(healthy.ptid)
    download = make_download(folder / "harmed", plans[:2], broken={images[1].image_id})
    download.edit("ADNIMERGE", {"PTID": killer.ptid}, "EXAMDATE_bl", "unknown")
    return download, folder / "results", convert(download, folder / "results")


def test_broken_scan_and_killer_are_quarantined_and_the_rest_arrives(converted, plans):
    download, results, status = converted
    healthy, killer = (participant_id(plan.subject.ptid) for plan in plans[:2])
    good, broken = download.chosen(plans[0].subject.ptid)
    assert list(status) == STATUS_COLUMNS
    rows = {(row.participant_id, row.session_id): row for row in status.itertuples()}
    assert len(rows) == len(status) == 4

    row = rows[healthy, "ses-M000"]
    assert (row.state, row.image_id, row.scan_date) == ("done", str(good.image_id), str(good.acquired.date()))
    assert row.field_strength == good.field_strength
    image = results / "bids" / row.path
    assert (image.stat().st_size, sha256_file(image)) == (row.size, row.sha256)
    assert nibabel.load(image).shape == download.volume(good).shape

    row = rows[healthy, f"ses-M{broken.months:03d}"]
    assert row.state == "quarantined" and f"I{broken.image_id}" in row.reason
    assert not list((results / "bids").glob(f"{healthy}/{row.session_id}"))

    lost = [row for row in rows.values() if row.participant_id == killer]
    assert [row.image_id for row in lost] == [str(image.image_id) for image in download.chosen(plans[1].subject.ptid)]
    for row in lost:
        assert row.state == "quarantined"
        assert row.reason.startswith("Clinica died: ValueError: time data 'unknown' does not match")
    assert not (results / "bids" / killer).exists()


def test_second_run_touches_nothing_and_a_mended_subject_arrives(converted, plans, monkeypatch):
    download, results, first = converted
    before = times(results / "bids")
    killer = plans[1]
    download.edit("ADNIMERGE", {"PTID": killer.subject.ptid}, "EXAMDATE_bl", str(killer.visits[0].exam_date))
    second = convert(download, results)
    healthy = participant_id(plans[0].subject.ptid)
    pd.testing.assert_frame_equal(
        second[second["participant_id"] == healthy].reset_index(drop=True),
        first[first["participant_id"] == healthy].reset_index(drop=True),
        check_dtype=False,
    )
    assert (second["state"] == "done").sum() == 3
    after = times(results / "bids")
    assert {path: after[path] for path in before} == before

    def refuse(*_):
        raise AssertionError("Clinica was called although nothing had changed")

    monkeypatch.setattr(conversion, "run_clinica", refuse)
    content = (results / "status" / "0.tsv").read_bytes()
    convert(download, results)
    assert times(results / "bids") == after
    assert (results / "status" / "0.tsv").read_bytes() == content
    assert sorted(path.name for path in results.iterdir()) == ["bids", "scratch", "status"]


def test_dataset_is_valid_bids_without_identifiers(converted, require_valid_bids):
    download, results, _ = converted
    bids = results / "bids"
    merge_bids([results / "status" / "0.tsv"], bids, 0.9)
    participants = read_tsv(bids / "participants.tsv")
    assert list(participants["participant_id"]) == sorted(path.name for path in bids.glob("sub-*"))
    require_valid_bids(bids)
    for path in bids.rglob("*"):
        if path.is_file():
            content = gzip.decompress(path.read_bytes())[:352] if path.suffix == ".gz" else path.read_bytes()
            for image in download.listed:
                assert image.ptid.encode() not in content, path
                assert f"{image.acquired:%H%M%S}".encode() not in content, path
    for path in bids.rglob("*.nii.gz"):
        header = nibabel.load(path).header
        assert all(header[field].tobytes().strip(b"\0") == b"" for field in ("descrip", "aux_file", "db_name"))


def test_voxels_are_those_of_the_download(converted, plans):
    download, results, status = converted
    (path,) = status.loc[status["state"] == "done", "path"]
    source = download.volume(download.chosen(plans[0].subject.ptid)[0])
    voxels = nibabel.load(results / "bids" / path).get_fdata()
    assert np.corrcoef(source.ravel(), voxels.ravel())[0, 1] > 0.9999


def test_scans_of_one_subject_are_never_too_many():
    check_lost(status_table("xx").assign(participant_id=1), 0.1)
    assert not blocked([0, 0], 1, 0.1)


def test_after_one_subject_is_added_clinica_runs_on_that_one_alone(tmp_path, plans, make_download, monkeypatch):
    calls = []

    def counted(images, tables, subjects, *folders):
        calls.append(subjects)
        return run_clinica(images, tables, subjects, *folders)

    monkeypatch.setattr(conversion, "run_clinica", counted)
    names = [plan.subject.ptid for plan in plans[:3]]
    convert(make_download(tmp_path / "raw", plans[:2]), tmp_path / "results")
    before = times(tmp_path / "results" / "bids") | times(tmp_path / "results" / "status" / "subjects")
    shutil.rmtree(tmp_path / "raw")
    status = convert(make_download(tmp_path / "raw", plans[:3]), tmp_path / "results")
    assert calls == [sorted(names[:2]), [names[2]]]
    after = times(tmp_path / "results" / "bids") | times(tmp_path / "results" / "status" / "subjects")
    assert {path: after.get(path) for path in before} == before
    assert (status["state"] == "done").sum() == 6


def status_table(states: str) -> pd.DataFrame:
    """``.`` done, ``x`` broken, ``-`` not downloaded."""
    reasons = {".": None, "x": "no image: dcm2niix made nothing of I1", "-": f"{NOT_ON_DISK}: no file"}
    return pd.DataFrame(
        {
            "participant_id": range(len(states)),
            "state": ["done" if s == "." else "quarantined" for s in states],
            "reason": map(reasons.get, states),
        }
    )


def blocked(lost_by: list[int], arriving: int, limit: float) -> str:
    """What the preflight says of as many visits; empty where it does not block."""
    found = Arrivals([(f"a{number}", "bl") for number in range(arriving)])
    for subject in lost_by:
        found.add(str(subject), "empty files: 1 of 12 files")
    return "".join(str(item) for item in arrival_findings(found, limit) if item.severity == "blocking")


@pytest.mark.parametrize("states", ["x.", "x" + 9 * ".", "xx" + 18 * ".", 30 * "-" + "x."])
def test_losses_within_the_limit_stop_neither_the_preflight_nor_the_merge(states):
    check_lost(status_table(states), 0.1)
    assert not blocked(list(range(states.count("x"))), states.count("."), 0.1)


@pytest.mark.parametrize("states", ["xx", "xx" + 17 * ".", "xx" + 17 * "." + 50 * "-"])
def test_losses_above_the_limit_stop_both(states):
    with pytest.raises(UserError, match=f"2 of {len(states.strip('-'))} scans cannot be used .2 x no image"):
        check_lost(status_table(states), 0.1)
    assert "max_quarantined_fraction" in blocked([0, 1], states.count("."), 0.1)


def test_a_lost_shard_is_said_and_stops_nothing_where_the_cohort_is_well(tmp_path, caplog):
    """Four of five scans of one shard are lost, of the cohort four of forty-five."""
    tables = []
    for shard, states in enumerate(["xxxx.", 40 * "."]):
        names = [f"sub-{shard}{number}" for number in range(len(states))]
        table = status_table(states).assign(participant_id=names)
        status = tmp_path / "status" / f"{shard}.tsv"
        write_tsv(status, table)
        tables.append(status)
        with caplog.at_level("WARNING", "ldae"):
            warn_of_losses(table, shard)
        for name in table.loc[table["state"] == "done", "participant_id"]:
            write_record(status, SubjectRecord(name, "inputs"))
            (tmp_path / "bids" / name).mkdir(parents=True)
    assert [record.message for record in caplog.records] == ["shard 0: 4 of 5 scans cannot be used (4 x no image)"]
    with pytest.raises(UserError, match=r"4 of 45 scans cannot be used"):
        merge_bids(tables, tmp_path / "bids", 0.05)
    assert not (tmp_path / "bids" / "participants.tsv").exists()
    merge_bids(tables, tmp_path / "bids", 0.1)
    assert len(read_tsv(tmp_path / "bids" / "participants.tsv")) == 41


def test_a_disk_that_takes_no_image_stops_the_shard_and_blames_no_scan(plans, make_download, tmp_path, conversion_job):
    """A limit on the size of files stands for it: dcm2niix leaves half an image, and Clinica goes on."""
    make_download(tmp_path / "raw", plans[:2])
    size = 2600  # tables fit, images do not
    arguments = tmp_path / "raw", tmp_path / "results", 0.5
    full = conversion_job(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    assert full.returncode == 1 and "Traceback" not in full.stderr
    assert re.search(r"^Error: .*File too large.*what is done is kept\.$", full.stderr, re.MULTILINE), full.stderr
    status = tmp_path / "results/status/convert/0.tsv"
    assert not status.exists()
    assert conversion_job(*arguments).returncode == 0
    assert read_tsv(status)["state"].eq("done").all()


def test_clinica_killed_on_one_subject_after_another_is_the_machine_s():
    """A subject that is in every killed run may be the cause; two that have none in common are not."""
    assert stop_if_killed_again(set(), {"a", "b", "c"}) == {"a", "b", "c"}
    assert stop_if_killed_again({"a", "b", "c"}, {"a"}) == {"a"}
    with pytest.raises(MachineError, match="killed twice in a row, on different subjects: give the job more memory"):
        stop_if_killed_again({"a"}, {"b"})
