"""The exceptions a user is meant to read, and which errors are the machine's."""

import errno

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
MACHINE_WORDS = (
    *("out of memory", "bad_alloc", "can't allocate memory", "cannot allocate memory", "failed to allocate memory"),
    *("no space left on device", "disk quota exceeded", "input/output error", "stale file handle"),
    *("stale nfs file handle", "read-only file system", "too many open files", "file too large", "memoryerror"),
    *("cannot open shared object file", "cuda driver", "no cuda gpus are available", "uncorrectable ecc"),
    *("device is busy or unavailable", "modulenotfounderror:", "importerror:"),
)
# How str() of an OSError begins; "[Errno 2]" and its like are no error of the machine.
MACHINE_WORDS += tuple(f"[errno {number}]" for number in sorted(MACHINE_ERRNOS))


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
