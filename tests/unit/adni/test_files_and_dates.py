"""Files that are not what their names say or not yet whole, and dates that contradict each other: as the preflight
counts them, and as the conversion stages them."""

import os
import shutil
import time

import nibabel
import numpy as np
import pytest
from deep_trees import deep
from preflight_words import ALL, said, sentence

from ldae.adni.adni4_scans import Part, choices
from ldae.adni.disk import ImageFiles, SubjectFiles, subject_files
from ldae.adni.staging import stage_subject
from ldae.core.file_names import image_of_folder, intended_name, kind_of, plain_name


def slices(download, image):
    return sorted((download.images / image.folder).iterdir())


def staged(download, image, tmp_path):
    files = subject_files(download.images / image.ptid)
    return stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")


def number(download, image):
    """Slices without LONI's ending, and without any."""
    for place, path in enumerate(slices(download, image)):
        path.rename(path.with_name(f"IM{place:04d}"))


@pytest.mark.parametrize(
    "ending", [".part", ".crdownload", ".CRDOWNLOAD", ".filepart", ".partial", ".tmp", ".temp", "~", ".opdownload"]
)
def test_a_slice_that_is_not_wholly_there_costs_its_visit(download, image, tmp_path, ending):
    path = slices(download, image)[3]
    path.rename(path.with_name(path.name + ending))
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"1 x unfinished download: {image.ptid} (1 of 12 files of I{image.image_id} has the ending {ending}" in said(
        download
    )
    assert str(image.image_id) in staged(download, image, tmp_path).reasons
    shutil.copy(slices(download, image)[0], path)  # downloaded again, what was left of the first time lies beside
    assert sentence(download) == ALL
    assert staged(download, image, tmp_path / "again").reasons == {}


def test_what_rsync_left_of_a_slice_costs_its_visit(download, image):
    path = slices(download, image)[3]
    path.rename(path.with_name(f".{path.name}.aB3xY9"))
    assert "unfinished download" in said(download) and sentence(download).startswith("5 of 6")


def test_an_unfinished_archive_is_told_where_it_lies(download, image):
    (download.images / image.ptid / "more.zip.part").write_bytes(b"PK")
    (download.images / "ADNI_2.zip.crdownload").write_bytes(b"PK")
    assert f"quarantine: 1 download not finished in subjects' folders: {image.ptid}/more.zip.part" in said(download)
    assert "quarantine: ADNI_2.zip.crdownload lies beside the subject folders" in said(download)
    assert "download ADNI_2.zip again, this is an unfinished one" in said(download)


@pytest.mark.parametrize("name", ["README", "DICOMDIR", "readme", "LICENSE", "VERSION", "md5sums", "notes~", "howto"])
@pytest.mark.parametrize("content", [b"", b"What lies here was copied from the scanner.\n"])
def test_what_lies_beside_slices_without_an_ending_is_no_slice(download, image, tmp_path, name, content):
    number(download, image)
    (download.images / image.folder / name).write_bytes(content)
    assert sentence(download) == ALL
    found = staged(download, image, tmp_path)
    assert found.reasons == {} and len(list((tmp_path / "tree").rglob("*.dcm"))) == 12


def test_a_damaged_slice_without_an_ending_still_costs_the_image(download, image, tmp_path):
    number(download, image)
    slices(download, image)[4].write_bytes(b"no DICOM" * 40)
    (reason,) = staged(download, image, tmp_path).reasons.values()
    assert reason == f"unreadable DICOM: 1 of 12 files of I{image.image_id} has no usable header"


@pytest.mark.parametrize("copy", ["{stem} (1){end}", "{stem} - Copy{end}", "Copy of {stem}{end}", "sub/{stem}{end}"])
@pytest.mark.parametrize("renamed", [False, True])
def test_an_empty_copy_of_a_whole_slice_costs_nothing(download, image, tmp_path, copy, renamed):
    if renamed:
        number(download, image)
    path = slices(download, image)[3]
    other = path.parent / copy.format(stem=path.stem, end=path.suffix)
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"")
    assert sentence(download) == ALL
    assert staged(download, image, tmp_path).reasons == {}


def test_names_of_files_and_folders():
    kinds = {
        "a_I1.dcm": "dicom",
        "IM1": "dicom",
        "1.2.840.5": "dicom",
        "README": None,
        "x.xml": None,
        "a~": "unfinished",
    }
    kinds |= {"a_I1.dcm.part": "unfinished", "x.tmp.xml": None, "setup.xml.tmp": None, "x.zip": "packed"}
    assert {name: kind_of(name) for name in kinds} == kinds
    assert intended_name("a_I1.dcm.crdownload") == "a_I1.dcm" and intended_name("a.dcm") == "a.dcm"
    assert {plain_name(f"{name}.dcm") for name in ("IM1", "IM1 (2)", "Copy of IM1", "im1 - copy", "IM1 copy 3")} == {
        "im1.dcm"
    }
    assert image_of_folder("I01000120") == image_of_folder("i1000120") == "1000120"


def test_leading_zeros_of_a_folder_and_of_files(download, image, tmp_path):
    folder = download.images / image.folder
    for path in slices(download, image):
        path.rename(path.with_name(path.name.replace(f"_I{image.image_id}", f"_I0{image.image_id}")))
    folder.rename(folder.with_name(f"I0{image.image_id}"))
    assert sentence(download) == ALL and staged(download, image, tmp_path).reasons == {}


def test_links_between_subjects_end(download):
    """Each of six subjects links to all others: as many ways through them as there are orders."""
    folders = [download.images / plan.subject.ptid for plan in download.plans]
    for name in ("900_S_0001", "900_S_0002", "900_S_0003"):
        folders.append(download.images / name)
        folders[-1].mkdir()
    for here in folders:
        for there in folders:
            (here / f"to {there.name}").symlink_to(there)
    start = time.process_time()
    assert sentence(download).startswith("6 of ")
    assert time.process_time() - start < 5


def test_a_folder_below_1100_others_is_read(download):
    with deep(download.images / download.plans[0].subject.ptid, "a", 1100):
        assert sentence(download) == ALL


@pytest.mark.parametrize(("table", "column"), [("MPRAGEMETA", "ScanDate"), ("ADNIMERGE", "EXAMDATE")])
@pytest.mark.parametrize("date", ["2031-03-04", "2099-01-01", "1999-05-05"])
def test_a_date_that_contradicts_the_code_of_its_visit_is_told(download, table, column, date):
    plan = next(plan for plan in download.plans if plan.phase in ("ADNI1", "ADNIGO"))
    visit = plan.visits[1]
    rows = {"PTID": plan.subject.ptid, "VISCODE": visit.code}
    if table == "MPRAGEMETA":
        rows = {"ImageUID": str(download.chosen(plan.subject.ptid)[1].image_id)}
    download.edit(table, rows, column, date)
    assert sentence(download) == ALL  # by the visit's name
    (line,) = [line for line in said(download).splitlines() if "contradict" in line]
    assert f"at 1 of 6 arriving visits: {plan.subject.ptid} {visit.code} (scanned " in line and date in line
    assert "the code is believed" in line


def test_a_pipe_called_zip_in_a_subjects_folder_is_not_waited_for(download):
    os.mkfifo(download.images / download.plans[0].subject.ptid / "more.zip")
    assert sentence(download) == ALL


@pytest.mark.parametrize("code", ["m１２", "m١٢"])
def test_a_code_in_digits_of_another_script_is_no_traceback(download, code):
    plan = next(plan for plan in download.plans if plan.phase in ("ADNI1", "ADNIGO"))
    download.edit("ADNIMERGE", {"PTID": plan.subject.ptid, "VISCODE": plan.visits[1].code}, "VISCODE", code)
    assert sentence(download) == "6 of 6 visits on disk will arrive"


def test_a_subject_that_no_list_knows_counts_as_many_visits_as_it_has(download):
    ptid = download.plans[2].subject.ptid
    download.remove("MPRAGEMETA", {"SubjectID": ptid})
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    assert f"2 x unknown images: {ptid}" in said(download)


def test_an_image_in_the_folder_of_another_subject_is_named(download, image):
    other = download.plans[1].subject.ptid
    source = download.images / image.folder
    target = download.images / other / source.relative_to(download.images / image.ptid)
    target.parent.mkdir(parents=True)
    source.rename(target)
    found = said(download)
    assert f"1 image in the folder of another subject: I{image.image_id} of {image.ptid} in {other}" in found
    assert "not listed" not in found and sentence(download).startswith("5 of 6")


def test_a_link_to_all_subjects_under_a_subject_s_name_loses_nothing(download):
    (download.images / "999_S_0001").mkdir()
    (download.images / "999_S_0001" / "all").symlink_to(download.images)
    assert sentence(download) == ALL


def adni4_image(number, day, session="ses-M012"):
    return {"ImageUID": number, "ScanDate": day, "session_id": session, "refusal": None, "MagStrength": "3.0"}


def test_two_visits_of_adni4_with_the_same_months_are_one_that_arrives_and_one_that_is_lost():
    images = [adni4_image("1", "2023-05-01"), adni4_image("2", "2023-05-02"), adni4_image("3", "2023-09-20")]
    disk = SubjectFiles({name: ImageFiles(dicom=[f"{name}.dcm"]) for name in "123"})
    found = choices(Part({}, [], images), disk, {})
    assert [(choice.image["ImageUID"], choice.reason) for choice in found] == [
        ("1", None),
        ("3", "second image of the visit: I3, scanned 2023-09-20"),
    ]
    assert [choice.reason for choice in choices(Part({}, [], images[:2]), disk, {})] == [None]


@pytest.mark.parametrize(
    ("shape", "content", "why"),
    [
        ((5, 5, 5), None, "no head: it is 80 x 80 x 80 mm large"),
        ((12, 14), None, "no volume: it has 12 x 14 voxels"),
        ((12, 14, 10, 3), None, "no volume: it has 12 x 14 x 10 x 3 voxels"),
        (None, b"hello" * 1000, "no NIfTI file: it begins as no NIfTI file does"),
        ((12, 14, 10), None, None),
    ],
)
def test_a_nifti_in_place_of_the_slices_must_be_able_to_be_a_head(download, image, tmp_path, shape, content, why):
    folder = download.images / image.folder
    for path in folder.iterdir():
        path.unlink()
    path = folder / f"x_I{image.image_id}.nii"
    if shape is None:
        path.write_bytes(content)
    else:
        noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(noise, np.diag([16.0, 16.0, 16.0, 1.0])), path)
    reasons = staged(download, image, tmp_path).reasons
    if why is None:
        assert sentence(download) == ALL and reasons == {}
        return
    assert reasons == {str(image.image_id): f"unusable NIfTI: {path.name} of I{image.image_id}: {why}"}
    assert f"lost: 1 x unusable NIfTI: {image.ptid} ({path.name} of I{image.image_id}: {why})" in said(download)
