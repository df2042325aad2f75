"""What of a download lies beside the folder of all subjects, and what leads to it but not in this system."""

import shutil
import zipfile

import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.disk import subject_files
from ldae.adni.inventory import outsiders
from ldae.adni.preflight.beside_root import beside_root
from ldae.adni.preflight.beside_subjects import outsider_findings

SLICE = "ADNI/002_S_0295/MP-RAGE/2006-04-18_08_20_30.0/I13722/ADNI_002_S_0295_MR_MP-RAGE__br_raw_1_1_S13408_I13722.dcm"


@pytest.fixture
def raw(tmp_path):
    """The folder of one subject, in a folder of downloads."""
    (tmp_path / "ADNI" / "002_S_0413").mkdir(parents=True)
    return tmp_path / "ADNI"


def zip_of(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, bytes(300))
    return path.read_bytes()


def names(raw):
    return [item.name for item in beside_root(raw)[0]]


@pytest.mark.parametrize(
    ("name", "members", "told"),
    [
        ("download (3).zip", [SLICE], True),
        ("Unconfirmed 1234.crdownload", [SLICE], True),
        ("tables.zip.part", [SLICE], True),
        ("ADNI_metadata.zip", ["ADNI/ADNI_002_S_0295_MR_MP-RAGE_S13408_I13722.xml"], False),
        ("ADNI_Study_Data.zip", ["ADNIMERGE_01Jan2025.csv"], False),
        ("music.zip", ["a.mp3", "b.dcm"], False),
    ],
)
def test_zip_files_beside_the_root_are_told_by_what_is_in_them(raw, name, members, told):
    zip_of(raw.parent / name, *members)
    assert names(raw) == [name] * told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("ADNI2.7z", b"7z", True),
        ("holiday.7z", b"7z", False),
        ("ADNI3.zip.crdownload", b"", True),
        (".ADNI3.zip.icloud", b"bplist", True),
        ("film.mp4.part", b"", False),
        ("ADNI - Shortcut.lnk", b"L\0\0\0", True),
        ("scans.lnk", b"L\0\0\0" + "D:\\ADNI\\002_S_0295".encode("utf-16-le"), True),
        ("Editor.lnk", b"L\0\0\0" + b"C:\\Windows\\notepad.exe", False),
        ("ADNI.pdf", b"%PDF", False),
    ],
)
def test_what_cannot_be_looked_into_is_told_by_its_name(raw, name, content, told):
    (raw.parent / name).write_bytes(content)
    assert names(raw) == [name] * told


def test_a_zip_file_beside_the_root_is_a_loss_until_it_is_unpacked(download):
    ptid = download.plans[0].subject.ptid
    paths = sorted((download.images / ptid).rglob("*.dcm"))
    with zipfile.ZipFile(download.images.parent / "ADNI (3).zip", "w") as archive:
        for path in paths:
            archive.write(path, f"ADNI/{path.relative_to(download.images)}")
    text = said(download)
    assert "note: ADNI (3).zip lies beside ADNI and is passed over (1 file" in text
    assert "none needed: its images lie in their place too" in text and len(text.splitlines()) == 1
    shutil.rmtree(download.images / ptid)
    text = said(download)
    assert "quarantine: ADNI (3).zip lies beside ADNI" in text and "unpack it in ADNI (unzip)" in text
    assert f"lost: 2 x in a place that is passed over: {ptid} (../ADNI (3).zip)" in text


def test_several_are_one_finding(raw):
    for number in range(3):
        zip_of(raw.parent / f"{number}.zip", SLICE)
    (finding,) = outsider_findings(beside_root(raw)[0], raw)
    assert finding.what.startswith("3 archives lie beside ADNI and are passed over: 0.zip, 1.zip, 2.zip")
    assert finding.fix.startswith("unpack them in ADNI (unzip)") and finding.where == str(raw.parent)


@pytest.mark.parametrize(
    ("name", "content", "severity", "advice"),
    [
        ("002_S_0295.lnk", b"x", "quarantine", "copy what it leads to"),
        ("more - Shortcut.lnk", b"x", "note", "copy what it leads to"),
        ("002_S_0295 alias", b"book\0\0\0\0mark", "quarantine", "it is a shortcut"),
        (".ADNI3.zip.icloud", b"x", "quarantine", "Download Now in the Finder"),
    ],
)
def test_what_leads_elsewhere_among_the_subjects(raw, name, content, severity, advice):
    (raw / name).write_bytes(content)
    (finding,) = outsider_findings(outsiders(raw), raw)
    assert finding.severity == severity and advice in finding.fix


def test_what_was_deleted_in_linux_is_no_loss(raw):
    (raw / ".Trash-1000" / "files" / "002_S_0295").mkdir(parents=True)
    (raw / ".Trash-1000" / "files" / "002_S_0295" / "a.dcm").write_bytes(b"x")
    (item,) = outsiders(raw)
    assert not item.subjects and item.fix.startswith("nothing: in it is what was deleted")


def test_placeholders_and_shortcuts_in_a_subjects_folder(download, image):
    """iCloud keeps the slices of one image, a shortcut stands for another folder; a placeholder beside its file costs
    nothing."""
    folder = download.images / image.folder
    first = sorted(folder.iterdir())[0]
    (folder / f".{first.name}.icloud").write_bytes(b"bplist")
    assert sentence(download) == ALL
    for path in sorted(folder.glob("*.dcm")):
        path.rename(folder / f".{path.name}.icloud")
    (download.images / image.ptid / "more.lnk").write_bytes(b"L")
    text = said(download)
    assert f"12 of 12 files of I{image.image_id} lie in iCloud alone (let iCloud download them" in text
    assert f"1 shortcut in subjects' folders, leading nowhere in this system: {image.ptid}/more.lnk" in text
    shutil.rmtree(folder)
    for name, content in ((f"{folder.name} - Shortcut.lnk", b"L"), (folder.name, b"book\0\0\0\0mark")):
        folder.with_name(name).write_bytes(content)
        trouble = subject_files(download.images / image.ptid).troubles[str(image.image_id)]
        assert trouble == f"not on disk: I{image.image_id} is a shortcut, which leads nowhere here (copy its folder)"
        folder.with_name(name).unlink()
