"""Archives beside the subjects: what is in them is counted as far as it can be seen, and the rest is said."""

import errno
import shutil
import tarfile
import zipfile

import pytest
from preflight_words import said, sentence

from ldae.adni import archives
from ldae.adni.archives import DAMAGED, PARTLY, UNSEEN, contents_of, unpacked_by
from ldae.adni.preflight import preflight
from ldae.core.errors import MachineError
from ldae.core.file_names import SMALLEST


def zipped(download, ptid, name="more.zip", streamed=False):
    """Put a subject's files into an archive, and its folder away."""
    paths = sorted((download.images / ptid).rglob("*.dcm"))
    target = download.images / name
    with open(target, "wb") as handle:
        out = Streamed(handle) if streamed else handle
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                archive.write(path, f"ADNI/{path.relative_to(download.images)}")
    shutil.rmtree(download.images / ptid)
    return target, [f"ADNI/{path.relative_to(download.images)}" for path in paths]


class Streamed:
    """A file that cannot go back, as a server writes an archive: the length of a member stands behind it."""

    def __init__(self, handle) -> None:
        self.handle = handle

    def write(self, content: bytes) -> int:
        return self.handle.write(content)

    def flush(self) -> None:
        self.handle.flush()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_zip_file_that_is_cut_off_is_counted_as_far_as_it_goes(download, streamed):
    ptid = download.plans[0].subject.ptid
    path, names = zipped(download, ptid, streamed=streamed)
    content = path.read_bytes()
    cut = int(0.6 * len(content))
    with zipfile.ZipFile(path) as archive:
        before = sum(item.header_offset + 30 + len(item.filename) <= cut for item in archive.infolist())
    assert [name for name, _ in contents_of(path).files] == names
    path.write_bytes(content[:cut])
    found = contents_of(path)
    seen = [name for name, _ in found.files]
    assert (found.trouble, seen) == (DAMAGED, names[:before]) and 0 < before < len(names)
    assert all(size >= SMALLEST for _, size in found.files)  # no pointers, though their length is not known
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    (line,) = [line for line in said(download).splitlines() if line.startswith("quarantine: more.zip")]
    assert "download it again: it is damaged or cut off (what is seen of it is counted)" in line


def test_a_damaged_archive_in_a_subject_s_folder_is_to_be_downloaded_again(download):
    ptid = download.plans[0].subject.ptid
    (download.images / ptid / "more.zip").write_bytes(b"PK")
    text = said(download)
    assert f"1 archive damaged or cut off: {ptid}/more.zip" in text and "download them again" in text
    assert "not unpacked" not in text


def test_archives_in_an_archive_are_told(download):
    ptid = download.plans[0].subject.ptid
    path, _ = zipped(download, ptid, "../inner.zip")
    with zipfile.ZipFile(download.images / "outer.zip", "w") as archive:
        archive.write(path, "inner.zip")
    path.unlink()
    assert "1 archive with archives inside: outer.zip" in said(download)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_a_tar_file_is_looked_into(download, kind):
    ptid = download.plans[0].subject.ptid
    mode = {"tar": "w", "tgz": "w:gz"}.get(kind, f"w:{kind[4:]}")
    with tarfile.open(download.images / f"more.{kind}", mode) as archive:
        archive.add(download.images / ptid, f"ADNI/{ptid}")
    shutil.rmtree(download.images / ptid)
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    text = said(download)
    assert f"lost: 2 x in a place that is passed over: {ptid} (more.{kind})" in text
    assert "unpack it here (tar -xf)" in text and "damaged" not in text


def test_of_a_large_packed_tar_file_the_beginning_is_looked_into(download, monkeypatch, tmp_path):
    ptid = download.plans[0].subject.ptid
    with tarfile.open(tmp_path / "more.tgz", "w:gz") as archive:
        archive.add(download.images / ptid, ptid)
    whole = contents_of(tmp_path / "more.tgz")
    monkeypatch.setattr(archives, "MOST", 10_000)
    part = contents_of(tmp_path / "more.tgz")
    assert (whole.trouble, part.trouble) == (None, PARTLY)
    assert part.files == whole.files[: len(part.files)] and 0 < len(part.files) < len(whole.files)


@pytest.mark.parametrize("name", ["{}.7z", "{}/all.rar"])
def test_an_archive_that_is_not_looked_into_counts_for_the_subject_it_names(download, name):
    ptid = download.plans[0].subject.ptid
    shutil.rmtree(download.images / ptid)
    path = download.images / name.format(ptid)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    text = said(download)
    assert f"lost: 1 x in a place that is passed over: {ptid} ({name.format(ptid)})" in text
    assert f"1 archive {UNSEEN}: {name.format(ptid)}" in text
    assert f"unpack them ({unpacked_by(name)})" in text


def test_what_macos_adds_is_never_moved_up(download):
    ptid = download.plans[0].subject.ptid
    for plan in download.plans:
        inside = download.images / "__MACOSX" / plan.subject.ptid
        inside.mkdir(parents=True)
        (inside / "._IM1.dcm").write_bytes(b"x")
    path, _ = zipped(download, ptid)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"__MACOSX/ADNI/{ptid}/IM1.dcm", "x")
    (line,) = [line for line in said(download).splitlines() if "__MACOSX" in line]
    assert line.startswith("note: __MACOSX lies beside the subject folders") and "move" not in line
    assert sentence(download) == "4 of 6 visits on disk will arrive"


@pytest.mark.parametrize("where", ["images", "tables"])
def test_a_disk_that_fails_is_no_archive_s_fault(download, monkeypatch, where):
    (getattr(download, where) / "more.zip").write_bytes(b"PK\x03\x04")
    download.table("CDR").unlink()

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error", "more.zip")

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    with pytest.raises(MachineError, match=r"OSError: Input/output error \(more\.zip\): look at that disk"):
        preflight(download.images, download.tables)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("a.csv.bz2", "bunzip2"),
        ("a.xz", "unxz"),
        ("a.csv.gz", "gunzip"),
        ("a.zip.001", "7z x"),
        ("a.7z.001", "7z x"),
        ("a.tar.gz.part", "tar -xf"),
        ("a.tar.bz2", "tar -xf"),
    ],
)
def test_an_archive_has_its_program(name, program):
    assert unpacked_by(name) == program
