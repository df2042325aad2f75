"""Several images in the folder of one, under names that tell nothing: the headers do."""

import shutil

import pydicom
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.disk import subject_files
from ldae.adni.mixed_images import look_for_mixed_images
from ldae.adni.staging import stage_subject


def merge(download, images, form):
    """Move the slices of some images into the folder of the first, renamed."""
    folder = download.images / images[0].folder
    for place, image in enumerate(images):
        for number, path in enumerate(sorted((download.images / image.folder).iterdir())):
            path.rename(folder / form.format(place=place, number=number))
        if place:
            shutil.rmtree(download.images / image.folder)
    return folder


def subjects_images(download):
    ptid = download.plans[0].subject.ptid
    return ptid, [image for image in download.listed if image.ptid == ptid]


@pytest.mark.parametrize("form", ["IM{place}{number:03d}.dcm", "IM{number:03d} ({place}).dcm"])
def test_several_images_in_one_folder_are_called_so(download, tmp_path, form):
    ptid, images = subjects_images(download)
    assert len(images) >= 2
    merge(download, images[:3], form)
    name = str(images[0].image_id)
    sizes = " and ".join(["12"] * len(images[:3]))
    reason = f"mixed images: the folder I{name} holds {len(images[:3])} series ({sizes} files), and no name tells which"
    text = said(download)
    assert f"1 image folder holds several images: I{name}" in text and sentence(download) != ALL
    staged = stage_subject(ptid, subject_files(download.images / ptid), {name}, tmp_path / "tree")
    assert staged.reasons[name].startswith(reason)


def test_names_tell_which_of_several_series_is_the_image(download, tmp_path):
    ptid, images = subjects_images(download)
    folder = download.images / images[0].folder
    for number, path in enumerate(sorted((download.images / images[1].folder).iterdir())):
        shutil.copy(path, folder / f"IM{number}.dcm")
    assert sentence(download) == ALL
    staged = stage_subject(ptid, subject_files(download.images / ptid), {str(images[0].image_id)}, tmp_path / "tree")
    assert staged.reasons == {} and staged.notes == [f"I{images[0].image_id}: 12 files of another series left aside"]
    kept = sorted((tmp_path / "tree").rglob("*.dcm"))
    uids = {pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID for path in kept}
    assert len(kept) == 12 and len(uids) == 1


def test_a_program_that_gives_each_slice_a_series_of_its_own_mixes_nothing(download, image):
    folder = download.images / image.folder
    for number, path in enumerate(sorted(folder.iterdir())):
        header = pydicom.dcmread(path)
        header.SeriesInstanceUID = f"1.2.3.{number}"
        header.save_as(folder / f"IM{number:03d}.dcm")
        path.unlink()
    files = {image.ptid: subject_files(download.images / image.ptid)}
    look_for_mixed_images(files, {str(image.image_id)})
    assert files[image.ptid].gaps == {}
