"""What archives hold, by their lists of contents or, of one that is cut off, by what comes before the end.

Nothing is unpacked to the disk. Of a packed tar file the beginning is read, since it has no list; 7z and rar files are
not looked into.
"""

import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ldae.core.errors import MachineError, fault_of_the_machine, is_machine_error
from ldae.core.file_names import PIECE, SMALLEST, intended_name, kind_of

TAR = re.compile(r".*\.(tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))", re.IGNORECASE)
ZIP = re.compile(r".*\.zip", re.IGNORECASE)
CLOSED = re.compile(r".*\.(7z|rar|zst)", re.IGNORECASE)
PROGRAMS = (
    (ZIP, "unzip"),
    (TAR, "tar -xf"),
    (re.compile(r".*\.7z", re.IGNORECASE), "7z x"),
    (re.compile(r".*\.rar", re.IGNORECASE), "unrar x"),
    (re.compile(r".*\.zst", re.IGNORECASE), "unzstd"),
)
OF_ONE_FILE = {".bz2": "bunzip2", ".xz": "unxz"}  # of any other: gunzip
FIRST = re.compile(r"0*[01]")  # number of the first piece of an archive in pieces
MOST = 1 << 27  # bytes that are read of an archive without a list
MEMBER, DESCRIBED_LATER, TOO_LARGE = b"PK\x03\x04", 0x0008, 0xFFFFFFFF
DAMAGED = "damaged or cut off"
LOCKED = "closed to this user"
UNSEEN = "not looked into"
PARTLY = "looked into at the beginning alone"
NESTED = "with archives inside"


@dataclass(frozen=True)
class Contents:
    """``files``: name and bytes of each file that is seen; ``trouble``: why these are not all, or None."""

    files: tuple[tuple[str, int], ...] = ()
    trouble: str | None = None


def unpacked_by(name: str) -> str:
    """The program that unpacks an archive, by its name."""
    bare = intended_name(name)
    if (piece := PIECE.fullmatch(bare)) and (piece.group(1) is None or ZIP.fullmatch(piece.group(1))):
        return "unrar x" if re.search(r"\.r\d\d$", bare, re.IGNORECASE) else "7z x"
    bare = bare if piece is None else piece.group(1)
    by_name = next((program for pattern, program in PROGRAMS if pattern.fullmatch(bare)), None)
    return by_name or OF_ONE_FILE.get(Path(bare).suffix.lower(), "gunzip")


def contents_of(path: Path) -> Contents:
    """Raises:
    MachineError: the disk fails, which is no fault of the archive.
    """
    found = seen_in(path)
    if found.trouble is None and any(pattern.fullmatch(name) for name, _ in found.files for pattern, _ in PROGRAMS):
        return Contents(found.files, NESTED)
    return found


def seen_in(path: Path) -> Contents:
    """The same without a look at what kind of files they are."""
    if path.is_dir():  # Safari's folder of an unfinished download
        inside = next((item for item in sorted(path.iterdir()) if item.is_file()), None)
        return Contents((), DAMAGED) if inside is None else Contents(seen_in(inside).files, DAMAGED)
    if not path.is_file():  # to open a pipe would wait for ever
        return Contents()
    name, found = intended_name(path.name), list[tuple[str, int]]()
    try:
        if PIECE.fullmatch(name):
            return of_pieces(path, name)
        if ZIP.fullmatch(name) or (kind_of(path.name) == "unfinished" and begins_like_zip(path)):
            return of_zip(path)
        if kind_of(path.name) == "unfinished":
            return Contents((), DAMAGED)
        if TAR.fullmatch(name):
            whole = of_tar(path, found)
            return Contents(tuple(found), None if whole else PARTLY)
    except PermissionError:
        return Contents((), LOCKED)
    except (tarfile.TarError, EOFError, ValueError, NotImplementedError, zlib.error, lzma.LZMAError, OSError) as error:
        if is_machine_error(error):
            raise MachineError(f"{fault_of_the_machine(error, path)}.") from error
        return Contents(tuple(found), DAMAGED)
    return Contents((), UNSEEN if CLOSED.fullmatch(path.name) else None)


def of_zip(path: Path) -> Contents:
    """Files of a zip file; without its list, which lies at the end, those before the place where it is cut off."""
    try:
        with zipfile.ZipFile(path) as archive:
            return Contents(listed(archive))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        with open(path, "rb") as handle:
            return Contents(tuple(members_before_the_end(handle)), DAMAGED)


def begins_like_zip(path: Path) -> bool:
    """Whether a file begins as a zip file does, whatever its name (Chrome's ``Unconfirmed 123.crdownload``)."""
    with open(path, "rb") as handle:
        return handle.read(4) == MEMBER


def of_pieces(path: Path, name: str) -> Contents:
    """Of the first piece of a zip file what is in all of them together; of the others nothing, it is counted there.

    Args:
        name: of the piece, once it is finished.
    """
    found = PIECE.fullmatch(name)
    if found is None or found.group(1) is None:  # the list of x.z01, x.z02, ... is in x.zip
        whole = found is not None and any(path.with_name(found.group(2) + end).is_file() for end in (".zip", ".rar"))
        return Contents() if whole else Contents((), DAMAGED)
    number = name.removeprefix(found.group(1)).lstrip(".")
    if not ZIP.fullmatch(found.group(1)):
        return Contents((), UNSEEN if FIRST.fullmatch(number) else None)
    zero = path.with_name(f"{found.group(1)}.{0:0{len(number)}d}")
    if not FIRST.fullmatch(number) or (int(number) and zero.is_file()):
        return Contents()
    pieces = [path]
    while (piece := path.with_name(f"{found.group(1)}.{int(number) + len(pieces):0{len(number)}d}")).is_file():
        pieces.append(piece)
    with Joined(pieces) as handle:
        try:
            with zipfile.ZipFile(handle) as archive:
                return Contents(listed(archive))
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return Contents(tuple(members_before_the_end(handle)), DAMAGED)


class Joined(io.RawIOBase):
    """Several files, read as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths, self.sizes, self.place = paths, [path.stat().st_size for path in paths], 0

    def readable(self) -> bool:
        """Always, and nothing else."""
        return True

    def seekable(self) -> bool:
        """Always, as the files are."""
        return True

    def tell(self) -> int:
        """Bytes before the place of the next one to be read."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a single file."""
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: sum(self.sizes)}[whence]
        return self.place

    def read(self, number: int = -1) -> bytes:
        """The next bytes, over the ends of the files."""
        end = sum(self.sizes) if number < 0 else min(self.place + number, sum(self.sizes))
        found, start = b"", 0
        for path, size in zip(self.paths, self.sizes, strict=True):
            if start <= self.place < min(start + size, end):
                with open(path, "rb") as handle:
                    handle.seek(self.place - start)
                    found += handle.read(min(start + size, end) - self.place)
                self.place = min(start + size, end)
            start += size
        return found


def listed(archive: zipfile.ZipFile) -> tuple[tuple[str, int], ...]:
    """Name and bytes of each file in a zip file."""
    return tuple((item.filename, item.file_size) for item in archive.infolist() if not item.is_dir())


def members_before_the_end(handle: "BinaryIO | Joined") -> Iterator[tuple[str, int]]:
    """Files of a zip file by the header before each; where one does not tell its length, the next is looked for."""
    start, read = 0, 0
    while True:
        handle.seek(start)
        header = handle.read(30)
        if len(header) < 30 or header[:4] != MEMBER:
            return
        flags = struct.unpack("<H", header[6:8])[0]
        packed, size, letters, more = struct.unpack("<IIHH", header[18:30])
        name = handle.read(letters).decode("utf-8" if flags & 0x0800 else "cp437", "replace")
        if name and not name.endswith("/"):
            yield name, SMALLEST if not size and flags & DESCRIBED_LATER else size  # not known before its data
        start += 30 + letters + more
        if packed != TOO_LARGE and (packed or not flags & DESCRIBED_LATER):
            start += packed
            continue
        handle.seek(start)
        kept = b""
        while (place := kept.find(MEMBER)) < 0:
            block = handle.read(1 << 20)
            if not block or read > MOST:
                return
            start, kept, read = start + max(len(kept) - 3, 0), kept[-3:] + block, read + len(block)
        start += place


def of_tar(path: Path, found: list[tuple[str, int]]) -> bool:
    """Add the files of a tar file to ``found``, of a packed one those in its first 128 MiB; whether these are all."""
    bare = path.suffix.lower() == ".tar"
    with tarfile.open(path, "r:" if bare else "r|*") as archive:
        for member in archive:
            if not bare and member.offset_data > MOST:
                return False
            if member.isfile():
                found.append((member.name, member.size))
    return True
