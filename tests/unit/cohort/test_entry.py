"""``ldae preflight --bids``: what will enter, decided as the chain decides it, and what is said of the tables."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldae import cli
from ldae.cohort.entry import Dealing, entry
from ldae.cohort.splits import make_splits
from ldae.config import Bids, Manifest, Splits, load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json

CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"
GERMAN = {"columns": {"baseline_age": ["Alter"], "diagnosis": ["Diagnose"]}, "values": {"diagnosis": {"gesund": "CN"}}}


@pytest.fixture
def clinic(dataset):
    """Twelve scans, four of each word for a diagnosis, in columns that no study has."""
    rows = ["participant_id\tAlter\tDiagnose"]
    for number in range(12):
        dataset.image(f"{number:02d}", "M000")
        rows.append(f"sub-{number:02d}\t{60 + number}\t{('gesund', 'MCI', 'AD')[number % 3]}")
    dataset.people("\n".join(rows) + "\n")
    return dataset


def called(dataset, *options: str, **settings) -> tuple[int, dict]:
    """Exit status and report of the command; ``settings`` lie over the paper's configuration."""
    out = dataset.folder / "report.json"
    if settings:
        mine = dataset.folder / "mine.yaml"
        mine.write_text(json.dumps(settings))
        options = ("--config", str(CONFIG), str(mine), *options)
    status = cli.main(["preflight", "--bids", str(dataset.root), *options, "--json", str(out)])
    return status, read_json(out)


def test_columns_that_nobody_reads_are_named_with_the_key_that_takes_them(clinic):
    status, report = called(clinic)
    assert status == 1 and report["visits"] == {"on_disk": 12, "arriving": 0}
    (note,) = [note for note in report["notes"] if "Alter" in note]
    assert "known for age (age_bl, age), sex (sex, gender), diagnosis (diagnosis, dx, group)" in note
    assert "Alter, Diagnose of participants.tsv" in note
    assert "bids: {columns: {baseline_age: [...], sex: [...], diagnosis: [...]}}" in note
    entered = entry(Bids.model_validate({"path": clinic.root} | GERMAN), Manifest())
    assert entered.facts() == {"with_age": 12, "with_diagnosis": 12} and not entered.blocking


def test_further_columns_of_a_table_whose_facts_are_known_are_no_matter(dataset):
    dataset.image("01")
    dataset.people("participant_id\tage\tsex\tgroup\thandedness\nsub-01\t60\tM\tCN\tR\n")
    assert called(dataset)[1]["notes"][:-1] == [
        "1 age is that of a visit or a table, not of the day of the scan (age_from in scans.tsv)"
    ]


def test_a_dataset_without_a_table_of_participants_is_told_so(dataset):
    dataset.image("01")
    status, report = called(dataset)
    assert status == 1 and "the root has no participants.tsv" in report["notes"][0]
    assert report["left_out"] == [
        {
            "reason": (
                why := "diagnosis missing: no table has a column for it (name it: bids: {columns: {diagnosis: [...]}})"
            ),
            "scans": 1,
            "subjects": 1,
            "which": ["sub-01 ses-M000"],
            "reasons": [why],
        }
    ]


def verdict(dataset, rows: list[str], header: str = "participant_id\tage\tdx", require: bool = True) -> list[str]:
    """What is printed of a dataset with one scan for each row of participants.tsv, in order."""
    for number in range(len(rows)):
        dataset.image(f"{number:02d}")
    dataset.people("\n".join([header, *(f"sub-{number:02d}\t{row}" for number, row in enumerate(rows))]) + "\n")
    return entry(Bids(path=dataset.root), Manifest(require_diagnosis=require)).lines()


def test_words_without_a_meaning_are_named_where_their_scans_are_lost(dataset):
    _, lost, kept, *_ = verdict(dataset, ["60\tpatient", "61\tcontrol", "62\tpatient", "63\tother"])
    why = "no entry in bids.values.diagnosis for 'patient', 'other' of dx of participants.tsv (say which is CN, MCI or "
    why += "AD: bids: {values: {diagnosis: {'patient': ..., 'other': ...}}})"
    which = "(sub-00 ses-M000, sub-02 ses-M000, sub-03 ses-M000)"
    assert lost == f"quarantine: 3 scans of 3 subjects, diagnosis missing: {why} {which}"
    assert kept == "CN: 1 scan"
    lines = verdict(dataset, ["60\tpatient", "61\tcontrol", "62\tpatient", "63\tother"], require=False)
    assert any(
        "3 included scans have no diagnosis (mostly: no entry in bids.values.diagnosis for" in line for line in lines
    )


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        (["60\t1", "61\t1", "62\t2"], "no entry in bids.values.diagnosis for '1', '2' of dx of participants.tsv"),
        (["60\t", "61\tn/a", "62\t"], "dx of participants.tsv is blank (fill it in)"),
        (
            ["60\tCN\nsub-00\t60\tAD", "61\tMCI\nsub-01\t61\tAD"],
            "rows stand twice and differ in dx of participants.tsv",
        ),
        (["60\tCN\nP1\t60\tCN"], None),
    ],
)
def test_what_blocks_a_cohort_is_said_with_its_commonest_cause(dataset, rows, cause):
    lines = verdict(dataset, rows)
    if cause is None:
        assert not any(line.startswith("blocking") for line in lines)
        return
    number = len(rows)
    assert lines[1].startswith(f"blocking: No scan is left (reasons: {number} x diagnosis missing): {cause}")


def test_columns_that_nobody_reads_and_rows_of_other_visits_block_by_name(dataset):
    _, blocking, *_ = verdict(dataset, ["60\tCN", "61\tAD"], "participant_id\tage\tstatus")
    why = "no table has a column for it (name it: bids: {columns: {diagnosis: [...]}}; not read: status of participants"
    assert why in blocking
    dataset.write("sub-00/sub-00_sessions.tsv", "session_id\tdiagnosis\nses-1\tCN\n")
    assert "no row of this visit in sessions.tsv (a visit is" in entry(Bids(path=dataset.root), Manifest()).lines()[1]


def test_ids_of_another_list_block_by_name(dataset):
    for number in range(3):
        dataset.image(f"{number:02d}")
    dataset.people("participant_id\tage\tdx\nP007\t60\tCN\nP008\t61\tAD\n")
    _, blocking, *_ = entry(Bids(path=dataset.root), Manifest()).lines()
    assert blocking.startswith(
        "blocking: No scan is left (reasons: 3 x diagnosis missing): no row of this participant in participants.tsv, "
        "which has sub-P007 and 1 more (participant_id is the name of the folder sub-*)"
    )


@pytest.mark.parametrize(
    ("cells", "cause"),
    [
        (("", "n/a", ""), "age of participants.tsv is blank (fill it in)"),
        (("812", "812", "901"), "'812' of age of participants.tsv is no age in years (the middle one of 3 is 812, as "
         "if in months, not years: set bids.age_unit: months)"),
        (("1938", "1938", "1941"), "'1938' of age of participants.tsv seems to be a year of birth (give ages"),
        (("old", "old", "61"), "'old' of age of participants.tsv is no age in years"),
    ],
)  # fmt: skip
def test_scans_without_an_age_are_told_with_the_column_and_a_cell(dataset, cells, cause):
    lines = verdict(dataset, [f"{cell}\tCN" for cell in cells])
    (note,) = [line for line in lines if "no age" in line and line.startswith("note: ") and "included" in line]
    lacking = sum(cell != "61" for cell in cells)
    assert note.startswith(f"note: {lacking} included scans have no age (mostly: {cause}")
    assert lines.index(note) < 4  # above what is said of the tables


def test_an_image_that_cannot_be_placed_in_time_has_no_age_for_that(dataset):
    for session in ("01", "02"):
        dataset.image("01", session)
    dataset.people("participant_id\tage\tdx\nsub-01\t60\tCN\n")
    notes = "\n".join(entry(Bids(path=dataset.root), Manifest()).notes)
    assert "2 included scans have no age (mostly: the time of the visit is not known (set bids.session_pattern" in notes


def test_copies_are_told_with_their_own_originals(dataset):
    for name in ("01", "02"):
        path = dataset.image(name, "M000")
        dataset.write(dataset.image(name, "M012"), (dataset.root / path).read_bytes())
    dataset.people("participant_id\tage\tdx\nsub-01\t60\tCN\nsub-02\t60\tCN\n")
    line = entry(Bids(path=dataset.root), Manifest()).lines()[1]
    assert line == (
        "quarantine: 2 scans of 2 subjects, duplicate: the same image as sub-01 ses-M000 (sub-01 ses-M012, sub-02 "
        "ses-M012: the same image as sub-02 ses-M000)"
    )


@pytest.mark.parametrize(
    ("own", "diagnoses"),
    [
        ({}, {"CN": "CN", "control": "CN", "Dementia": "AD", "FTD": None}),
        ({"FTD": "AD"}, {"CN": "CN", "control": "CN", "Dementia": "AD", "FTD": "AD"}),
        ({"Control": None, 1: "MCI"}, {"CN": "CN", "control": None, "1": "MCI"}),
        ({"DEMENTIA": "MCI"}, {"dementia": "MCI", "AD": "AD"}),
    ],
)
def test_values_of_ones_own_are_added_to_those_known(dataset, own, diagnoses):
    for place in range(len(diagnoses)):
        dataset.image(f"0{place}")
    rows = [f"sub-0{place}\t60\tM\t{word}" for place, word in enumerate(diagnoses)]
    dataset.people("participant_id\tage\tsex\tdx\n" + "\n".join(rows) + "\n")
    settings = Bids.model_validate({"path": dataset.root, "values": {"diagnosis": own}})
    assert Bids.model_validate(settings.model_dump(mode="json")) == settings  # as the rule is given it
    found = entry(settings, Manifest(require_diagnosis=False))
    assert [d if isinstance(d, str) else None for d in found.scans["diagnosis"]] == list(diagnoses.values())
    assert ("no entry of bids.values.diagnosis" in "\n".join(found.notes)) == ("FTD" in diagnoses and "FTD" not in own)


def test_values_beside_a_layout_are_added_to_its_own():
    settings = Bids.model_validate({"path": "x", "layout": "oasis3", "values": {"diagnosis": {"0.5": "CN"}}})
    assert settings.values.diagnosis == {"0": "CN", "0.5": "CN", "1": "AD", "2": "AD", "3": "AD"}


@pytest.mark.parametrize(
    ("settings", "ready"),
    [
        ({"splits": {"min_test_subjects_per_class": 2}}, True),
        ({"splits": {"min_test_subjects_per_class": 3}}, False),  # four of a kind, half of them at most
        ({"splits": {"hold_out": {"site": ["9"]}}}, False),
        ({"manifest": {"require_diagnosis": True}, "bids": {"columns": {"diagnosis": ["none"]}}}, False),
        ({"splits": {"min_test_subjects_per_class": 2, "test_fraction": 0.99}}, False),  # nobody left to train on
    ],
)
def test_the_verdict_is_what_the_run_does(clinic, settings, ready):
    """The rules build_manifest and make_splits, run with the same configuration, stop where the preflight blocks."""
    given = {"source": "bids", "raw": None, "results_dir": str(clinic.folder / "results")} | settings
    given["bids"] = {"path": str(clinic.root)} | GERMAN | settings.get("bids", {})
    status, report = called(clinic, **given)
    config = load_config(CONFIG, clinic.folder / "mine.yaml")
    try:
        scans, _ = clinic.read(config.manifest.require_diagnosis, **config.section("bids") | {"path": clinic.root})
        make_splits(scans, config.splits, config.seed)
        runs = True
    except UserError as error:
        runs = False
        assert report["blocking"] == [str(error)]
    assert runs == ready == report["ready"] and status == (0 if ready else 1)


def test_subjects_that_were_dealt_before_stay_where_they_are(clinic):
    dealing = Dealing(Splits(min_test_subjects_per_class=2), 42)
    settings = Bids.model_validate({"path": clinic.root} | GERMAN)
    assert entry(settings, Manifest(), dealing).blocking == []
    ledger = clinic.folder / "ledger.tsv"
    names = [f"sub-{number:02d}" for number in range(12)]
    rows = [f"{name}\ttrain\t{('CN', 'MCI', 'AD')[number % 3]}\tso\n" for number, name in enumerate(names)]
    ledger.write_text("participant_id\tsplit\tstratum\twhy\n" + "".join(rows))
    (blocking,) = entry(settings, Manifest(), Dealing(dealing.settings, 42, ledger)).blocking
    assert blocking.startswith("Only 0 of 4 CN subjects are in the test split")


def test_damaged_files_are_counted_by_kind_and_further_images_are_no_loss(dataset):
    for name in ("01", "02", "03"):
        dataset.image(name)
    dataset.image("01", more="_run-2")
    dataset.write("sub-02/anat/sub-02_T1w.nii.gz", "")
    dataset.people("participant_id\tage\tsex\tdx\n" + "".join(f"sub-0{n}\t60\tM\tCN\n" for n in (1, 2, 3)))
    found = entry(Bids(path=dataset.root), Manifest())
    verdict, lost, kinds, *_ = found.lines()
    assert verdict == (
        "The dataset is ready, but for the scans below: 2 of 3 scans will enter, 2 with an age, 2 with a diagnosis "
        "(beside them 1 further image of the same visits)."
    )
    assert lost == "quarantine: 1 scan, empty file: 0 bytes (sub-02 ses-M000)" and kinds == "CN: 2 scans"


def test_every_note_is_printed_once(dataset):
    dataset.image("01")
    command = [sys.executable, "-m", "ldae.cli", "preflight", "--bids", str(dataset.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and ended.stderr == ""
    assert ended.stdout.count("the root has no participants.tsv") == 1


def test_names_that_are_not_utf8_are_text_in_the_report(dataset, capsys):
    dataset.image("01")
    (dataset.root / "sub-01" / "anat" / os.fsdecode(b"sub-01_acq-\xe9_T1w.nii.gz")).write_bytes(b"x")
    assert cli.main(["preflight", "--bids", str(dataset.root), "--json"]) == 1
    printed = capsys.readouterr().out
    json.loads(printed)
    assert "\\\\udce9" in printed and "\\udce9" not in printed.replace("\\\\udce9", "")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("..", "is not the root of a BIDS dataset: give {folder}/ds."),
        ("sub-01", "is the folder of a single subject: give the root of its dataset, {folder}/ds."),
        ("sub-01/ses-M000", "is the folder of a single session: give the root of its dataset, {folder}/ds."),
        ("../raw", "is not a BIDS dataset but a raw ADNI download (2 folders such as 002_S_0295)"),
        ("sub-01/ses-M000/anat", "has neither a dataset_description.json nor folders sub-*"),
        ("dataset_description.json", "is not a folder"),
        ("nope", "does not exist"),
    ],
)
def test_a_folder_that_is_no_dataset_is_called_what_it_is(dataset, place, sentence):
    dataset.image("01", "M000")
    for name in ("002_S_0295", "002_S_0413"):
        (dataset.folder / "raw" / name).mkdir(parents=True)
    given = Path(os.path.normpath(dataset.root / place))
    with pytest.raises(UserError) as ended:
        entry(Bids(path=given), Manifest())
    assert sentence.format(folder=dataset.folder) in str(ended.value)


def test_the_kernels_own_folders_and_links_to_everything_end_soon(dataset):
    kept = dataset.image("01")
    (dataset.root / "sub-01" / "self").symlink_to("/proc/self")
    (dataset.root / "sub-02").symlink_to("/proc/self")
    (dataset.root / "sub-01" / "all").symlink_to("/")
    (dataset.root / "sub_3").symlink_to("/proc/self")
    (dataset.root / "sub-01" / "ses-M012").symlink_to("/usr")
    start = time.monotonic()
    found = entry(Bids(path=dataset.root), Manifest(require_diagnosis=False))
    assert list(found.scans["t1w"]) == [kept]
    assert list(dataset.inventory()["path"]) == ["dataset_description.json", kept]
    assert time.monotonic() - start < 20
    with pytest.raises(UserError, match="/proc/self is not a BIDS dataset"):
        entry(Bids(path=Path("/proc/self")), Manifest())


@pytest.mark.parametrize("line", ["*" * 2000, "*a" * 1000, "**/" * 1000])
def test_a_line_of_bidsignore_takes_no_time_at_all(dataset, line):
    dataset.image("01", more="_acq-" + "a" * 100)
    dataset.write(".bidsignore", f"{line}x\n")
    start = time.monotonic()
    try:
        assert len(entry(Bids(path=dataset.root), Manifest(require_diagnosis=False)).kept) == 1
    except UserError as error:
        assert "asterisks" in str(error) and len(str(error)) < 400
    assert time.monotonic() - start < 20


def test_empty_folders_are_named_and_count_for_nothing(dataset):
    dataset.image("01", "M000")
    for folder in ("sub-01/ses-M012/anat", "sub-02", "sub-03/ses-M000"):
        (dataset.root / folder).mkdir(parents=True)
    dataset.write("sub-04/.DS_Store", "x")
    dataset.write("sub-05/func/bold.txt", "x")
    found = entry(Bids(path=dataset.root), Manifest(require_diagnosis=False))
    assert found.sentence().startswith("1 of 1 scan will enter")
    assert "4 empty folders, left over it seems: sub-01/ses-M012, sub-02, sub-03/ses-M000, sub-04" in found.notes


def test_one_subject_is_too_few_to_split(dataset):
    dataset.image("01")
    dataset.people("participant_id\tage\tsex\tdx\nsub-01\t60\tM\tn/a\n")
    dealing = Dealing(Splits(), 42)
    (blocking,) = entry(Bids(path=dataset.root), Manifest(require_diagnosis=False), dealing).blocking
    assert blocking == "No subject is left for the train split: one subject is too few, add subjects."
