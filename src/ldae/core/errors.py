"""The exceptions a user is meant to read, and errors of the machine, in one sentence each: they are no scan's fault.

Native libraries do not always say that a write failed: ITK gives up with a message of its own, dcm2niix leaves half a
file. So whatever fails where something was written, the disk is looked at before a scan is blamed.
"""

import errno
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A full, broken or absent disk, no memory, no free process or file handle: none of it lies in the data or the settings.
MACHINE_ERRNOS = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EFBIG", "EIO", "ESTALE", "EROFS", "ENXIO", "ENODEV", "EREMOTEIO", "ENOMEDIUM"),
        *("ENOMEM", "EAGAIN", "EMFILE", "ENFILE", "EUSERS", "ENOLCK"),
        *("ETIMEDOUT", "ENOTCONN", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ESHUTDOWN"),
    )
    if hasattr(errno, name)
)
# Libraries in C++ (ITK, torch, CUDA) hand over the same as a RuntimeError; matched in small letters.
MACHINE_WORDS: tuple[str, ...] = (
    *("out of memory", "bad_alloc", "can't allocate memory", "cannot allocate memory", "failed to allocate memory"),
    *("no space left on device", "disk quota exceeded", "input/output error", "stale file handle"),
    *("stale nfs file handle", "read-only file system", "too many open files", "file too large", "memoryerror"),
    *("cannot open shared object file", "cuda driver", "no cuda gpus are available", "uncorrectable ecc"),
    *("device is busy or unavailable", "modulenotfounderror:", "importerror:"),
)
# How str() of an OSError begins; "[Errno 2]" and its like are no error of the machine.
MACHINE_WORDS += tuple(f"[errno {number}]" for number in sorted(MACHINE_ERRNOS))
LEAST_FREE = 256 * 2**20  # bytes; what one scan's transforms and images take at 1 mm
PROBE = 2**20  # bytes
KILLED = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGBUS)  # from outside, or a mapped file without a disk
MORE_MEMORY = "give the job more memory, or fewer processes side by side"
AGAIN = "then run the same command again, what is done is kept"
ADVICE = {
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): "make room there",
    (errno.EROFS, errno.EACCES, errno.EPERM): "make it writable",
    (errno.EMFILE, errno.ENFILE): "allow more open files (ulimit -n) or fewer processes side by side",
    (errno.ENOMEM, errno.EAGAIN, errno.EUSERS): MORE_MEMORY,
}


LIBRARY = re.compile(r"(lib[\w+-]+(?:\.\d[\w.]*)?)\.so(?:\.\d+)*: cannot open shared object file")
DEBIAN = {  # library of the system, without its version -> package of Debian and Ubuntu
    "libGL": "libgl1",
    "libSM": "libsm6",
    "libX11": "libx11-6",
    "libXext": "libxext6",
    "libXrender": "libxrender1",
    "libexpat": "libexpat1",
    "libfontconfig": "libfontconfig1",
    "libfreetype": "libfreetype6",
    "libgcc_s": "libgcc-s1",
    "libglib-2.0": "libglib2.0-0",
    "libgomp": "libgomp1",
    "libgthread-2.0": "libglib2.0-0",
    "libnuma": "libnuma1",
    "libpng16": "libpng16-16",
    "libquadmath": "libquadmath0",
    "libsqlite3": "libsqlite3-0",
    "libstdc++": "libstdc++6",
    "libz": "zlib1g",
}


class UserError(Exception):
    """Bad input, said in one sentence: what is wrong, where, and what to do about it."""


class QuarantinedScan(UserError):
    """One scan that cannot be used; the message is its reason in the status table."""


class MachineError(UserError):
    """The machine failed, whatever it was working on: what, where and what to do, in one sentence. The work stops, is
    nobody's fault, and goes on where it was when the same command is run again."""


class Interrupted(Exception):
    """Training was asked to stop and has saved its state; the same command continues it."""

    exit_status = 75  # EX_TEMPFAIL


def is_machine_error(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, is the machine's: a full or broken disk, no memory (of a GPU, too), a
    library that is missing. Then it says nothing about the scan, the settings or the code at hand, and the same command
    may be run again as it is."""
    return first_machine_error(error) is not None


def first_machine_error(error: BaseException | None) -> BaseException | None:
    """The error itself or the first of those that caused it that is the machine's."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if _of_the_machine(error):
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def speaks_of_the_machine(text: str) -> bool:
    """Whether the message of a library or a command, or a reason in a table, is that of an error of the machine."""
    words = text.lower()
    return any(word in words for word in MACHINE_WORDS)


def _of_the_machine(error: BaseException) -> bool:
    if isinstance(error, MachineError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in MACHINE_ERRNOS
    if isinstance(error, MemoryError | ImportError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    own_words = isinstance(error, UserError | SystemExit | KeyboardInterrupt)  # they may quote what was mended since
    return not own_words and speaks_of_the_machine(str(error))


@contextmanager
def blaming_the_machine(*folders: Path, always: bool = False) -> Iterator[None]:
    """Whatever of the block's errors is the machine's becomes a :class:`MachineError`; any other one passes.

    Args:
        folders: where the block writes.
        always: look at the disk also after a plain refusal (a :class:`UserError` that nothing caused).
    """
    try:
        yield
    except Exception as error:
        if sentence := fault_of_the_machine(error, *folders, always=always):
            raise MachineError(f"{sentence}.") from error
        raise


def fault_of_the_machine(error: Exception, *folders: Path, always: bool = False) -> str | None:
    """What the machine lacks, where, and what to do, in one sentence without its full stop; None for any other error.

    Args:
        folders, always: as of :func:`blaming_the_machine`.
    """
    if isinstance(error, MachineError):
        return str(error).removesuffix(".")
    if (cause := first_machine_error(error)) is not None:
        return sentence_of(cause, *folders)
    if isinstance(error, PermissionError) and error.filename and _inside(Path(error.filename), folders):
        return sentence_of(error)
    plain = isinstance(error, UserError) and error.__cause__ is None and error.__context__ is None
    return full_disk(*folders) if always or not plain else None


def sentence_of(error: BaseException, *folders: Path) -> str:
    """``OSError: No space left on device (/data/results): make room there; then run ...``"""
    what = next(iter(str(error).strip().splitlines()), "") or "no message"
    where, advice = "", "look at the machine"
    if isinstance(error, OSError) and error.strerror:
        what = error.strerror
        where = f" ({error.filename or ', '.join(map(str, folders)) or 'no file named'})"
        advice = next((words for numbers, words in ADVICE.items() if error.errno in numbers), "look at that disk")
    elif isinstance(error, MemoryError) or "memory" in what.lower() or "bad_alloc" in what:
        advice = MORE_MEMORY
    elif library := LIBRARY.search(what):
        package = DEBIAN.get(library[1])
        advice = (
            f"on Debian and Ubuntu `apt-get install {package}`"
            if package
            else ("install the system's package that holds it (on Debian and Ubuntu `apt-file search` tells which)")
        )
    elif isinstance(error, ImportError):
        advice = "run `make setup`"
    elif speaks_of_the_machine(what):
        where, advice = (f" ({', '.join(map(str, folders))})" if folders else ""), "make room or look at that disk"
    return f"{type(error).__name__}: {what}{where}: {advice}; {AGAIN}"


def full_disk(*folders: Path) -> str | None:
    """Which of the folders cannot be written to, or is on a disk that is as good as full; None where all is well."""
    for folder in dict.fromkeys((*folders, Path(tempfile.gettempdir()))):
        place = next((part for part in (folder, *folder.parents) if part.is_dir()), Path("/"))
        state = os.statvfs(place)
        free = state.f_bavail * state.f_frsize
        if free < LEAST_FREE or (state.f_files and not state.f_favail):
            return f"The disk of {place} has {free / 2**20:.0f} MiB free: make room there; {AGAIN}"
        try:
            probe(place)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM) or is_machine_error(error):
                return sentence_of(error, place)
    return None


def probe(folder: Path) -> None:
    """Write a MiB through to the disk of a folder: quotas, stale mounts and read-only disks show themselves."""
    descriptor, name = tempfile.mkstemp(prefix=".tmp-probe-", dir=folder)
    try:
        view = memoryview(bytes(PROBE))
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        with suppress(OSError):
            Path(name).unlink()


def require_sound(output: str, *folders: Path) -> None:
    """After a command that failed.

    Raises:
        MachineError: its output speaks of the machine, or a disk that it writes to is full.
    """
    lines = [line.strip() for line in output.splitlines() if speaks_of_the_machine(line)]
    if lines:
        raise MachineError(f"{lines[-1]} ({', '.join(map(str, folders))}): look at that machine and disk; {AGAIN}.")
    if full := full_disk(*folders):
        raise MachineError(f"{full}.")


def require_own(reason: str) -> None:
    """Raises:
    MachineError: the reason for which a scan is about to be left out is an error of the machine.
    """
    if speaks_of_the_machine(reason):
        raise MachineError(f"{reason}: look at the machine; {AGAIN}.")


def require_own_reasons(reasons: Iterable[str]) -> None:
    """Raises:
    UserError: an earlier version of this workflow left scans out for errors of the machine.
    """
    foreign = [reason for reason in reasons if isinstance(reason, str) and speaks_of_the_machine(reason)]
    if foreign:
        raise UserError(
            f"{len(foreign)} scans were left out by an earlier run for an error of the machine ({foreign[0]}): run "
            "`ldae inventory` with this configuration, which removes such status tables, then the same command again."
        )


def forget_machine_errors(results: Path) -> list[Path]:
    """Remove the status tables of a results folder that blame a scan for an error of the machine, so that their shards
    are planned again; what is done is kept and skipped. Returns what was removed."""
    found = [
        path
        for path in (*sorted(results.glob("status/*/*.tsv")), *sorted(results.glob("derivatives/*/qc.tsv")))
        if any(speaks_of_the_machine(line) for line in path.read_text(encoding="utf-8").splitlines())
    ]
    for path in found:
        path.unlink()
    return found


def _inside(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) or path.resolve().is_relative_to(folder.resolve()) for folder in folders)
