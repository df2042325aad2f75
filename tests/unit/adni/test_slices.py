"""Images of which slices are missing or are none, and images that cannot be known by their names."""

import shutil

import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.disk import subject_files
from ldae.adni.preflight.arrivals import ADVICE
from ldae.adni.slices import look_for_gaps, missing_numbers, missing_positions
from ldae.adni.staging import stage_subject


def folder(download, image):
    return download.images / image.folder


def slices(download, image):
    return [folder(download, image) / image.file_name(number) for number in range(1, 13)]


def loni(*numbers):
    return [f"ADNI_002_S_0295_MR_MPRAGE_br_raw_2006041819371309{n % 10}_{n}_S13408_I13722.dcm" for n in numbers]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (loni(*range(1, 49)), 0),
        (loni(*range(1, 15), *range(35, 49)), 20),
        (loni(*range(0, 96, 2)), 0),  # numbered in steps of two
        (loni(*range(0, 40, 2), *range(44, 96, 2)), 2),
        (loni(3, 9), 0),
        ([f"IM{n:04d}" for n in (1, 2, 3, 5)], 1),
        ([f"{n}.{n * n}.dcm" for n in (1, 2, 3, 4, 5)], 0),
        ([f"MR.1.2.840.113619.{n}.dcm" for n in (20060418193713, 20060418193899, 20060418194000, 20060418195000)], 0),
        (["a", "b", "c", "d"], 0),
        (loni(1, 1, 2, 5), 0),  # twice the same: copies
    ],
)
def test_gaps_in_the_numbers_of_slices(names, missing):
    assert missing_numbers(names) == missing


def test_slices_missing_from_the_middle_cost_the_visit_where_their_positions_tell_it_too(download, image):
    for path in slices(download, image)[4:8]:
        path.unlink()
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    text, kind = said(download), "slices missing"
    reason = f"4 of 12 slices of I{image.image_id} are not there"
    assert f"lost: 1 x {kind}: {image.ptid} ({reason})" in text and f"{kind}: {ADVICE[kind]}" in text


def test_numbers_that_jump_where_no_slice_is_missing_cost_nothing(download, image):
    for number, path in reversed(list(enumerate(slices(download, image), 1))):
        if number > 6:
            path.rename(path.with_name(image.file_name(number + 20)))
    assert sentence(download) == ALL
    paths = [str(path) for path in folder(download, image).iterdir()]
    assert (missing_numbers([path.rpartition("/")[2] for path in paths]), missing_positions(paths)) == (20, 0)


@pytest.mark.parametrize("gone", [(2, 4, 6, 8), (3,), tuple(range(3, 11))])
def test_whichever_slices_are_missing_their_positions_tell_it(download, image, gone):
    for number in gone:
        slices(download, image)[number].unlink()
    paths = [str(path) for path in folder(download, image).iterdir()]
    names = [path.rpartition("/")[2] for path in paths]
    assert missing_positions(paths) == missing_numbers(names) == len(gone)
    assert sentence(download) == "5 of 6 visits on disk will arrive"


def test_more_than_half_of_the_slices_are_missing(download, image):
    """No two neighbours are left: how far apart slices are is told by the header."""
    for number in (2, 4, 6, 7, 8, 10):
        slices(download, image)[number - 1].unlink()
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"6 of 12 slices of I{image.image_id} are not there" in said(download)


def test_files_in_the_folder_of_another_image_are_said(download, image):
    one, two = (folder(download, item) for item in download.chosen(image.ptid))
    one.rename(one.with_name("other"))
    two.rename(one)
    one.with_name("other").rename(two)
    assert sentence(download) == ALL
    assert "note: 2 images have files in the folder of another image; their own names are believed" in said(download)


@pytest.mark.parametrize(("position", "lost"), [(4, 30), (0, 0), (None, 30)])
def test_of_many_images_with_gaps_a_few_are_opened(download, image, position, lost):
    for path in slices(download, image)[4:8]:
        path.unlink()
    names = [f"S{number}" for number in range(30)]
    files = {name: subject_files(download.images / image.ptid) for name in names}
    opened = []
    look_for_gaps(files, {str(image.image_id)}, lambda paths: opened.append(paths) or position)
    assert (len(opened), sum(len(item.gaps) for item in files.values())) == (20, lost)


ANNEX = b"/annex/objects/MD5E-s181868--0cc175b9c0f1b6a831c399e269772661.dcm\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 181868\n"


@pytest.mark.parametrize("content", [ANNEX, LFS, b"x"])
@pytest.mark.parametrize("number", [1, 12])
def test_pointers_and_rests_are_no_slices(download, image, tmp_path, content, number):
    for path in slices(download, image)[:number]:
        path.write_bytes(content)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    few = f"{number} of 12 files of I{image.image_id} {'has' if number == 1 else 'have'} too few bytes: pointers"
    assert f"lost: 1 x no slices: {image.ptid} ({few}" in said(download)
    staged = stage_subject(
        image.ptid, subject_files(download.images / image.ptid), {str(image.image_id)}, tmp_path / "t"
    )
    assert list(staged.reasons) == [str(image.image_id)]


def test_a_folder_of_macos_files_alone_is_a_lost_image(download, image):
    for path in slices(download, image):
        path.rename(path.with_name(f"._{path.name}"))
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"lost: 1 x no slices: {image.ptid} (12 of 12 files" in said(download)


def test_files_that_are_named_as_another_image_are_neither(download, image):
    """The other image has its own files, so the names or the folder are wrong; it arrives, the first does not."""
    other = download.chosen(image.ptid)[1]
    for number, path in enumerate(slices(download, image), 1):
        path.rename(path.with_name(other.file_name(number + 12)))
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    reason = f"12 files in the folder I{image.image_id}, named as those of I{other.image_id}"
    assert f"lost: 1 x contradicting names: {image.ptid} ({reason})" in said(download)
    assert len(subject_files(download.images / image.ptid).images[str(other.image_id)].dicom) == 12


def test_slices_of_an_image_in_the_folder_of_another_one_are_its_own(download, image, tmp_path):
    other = download.chosen(image.ptid)[1]
    for path in slices(download, other)[:5]:
        path.rename(folder(download, image) / path.name)
    assert sentence(download) == ALL
    files = subject_files(download.images / image.ptid)
    ids = {str(image.image_id), str(other.image_id)}
    assert stage_subject(image.ptid, files, ids, tmp_path / "tree").reasons == {}
    assert [len(list((tmp_path / "tree" / image.ptid / f"I{name}").iterdir())) for name in sorted(ids)] == [12, 12]


@pytest.mark.parametrize("ending", [".DCM;1", ".dcm.txt", ".dcm;1.txt"])
def test_endings_of_discs_and_mail_programs(download, image, tmp_path, ending):
    for path in slices(download, image):
        path.rename(path.with_suffix(ending))
    assert sentence(download) == ALL
    files = subject_files(download.images / image.ptid)
    staged = stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree")
    assert staged.reasons == {} and len(list((tmp_path / "tree").rglob("*.dcm"))) == 12


def test_slices_in_folders_below_the_image_s_are_its_slices(download, image):
    for number, path in enumerate(slices(download, image)):
        (path.parent / f"slice{number}").mkdir()
        path.rename(path.parent / f"slice{number}" / "IM1")
    assert sentence(download) == ALL


def test_an_image_in_a_hidden_folder_is_named(download, image):
    day = folder(download, image).parent
    day.rename(day.with_name(f".{day.name}"))
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    text = said(download)
    assert f"lost: 1 x in a hidden folder: {image.ptid} (the files of I{image.image_id} lie in .{day.name})" in text
    assert f"quarantine: 1 image lies in hidden folders: I{image.image_id}" in text


def test_a_copy_in_a_hidden_folder_says_nothing(download, image):
    shutil.copytree(folder(download, image), folder(download, image).with_name(".old"))
    assert said(download) == ""


def nameless(download, image):
    here = folder(download, image)
    for number, path in enumerate(slices(download, image)):
        path.rename(path.with_name(f"IM{number}.dcm"))
    here.rename(here.with_name("scan"))


def test_renamed_files_are_told_by_which_names_images_are_known(download, image):
    nameless(download, image)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    text = said(download)
    assert f"lost: 1 x files without an image ID: {image.ptid} (scan)" in text
    assert "an image is known by files that end _I<image ID>.dcm or by its folder I<image ID>" in text
    assert "unpack the download again, without renaming" in text


def test_a_visit_that_was_not_downloaded_is_no_renamed_one(download, image):
    nameless(download, image)
    other = download.chosen(image.ptid)[1]
    shutil.rmtree(folder(download, other))
    assert sentence(download) == "4 of 5 visits on disk will arrive (beside them 1 not downloaded)"


def test_files_of_no_listed_image_are_a_note(download, image):
    extra = folder(download, image).parent / "localizer"
    extra.mkdir()
    for number in range(12):
        (extra / f"{number}.dcm").write_bytes(b"x" * 300)
    assert sentence(download) == ALL
    assert "note: 1 folder with files that no name gives an image ID" in said(download)
    assert "quarantine" not in said(download)
