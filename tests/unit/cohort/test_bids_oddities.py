"""source: bids on tables and names as people really have them; the values are those a reader of the dataset would give.

The kinds are from public bug reports of BIDS tools and from spreadsheets: how a table was saved, how cells are written,
which table has a fact, what an image is called, which dates can be believed.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from any_dataset import DESCRIPTION, Dataset, nifti

from ldae.cohort.bids import bids_scans
from ldae.config import Bids
from ldae.core.errors import UserError


def cells(scans: pd.DataFrame, *columns: str) -> list:
    """The cells of included scans, None where n/a."""
    kept = scans.loc[scans["status"] == "included", list(columns)].astype(object)
    rows = kept.where(kept.notna(), None).itertuples(index=False, name=None)
    return [row[0] if len(columns) == 1 else row for row in rows]


@pytest.mark.parametrize(
    ("text", "encoding", "note"),
    [
        ("participant_id\tage\tsex\nsub-01\t60.5\tM\n", "utf-16", "UTF-16"),
        ("participant_id\tage\tsex\nsub-01\t60.5\tM\n", "utf-8-sig", None),
        (
            "participant_id\tage\tsex\tname\nsub-01\t60.5\tM\tRené\n",
            "cp1252",
            "not UTF-8 (line 2), read as Windows-1252",
        ),
        ("participant_id;age;sex\nsub-01;60,5;M\n", "utf-8", "semicolons"),
        ("participant_id,age,sex\nsub-01,60.5,M\n", "utf-8", "commas"),
        ('participant_id\tage\tsex\tnote\nsub-01\t60.5\tM\t"unsure\n', "utf-8", "quote that does not close"),
        ('participant_id\tage\tsex\n"sub-01"\t"60.5"\t"M"\n', "utf-8", None),
        (" participant_id \tage\tsex\n sub-01 \t60.5\xa0\t M\n", "utf-8", None),
        ("participant_id\tparticipant_id\tage\tsex\nsub-01\tCQ2\t60.5\tM\n", "utf-8", "columns that stand twice"),
        ("participant_id\tage\tsex\nsub-01\t60.5\tM\t\textra\n\n", "utf-8", "left out: 'extra'"),
        ("participant_id\tage\tsex\r\nsub-01\t60.5\tM\r\n", "utf-8", None),
        ("Participant_ID\tAge\tSEX\n1\t60.5\tM\n", "utf-8", "leading zeros"),
    ],
)
def test_however_the_participants_were_saved(dataset, text, encoding, note):
    dataset.image("01")
    dataset.people(text, encoding)
    scans, notes = dataset.read()
    assert cells(scans, "age", "sex") == [(60.5, "M")]
    assert note in notes if note else "participants.tsv" not in notes


def test_a_second_participants_table_pasted_below_the_first_labels_nobody(dataset):
    for name in ("01", "02"):
        dataset.image(name)
    first = "participant_id\tage\tgroup\nsub-01\t60\tCN\n"
    dataset.people(first + "participant_id\tage\tgroup\nsub-02\t61\tAD\n")
    scans, notes = dataset.read()
    assert cells(scans, "age", "diagnosis") == [(60, "CN"), (61, "AD")] and "line 3 repeats the header" in notes
    dataset.people(first + "participant_id\tgroup\tage\nsub-02\tAD\t61\n")
    with pytest.raises(UserError, match="is two tables, one pasted below the other: line 3 is a second header"):
        dataset.read()


def test_a_participants_table_of_a_whole_registry(dataset):
    """20,000 participants and 60 further columns, of whom forty have an image: their facts, and the others counted."""
    for number in range(0, 20_000, 500):
        dataset.image(f"{number:05d}")
    more = "\t1" * 60
    rows = [f"sub-{number:05d}\t{50 + number % 40}\t{'MF'[number % 2]}{more}" for number in range(20_000)]
    header = "participant_id\tage\tsex" + "".join(f"\tc{number}" for number in range(60))
    dataset.people("\n".join([header, *rows]) + "\n")
    scans, notes = dataset.read()
    assert cells(scans, "age", "sex") == [(50 + number % 40, "M") for number in range(0, 20_000, 500)]
    assert "participants.tsv: 19960 participants without an image" in notes


def test_a_quote_that_opens_a_cell_swallows_nobody(dataset):
    for name in "1234":
        dataset.image(f"0{name}")
    lines = ["sub-01\t60\tM\tok", 'sub-02\t61\tM\t"unsure', "sub-03\t62\tF\tok", 'sub-04\t63\tF\t5" scar']
    dataset.people("participant_id\tage\tsex\tnote\n" + "\n".join(lines) + "\n")
    assert cells(dataset.read()[0], "age") == [60, 61, 62, 63]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\x1f\x8brest", "compressed"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"", "is empty"),
        (b"a\tb\0c\n", "binary data"),
        (b"age\tsex\n60\tM\n", "has no column participant_id"),
        (b"\xff\xfea", "UTF-16 is damaged"),
    ],
)
def test_what_is_no_table_ends_in_one_sentence(dataset, content, sentence):
    dataset.image("01")
    dataset.write("participants.tsv", content)
    with pytest.raises(UserError, match=sentence) as ended:
        dataset.read()
    assert str(ended.value).count("\n") == 0 and "participants.tsv" in str(ended.value)


@pytest.mark.parametrize(
    ("cell", "age", "note"),
    [
        ("60,5", 60.5, "read all the same: '60,5'"),
        ("89+", 89, "'89+'"),
        ("90 +", 90, "'90 +'"),
        (">89", 89, "'>89'"),
        (">= 89", 89, "'>= 89'"),
        ("065Y", 65, "'065Y'"),
        ("780M", 65, "'780M'"),
        ("65 years", 65, "'65 years'"),
        ("80-90", None, "cannot read '80-90'"),
        ("old", None, "cannot read 'old'"),
        ("-4", None, "codes of a missing value"),
        ("999", None, "codes of a missing value"),
        ("N/A", None, None),
        ("60", 60, None),
    ],
)
def test_ages_however_they_are_written(dataset, cell, age, note):
    dataset.image("01")
    dataset.people(f"participant_id\tage\tsex\nsub-01\t{cell}\tM\n")
    scans, notes = dataset.read()
    assert cells(scans, "age") == [age]
    assert note in notes if note else "age at baseline" not in notes


def test_codes_of_missing_scores_are_no_scores(dataset):
    """ADNI writes -1 and -4, NACC 88 and 95 to 98, others 9 and 999."""
    rows = ["M000\tCN\t-4\t-1\t60", "M012\tCN\t95\t9\t61", "M024\tCN\t29\t0.0\t-4", "M036\tAD\t88\t0.7\t999"]
    for row in rows:
        dataset.image("01", row[:4])
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    dataset.write(
        "sub-01/sub-01_sessions.tsv", "session_id\tdiagnosis\tmmse\tcdr\tage\n" + "".join(f"ses-{r}\n" for r in rows)
    )
    scans, notes = dataset.read()
    assert cells(scans, "mmse") == [None, None, 29, None] and cells(scans, "cdr") == [None, None, 0, None]
    assert cells(scans, "age") == [60, 61, 62, 63] and cells(scans, "age_from") == ["visit"] * 2 + ["months"] * 2
    for said in (
        "mmse: '-4' (1), '95' (1), '88' (1)",
        "cdr: '-1' (1), '9' (1)",
        "cdr: '0.7' (1)",
        "age: '-4' (1), '999' (1)",
    ):
        assert said in notes


def test_a_participants_table_with_a_row_per_session(dataset):
    for session in ("M000", "M072"):
        dataset.image("01", session)
    rows = "sub-01\tses-M000\t60\tM\tCN\t29\nsub-01\tses-M072\t66\tM\tAD\t18\n"
    dataset.people("participant_id\tsession_id\tage\tsex\tgroup\tmmse\n" + rows)
    scans, _ = dataset.read()
    assert cells(scans, "age", "sex", "diagnosis", "mmse") == [(60, "M", "CN", 29), (66, "M", "AD", 18)]


def test_rows_that_stand_twice_and_differ_are_quoted_and_not_believed(dataset):
    for name in ("001", "002"):
        dataset.image(name)
    dataset.people("participant_id\tage\tsex\tgroup\nsub-001\t60\tF\tCN\nsub-001\t75\tM\tCN\nsub-002\t70\tF\tAD\n")
    scans, notes = dataset.read()
    assert cells(scans, "age", "sex", "diagnosis") == [(None, None, "CN"), (70, "F", "AD")]
    assert "sub-001 baseline_age 60 or 75" in notes and "sub-001 sex F or M" in notes


def test_facts_are_chosen_row_by_row(dataset):
    """Sites spell columns differently; one has a sessions table, the others have the fact in participants.tsv."""
    for name in ("01", "02", "03", "04"):
        dataset.image(name, "M000")
    dataset.write("sub-01/sub-01_sessions.tsv", "session_id\tage\tdiagnosis\tmmse\nses-M000\t60\tAD\t29\n")
    dataset.write("sub-02/sub-02_sessions.tsv", "session_id\tAge\tDx\tMMSE\nses-M000\t70\tMCI\t20\n")
    dataset.write("sub-03/sub-03_sessions.tsv", "session_id\tdiagnosis\nses-M000\tn/a\n")
    scan = "sub-04/ses-M000/sub-04_ses-M000_scans.tsv"
    dataset.write(scan, "filename\tage\tgroup\nanat/sub-04_ses-M000_T1w.nii.gz\t81\tAD\n")
    dataset.people("participant_id\tage\tsex\tdiagnosis\nsub-01\t59\tM\tCN\nsub-03\t71\tF\tMCI\nsub-04\t72\tF\tCN\n")
    scans, notes = dataset.read()
    rows = [(60, "AD", 29), (70, "MCI", 20), (71, "MCI", None), (81, "AD", None)]
    assert cells(scans, "age", "diagnosis", "mmse") == rows
    assert "no row for 1 participant with images: sub-02" in notes


def test_facts_of_one_table_of_visits(dataset):
    """Sex and baseline age in bids.visits; it is saved with semicolons, its ids have lost their zeros."""
    dataset.image("01", "M012")
    visits = dataset.folder / "visits.csv"
    visits.write_text("participant_id;session_id;sex;age_bl;diagnosis\n1;M012;F;61;AD\n")
    scans, notes = dataset.read(visits=visits)
    assert cells(scans, "age", "sex", "diagnosis") == [(62, "F", "AD")]
    assert "visits.csv: read with semicolons" in notes and "sub-1 for sub-01" in notes


def test_joins_say_what_does_not_match(dataset):
    dataset.image("01", "a")
    dataset.image("03", "a")
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\nsub-02\t70\tM\n")
    visits = dataset.folder / "visits.csv"
    visits.write_text("participant_id,session_id,diagnosis\n01,b,AD\n03,b,AD\n")
    _, notes = dataset.read(visits=visits)
    assert "participants.tsv: no row for 1 participant with images: sub-03" in notes
    assert "participants.tsv: 1 participant without an image: sub-02" in notes
    assert "visits.csv: none of 2 visits is that of an image (table: sub-01 ses-b" in notes
    dataset.people("participant_id\tage\nX1\t60\nX2\t70\n")
    assert "participants.tsv: none of 2 participants has an image (table: sub-X1" in dataset.read()[1]


def test_ids_that_fit_two_images_are_not_guessed(dataset):
    for name in ("01", "001"):
        dataset.image(name)
    dataset.people("participant_id\tage\n1\t60\n")
    scans, notes = dataset.read()
    assert cells(scans, "age") == [None, None] and "none of 1 participant has an image" in notes


def with_dates(dataset, dates: dict[str, str], ages: dict[str, str] | None = None) -> None:
    for session, date in dates.items():
        path = dataset.image("01", session)
        name = f"sub-01/ses-{session}/sub-01_ses-{session}_scans.tsv"
        dataset.write(name, f"filename\tacq_time\nanat/{Path(path).name}\t{date}\n")
    if ages:
        rows = "".join(f"ses-{session}\t{age}\n" for session, age in ages.items())
        dataset.write("sub-01/sub-01_sessions.tsv", "session_id\tage\n" + rows)
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")


@pytest.mark.parametrize(
    ("dates", "ages", "expected", "doubted"),
    [
        pytest.param(
            {"M000": "1800-01-01T10:00:00", "M012": "1800-01-01T10:00:00", "M060": "1800-01-01T10:00:00"}, None,
            [(60, "months"), (61, "months"), (65, "months")], True, id="anonymised to one day",
        ),
        pytest.param(
            {"M000": "1890-05-01", "M012": "1884-02-01", "M024": "1899-02-01"},
            {"M000": "60", "M012": "61", "M024": "62"},
            [(60, "visit"), (61, "visit"), (62, "visit")], True, id="shifted session by session",
        ),
        pytest.param(
            {"M000": "1880-01-01", "M012": "1881-01-01", "M024": "1882-01-01"}, None,
            [(60, "scan"), (61, "scan"), (62, "scan")], False, id="shifted as a whole",
        ),
        pytest.param(
            {"M000": "2019-03-01", "M012": "2010-03-01", "M024": "2011-03-01", "M036": "2012-03-01"}, None,
            [(60, "months"), (61, "months"), (62, "months"), (63, "months")], True, id="wrong year in the first visit",
        ),
        pytest.param(
            {"M000": "2009-03-01", "M012": "2010-03-01", "M024": "2021-03-01", "M036": "2012-05-01"}, None,
            [(60, "scan"), (61, "scan"), (62, "months"), (63.17, "scan")], True, id="wrong year in a later one",
        ),
        pytest.param(
            {"1": "2009-03-01", "2": "2010-03-01", "3": "2021-03-01"}, {"1": "60", "2": "61", "3": "62"},
            [(60, "scan"), (61, "scan"), (62, "visit")], True, id="no months in the name: the ages judge",
        ),
        pytest.param(
            {"M000": "03/01/2010", "M012": "05/20/2011", "M024": "13:45:43.6475", "M036": "XXXX-XX-XXT09:09:46"}, None,
            [(60, "scan"), (61.22, "scan"), (62, "months"), (63, "months")], False, id="American dates, and none",
        ),
        pytest.param(
            {"M000": "01.03.2010", "M012": "02.03.2011"}, None, [(60, "scan"), (61, "scan")], False, id="German dates",
        ),
        pytest.param(
            {"20100304": "n/a", "20110310": "n/a"}, None,
            [(60, "months"), (61, "months")], False, id="a date as the name",
        ),
    ],
)  # fmt: skip
def test_dates_that_can_and_cannot_be_believed(dataset, dates, ages, expected, doubted):
    with_dates(dataset, dates, ages)
    scans, notes = dataset.read()
    assert cells(scans.sort_values("session_id"), "age", "age_from") == expected
    assert ("not believed" in notes) == doubted, notes


def test_a_date_that_the_ages_confirm_is_believed_against_the_name(dataset):
    """Named M012, but two years after the first by its date and by the age stated for it."""
    with_dates(
        dataset,
        {"M000": "2010-01-01", "M012": "2013-01-01", "M024": "2014-01-01"},
        {"M000": "60", "M012": "63", "M024": "64"},
    )
    assert cells(dataset.read()[0], "age") == [60, 63, 64]


@pytest.mark.parametrize("tables", [True, False])
def test_scans_without_time_or_age_train_the_networks(dataset, tables):
    """OpenNeuro's ses-01 and ses-02, an age in participants.tsv alone; and no table at all."""
    for name in ("01", "02"):
        for session in ("01", "02"):
            dataset.image(name, session)
    if tables:
        dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\nsub-02\t70\tF\n")
    scans, notes = dataset.read()
    assert cells(scans, "age", "months") == [(None, None)] * 4
    assert "4 included scans have no age" in notes and "4 included scans have no place in time" in notes


def test_only_what_lies_where_bids_puts_images_is_read(dataset):
    kept = dataset.image("01")
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    for path in (
        "derivatives/pipe/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
        "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
        "sub-01/anat/._sub-01_T1w.nii.gz",
        "sourcedata/sub-01/anat/sub-01_T1w.nii.gz",
        "sub-02/anat/sub-02_T2w.nii.gz",
    ):
        dataset.write(path, path)
    near = [
        "sub-03/anat/sub-03_T1W.nii.gz",
        "sub-04/anat/sub-04_T1w.NII.GZ",
        "sub-05/sub-05_T1w.nii.gz",
        "Sub-6/anat/T1.nii",
    ]
    for path in near:
        dataset.write(path, path)
    scans, notes = dataset.read()
    assert list(scans["t1w"].dropna()) == [kept]
    assert list(scans["participant_id"]) == ["sub-01", "sub-03", "sub-04", "sub-05", "sub-6"]  # sub-02 has a T2w image
    assert "4 files not read, although the name is near to" in notes and all(path in notes for path in near)


def test_bidsignore_is_honoured(dataset):
    for name in ("01", "02", "03", "04"):
        dataset.image(name)
    dataset.write(".bidsignore", "# bad\nsub-02/\n**/sub-03_*\n*_T1w.nii.gz\n!sub-01_*\n")
    dataset.people("participant_id\tage\tsex\n" + "".join(f"sub-0{n}\t60\tM\n" for n in (1, 2, 3, 4)))
    scans, notes = dataset.read()
    assert list(scans["participant_id"]) == ["sub-01"] and "3 images hidden by .bidsignore" in notes


@pytest.mark.parametrize("line", ["!", "sub-02\\"])
def test_a_line_of_bidsignore_that_is_no_pattern_is_one_sentence(dataset, line):
    dataset.image("01")
    dataset.write(".bidsignore", f"{line}\n")
    with pytest.raises(UserError, match=r"\.bidsignore has a line that is no pattern"):
        dataset.read()


def test_a_description_of_brackets_is_one_sentence(dataset):
    dataset.image("01")
    dataset.write("dataset_description.json", "[" * 100_000)
    with pytest.raises(UserError, match="is not valid JSON"):
        dataset.read()


def test_a_date_at_the_end_of_time_is_no_traceback(dataset):
    dataset.image("01")
    dataset.write("sub-01/sub-01_scans.tsv", "filename\tacq_time\nanat/sub-01_T1w.nii.gz\t9999-12-31T23:59:59Z\n")
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    scans, _ = dataset.read()
    assert list(scans["participant_id"]) == ["sub-01"]


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (["_run-1", "_run-10", "_run-2"], "_run-1"),
        (["_run-02", "_run-10"], "_run-02"),
        (["_acq-memprage_echo-1", "_acq-memprage_echo-2", "_acq-memprage_rec-rms"], "_acq-memprage_rec-rms"),
        (["_echo-10", "_echo-2"], "_echo-2"),
        (["_inv-1", "_inv-2", "_acq-uni"], "_acq-uni"),
        (["_part-mag", "_part-phase"], "_part-mag"),
        (["_ce-gadolinium", ""], ""),
        (["_acq-lowres", "_acq-mprage"], "_acq-mprage"),
        (["_acq-fast", ""], ""),
        (["_rec-norm", ""], ""),
    ],
)
def test_which_of_several_images_is_used(dataset, names, used):
    paths = {name: dataset.image("01", more=name) for name in names}
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    assert cells(dataset.read()[0], "t1w") == [paths[used]]


def test_a_phase_image_is_no_t1w_image(dataset):
    dataset.image("01")
    dataset.image("02", more="_part-phase")
    scans, _ = dataset.read()
    assert list(scans["reason"].fillna("")) == ["", "no magnitude image: part-phase"]


def test_folders_are_believed_where_a_name_does_not_repeat_them(dataset):
    """OASIS-3's scripts left sess-d0129 in files of the folder ses-d0129."""
    for day in ("d0129", "d0757"):
        dataset.write(f"sub-OAS30001/ses-{day}/anat/sub-OAS30001_sess-{day}_T1w.nii.gz", nifti(day))
    dataset.people("participant_id\tAgeatEntry\tGENDER\nsub-OAS30001\t65.1\t2\n")
    settings = {"columns": {"baseline_age": ["AgeatEntry"]}, "values": {"sex": {1: "M", 2: "F"}}}
    scans, notes = dataset.read(session_pattern=r"d(\d+)", session_unit="days", **settings)
    assert cells(scans, "session_id", "months", "age", "sex") == [
        ("ses-d0129", 4, 65.43, "F"),
        ("ses-d0757", 25, 67.18, "F"),
    ]
    assert "2 images whose name does not repeat its folders" in notes


@pytest.mark.parametrize(
    "name", ["sub-01/ses-M000/anat/{}", "/sub-01/ses-M000/anat/{}", "anat\\{}", "ses-M000/anat/{}", "./anat/{}"]
)
def test_scans_tables_however_they_name_their_images(dataset, name):
    path = dataset.image("01", "M000")
    row = name.format(Path(path).name)
    dataset.write("sub-01/ses-M000/sub-01_ses-M000_scans.tsv", f"filename\tfield_strength\n{row}\t3 T\n")
    scans, _ = dataset.read()
    assert cells(scans, "field_strength") == [3]


def test_an_image_listed_and_not_there_is_named(dataset):
    dataset.image("01")
    dataset.write("sub-01/sub-01_scans.tsv", "filename\tacq_time\nanat/sub-01_acq-x_T1w.nii.gz\t2010-01-01\n")
    assert "scans.tsv: 1 image listed and not there: sub-01/anat/sub-01_acq-x_T1w.nii.gz" in dataset.read()[1]


@pytest.mark.parametrize(
    ("label", "months"), [("bl", 0), ("sc", 0), ("baseline", 0), ("m06", 6), ("M120", 120), ("4bl", None), ("x", None)]
)
def test_names_of_visits(dataset, label, months):
    dataset.image("01", label)
    dataset.image("01", "M012")
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    scans = dataset.read()[0].set_index("session_id")
    found = scans.loc[f"ses-{label}", "months"]
    assert pd.isna(found) if months is None else found == months


def test_visits_that_may_be_counted_scans_are_spoken_of(dataset):
    for label in ("m1", "m2"):
        dataset.image("01", label)
    assert "visits are at months 1, 2, none at 0" in dataset.read()[1]


def test_months_with_their_unit(dataset):
    for label in ("a", "b"):
        dataset.image("01", label)
    dataset.people("participant_id\tage\tsex\nsub-01\t60\tM\n")
    dataset.write("sub-01/sub-01_sessions.tsv", "session_id\tmonths\nses-a\t0 months\nses-b\t1 year\n")
    assert cells(dataset.read(columns={"months": ["months"]})[0], "months", "age") == [(0, 60), (12, 61)]


def test_codes_of_words_however_they_are_written(dataset):
    """YAML's 1 and pandas' 1.0 are the code '1'; a word without an entry is quoted."""
    words = {"01": "3.0", "02": "1", "03": " Cn ", "04": "Alzheimer's disease"}
    for name in words:
        dataset.image(name)
    dataset.people(
        "participant_id\tage\tsex\tdx\n" + "".join(f"sub-{n}\t60\t1.0\t{word}\n" for n, word in words.items())
    )
    scans, notes = dataset.read(values={"sex": {1: "M", 2: "F"}, "diagnosis": {1: "CN", 3.0: "AD", "cn": "CN"}})
    assert cells(scans, "sex", "diagnosis") == [("M", "AD"), ("M", "CN"), ("M", "CN"), ("M", None)]
    assert 'no entry of bids.values.diagnosis for "Alzheimer\'s disease" (1)' in notes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"/annex/objects/MD5E-s12345--d41d8cd98f00b204e9800998ecf8427e.nii.gz\n",
            "image not on disk: a pointer to it",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "image not on disk: a pointer to it"),
        (b"", "empty file"),
        (bytes(5000), "no NIfTI file: it begins with zeros (copy it again)"),
        (b' {"Name": "x"}', "no NIfTI file: it is JSON"),
        (b"<!DOCTYPE html><html>", "no NIfTI file: it is a web page or XML"),
        (bytes(128) + b"DICM" + bytes(400), "no NIfTI file: it is DICOM (convert the series with dcm2niix)"),
        (gzip.compress(bytes(128) + b"DICM" + bytes(400), mtime=0), "no NIfTI file: it is DICOM"),
        (gzip.compress(b"not an image", mtime=0), "no NIfTI file: it begins as no NIfTI file does"),
        (b"\x1f\x8b\x08\x00rest of a copy", "no NIfTI file: damaged, it cannot be unpacked"),
        (b"PK\x03\x04", "no NIfTI file: it is a zip file"),
        (nifti("x", packed=False), "not packed by gzip: name it sub-02_T1w.nii"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "file",
)
def test_pointers_and_other_files_are_no_images(dataset, content, reason):
    dataset.image("01")
    dataset.write(dataset.image("02"), content)
    scans, _ = dataset.read()
    assert scans["reason"].fillna("")[1].startswith(reason)


@pytest.mark.parametrize(
    ("content", "sentence"), [("", "not valid JSON"), ("{bad", "not valid JSON"), ("[]", "no JSON object")]
)
def test_a_damaged_description_ends_in_one_sentence(dataset, content, sentence):
    dataset.image("01")
    dataset.write("dataset_description.json", content)
    with pytest.raises(UserError, match=sentence):
        dataset.read()


def test_a_description_that_is_missing_or_incomplete_is_noted(dataset):
    """OASIS-3's script writes one in every session folder and none at the root."""
    dataset.write(
        Path(dataset.image("OAS30001", "d0129")).parents[1].as_posix() + "/dataset_description.json", DESCRIPTION
    )
    dataset.write("dataset_description.json", "{}")
    assert "lacks Name and BIDSVersion" in dataset.read()[1]
    (dataset.root / "dataset_description.json").unlink()
    assert "the root has no dataset_description.json" in dataset.read()[1]


def test_a_unit_of_age_that_contradicts_the_configuration_is_noted(dataset):
    dataset.image("01")
    dataset.people("participant_id\tage\tsex\nsub-01\t66\tM\n")
    dataset.write("participants.json", json.dumps({"age": {"Units": "months"}, "sex": {"Levels": {"1": "male"}}}))
    assert "participants.json gives age in months, bids.age_unit says years" in dataset.read()[1]
    assert "participants.json" not in dataset.read(age_unit="months")[1]


@pytest.mark.parametrize(
    ("ages", "unit", "likely"),
    [
        (("812", "790", "901"), "years", "months"), (("24800", "n/a", "30112"), "years", "days"),
        (("24800", "30112", "29000"), "months", "days"), (("71", "80.5", "66"), "days", "years"),
        (("71", "80.5", "999"), "years", None), (("812", "790", "901"), "months", None),
    ],
)  # fmt: skip
def test_ages_that_look_as_if_in_another_unit_are_spoken_of(dataset, ages, unit, likely):
    for number in range(3):
        dataset.image(f"0{number}")
    dataset.people("participant_id\tage\n" + "".join(f"sub-0{n}\t{age}\n" for n, age in enumerate(ages)))
    said = dataset.read(age_unit=unit)[1]
    assert (f"as if in {likely}, not {unit}: set bids.age_unit: {likely}" in said) == (likely is not None)
    assert ("bids.age_unit" in said) == (likely is not None)


@pytest.mark.parametrize("kind", ["folder", "FIFO", "link to nowhere"])
def test_a_participants_table_that_is_no_file_is_named(dataset, kind):
    dataset.image("01")
    path = dataset.root / "participants.tsv"
    path.unlink(missing_ok=True)
    {"folder": path.mkdir, "FIFO": lambda: os.mkfifo(path), "link to nowhere": lambda: path.symlink_to("/nowhere")}[
        kind
    ]()
    scans, said = dataset.read()
    assert len(scans) == 1 and "participants.tsv is not a file, or is a link to nowhere, and is not read" in said


def test_an_unknown_filter_is_named(dataset):
    dataset.image("01")
    with pytest.raises(UserError, match=r"bids\.filters: 'aquisition' is no BIDS entity"):
        dataset.read(filters={"aquisition": "mprage"})


def test_a_linked_subject_a_path_with_blanks_and_nothing_written(tmp_path):
    dataset = Dataset(tmp_path / "é ü (2)")
    dataset.image("01")
    other = tmp_path / "other disk"
    (other / "anat").mkdir(parents=True)
    (other / "anat" / "sub-02_T1w.nii.gz").write_bytes(nifti("2"))
    (dataset.root / "sub-02").symlink_to(other)
    before = sorted((path, path.stat().st_mtime_ns) for path in dataset.root.rglob("*"))
    assert list(dataset.read()[0]["participant_id"]) == ["sub-01", "sub-02"]
    assert sorted((path, path.stat().st_mtime_ns) for path in dataset.root.rglob("*")) == before


def test_links_to_themselves_are_links_to_nowhere(dataset):
    dataset.image("01")
    for name in ("sub-02", "participants.tsv", ".bidsignore", "sub-01/anat/sub-01_run-2_T1w.nii.gz"):
        (dataset.root / name).symlink_to(Path(name).name)
    (dataset.root / "sub-01" / "ses-M012").symlink_to("..")
    scans, _ = dataset.read()
    assert list(scans["status"]) == ["included", "excluded"]
    assert "link to nowhere" in scans["reason"][1]
    assert set(dataset.inventory()["path"]) == {"dataset_description.json", *scans["t1w"]}
    (dataset.root / "sub-01" / "sub-01_sessions.tsv").symlink_to("sub-01_sessions.tsv")
    with pytest.raises(UserError, match=r"sub-01_sessions\.tsv is a link to nowhere"):
        dataset.read()


def test_a_name_that_is_not_utf8_is_written_with_backslashes(dataset):
    dataset.image("01")
    (dataset.root / "sub-01" / "anat" / os.fsdecode(b"sub-01_acq-\xe9_T1w.nii.gz")).write_bytes(b"x")
    _, notes = dataset.read()
    assert r"acq-\udce9_T1w.nii.gz; rename" in notes
    assert r"sub-01/anat/sub-01_acq-\udce9_T1w.nii.gz" in set(dataset.inventory()["path"])


def test_empty_images_are_said_to_be_empty_and_a_folder_is_no_image(dataset):
    for session in ("M000", "M012"):
        dataset.write(dataset.image("01", session), b"")
    (dataset.root / "sub-01/ses-M024/anat/sub-01_ses-M024_T1w.nii.gz").mkdir(parents=True)
    (dataset.root / "sub-01/ses-M036/anat/sub-01_ses-M036_T1w.nii.gz").mkdir(parents=True)
    reasons = list(bids_scans(Bids(path=dataset.root))["reason"])
    assert reasons == ["empty file: 0 bytes"] * 2 + ["image not on disk: a folder or a device has its name"] * 2


@pytest.mark.parametrize(("cell", "months"), [("-12", None), ("1e9", None), ("1200", 1200), ("-1", -1)])
def test_months_outside_their_scale_are_missing(dataset, cell, months):
    dataset.image("01", "a")
    dataset.image("01", "b")
    dataset.write("sub-01/sub-01_sessions.tsv", f"session_id\tmonths\nses-a\t{cell}\nses-b\t0\n")
    scans, notes = dataset.read(columns={"months": ["months"]})
    found = scans.set_index("session_id")["months"]["ses-a"]
    assert pd.isna(found) if months is None else found == months
    assert (f"months: '{cell}' (1)" in notes) == (months is None)


def test_months_of_a_name_outside_their_scale_are_missing(dataset):
    for session in ("M000", "M" + "9" * 21):
        dataset.image("01", session)
    scans, notes = dataset.read()
    assert list(scans["months"].dropna()) == [0] and "outside the scale of months: n/a" in notes


def test_what_is_no_folder_is_said_so(dataset):
    with pytest.raises(UserError, match="nope does not exist"):
        bids_scans(Bids(path=dataset.root / "nope"))
    with pytest.raises(UserError, match=r"dataset_description\.json is not a folder"):
        bids_scans(Bids(path=dataset.root / "dataset_description.json"))


@pytest.mark.skipif(shutil.which("setpriv") is None and os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("closed", ["sub-01", "sub-01/anat"])
def test_a_folder_that_must_not_be_read_is_named(dataset, closed):
    dataset.image("01")
    (dataset.root / closed).chmod(0)
    try:
        drop = ["setpriv", "--reuid", "0", *(f"--{kind}=-all" for kind in ("inh-caps", "ambient-caps", "bounding-set"))]
        command = [Path(sys.executable).with_name("ldae"), "preflight", "--bids", dataset.root]
        ended = subprocess.run(
            [*(drop if os.geteuid() == 0 else ()), *command], capture_output=True, text=True, check=False
        )
    finally:
        (dataset.root / closed).chmod(0o700)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert f"{closed} must not be read by this user: change its permissions." in ended.stderr


def test_pybids_finds_the_same_images(dataset):
    """Its index of a whole dataset, which we do not use (it asks for a description), on one without oddities."""
    from bids import BIDSLayout, BIDSLayoutIndexer

    for subject in ("01", "02"):
        for session in ("", "M000", "M012"):
            for more in ("", "_acq-mprage_run-1", "_acq-mprage_run-2", "_rec-norm"):
                dataset.image(subject, session, more)
    layout = BIDSLayout(dataset.root, indexer=BIDSLayoutIndexer(validate=False, index_metadata=False))
    for filters in (
        {},
        {"acquisition": "mprage"},
        {"run": 2},
        {"acquisition": ["mprage", "x"], "run": 1},
        {"subject": "02"},
    ):
        found = layout.get(suffix="T1w", extension=".nii.gz", return_type="filename", **filters)
        paths = {Path(path).relative_to(dataset.root.resolve()).as_posix() for path in found}
        assert paths and set(dataset.read(filters=filters)[0]["t1w"]) == paths


def test_ids_and_columns_of_a_clinics_spreadsheet(dataset):
    """``Participant ID`` and ``1.0``, which is neither 10 nor 100."""
    for subject in ("1", "02", "10"):
        dataset.image(subject, "M000")
    dataset.people("Participant ID\tSex\tAge\n1.0\tM\t70\n2.0\tF\t71\n10.0\tM\t72\n")
    scans, _ = dataset.read()
    assert dict(cells(scans, "participant_id", "sex")) == {"sub-1": "M", "sub-02": "F", "sub-10": "M"}
