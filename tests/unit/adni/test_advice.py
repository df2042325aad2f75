"""Tables under names, in folders and in forms that people have: read where that takes no guess, else named with what to
do."""

import os

import pandas as pd
import pytest
from preflight_words import ALL, said, sentence

from ldae import cli
from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.preflight import preflight
from ldae.adni.study_tables import read_table
from ldae.phantom.loni_tables import write_todays_tables


@pytest.fixture
def todays(download, tmp_path):
    """The same download with today's tables."""
    write_todays_tables(tmp_path / "today", download.plans, download.listed, 3)
    return tmp_path / "today"


def cohorts(todays, people):
    """All Images as two files, of some people and of the others."""
    (path,) = todays.glob("*All_Images*")
    table = read_table(path)
    first = table["subject_id"].isin(people)
    path.unlink()
    for name, rows in (("AD", table[first]), ("CN", table[~first])):
        rows.to_csv(todays / f"{name}_All_Images_01Jan2026.csv", index=False)
    return table


def test_all_images_of_two_cohorts_are_joined(download, todays):
    people = [download.plans[0].subject.ptid]
    whole = adapt_tables(download.images, todays)["MPRAGEMETA"].content
    cohorts(todays, people)
    item = adapt_tables(download.images, todays)["MPRAGEMETA"]
    key = ["SubjectID", "ImageUID"]
    assert item.content.sort_values(key).to_dict("list") == whole.sort_values(key).to_dict("list")
    assert sentence(download, todays) == ALL
    assert "2 lists joined" in said(download, todays)


def test_lists_that_contradict_each_other_are_not_joined(download, todays):
    people = [download.plans[0].subject.ptid]
    table = cohorts(todays, people)
    other = table[table["subject_id"] == people[0]].assign(image_date="2001-01-01")
    path = todays / "CN_All_Images_01Jan2026.csv"
    pd.concat([read_table(path), other]).to_csv(path, index=False)
    (line,) = [line for line in said(download, todays).splitlines() if "2 files are table MPRAGEMETA" in line]
    assert line.startswith("blocking") and "lists of different cohorts are joined where" in line


@pytest.mark.parametrize(
    "name",
    [
        "Copy of {}",
        "Copy (2) of {}",
        "{} - Copy",
        "{} copy",
        "{} [ADNI1,GO,2,3]",
        "{} - Key ADNI tables merged into one table [ADNI1,GO,2,3]_01Jan2025",
        "{}_01Jan2025 (1)",
    ],
)
def test_names_that_a_table_may_have(download, name):
    for table in ("ADNIMERGE", "CDR"):
        download.table(table).rename(download.tables / f"{name.format(table)}.csv")
    assert sentence(download) == ALL and "missing" not in said(download)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("ADNIMERGE.csv?download=1", "rename it ADNIMERGE.csv"),
        ("ADNIMERGE_01Jan2025.csv@download=1", "rename it ADNIMERGE_01Jan2025.csv"),
        ("ADNIMERGE.csv.txt", "rename it ADNIMERGE.csv"),
        ("ADNIMERGE2.csv", "may be it (or another edition): if it is, rename it ADNIMERGE.csv"),
        (".ADNIMERGE_01Jan2025.csv.icloud", "lies in iCloud alone: let iCloud download it"),
        ("ADNIMERGE_01Jan2025.csv - Shortcut.lnk", "is a shortcut, which leads nowhere in this system: copy the table"),
        ("ADNIMERGE_DICT_01Jan2025.csv", "explains the columns of it, and is not the table itself"),
    ],
)
def test_files_that_are_nearly_a_table_are_named(download, name, advice):
    download.table("ADNIMERGE").rename(download.tables / name)
    (line,) = [line for line in said(download).splitlines() if "table ADNIMERGE is missing" in line]
    assert f"{name} " in line and advice in line


def test_tables_among_the_images_are_to_be_moved(download):
    path = download.table("ADNIMERGE")
    path.rename(download.images / path.name)
    (line,) = [line for line in said(download).splitlines() if "table ADNIMERGE is missing" in line]
    assert f"{path.name} lies in {download.images}: move it to {download.tables}; else download it" in line


def test_the_r_package_s_spelling_of_columns(download):
    path = download.table("ADNIMERGE")
    table = read_table(path)
    table.rename(columns={name: name.replace("_bl", ".bl") for name in table}).to_csv(path, index=False)
    assert sentence(download) == ALL
    assert "DX.bl to DX_bl" in said(download)


def test_a_table_whose_columns_are_in_small_letters(download):
    path = download.table("APOERES")
    header, rest = path.read_text().split("\n", 1)
    path.write_text(f"{header.lower()}\n{rest}")
    assert sentence(download) == ALL


def test_all_images_under_the_old_name(download, todays):
    (path,) = todays.glob("*All_Images*")
    path.rename(todays / "MPRAGEMETA.csv")
    assert sentence(download, todays) == ALL


def test_titles_above_mriqc_are_no_header(download, todays):
    (path,) = todays.glob("*All_Images*")
    table = read_table(path)
    names = {"subject_id": "ParticipantID", "image_id": "LONIImage", "image_date": "StudyDate"}
    names |= {"mri_field_str": "MagneticFieldStrength"}
    quality = todays / "MRIQC_01Jan2026.csv"
    table.rename(columns=names)[list(names.values())].to_csv(quality, index=False)
    table.drop(columns=[name for name in table if "field" in name.lower()]).to_csv(path, index=False)
    assert sentence(download, todays) == ALL
    quality.write_text("exported by LONI\n\n" + quality.read_text())
    assert sentence(download, todays) == ALL


@pytest.mark.parametrize("form", ["%m/%d/%y", "%d-%b-%y", "%d %B %Y", "serial"])
@pytest.mark.parametrize(
    ("table", "columns"), [("ADNIMERGE", ("EXAMDATE", "EXAMDATE_bl")), ("MPRAGEMETA", ("ScanDate",))]
)
def test_dates_as_spreadsheets_show_them(download, table, columns, form):
    before = adapt_tables(download.images, download.tables)[table].content[list(columns)]
    cells = read_table(download.table(table))
    for column in columns:
        days = pd.to_datetime(cells[column])
        numbers = (days - pd.Timestamp("1899-12-30")).dt.days.astype(str)
        cells[column] = numbers if form == "serial" else days.dt.strftime(form)
    cells.to_csv(download.table(table), index=False)
    after = adapt_tables(download.images, download.tables)[table].content[list(columns)]
    assert after.to_dict("list") == before.to_dict("list") and sentence(download) == ALL


def test_every_damaged_table_is_named(download):
    for table, column in (("ADNIMERGE", "EXAMDATE"), ("MPRAGEMETA", "ScanDate")):
        cells = read_table(download.table(table))
        cells[column] = "3/4/06"
        cells.to_csv(download.table(table), index=False)
    text = said(download)
    assert "EXAMDATE holds '3/4/06' (6), not YYYY-MM-DD" in text and "ScanDate holds '3/4/06'" in text


def test_a_folder_of_tables_that_must_not_be_read_is_one_sentence(download, monkeypatch):
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != download.tables and allowed(path, mode))
    (finding,) = preflight(download.images, download.tables)
    assert finding.what == "the folder of the ADNI study tables must not be read by this user"
    assert finding.severity == "blocking" and "chmod -R u+rX" in finding.fix


@pytest.mark.parametrize("name", ["$RECYCLE.BIN", "System Volume Information", "lost+found"])
def test_what_was_deleted_does_not_count(download, name):
    ptid = download.plans[0].subject.ptid
    (download.images / name).mkdir()
    (download.images / ptid).rename(download.images / name / ptid)
    assert sentence(download) == "4 of 4 visits on disk will arrive"
    (line,) = said(download).splitlines()
    assert line.startswith(f"note: {name} lies beside") and "what was deleted" in line


def test_an_empty_folder_of_a_listed_image_is_a_loss(download):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    for path in (download.images / image.folder).iterdir():
        path.unlink()
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"lost: 1 x empty files: {image.ptid} (the folder I{image.image_id} has no file in it)" in said(download)


def test_an_image_that_stands_twice_with_other_cells_is_told(download):
    image = download.listed[0]
    table = read_table(download.table("MPRAGEMETA"))
    row = table[table["ImageUID"] == str(image.image_id)].assign(MagStrength="3.0")
    pd.concat([table, row]).to_csv(download.table("MPRAGEMETA"), index=False)
    text = said(download)
    what = "1 listed image is in several rows with different cells, of which the first is read"
    assert f"note: {what}: I{image.image_id}" in text
    pd.concat([table, table.iloc[:1]]).to_csv(download.table("MPRAGEMETA"), index=False)
    assert "several rows" not in said(download)


def test_a_copy_of_loni_s_with_its_number_stands_in_for_an_empty_slice(download):
    image = download.listed[0]
    path = download.images / image.folder / image.file_name(3)
    path.rename(path.with_name(f"{path.stem}_1.dcm"))
    path.touch()
    assert sentence(download) == ALL


def test_an_archive_is_no_raw_folder(download, tmp_path, capsys):
    (tmp_path / "ADNI.zip").write_bytes(b"PK")
    assert cli.main(["preflight", str(tmp_path / "ADNI.zip"), str(download.tables)]) == 2
    assert "ADNI.zip is an archive: unpack it (unzip) and give the folder" in capsys.readouterr().err
