"""Whose an image is: the list of images against folders, names of files and headers."""

import shutil

import pandas as pd
import pydicom
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.disk import subject_files
from ldae.adni.preflight import preflight
from ldae.adni.staging import stage_subject
from ldae.adni.study_tables import read_table

DISAGREE = "the list and the files disagree: download the list again, move nothing"


def blocking(download):
    return [str(finding) for finding in preflight(download.images, download.tables) if finding.severity == "blocking"]


def sort_alone(download, table, column):
    """One column of a table in descending order, the others as they were."""
    cells = read_table(download.table(table))
    cells[column] = sorted(cells[column], reverse=True)
    cells.to_csv(download.table(table), index=False)
    return cells


def obey(download, listing):
    """Move every image into the folder of the subject that the list gives it to."""
    owners = dict(zip(listing["ImageUID"], listing["SubjectID"], strict=True))
    for image in download.listed:
        old = download.images / image.folder
        new = download.images / image.folder.replace(image.ptid, owners[str(image.image_id)], 1)
        if old != new:
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)


def rename_files(download, image, pattern="IM{}.dcm"):
    for number, path in enumerate(sorted((download.images / image.folder).iterdir())):
        path.rename(path.with_name(pattern.format(number)))


@pytest.mark.parametrize("obeyed", [False, True])
def test_a_list_whose_image_numbers_were_sorted_alone_blocks_whatever_the_folders_say(download, obeyed):
    listing = sort_alone(download, "MPRAGEMETA", "ImageUID")
    wrong = sum(
        listing.loc[listing["ImageUID"] == str(image.image_id), "SubjectID"].item() != image.ptid
        for image in download.listed
    )
    assert wrong > 1
    if obeyed:
        obey(download, listing)
    lines = blocking(download)
    (line,) = [line for line in lines if DISAGREE in line]
    assert line.startswith(f"{wrong} of {len(download.listed)} images listed as another subject's than the files")
    text = said(download)
    assert "move each to the folder of its subject" not in text and "move each subject's folder beside" not in text
    assert sentence(download).startswith("0 of " if wrong == len(download.listed) else sentence(download)[:2])


def test_images_of_two_subjects_exchanged_in_list_and_folders_do_not_arrive(download):
    one, two = (plan.subject.ptid for plan in download.plans[:2])
    table = read_table(download.table("MPRAGEMETA"))
    table["SubjectID"] = table["SubjectID"].replace({one: two, two: one})
    table.to_csv(download.table("MPRAGEMETA"), index=False)
    for old, new in ((one, "x"), (two, one), ("x", two)):
        (download.images / old).rename(download.images / new)
    assert sentence(download).startswith("2 of ")  # the third subject's
    assert any(DISAGREE in line for line in blocking(download))
    assert "x files of another subject" in said(download)


def test_the_conversion_leaves_such_images_out_as_well(download, image, tmp_path):
    other = download.plans[1].subject.ptid
    for path in (download.images / image.folder).iterdir():
        path.rename(path.with_name(path.name.replace(image.ptid, other)))
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    reason = f"files of another subject: the files of I{image.image_id} are {other}'s by their own account"
    assert staged.reasons == {str(image.image_id): reason}
    assert sentence(download) == "5 of 6 visits on disk will arrive"


def test_without_a_name_the_header_says_whose_an_image_is(download, image, tmp_path):
    other = download.plans[1].subject.ptid
    rename_files(download, image)
    assert sentence(download) == ALL and DISAGREE not in said(download)
    for path in (download.images / image.folder).iterdir():
        header = pydicom.dcmread(path)
        header.PatientID = other
        header.save_as(path)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    (line,) = [line for line in blocking(download) if DISAGREE in line]
    assert f"I{image.image_id} of {image.ptid} in the list, of {other} in its files" in line
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    assert staged.reasons == {
        str(image.image_id): f"files of another subject: PatientID of 12 files of I{image.image_id} is {other}"
    }


def test_slices_of_another_subject_under_the_names_of_this_one_do_not_arrive(download, image):
    """The conversion reads every header; preflight reads one of each image."""
    other = next(plan.subject for plan in download.plans if plan.subject.ptid != image.ptid)
    for path in (download.images / image.folder).iterdir():
        header = pydicom.dcmread(path)
        header.PatientID, header.PatientSex = other.ptid, "F" if header.PatientSex == "M" else "M"
        header.save_as(path)
    text = said(download)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"the files of I{image.image_id} are {other.ptid}'s by their own account" in text
    assert DISAGREE not in text and "PatientSex" not in text  # the list is right, and so is the sex in the tables


def test_images_of_another_scanner_do_not_arrive(download, image, tmp_path):
    for path in (download.images / image.folder).iterdir():
        header = pydicom.dcmread(path)
        header.Modality = "PT"
        header.save_as(path)
    reason = f"no MR image: the headers of I{image.image_id} say PT, not MR"
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert "quarantine: 1 listed image has another modality than MR in its headers" in said(download)
    files = subject_files(download.images / image.ptid)
    assert stage_subject(image.ptid, files, files.ids, tmp_path).reasons == {str(image.image_id): reason}


def test_a_slice_that_stands_in_the_place_of_another_costs_the_image(download, image, tmp_path):
    paths = sorted((download.images / image.folder).iterdir())
    shutil.copy(paths[4], paths[5])
    files = subject_files(download.images / image.ptid)
    told = f"slices missing: 1 of 12 slices of I{image.image_id} are not there, copies of others have their names"
    assert stage_subject(image.ptid, files, files.ids, tmp_path).reasons == {str(image.image_id): told}


def test_a_patient_id_that_is_no_name_of_the_study_says_nothing(download, image, tmp_path):
    rename_files(download, image)
    for path in (download.images / image.folder).iterdir():
        header = pydicom.dcmread(path)
        header.PatientID = "ANON-7"
        header.save_as(path)
    files = subject_files(download.images / image.ptid)
    assert stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree").reasons == {}
    assert sentence(download) == ALL


def test_an_image_in_a_wrong_folder_that_list_and_files_know_is_to_be_moved(download, image):
    other = download.plans[1].subject.ptid
    new = download.images / image.folder.replace(image.ptid, other, 1)
    new.parent.mkdir(parents=True, exist_ok=True)
    (download.images / image.folder).rename(new)
    text = said(download)
    assert f"1 image in the folder of another subject: I{image.image_id} of {image.ptid} in {other}" in text
    assert "move each to the folder of its subject" in text and DISAGREE not in text


def test_one_mistaken_row_among_many_costs_its_image_alone():
    from ldae.adni.disk import SubjectFiles
    from ldae.adni.image_files import ImageFiles
    from ldae.adni.preflight.identity_checks import identities

    def tree(number):
        return {
            f"002_S_{n:04d}": SubjectFiles({str(n): ImageFiles(dicom=[f"ADNI_002_S_{n:04d}_1_S1_I{n}.dcm"])})
            for n in range(1, number + 1)
        }

    for number, severity in ((99, "blocking"), (100, "quarantine")):
        files = tree(number)
        owners = {str(n): f"002_S_{n:04d}" for n in range(1, number + 1)} | {"7": "002_S_0008"}
        (finding,) = identities(files, owners).finding(pd.NA)
        assert finding.severity == severity and finding.what.startswith(f"1 of {number} images listed")


def test_headers_that_were_not_read_are_spoken_of(download, monkeypatch):
    """Without names, headers are read of images spread over all, and the finding says of how many."""
    ptid = download.plans[-1].subject.ptid
    for image in download.listed:
        rename_files(download, image)
        for path in (download.images / image.folder).iterdir() if image.ptid == ptid else ():
            header = pydicom.dcmread(path)
            header.PatientID = download.plans[0].subject.ptid
            header.save_as(path)
    monkeypatch.setattr("ldae.adni.preflight.identity_checks.OPENED", 4)
    (line,) = [line for line in blocking(download) if DISAGREE in line]
    number = len(download.listed)
    asked = len(range(0, number, -(-number // 4)))
    assert f"(names of {number} images say nothing, of {asked} of them a header was read)" in line


def test_a_copy_under_another_visits_names_costs_that_visit(download):
    """The follow-up's files hold the baseline's bytes: each is told with its own original."""
    for plan in download.plans[:2]:
        first, second = (download.images / image.folder for image in download.chosen(plan.subject.ptid))
        for mine, other in zip(sorted(first.iterdir()), sorted(second.iterdir()), strict=True):
            other.write_bytes(mine.read_bytes())
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    text = said(download)
    for plan in download.plans[:2]:
        one, two = (image.image_id for image in download.chosen(plan.subject.ptid))
        assert f"{plan.subject.ptid} (the files of I{two} are those of I{one})" in text
