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
    *("cannot open shared object file", "cuda driver", "no cuda gpus are available", "uncorrectable ecc"),
    "device is busy or unavailable",
)


class UserError(Exception):
    """Bad input, said in one sentence: what is wrong, where, and what to do about it."""


class QuarantinedScan(UserError):
    """One scan that cannot be used; the message is its reason in the status table."""


class Interrupted(Exception):
    """Training was asked to stop and has saved its state; the same command continues it."""

    exit_status = 75  # EX_TEMPFAIL


def is_machine_error(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, is the machine's: a full or broken disk, no memory (of a GPU, too), a
    library that is missing. Then it says nothing about the scan, the settings or the code at hand, and the same command
    may be run again as it is."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if _of_the_machine(error):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def _of_the_machine(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in MACHINE_ERRNOS
    if isinstance(error, MemoryError | ImportError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    if isinstance(error, RuntimeError | OSError):
        words = str(error).lower()
        return any(word in words for word in MACHINE_WORDS)
    return False
