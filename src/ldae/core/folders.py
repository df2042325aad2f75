"""Folders of a person's: walked however deep they are, links and closed places told, written to by one at a time."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ldae.core.errors import UserError

ALIAS = b"book\0\0\0\0mark"  # the beginning of a shortcut of macOS, which has no ending of its own
SKEW = 60  # seconds by which clocks of two machines may differ


@cache
def kernel_devices() -> frozenset[int]:
    """The devices of the kernel's own file systems, which hold nobody's data and may have no end (``/proc/self/root``
    is the whole machine again)."""
    places = [path.stat().st_dev for path in map(Path, ("/proc", "/sys", "/dev")) if path.is_dir()]
    return frozenset(places) - {Path("/").stat().st_dev}


def is_kernels(path: str | Path) -> bool:
    """Whether a folder (or what a link leads to) is one of the kernel's, such as ``/proc/self``."""
    return Path(path).stat().st_dev in kernel_devices()


def is_alias(path: str | Path) -> bool:
    """Whether a file is a shortcut of macOS, which leads nowhere in another system."""
    if not Path(path).is_file() or not os.access(path, os.R_OK):  # a pipe would be waited for
        return False
    with open(path, "rb") as handle:
        return handle.read(len(ALIAS)) == ALIAS


def is_folder(item: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one. A link to itself, to a folder that it lies in, or to one of the
    kernel's is none: it leads nowhere, like a broken one."""
    if not item.is_symlink():
        return item.is_dir(follow_symlinks=False)
    return Path(item.path).is_dir() and not leads_back(Path(item.path)) and not is_kernels(item.path)


def leads_to_folder(item: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; not where that cannot be told."""
    try:
        return item.is_dir()
    except OSError:
        return False


def leads_back(path: Path) -> bool:
    """Whether a path is a link to a folder that it lies in."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def walk(folder: str | Path, closed: bool = False) -> Iterator[tuple[str, list[str], list[str]]]:
    """:func:`os.walk`, however deep the tree is, without the kernel's own folders.

    Args:
        closed: pass over folders that this user must not read.

    Raises:
        OSError: such a folder; :func:`saying_what_is_closed` makes a sentence of it.
    """
    ahead = [str(folder)]
    while ahead:
        place = ahead.pop()
        try:
            if is_kernels(place):
                continue
            with os.scandir(place) as items:
                entries = list(items)
        except PermissionError:
            if closed:
                continue
            raise
        links = {item.name for item in entries if item.is_symlink()}
        folders = [item.name for item in entries if leads_to_folder(item)]
        inside = set(folders)
        yield place, folders, [item.name for item in entries if item.name not in inside]
        ahead += [f"{place}/{name}" for name in reversed(folders) if name not in links]


@contextmanager
def saying_what_is_closed() -> Iterator[None]:
    """Around what reads a user's data.

    Raises:
        UserError: a folder or a file that this user must not read, or whose path is too long; the sentence names it.
    """
    try:
        yield
    except PermissionError as error:
        raise UserError(f"{error.filename} must not be read by this user: change its permissions.") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        start = str(error.filename)[:200]
        raise UserError(f"{start}... lies in more folders than a path can name: move what is in it up.") from None


def no_later_than_now(folder: Path) -> int:
    """Give files whose time lies more than a minute ahead (a clock was wrong, or a backup's) the present time.

    Snakemake ends every job that reads one: what the job has made would be older than what it was made from. Only times
    change, and of files that this user may change.

    Returns:
        How many there were.
    """
    latest, found = time.time() + SKEW, 0
    for place, _, names in walk(folder, closed=True) if folder.is_dir() else ():
        for name in names:
            with suppress(OSError):
                path = Path(place, name)
                if path.lstat().st_mtime > latest:
                    os.utime(path, follow_symlinks=False)
                    found += 1
    return found


def is_file(path: Path) -> bool:
    """Whether a file is there, by a name that somebody wrote into a table: one longer than any name is no file's."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def leads_nowhere(error: OSError) -> bool:
    """Whether a path was not found because it is not there, or is a link to itself."""
    return error.errno in (errno.ENOENT, errno.ELOOP)


def writable_folder(path: Path) -> None:
    """Make a folder that a person has named, and its parents; one that is there stays.

    Raises:
        UserError: it is a file, lies in one, or may not be written to. What is the machine's is no matter of the name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise UserError(f"{path} cannot be written to ({error.strerror}): choose another folder.") from None


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Wait until no other process that asks so works in the folder. False: its file system has no locks (some NFS)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # released by the kernel, however the process ends
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(handle)
