"""Raw downloads as people really have them: what a disk, a browser, a spreadsheet and a hurried hand make of one.

The kinds are from public bug reports. Each is judged by what the preflight says will arrive; the slow test at the end
converts them all at once with the real Clinica, among many healthy subjects.
"""

import gzip
import re
import shutil
import zipfile

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from preflight_words import ALL, said, sentence

from ldae import cli
from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.conversion import convert_shard
from ldae.adni.disk import subject_files
from ldae.adni.preflight import owners, preflight
from ldae.adni.preflight.arrivals import ADVICE, PASSED_OVER
from ldae.adni.spelling import plain_number
from ldae.adni.staging import stage_subject
from ldae.adni.study_tables import BY_NAME, read_table
from ldae.adni.table_adapter import write_adapted_tables
from ldae.config import Convert
from ldae.core.errors import UserError
from ldae.core.files import read_tsv
from ldae.core.keys import participant_id
from ldae.phantom.loni_tables import write_todays_tables


def folder(download, image):
    return download.images / image.folder


def save_nifti(download, image, name):
    volume = nibabel.Nifti1Image(download.volume(image).astype(np.int16), np.diag([16.0, 16.0, 16.0, 1.0]))
    nibabel.save(volume, folder(download, image) / name)


# What lies on the disk: (harm, what the preflight says besides ALL)


def dot_files(download, image):
    for path in list(folder(download, image).iterdir()):
        path.with_name("._" + path.name).write_bytes(b"\0\5\x16\7" + bytes(60))


def metadata_in_the_subjects_folder(download, image):
    name = f"ADNI_{image.ptid}_S{image.series_id}_I{image.image_id}.xml"
    (download.images / image.ptid / name).write_text("<idaxs/>")
    (folder(download, image) / name).write_text("<idaxs/>")


def own_nifti_beside(download, image):
    save_nifti(download, image, f"ADNI_I{image.image_id}.nii.gz")
    (folder(download, image) / f"ADNI_I{image.image_id}.json").write_text("{}")


def packed_beside_themselves(download, image):
    for path in list(folder(download, image).iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    (folder(download, image) / "slices.zip").write_bytes(b"PK")


def nifti_alone(download, image):
    save_nifti(download, image, f"ADNI_I{image.image_id}.nii")
    for path in folder(download, image).glob("*.dcm"):
        path.unlink()


def capital_endings(download, image):
    for path in list(folder(download, image).iterdir()):
        path.rename(path.with_suffix(".DCM"))


def scanner_names(download, image):
    for number, path in enumerate(sorted(folder(download, image).iterdir())):
        path.rename(path.with_name(f"MR.{number}.ima"))


def folder_of_the_series(download, image):
    folder(download, image).rename(folder(download, image).with_name(f"S{image.series_id}"))


def slices_copied_twice(download, image):
    for path in list(folder(download, image).iterdir()):
        shutil.copy(path, path.with_name(f"copy_{path.name}"))


def unpacked_twice(download, image):
    shutil.copytree(folder(download, image), download.images / image.ptid / image.ptid / f"I{image.image_id}")


def other_series_beside(download, image):
    other = next(item for item in download.listed if item.ptid != image.ptid)
    for path in folder(download, other).iterdir():
        shutil.copy(path, folder(download, image) / path.name)


def junk_beside(download, image):
    (folder(download, image) / "thumbnail.dcm").write_bytes(b"no DICOM")


def unnamed_series_beside(download, image):
    other = next(item for item in download.listed if item.ptid != image.ptid)
    for number, path in enumerate(sorted(folder(download, other).iterdir())[:3]):
        shutil.copy(path, folder(download, image) / f"localizer{number}.dcm")


def of_a_copying_hand(download, image):
    """Slices without an ending in a folder I00..., beside them what a person and programs leave."""
    here = folder(download, image)
    for number, path in enumerate(sorted(here.iterdir())):
        path.rename(path.with_name(f"IM{number:04d}"))
    (here / "README").write_text("copied from the scanner")
    (here / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (here / "IM0003 (1)").write_bytes(b"")
    (here / "IM0004~").write_bytes(b"half")
    here.rename(here.with_name(f"I00{image.image_id}"))


def links_in_circles(download, image):
    (folder(download, image) / "up").symlink_to(download.images / image.ptid)
    other = next(item for item in download.listed if item.ptid != image.ptid)
    (download.images / image.ptid / "there").symlink_to(download.images / other.ptid)
    if not (download.images / other.ptid / "here").exists():
        (download.images / other.ptid / "here").symlink_to(download.images / image.ptid)


HARMLESS = [
    packed_beside_themselves,
    dot_files, metadata_in_the_subjects_folder, own_nifti_beside, nifti_alone, capital_endings, scanner_names,
    folder_of_the_series, slices_copied_twice, unpacked_twice, other_series_beside, unnamed_series_beside, junk_beside,
    links_in_circles, of_a_copying_hand,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMLESS)
def test_clinica_sees_the_slices_and_nothing_else(download, tmp_path, harm):
    image = download.chosen(download.plans[0].subject.ptid)[0]
    whole = {path.read_bytes() for path in folder(download, image).iterdir()}
    harm(download, image)
    assert sentence(download) == ALL
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    assert staged.reasons == {}
    links = sorted((tmp_path / "tree" / image.ptid).rglob("*_I*"))
    assert all(path.is_symlink() and path.is_file() for path in links)
    if harm is nifti_alone:
        assert [path.name for path in links] == [f"00001_I{image.image_id}.nii"]
        return
    assert len(links) == len(whole) == len({path.read_bytes() for path in links} & whole)
    assert all(path.name.endswith(f"_I{image.image_id}.dcm") for path in links)
    said_so = {slices_copied_twice: "12 slices copied twice", unpacked_twice: "12 slices copied twice"}
    said_so |= {unnamed_series_beside: "3 files of another series left aside"}
    assert [note.split(": ")[1].split(",")[0] for note in staged.notes] == ([said_so[harm]] if harm in said_so else [])


def broken_link(download, image):
    (folder(download, image) / f"ADNI_x_I{image.image_id}.dcm").symlink_to("/nowhere/x.dcm")


def garbage(download, image):
    for path in folder(download, image).iterdir():
        path.write_bytes(b"<html>Your session has expired</html>" * 20)


def one_slice_empty(download, image):
    sorted(folder(download, image).iterdir())[3].write_bytes(b"")


def one_slice_unfinished(download, image):
    path = sorted(folder(download, image).iterdir())[3]
    path.rename(path.with_name(f"{path.name}.crdownload"))


def every_slice_empty(download, image):
    for path in folder(download, image).iterdir():
        path.write_bytes(b"")


def every_slice_packed(download, image):
    for path in list(folder(download, image).iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def half_of_the_slices_packed(download, image):
    for path in sorted(folder(download, image).iterdir())[::2]:
        path.with_name(f"{path.name}.GZ").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def one_archive_in_place(download, image):
    with zipfile.ZipFile(folder(download, image) / "slices.zip", "w") as archive:
        for path in list(folder(download, image).glob("*.dcm")):
            archive.write(path, path.name)
            path.unlink()


def nifti_empty(download, image):
    for path in list(folder(download, image).iterdir()):
        path.unlink()
    (folder(download, image) / f"ADNI_I{image.image_id}.nii.gz").write_bytes(b"")


HARMFUL = [
    broken_link, garbage, one_slice_empty, every_slice_empty, every_slice_packed, one_archive_in_place, nifti_empty,
    half_of_the_slices_packed, one_slice_unfinished,
]  # fmt: skip


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (broken_link, "not on disk: 1 of 13 files of I{} is a link to nowhere (run `datalad get`, or copy them again)"),
        (garbage, "unreadable DICOM: none of the 12 files of I{} has a usable header"),
        (one_slice_empty, "empty files: 1 of 12 files of I{} has 0 bytes (copy or download them again)"),
        (every_slice_empty, "empty files: 12 of 12 files of I{} have 0 bytes (copy or download them again)"),
        (every_slice_packed, "packed: unpack 12 files of I{} where they lie (gunzip, unzip)"),
        (half_of_the_slices_packed, "packed: unpack 6 files of I{} where they lie (gunzip, unzip)"),
        (one_archive_in_place, "packed: unpack 1 file of I{} where they lie (gunzip, unzip)"),
        (
            one_slice_unfinished,
            "unfinished download: 1 of 12 files of I{} has the ending .crdownload (download them again)",
        ),
        (nifti_empty, "empty files: the NIfTI of I{} has 0 bytes (copy or download it again)"),
    ],
)
def test_an_image_whose_files_cannot_be_trusted_is_not_staged(download, tmp_path, harm, reason):
    image = download.chosen(download.plans[0].subject.ptid)[0]
    harm(download, image)
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    assert staged.reasons == {str(image.image_id): reason.format(image.image_id)}
    assert not list((tmp_path / "tree").rglob("*.dcm"))
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    text, kind = said(download), reason.split(":")[0]
    assert f"lost: 1 x {kind}: {image.ptid} (" in text and f"{kind}: {ADVICE[kind]}" in text


@pytest.mark.parametrize("harm", [every_slice_empty, every_slice_packed, one_archive_in_place, nifti_empty])
def test_a_download_of_which_nothing_arrives_is_not_ready(download, harm, capsys):
    for image in download.listed:
        harm(download, image)
    assert cli.main(["preflight", str(download.images), str(download.tables)]) == 1
    out = capsys.readouterr().out
    assert (
        "blocking: 0 of 6 visits on disk will arrive (" in out and "\n    lost: 6 x " in out and "is ready" not in out
    )


def test_a_broken_link_is_counted_and_no_traceback(download, tmp_path):
    from ldae.adni.inventory import write_inventory

    image = download.chosen(download.plans[0].subject.ptid)[0]
    broken_link(download, image)
    write_inventory(download.images, download.tables, tmp_path / "inventory.tsv")
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"1 image has links to nowhere among its files: I{image.image_id}" in said(download)


def test_a_nameless_member_of_an_archive_is_passed_over(download):
    one = download.plans[0].subject.ptid
    with zipfile.ZipFile(download.images / one / "more.zip", "w") as archive:
        archive.writestr(".", "x")
    assert f"1 archive not unpacked in subjects' folders: {one}/more.zip" in said(download)


def test_what_lies_beside_the_subjects_is_listed_with_what_to_do(download, tmp_path):
    from ldae.adni.inventory import write_inventory

    one, two, _ = (plan.subject.ptid for plan in download.plans)
    with zipfile.ZipFile(download.images / "ADNI1_Complete_1.zip", "w") as archive:
        archive.writestr("ADNI/x", "x" * 2048)
    (download.images / "ADNI").mkdir()
    (download.images / two).rename(download.images / "ADNI" / two)
    shutil.copytree(download.images / one, download.images / f"{one} (1)")
    shutil.rmtree(folder(download, download.chosen(one)[0]))  # so that the copy is needed
    (download.images / "notes.txt").write_text("mine")
    with zipfile.ZipFile(download.images / one / "more.zip", "w") as archive:
        archive.writestr("readme", "mine")
    text = said(download)
    for what in (
        "quarantine: ADNI1_Complete_1.zip lies beside the subject folders and is passed over (1 file, 2 KiB)",
        "quarantine: ADNI lies beside the subject folders and is passed over (24 files",
        "1 subject folder)",
        "move its 1 subject folder up",
        f"quarantine: {one} (1) lies beside the subject folders",
        f"move what is in it into the folder {one}, which is there (merge the two)",
        "note: notes.txt lies beside the subject folders",
        f"1 archive not unpacked in subjects' folders: {one}/more.zip",
    ):
        assert what in text, what
    write_inventory(download.images, download.tables, tmp_path / "inventory.tsv")
    inventory = read_tsv(tmp_path / "inventory.tsv")
    outside = inventory[inventory["kind"] == "outside"]
    assert list(outside["path"]) == [f"{one} (1)", "ADNI", "ADNI1_Complete_1.zip", "notes.txt"]
    assert "unpack" not in text.split("notes.txt")[1].split("\n")[0]


def in_a_folder_more(download, ptid):
    (download.images / "ADNI" / "ADNI2").mkdir(parents=True)
    (download.images / ptid).rename(download.images / "ADNI" / "ADNI2" / ptid)
    return f"ADNI/ADNI2/{ptid}"


def renamed_to(form):
    def rename(download, ptid):
        name = form(ptid)
        (download.images / ptid).rename(download.images / name)
        return name.encode("unicode_escape").decode()

    return rename


def in_a_zip_file(download, ptid):
    with zipfile.ZipFile(download.images / "ADNI1.zip", "w") as archive:
        for path in sorted((download.images / ptid).rglob("*.dcm")):
            archive.write(path, f"ADNI/{path.relative_to(download.images)}")
            archive.writestr(f"__MACOSX/ADNI/{ptid}/._{path.name}", "x")
    shutil.rmtree(download.images / ptid)
    return "ADNI1.zip"


def in_its_own_zip_file(download, ptid):
    with zipfile.ZipFile(download.images / ptid / "mine.zip", "w") as archive:
        for path in sorted((download.images / ptid).rglob("*.dcm")):
            archive.write(path, path.name)
            path.unlink()
    return f"{ptid}/mine.zip"


def in_anothers_folder(download, ptid):
    other = next(plan.subject.ptid for plan in download.plans if plan.subject.ptid != ptid)
    (download.images / ptid).rename(download.images / other / ptid)
    return other


PLACES = {
    "a folder more": in_a_folder_more,
    "small letters": renamed_to(str.lower),
    "dashes": renamed_to(lambda ptid: ptid.replace("_", "-")),
    "a number": renamed_to(lambda ptid: f"{ptid} (1)"),
    "as BIDS has it": renamed_to(participant_id),
    "a line break": renamed_to(lambda ptid: f"{ptid}\n"),
    "a control character": renamed_to(lambda ptid: f"{ptid}\x07"),
    "six digits": renamed_to(lambda ptid: f"{ptid[:6]}99{ptid[6:]}"),
    "a zip file": in_a_zip_file,
    "a zip file of its own": in_its_own_zip_file,
    "the folder of another subject": in_anothers_folder,
}


@pytest.mark.parametrize("place", PLACES)
def test_subjects_in_a_place_that_is_passed_over_are_counted_as_lost(download, place):
    ptid = download.plans[0].subject.ptid
    where = PLACES[place](download, ptid)
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    text = said(download)
    name = ptid if place != "six digits" else where
    assert f"lost: 2 x in a place that is passed over: {name} ({where})" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert len(text.splitlines()) == len(preflight(download.images, download.tables))


def test_many_subjects_in_a_place_that_is_passed_over_block(download):
    for plan in download.plans[:2]:
        renamed_to(str.lower)(download, plan.subject.ptid)
    assert "blocking: 2 of 6 visits on disk will arrive; lost: 4 x in a place that is passed over: " in said(download)


@pytest.mark.parametrize("place", ["a folder more", "a number", "a zip file", "a zip file of its own"])
def test_a_second_copy_elsewhere_costs_nothing(download, place, tmp_path):
    ptid = download.plans[0].subject.ptid
    shutil.copytree(download.images / ptid, tmp_path / "kept")
    PLACES[place](download, ptid)
    shutil.copytree(tmp_path / "kept", download.images / ptid, dirs_exist_ok=True)
    assert sentence(download) == ALL
    assert "quarantine" not in said(download)


def test_an_image_that_is_listed_for_two_subjects_belongs_to_neither(download):
    table = read_table(download.table("MPRAGEMETA"))
    one, two = (plan.subject.ptid for plan in download.plans[:2])
    twin = table[table["SubjectID"] == one].iloc[[0]]
    pd.concat([table, twin, twin.assign(SubjectID=two)]).to_csv(download.table("MPRAGEMETA"), index=False)
    expected = dict(zip(table["ImageUID"], table["SubjectID"], strict=True))
    expected.pop(twin["ImageUID"].item())
    assert owners(adapt_tables(download.images, download.tables)) == expected


def test_visits_that_the_study_refused_are_no_loss_in_a_place_that_is_passed_over(download):
    ptid = next(plan.subject.ptid for plan in download.plans if plan.phase == "ADNI1")
    for image in download.chosen(ptid):
        download.edit("MRIQUALITY", {"LONIUID": f"S{image.series_id}"}, "PASS", "0")
    in_a_folder_more(download, ptid)
    assert sentence(download) == "4 of 4 visits on disk will arrive"


def test_collections_side_by_side_are_named(download):
    raw = download.images.parent / "raw"
    for number, subject in enumerate(sorted(download.images.iterdir())):
        (raw / f"NEW{number}/ADNI").mkdir(parents=True)
        subject.rename(raw / f"NEW{number}/ADNI" / subject.name)
    download.images = raw
    text = said(download)
    assert "blocking: no subject folder named NNN_S_NNNN" in text and "3 folders lie beside the subject folders" in text


# What was done to the tables


def resave(path, change, **options):
    change(read_table(path)).to_csv(path, index=False, **options)


def american(dates):
    return pd.to_datetime(dates).dt.strftime("%-m/%-d/%Y")


def same(table):
    return table


def respelt(column, spell):
    return lambda table: table.assign(**{column: spell(table[column])})


def thousands(number):
    return f"{int(number):,}"


def exponent(number):
    return f"{int(number):.6E}"


TABLE_HARMS = {
    "semicolons": ("ADNIMERGE", same, {"sep": ";"}, "read with semicolons"),
    "UTF-16": ("MPRAGEMETA", same, {"encoding": "utf-16"}, "UTF-16"),
    "a cp1252 byte": ("ADNIMERGE", lambda t: t.assign(NOTE="caf\xe9"), {"encoding": "cp1252"}, "Windows-1252"),
    "American dates": ("ADNIMERGE", respelt("EXAMDATE", american), {}, "EXAMDATE: 6 cells will be respelt"),
    "American scan dates": ("MPRAGEMETA", respelt("ScanDate", american), {}, "ScanDate: 8 cells"),
    "images as floats": ("MPRAGEMETA", respelt("ImageUID", lambda c: c + ".0"), {}, "ImageUID: 8 cells"),
    "images in thousands": ("MPRAGEMETA", respelt("ImageUID", lambda c: c.map(thousands)), {}, "ImageUID: 8 cells"),
    "images with exponents": (
        "MPRAGEMETA",
        respelt("ImageUID", lambda c: c.map(exponent)),
        {},
        "ImageUID: 8 cells",
    ),
    "images with a letter": ("MPRAGEMETA", respelt("ImageUID", lambda c: "I" + c), {}, "ImageUID: 8 cells"),
    "series as floats": ("MPRAGEMETA", respelt("SeriesID", lambda c: c + ".0"), {}, "SeriesID: 8 cells"),
    "subjects with blanks": ("ADNIMERGE", respelt("PTID", lambda c: c.str.replace("_", " ") + " "), {}, "PTID: 6"),
    "subjects in small letters": ("MPRAGEMETA", respelt("SubjectID", lambda c: c.str.lower()), {}, "SubjectID: 8"),
    "capitals of visit codes": ("ADNIMERGE", respelt("VISCODE", lambda c: c.str.upper()), {}, "VISCODE: 6"),
    "field strength in words": ("MPRAGEMETA", respelt("MagStrength", lambda c: c + " Tesla"), {}, "MagStrength: 8"),
    "lower-case columns": ("ADNIMERGE", lambda t: t.rename(columns=str.lower), {}, "columns renamed"),
    "odd ages": ("ADNIMERGE", lambda t: t.assign(AGE=[">90", "68,4", "", "70", "70", "70"]), {}, "AGE: 2 cells"),
    "older diagnoses": ("DXSUM_PDXCONV", lambda t: t.rename(columns={"DIAGNOSIS": "DXCHANGE"}), {}, "from DXCURREN"),
    "diagnoses by RID": ("DXSUM_PDXCONV", lambda t: t.drop(columns="PTID"), {}, "PTID filled in by RID"),
}


@pytest.mark.parametrize("name", TABLE_HARMS)
def test_tables_however_they_were_saved_give_the_same_visits(download, name):
    table, change, options, note = TABLE_HARMS[name]
    before = adapt_tables(download.images, download.tables)[table].content
    resave(download.table(table), change, **options)
    saved = download.table(table).read_bytes()
    assert sentence(download) == ALL
    text = said(download)
    assert note in text and "blocking" not in text and "quarantine" not in text
    after = adapt_tables(download.images, download.tables)[table].content
    if name not in ("odd ages", "older diagnoses"):
        used = [column for column in before if column in after]
        assert set(used) >= set(BY_NAME[table].required)
        pd.testing.assert_frame_equal(after[used], before[used])
    assert download.table(table).read_bytes() == saved


@pytest.mark.parametrize(
    ("table", "column"),
    [("MPRAGEMETA", "ImageUID"), ("MPRAGEMETA", "SeriesID"), ("MRIQUALITY", "LONIUID")],
)
def test_a_number_that_lost_its_digits_in_a_spreadsheet_blocks(download, table, column):
    resave(download.table(table), respelt(column, lambda c: c.map(lambda n: f"{float(n.lstrip('S')):.2E}")))
    rows = len(read_table(download.table(table)))
    (line,) = [line for line in said(download).splitlines() if "has lost digits" in line]
    assert line.startswith(f"blocking: {column} has lost digits in {rows} of {rows} rows: '") and "E+0" in line
    assert "use it unopened" in line
    assert column != "ImageUID" or len(said(download).splitlines()) == 1


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,000,100", "1000100"), ("123,456", "123456"), ("1 000 100.0", "1000100"), ("1.000.100,00", "1000100"),
        ("1.000100E+06", "1000100"), ("1.00E+06", "1.00E+06"), ("123.000", "123"), ("12,5", "12,5"), ("S00295", "295"),
        ("1.0001005e6", "1.0001005e6"),
    ],
)  # fmt: skip
def test_numbers_as_spreadsheets_write_them(cell, number):
    assert plain_number(cell) == number


def test_a_date_that_the_column_does_not_explain_is_not_guessed(download):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": "bl"}, "EXAMDATE", "3/4/2006")
    assert sentence(download) == "5 of 6 visits on disk will arrive"


def test_an_age_that_is_no_number_does_not_end_clinica(download):
    download.edit("ADNIMERGE", {"PTID": download.plans[1].subject.ptid}, "AGE", "old")
    assert set(adapt_tables(download.images, download.tables)["ADNIMERGE"].content["AGE"]) & {"", "old"} == {""}
    assert sentence(download) == ALL


@pytest.mark.parametrize(
    "name",
    [
        "ADNIMERGE_01Jan2025 (1).csv", "ADNIMERGE_01Jan2025.CSV", "adnimerge.csv", "ADNIMERGE_2026-01-05.csv",
        "ADNIMERGE_05_Jan_2026.csv", "ADNIMERGE.csv",
    ],
)  # fmt: skip
def test_names_of_tables_as_browsers_and_people_write_them(download, name):
    download.table("ADNIMERGE").rename(download.tables / name)
    assert sentence(download) == ALL


@pytest.mark.parametrize("name", ["ADNIMERGE_01Jan2025.csv.zip", "ADNIMERGE_01Jan2025.xlsx", "ADNIMERGE.xls"])
def test_a_table_in_another_format_is_named(download, name):
    download.table("ADNIMERGE").rename(download.tables / name)
    text = said(download)
    assert "table ADNIMERGE is missing (" in text
    assert f"{name} cannot be read: save it as CSV, or unpack it; else download it from LONI" in text


def test_a_workbook_with_the_name_of_a_table_is_named(download):
    download.table("ADNIMERGE").write_bytes(b"PK\x03\x04rest")
    assert "is no text table but an Excel workbook" in said(download)


def test_other_tables_of_similar_names_are_not_read(download):
    shutil.copy(download.table("CDR"), download.tables / "RMT_ECDR_01Jan2025.csv")
    shutil.copy(download.table("APOERES"), download.tables / "MYAPOERES.csv")
    assert said(download) == ""


@pytest.fixture
def today(download, tmp_path):
    write_todays_tables(tmp_path / "today", download.plans, download.listed, 3)
    return tmp_path / "today"


@pytest.mark.parametrize(
    "name", ["My All_Images_01Jan2025 (1).csv", "All Images_15Dec2025.csv", "idaSearch_12_15_2025.csv", "list.csv"]
)
def test_the_list_of_images_under_any_name(download, today, name):
    next(today.glob("*All_Images*")).rename(today / name)
    assert sentence(download, today) == ALL


@pytest.mark.parametrize("change", ["blank", "of another name", "gone", "of ADNI4"])
def test_the_list_of_images_without_visit_codes(download, today, change):
    path = next(today.glob("*All_Images*"))
    table = read_table(path)
    table = {
        "blank": table.assign(VISCODE2=""),
        "of another name": table.rename(columns={"VISCODE2": "VISCODE"}),
        "gone": table.drop(columns="VISCODE2"),
        "of ADNI4": table.assign(VISCODE2=["4_bl" if code.startswith("sc") else "4_m12" for code in table["VISCODE2"]]),
    }[change]
    table.to_csv(path, index=False)
    assert sentence(download, today) == ALL


def test_sequences_that_clinica_does_not_take_are_counted_and_block(download, today):
    path = next(today.glob("*All_Images*"))
    lost = {
        str(image.image_id): "SAG 3D T1 BRAVO"
        for image in download.listed
        if image.ptid != download.plans[0].subject.ptid
    }
    table = read_table(path)
    table.assign(image_description=table["image_id"].map(lost).fillna(table["image_description"])).to_csv(
        path, index=False
    )
    assert "blocking: 2 of 6 visits on disk will arrive; lost: 4 x unknown images" in said(download, today)


def test_a_site_reported_as_unusable_and_diagnoses_that_differ_are_listed(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans[:1])
    old = plans[0].subject.ptid
    new = "381" + old[3:]
    (download.images / old).rename(download.images / new)
    for path in download.tables.iterdir():
        path.write_text(path.read_text().replace(old, new))
    for path in list((download.images / new).rglob("*.dcm")):
        header = pydicom.dcmread(path)
        header.PatientID = new
        header.save_as(path)
        path.rename(path.with_name(path.name.replace(old, new)))
    row = {"PTID": new, "VISCODE": "bl"}
    merge = read_table(download.table("ADNIMERGE"))
    other = {"CN": "MCI", "MCI": "Dementia", "Dementia": "CN"}[merge.loc[merge["VISCODE"] == "bl", "DX"].item()]
    download.edit("ADNIMERGE", row, "DX", other)
    text = said(download)
    assert "note: 1 subject of site 381" in text and 'manifest.exclude_sites: ["381"]' in text
    assert f"ADNIMERGE and DXSUM give 1 of 2 visits different diagnoses: {new} bl " in text
    assert "2 of 2 visits on disk will arrive" in sentence(download)


def test_a_visit_that_stands_twice_with_different_cells_is_named(download):
    path = download.table("ADNIMERGE")
    table = read_table(path)
    pd.concat([table, table.iloc[[1]]]).to_csv(path, index=False)
    assert said(download) == ""
    pd.concat([table, table.iloc[[1]].assign(MMSE="11")]).to_csv(path, index=False)
    assert f"1 visit twice with different cells: {table['PTID'][1]} {table['VISCODE'][1]}" in said(download)


# With the real Clinica


@pytest.mark.slow
def test_the_prediction_is_what_clinica_chooses(download, tmp_path):
    """Every branch of the choice, on one subject's visits after the other; then both lists are compared."""
    from ldae.adni.accounting import read_listing
    from ldae.adni.clinica import run_clinica

    meta, ratings = (
        read_table(download.table("MPRAGEMETA")),
        read_table(download.table("MAYOADIRL_MRI_IMAGEQC_05_07_15")),
    )
    number = iter(range(90_000_001, 90_001_000))
    more, marks = [], []
    for _, row in meta.iterrows():
        for changes, mark in (
            ({"Orig/Proc": "Processed", "Sequence": "MPR; GradWarp; N3; Scaled"}, None),
            ({"Orig/Proc": "Processed", "Sequence": "MPR; GradWarp; N3m"}, None),
            ({"Sequence": f"{row['Sequence']} Repeat"}, "1"),
            ({"Sequence": f"{row['Sequence']} 2"}, "1"),
            ({"MagStrength": "1.5" if row["MagStrength"] == "3.0" else "3.0"}, "3"),
            ({"Sequence": "Accelerated SAG IR-SPGR"}, "2"),
            ({"Sequence": "IR-SPGR"}, "-1"),
        ):
            image = str(next(number))
            more.append(row.to_dict() | {"ImageUID": image, "SeriesID": image} | changes)
            if mark:
                rid = str(int(row["SubjectID"][-4:]))
                marks.append(
                    {
                        "RID": rid,
                        "loni_image": f"I{image}",
                        "series_type": "T1",
                        "series_quality": mark,
                        "series_selected": "0",
                    }
                )
    every = pd.concat([meta, pd.DataFrame(more)], ignore_index=True)
    pd.concat([ratings, pd.DataFrame(marks)]).fillna("").to_csv(
        download.table("MAYOADIRL_MRI_IMAGEQC_05_07_15"), index=False
    )
    names = [plan.subject.ptid for plan in download.plans]
    compared = 0
    for seed in range(6):  # a random half of the images each time
        keep = np.random.default_rng(seed).random(len(every)) < (1.0 if seed == 0 else 0.4)
        every[keep].to_csv(download.table("MPRAGEMETA"), index=False)
        listing = read_listing(download.tables)
        shown = listing.shown({})
        listing.images[shown].drop(columns=["day", "refusal", "withheld"]).to_csv(
            download.table("MPRAGEMETA"), index=False
        )
        run = run_clinica(download.images, download.tables, names, tmp_path / str(seed), tmp_path / "log")
        theirs = set(run.listed[["Subject_ID", "VISCODE", "Image_ID"]].itertuples(index=False, name=None))
        rules = listing.rules(shown)
        ours = {(name, c.code, c.image) for name in names for c in rules.choices(name) if c.image is not None}
        assert ours == theirs, seed
        compared += len(ours)
    assert compared > 20


@pytest.mark.slow
def test_everything_at_once_and_every_healthy_scan_arrives(make_download, tmp_path):
    """A download of a hundred subjects with one of each oddity: all scans but those that cannot be had arrive,
    and every other is named."""
    from ldae.config import Phantom
    from ldae.phantom.visit_schedule import plan_cohort

    harms = [harm for harm in HARMLESS + HARMFUL if harm is not links_in_circles]  # others' images would be seen there
    settings = Phantom(subjects={"CN": 34, "MCI": 33, "AD": 33}, visits=1, extra_visit_fraction=0)
    plans = plan_cohort(settings, 3)
    download = make_download(tmp_path / "raw", plans)
    lost = set()
    for plan, harm in zip(plans, harms, strict=False):
        image = download.chosen(plan.subject.ptid)[0]
        harm(download, image)
        if harm not in HARMLESS:
            lost.add((participant_id(image.ptid), str(image.image_id)))
    resave(
        download.table("ADNIMERGE"),
        lambda t: t.assign(EXAMDATE=american(t["EXAMDATE"]), NOTE="\xe9"),
        encoding="cp1252",
        sep=";",
    )
    resave(
        download.table("MPRAGEMETA"), lambda t: t.assign(ImageUID="I" + t["ImageUID"], SeriesID=t["SeriesID"] + ".0")
    )
    places = [PLACES[name] for name in PLACES if name != "a zip file of its own"]  # whose folder is in place
    elsewhere = {
        plan.subject.ptid: place(download, plan.subject.ptid) for place, plan in zip(places, plans[50:], strict=False)
    }
    told = len(HARMFUL) + len(places)
    arrivals = preflight(download.images, download.tables).arrivals
    assert arrivals.sentence() == f"{len(plans) - told} of {len(plans)} visits on disk will arrive"
    named = {entry.split(" (", 1)[1].removesuffix(")") for entry in arrivals.lost[PASSED_OVER]}
    assert named == set(elsewhere.values())
    status = tmp_path / "status" / "0.tsv"
    write_adapted_tables(download.images, download.tables, tmp_path / "tables")
    convert_shard(
        download.images, tmp_path / "tables", tmp_path / "bids", 0, Convert(shards=1), status, tmp_path / "scratch"
    )
    table = read_tsv(status, dtype=str)
    done = table[table["state"] == "done"]
    here = [image for image in download.listed if image.chosen and image.ptid not in elsewhere]
    expected = {(participant_id(image.ptid), str(image.image_id)) for image in here} - lost
    assert set(done[["participant_id", "image_id"]].itertuples(index=False, name=None)) == expected
    rest = table[table["state"] != "done"]
    assert (
        set(rest[["participant_id", "image_id"]].itertuples(index=False, name=None)) == lost
        and rest["reason"].notna().all()
    )


@pytest.mark.slow
def test_a_cause_common_to_all_is_named_once(download, tmp_path):
    """A table on which Clinica dies for everybody: four runs, not one for each subject and half."""
    resave(download.table("APOERES"), lambda t: t.assign(GENOTYPE="34"))
    status = tmp_path / "status" / "0.tsv"
    with pytest.raises(UserError, match="Clinica dies on all subjects alike"):
        convert_shard(
            download.images, download.tables, tmp_path / "bids", 0, Convert(shards=1), status, tmp_path / "scratch"
        )
    log = (tmp_path / "scratch" / "0" / "clinica.log").read_text()
    assert log.count("$ clinica convert") == 4


def test_pixels_are_not_read_for_staging(download, tmp_path):
    """A file cut after its header is staged; what dcm2niix makes of it is judged afterwards."""
    image = download.chosen(download.plans[0].subject.ptid)[0]
    path = sorted(folder(download, image).iterdir())[0]
    size = len(path.read_bytes()) - len(pydicom.dcmread(path).PixelData) // 2
    path.write_bytes(path.read_bytes()[:size])
    files = subject_files(download.images / image.ptid)
    assert stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree").reasons == {}
