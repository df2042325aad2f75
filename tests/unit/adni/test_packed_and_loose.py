"""Slices without a folder, archives in folders, in pieces and unfinished, and copies of the download beside it."""

import shutil
import zipfile

import pytest
from preflight_words import ALL, said, sentence
from test_archives import zipped

from ldae.adni.archives import DAMAGED, Joined, contents_of, unpacked_by
from ldae.adni.preflight import preflight
from ldae.core.file_names import is_archive, kind_of

GONE = "4 of 6 visits on disk will arrive"


@pytest.fixture
def ptid(download):
    return download.plans[0].subject.ptid


def test_loose_slices_beside_the_subjects_are_counted(download, ptid):
    paths = sorted((download.images / ptid).rglob("*.dcm"))
    size = sum(path.stat().st_size for path in paths)
    for path in paths:
        path.rename(download.images / path.name)
    shutil.rmtree(download.images / ptid)
    assert sentence(download) == GONE
    text = said(download)
    what = f"quarantine: {len(paths)} loose slices of {ptid} lie beside the subject folders and are passed over"
    assert f"{what} ({len(paths)} files, {size / 1024:.0f} KiB)" in text
    assert f"move them into the folder {ptid}" in text and "lost: 2 x in a place that is passed over" in text


def test_loose_slices_of_several_subjects_are_one_finding(download):
    for path in sorted(download.images.rglob("*.dcm")):
        path.rename(download.images / path.name)
    (line,) = [line for line in said(download).splitlines() if "sets of loose slices" in line]
    assert line.startswith("quarantine: 3 sets of loose slices lie beside the subject folders and are passed over")
    assert "move them into the folders of their subjects" in line


def test_loose_slices_are_their_subject_s_by_the_list_where_their_names_tell_the_image_alone(download, ptid):
    image = download.chosen(ptid)[0]
    for number, path in enumerate(sorted((download.images / image.folder).iterdir())):
        path.rename(download.images / f"IM{number}_I{image.image_id}.dcm")
    (download.images / image.folder).rmdir()
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"12 loose slices of {ptid} lie beside the subject folders" in said(download)


def test_a_download_that_is_not_unpacked_is_to_be_unpacked(download):
    for plan in download.plans:
        zipped(download, plan.subject.ptid, f"{plan.subject.rid}.zip")
    (line,) = [line for line in said(download).splitlines() if "no subject folder named" in line]
    assert "unpack 2.zip, 1.zip, 7.zip" in line or ("unpack 1.zip, 2.zip" in line and "set raw.images" not in line)


def test_loose_slices_that_lie_in_their_place_too_cost_nothing(download, ptid):
    for path in sorted((download.images / ptid).rglob("*.dcm")):
        shutil.copy(path, download.images / path.name)
    assert sentence(download) == ALL
    assert "note: 36 loose slices of" in said(download) and "their images lie" not in said(download)


@pytest.mark.parametrize("place", ["zips", "zips/first", "941_S_0000 (1)"])
def test_archives_in_a_folder_beside_the_subjects_are_counted(download, ptid, place):
    path, _ = zipped(download, ptid)
    (download.images / place).mkdir(parents=True)
    path.rename(download.images / place / path.name)
    assert sentence(download) == GONE
    text = said(download)
    assert f"lost: 2 x in a place that is passed over: {ptid} ({place}/more.zip)" in text
    if place.startswith("zips"):
        assert "unpack 1 archive in it (unzip), and move the subject folders in them up" in text


@pytest.mark.parametrize(
    "name", ["more.zip.part", "more.zip.crdownload", "Unconfirmed 12.crdownload", "more.zip.download/more.zip"]
)
def test_unfinished_archives_are_counted_as_far_as_they_go(download, ptid, name):
    path, _ = zipped(download, ptid)
    content = path.read_bytes()
    path.unlink()
    target = download.images / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content[: int(0.9 * len(content))])
    assert sentence(download) == GONE
    text = said(download)
    assert f"lost: 2 x in a place that is passed over: {ptid}" in text
    assert "download" in text and "again" in text and "unzip" not in text


@pytest.mark.parametrize("name", ["{}.zip.crdownload", "{}/more.zip.part", "{}.7z.part", "{}.zip.download/x.zip"])
def test_an_unfinished_archive_in_which_nothing_can_be_seen_counts_for_the_subject_it_names(download, ptid, name):
    shutil.rmtree(download.images / ptid)
    path = download.images / name.format(ptid)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 300)
    assert sentence(download).startswith("4 of 5 visits on disk will arrive")


def in_pieces(path, number, form):
    """Cut a file into pieces; their paths."""
    content = path.read_bytes()
    size = len(content) // number + 1
    pieces = [path.with_name(form.format(path.name, place)) for place in range(number)]
    for place, piece in enumerate(pieces):
        piece.write_bytes(content[place * size : (place + 1) * size])
    path.unlink()
    return pieces


@pytest.mark.parametrize(("form", "first"), [("{}.{:03d}", 0), ("{}.{:02d}", 0)])
def test_the_pieces_of_a_zip_file_are_read_as_one(download, ptid, form, first):
    path, names = zipped(download, ptid)
    pieces = in_pieces(path, 5, form)
    assert [name for name, _ in contents_of(pieces[0]).files] == names and contents_of(pieces[0]).trouble is None
    assert all(contents_of(piece).files == () for piece in pieces[1:])
    assert sentence(download) == GONE and "7z x" in said(download)
    pieces[-1].unlink()
    assert contents_of(pieces[0]).trouble == DAMAGED and 0 < len(contents_of(pieces[0]).files) < len(names)


def test_pieces_beside_their_zip_file(download, ptid):
    """As zip -s leaves them: x.z01 and x.zip, which has the list."""
    path, _ = zipped(download, ptid)
    path.with_suffix(".z01").write_bytes(b"PK\x07\x08")
    assert sentence(download) == GONE
    assert contents_of(path.with_suffix(".z01")).trouble is None
    path.unlink()
    assert contents_of(path.with_suffix(".z01")).trouble == DAMAGED


def test_files_read_as_one(tmp_path):
    for number, content in enumerate((b"abc", b"", b"defg", b"h")):
        (tmp_path / str(number)).write_bytes(content)
    joined = Joined(sorted(tmp_path.iterdir()))
    assert joined.read(2) == b"ab" and joined.read(3) == b"cde" and joined.tell() == 5
    assert joined.seek(-2, 2) == 6 and joined.read() == b"gh" and joined.read(4) == b""
    assert joined.seek(1) == 1 and joined.read() == b"bcdefgh"


def test_an_archive_in_an_archive_counts_for_the_subject_it_names(download, ptid):
    path, _ = zipped(download, ptid, f"../{ptid}.zip")
    with zipfile.ZipFile(download.images / "outer.zip", "w") as archive:
        archive.write(path, path.name)
    path.unlink()
    text = said(download)
    assert f"lost: 1 x in a place that is passed over: {ptid} (outer.zip)" in text


@pytest.mark.parametrize(
    ("name", "kind", "archive", "program"),
    [
        ("a.zip.001", "packed", True, "7z x"),
        ("a.z01", "packed", True, "7z x"),
        ("a.r00", "packed", True, "unrar x"),
        ("a.tbz2", "packed", True, "tar -xf"),
        ("a.txz", "packed", True, "tar -xf"),
        ("a.zip.part", "unfinished", True, "unzip"),
        ("a.7z.001", "packed", True, "7z x"),
        ("MR.001", "dicom", False, "gunzip"),
        ("a.nii.gz", "nifti", False, "gunzip"),
    ],
)
def test_one_list_of_endings(name, kind, archive, program):
    assert (kind_of(name), is_archive(name), unpacked_by(name)) == (kind, archive, program)


@pytest.mark.parametrize("name", ["ADNI 2", "ADNI (1)", "ADNI-3"])
def test_a_second_copy_of_the_download_beside_it_is_counted(download, ptid, name):
    other = download.images.with_name(name)
    other.mkdir()
    (download.images / ptid).rename(other / ptid)
    assert sentence(download) == GONE
    text = said(download)
    assert f"quarantine: {name} lies beside ADNI with 1 subject folder" in text
    assert f"move its subject folders into {download.images}" in text
    assert f"lost: 2 x in a place that is passed over: {ptid} (../{name}/{ptid})" in text


def test_a_copy_with_nothing_new_is_a_note(download):
    shutil.copytree(download.images, download.images.with_name("ADNI 2"))
    assert sentence(download) == ALL
    (finding,) = preflight(download.images, download.tables)
    assert finding.severity == "note" and finding.what.startswith("ADNI 2 lies beside ADNI with 3 subject folders")
    assert finding.fix == "none needed: its images lie in their place too"


def test_a_hole_is_whole_in_the_copy_beside_it(download, ptid):
    """An image that is damaged in its place and whole elsewhere: it is said where."""
    image = download.chosen(ptid)[0]
    shutil.copytree(download.images / ptid, download.images / f"{ptid} 2")
    for number in range(4, 8):
        (download.images / image.folder / image.file_name(number)).unlink()
    text = said(download)
    assert f"I{image.image_id} is whole in {ptid} 2" in text and "none needed: its images lie in" not in text
