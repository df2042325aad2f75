"""Files that are named like slices and are none: told by their first bytes, whatever their size."""

import pytest
from preflight_words import ALL, said, sentence

from ldae.adni import beginnings
from ldae.adni.beginnings import look_at_beginnings
from ldae.adni.disk import subject_files

PAGE = b"<!DOCTYPE html><html>Your session has expired</html>"


def slices(download, image):
    return [download.images / image.folder / image.file_name(number) for number in range(1, 13)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PAGE * 20, "they are web pages, such as LONI sends"),
        (None, "they are zeros"),
        (b"x" * 400, "is DICOM (download"),
    ],
    ids=["pages", "zeros", "letters"],
)
def test_images_without_a_slice_of_dicom_are_lost(download, image, content, told):
    for path in slices(download, image):
        path.write_bytes(bytes(path.stat().st_size) if content is None else content)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    (line,) = [line for line in said(download).splitlines() if "lost: 1 x unreadable DICOM" in line]
    assert f"none of the 12 files of I{image.image_id} is DICOM" in line and told in line
    assert "unreadable DICOM: download the images again" in line
    assert "quarantine: 1 image has files that are no DICOM" in said(download)


def test_a_web_page_among_slices_is_told_by_its_size(download, image):
    slices(download, image)[2].write_bytes(PAGE * 10)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"1 of 12 files of I{image.image_id} has no DICOM header: they are web pages" in said(download)


def test_one_file_of_each_whole_image_is_opened_once(download, image, monkeypatch):
    opened, read = [], beginnings.beginning
    monkeypatch.setattr(beginnings, "beginning", lambda path: opened.append(path) or read(path))
    files = {image.ptid: subject_files(download.images / image.ptid)}
    look_at_beginnings(files)
    assert len(opened) == len({path.rpartition("/")[0] for path in opened}) == len(files[image.ptid].images)
    assert files[image.ptid].gaps == {} and sentence(download) == ALL
