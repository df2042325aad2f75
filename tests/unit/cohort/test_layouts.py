"""Presets of studies: OASIS-3 as its scripts leave it and AIBL as Clinica writes it, in three edits and in one."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from any_dataset import nifti

from ldae import cli
from ldae.cohort.bids import bids_scans
from ldae.cohort.identity import given_files
from ldae.cohort.manifest import write_manifest
from ldae.config import Bids, Manifest, load_config
from ldae.core.files import read_json, read_tsv

ROOT = Path(__file__).parents[3]
SUBJECTS = 24


def write_csv(path: Path, rows: list[list]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)


@pytest.fixture
def oasis(tmp_path) -> tuple[Path, Path, Path, dict]:
    """The dataset (two scans a subject, a description in each session and none at the root), the table of clinical
    visits on other days, the demographics, and (participant, session) -> age and diagnosis by the nearest visit."""
    root, random, truth = tmp_path / "oasis3", np.random.default_rng(4), {}
    visits = [["OASISID", "OASIS_session_label", "days_to_visit", "age at visit", "MMSE", "CDRTOT", "dx1"]]
    people = [["OASISID", "AgeatEntry", "GENDER"]]
    for number in range(SUBJECTS):
        name, age = f"OAS3{number:04d}", 60 + number
        people.append([name, f"{age:.2f}", 1 + number % 2])
        clinical = []
        for visit in range(5):
            day = visit * 365 + (int(random.integers(0, 40)) if visit else 0)
            cdr = [0.5 if visit < 2 else 1, 0.5, 0][number % 3]
            row = [
                name,
                f"{name}_UDSb4_d{day:04d}",
                day,
                f"{age + day / 365.25:.2f}",
                29 - 4 * cdr if visit != 3 else "",
            ]
            visits.append([*row, cdr, "uncertain dementia" if cdr else "Cognitively normal"])
            clinical.append((day, cdr))
        for day in (129 + number, 1200 + number):
            session = f"ses-d{day:04d}"
            path = root / f"sub-{name}/{session}/anat/sub-{name}_{session}_run-01_T1w.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_bytes(nifti(f"{name}{day}"))
            (path.parents[1] / "dataset_description.json").write_text(json.dumps({"Name": "O", "BIDSVersion": "1.0.1"}))
            cdr = min(clinical, key=lambda item: abs(item[0] - day))[1]
            truth[f"sub-{name}", session] = age + day / 365.25, {0: "CN", 0.5: "MCI", 1: "AD"}[cdr]
    tables = tmp_path / "OASIS3_UDSb4_cdr.csv", tmp_path / "OASIS3_demographics.csv"
    write_csv(tables[0], visits)
    write_csv(tables[1], people)
    return root, *tables, truth


def manifest(settings: Bids, folder: Path):
    write_manifest(bids_scans(settings), "bids", Manifest(), 5, folder / "scans.tsv", folder / "exclusions.tsv")
    return read_tsv(folder / "scans.tsv"), "\n".join(read_json(folder / "notes.json"))


def test_oasis3_takes_three_paths(oasis, tmp_path):
    root, visits, people, truth = oasis
    mine = (ROOT / "config/oasis3.yaml").read_text()
    for old, new in (
        ("data/oasis3 ", f"{root} "),
        ("data/OASIS3_UDSb4_cdr.csv", str(visits)),
        ("data/OASIS3_demographics.csv", str(people)),
    ):
        assert mine.count(old) == 1
        mine = mine.replace(old, new)
    (tmp_path / "mine.yaml").write_text(mine)
    config = load_config(ROOT / "config/config.yaml", tmp_path / "mine.yaml")
    assert set(given_files(config)) == {str(visits), str(people)}
    scans, notes = manifest(config.bids, tmp_path / "out")
    assert list(scans["status"]) == ["included"] * 2 * SUBJECTS
    for row in scans.itertuples():
        age, diagnosis = truth[row.participant_id, row.session_id]
        assert row.diagnosis == diagnosis and abs(row.age - age) < 0.06  # tables round to 0.01, months to a month
        assert row.sex in ("M", "F") and row.cdr in (0, 0.5, 1)
    assert f"{2 * SUBJECTS} of {2 * SUBJECTS} scanned visits matched with the nearest row within 365 days" in notes
    assert not (root / "dataset_description.json").exists()


def test_visits_too_far_away_are_named_and_give_nothing(oasis, tmp_path):
    root, visits, people, _ = oasis
    settings = {"path": root, "visits": visits, "participants": people, "layout": "oasis3"}
    scans = bids_scans(Bids.model_validate(settings | {"nearest_days": 110}))
    assert 0 < scans["diagnosis"].notna().sum() < 2 * SUBJECTS
    assert "no row within 110 days of sub-OAS3" in "\n".join(scans.attrs["notes"])


def test_what_is_set_beside_a_layout_comes_first():
    settings = Bids.model_validate({"path": "x", "layout": "oasis3", "nearest_days": 30, "columns": {"cdr": ["mine"]}})
    assert settings.nearest_days == 30 and settings.columns.cdr == ["mine"] and settings.columns.mmse == ["MMSE"]


def test_aibl_as_clinica_writes_it(tmp_path):
    root = tmp_path / "aibl"
    for month in ("M000", "M018"):
        path = root / f"sub-AIBL10/ses-{month}/anat/sub-AIBL10_ses-{month}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(nifti(month))
    (root / "dataset_description.json").write_text('{"Name": "AIBL", "BIDSVersion": "1.7.0"}')
    (root / "participants.tsv").write_text(
        "alternative_id_1\tparticipant_id\tsex\tdate_of_birth\n10\tsub-AIBL10\tM\t/1935\n"
    )
    (root / "sub-AIBL10/sub-AIBL10_sessions.tsv").write_text(
        "session_id\tmonths\tage\tMMS\tcdr_global\tdiagnosis\texamination_date\n"
        "ses-M000\t0\t72\t29\t0.0\tCN\t01/18/2007\nses-M018\t18\t73\t-4\t0.5\tMCI\t07/20/2008\n"
    )
    scans, _ = manifest(Bids.model_validate({"path": root, "layout": "aibl"}), tmp_path / "out")
    assert scans[["age", "diagnosis", "cdr", "months"]].to_numpy().tolist() == [[72, "CN", 0, 0], [73, "MCI", 0.5, 18]]
    assert scans["mmse"].tolist()[0] == 29 and np.isnan(scans["mmse"][1])


def test_preflight_of_a_dataset_says_what_will_enter(oasis, capsys):
    root, visits, people, _ = oasis
    assert cli.main(["preflight", "--bids", str(root)]) == 1  # the paper asks for a diagnosis
    verdict, blocking, *_ = capsys.readouterr().out.splitlines()
    assert verdict == (
        "The dataset is not ready: 0 of 48 scans will enter, 0 with an age, 0 with a diagnosis."
    ) and blocking.startswith("blocking: No scan is left (reasons: 48 x diagnosis missing)")
    command = ["preflight", "--bids", str(root), "--layout", "oasis3", "--visits", str(visits)]
    assert cli.main([*command, "--participants", str(people)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The dataset is ready: 48 of 48 scans will enter, 48 with an age, 48 with a diagnosis.")
    assert "note: the root has no dataset_description.json" in out and "quarantine" not in out
    assert cli.main([*command, "--participants", str(people), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["with_diagnosis"] == 48
    assert cli.main(["preflight"]) == 2


def test_oasis3_without_its_table_of_visits_is_said_so(oasis, capsys):
    root, visits, people, _ = oasis
    command = ["preflight", "--bids", str(root), "--layout", "oasis3"]
    cli.main(command)
    assert "set bids.visits (--visits) to OASIS3_UDSb4_cdr.csv" in capsys.readouterr().out
    cli.main([*command, "--visits", str(visits), "--participants", str(people)])
    assert "--visits" not in capsys.readouterr().out


def test_preflight_of_a_dataset_reads_a_configuration_and_writes_a_report(oasis, tmp_path, capsys):
    root, visits, people, _ = oasis
    config = Path(__file__).parents[3] / "config" / "config.yaml"
    mine = tmp_path / "mine.yaml"
    bids = {"path": "elsewhere", "layout": "oasis3", "visits": str(visits), "participants": str(people)}
    mine.write_text(json.dumps({"source": "bids", "raw": None, "bids": bids, "manifest": {"require_diagnosis": True}}))
    command = ["preflight", "--bids", str(root), "--config", str(config), str(mine), "--json", str(tmp_path / "r.json")]
    assert cli.main(command) == 1
    out = capsys.readouterr().out
    assert out.startswith("The dataset is not ready: 48 of 48 scans will enter")
    assert "blocking: Only 4 of 8 CN subjects are in the test split" in out
    settings = {"source": "bids", "raw": None, "bids": bids, "splits": {"min_test_subjects_per_class": 4}}
    mine.write_text(json.dumps(settings))
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith("The dataset is ready: 48 of 48 scans will enter, 48 with an age, 48")
    report = read_json(tmp_path / "r.json")
    assert (report["images"], report["scans"], report["with_diagnosis"], report["ready"]) == (48, 48, 48, True)
    mine.write_text(json.dumps({"source": "bids", "raw": None, "bids": {"path": "elsewhere"}}))
    assert cli.main(command) == 1  # the paper asks for a diagnosis
    assert "quarantine: 48 scans of 24 subjects, diagnosis missing" in capsys.readouterr().out
    (kind,) = read_json(tmp_path / "r.json")["left_out"]
    assert kind["scans"] == 48 and len(kind["which"]) == 48 and kind["reason"].startswith("diagnosis missing")
    mine.write_text(json.dumps({"manifest": {"require_diagnosis": False}, "bids": {"path": "elsewhere"}}))
    assert cli.main(command) == 0
