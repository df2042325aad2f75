"""Slices missing at an end of a series, slices cut off, and files that must not be read."""

import os
import re

import pydicom
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.disk import SubjectFiles, subject_files
from ldae.adni.image_files import ImageFiles
from ldae.adni.short_series import Headers, Protocol, Series, missing_slices
from ldae.adni.staging import stage_subject

LOST = "5 of 6 visits on disk will arrive"


def slices(download, image):
    return [download.images / image.folder / image.file_name(number) for number in range(1, 13)]


@pytest.mark.parametrize(("left", "millimetres"), [((0, 1), 16), ((0, 5), 80), ((7, 12), 80), ((3, 9), 96)])
def test_a_series_too_narrow_for_a_head_is_lost(download, image, left, millimetres):
    for number, path in enumerate(slices(download, image)):
        if not left[0] <= number < left[1]:
            path.unlink()
    assert sentence(download) == LOST
    number = left[1] - left[0]
    assert f"I{image.image_id} has {number} slices, which span {millimetres} mm; a head is wider" in said(download)


@pytest.mark.parametrize(("gone", "lost"), [(range(10, 12), True), (range(2), True), (range(11, 12), False)])
def test_fewer_slices_than_the_same_protocol_gave_the_same_subject(download, image, gone, lost):
    for number in gone:
        slices(download, image)[number].unlink()
    assert sentence(download) == (LOST if lost else ALL)
    compared = f"slices missing: {image.ptid} (I{image.image_id} has 10 slices, I"
    assert (compared in said(download)) == lost


def series(image, number, first=1):
    names = [f"{image}_{n}_S1_I{image[1:]}.dcm" for n in range(first, first + number)]
    return Series("002_S_0295", image, ImageFiles(dicom=names))


def taken(step, scanner="SIEMENS", frames=1):
    return Protocol(frames, step, None, (scanner,))


@pytest.mark.parametrize(
    ("here", "there", "of_here", "of_there", "lost"),
    [
        (series("I1", 166), series("I2", 184), taken(1.2), taken(1.2), False),  # a smaller head
        (series("I1", 150), series("I2", 184), taken(1.2), taken(1.2), True),  # 180 mm of 221 by the same protocol
        (series("I1", 124), series("I2", 170), taken(1.5), taken(1.2), False),  # another scanner, 186 mm of 204
        (series("I1", 122), series("I2", 208), taken(1.0), taken(1.0, "GE"), True),  # 122 mm of 208
        (series("I1", 155, 16), series("I2", 170), taken(1.2), taken(1.2), True),  # the first 15 are missing
        (series("I1", 165, 171), series("I2", 170), taken(1.2), taken(1.2), False),  # a second acquisition
        (series("I1", 1), series("I2", 170), taken(1.2, frames=160), taken(1.2), False),  # all slices in one file
        (series("I1", 90), series("I2", 170), None, None, True),
        (series("I1", 140), series("I2", 170), None, None, False),
    ],
)
def test_what_speaks_for_missing_slices(here, there, of_here, of_there, lost):
    headers = Headers()
    headers.known = {here.files.dicom[0]: of_here, there.files.dicom[0]: of_there}  # as if they had been read
    assert (missing_slices(here, there, 1, headers) is not None) == lost


def test_beginnings_that_are_missing_in_all_images_are_told_by_the_numbers(download):
    assert "begin with number" not in said(download)
    for path in download.images.rglob("*.dcm"):
        if re.search(r"_[12]_S\d+_I", path.name):
            path.unlink()
    assert "note: the slices of most images begin with number 3 in the names of their files" in said(download)
    for path in download.images.rglob("*.dcm"):
        if not re.search(r"_10_S\d+_I", path.name):
            path.unlink()  # as if all slices were in one file, whose number is none of a slice
    assert "begin with number" not in said(download)


def test_a_whole_series_opens_no_header():
    headers = Headers()
    for number in (120, 160, 208):  # there are no such files, so that opening one would raise an error
        assert missing_slices(series("I1", number), series("I1", number), 1, headers) is None
    assert headers.known == {}


@pytest.mark.parametrize("number", [1, 5, 12])
def test_slices_cut_in_half_are_lost(download, image, number):
    for path in slices(download, image)[:number]:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 270])
    assert sentence(download) == LOST
    assert f"{number} of 12 files of I{image.image_id} {'has' if number == 1 else 'have'} fewer bytes" in said(download)


def test_slices_cut_in_the_header_are_unreadable(download, image):
    for path in slices(download, image):
        path.write_bytes(path.read_bytes()[:400])
    assert sentence(download) == LOST
    assert f"of I{image.image_id} has no usable header (copy or download it again)" in said(download)


def test_a_header_may_be_shorter_than_another(download, image):
    path = slices(download, image)[5]
    header = pydicom.dcmread(path)
    del header.SliceLocation, header.InstitutionName, header.StudyID
    header.save_as(path)
    assert path.stat().st_size < slices(download, image)[6].stat().st_size - 30
    assert sentence(download) == ALL


def test_compressed_slices_may_have_any_size(download, image):
    from pydicom.uid import RLELossless

    for path in slices(download, image):
        item = pydicom.dcmread(path)
        item.compress(RLELossless)
        item.save_as(path)
    assert sentence(download) == ALL


def test_files_that_this_user_must_not_read_are_lost_and_left_out(download, image, tmp_path, monkeypatch):
    closed, allowed = {str(path) for path in slices(download, image)[2:5]}, os.access
    for path in slices(download, image)[2:5]:
        path.chmod(0)
    assert sentence(download) == (ALL if os.access(min(closed), os.R_OK) else LOST)  # root reads them
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in closed and allowed(path, mode))
    assert sentence(download) == LOST
    text = said(download)
    assert f"lost: 1 x closed files: {image.ptid} (3 of 12 files of I{image.image_id} cannot be read" in text
    assert "chmod -R u+r" in text
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    assert staged.reasons[str(image.image_id)].startswith("closed files: 3 of 12")
    assert isinstance(files, SubjectFiles)


def test_ends_that_are_missing_in_all_images_are_told_by_their_scanners(download):
    for path in download.images.rglob("*.dcm"):
        header = pydicom.dcmread(path)
        header.ImagesInAcquisition = 12
        header.save_as(path)
    assert said(download) == ""
    for path in download.images.rglob("*.dcm"):
        if re.search(r"_12_S\d+_I", path.name):
            path.unlink()
    assert sentence(download) == ALL
    text = said(download)
    assert "note: most images have fewer slices than their headers say were taken (I" in text and "has 11 of 12" in text
