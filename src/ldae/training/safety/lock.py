"""One process at a time trains in a folder."""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

from ldae.core.errors import UserError

logger = logging.getLogger("ldae")
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """Held while a training runs; a context manager.

    The lock is the kernel's (``flock``): it ends with its process, so a killed training leaves none behind. NFS from
    version 3 on and Lustre mounted with ``flock`` share it between hosts. Where a file system has no such lock, the
    host and process number in the file are all there is: a process of this host that is gone is taken over, one of
    another host cannot be seen and is refused.

    Args:
        folder: made when it is not there.

    Raises:
        UserError: another process holds it; the message names its host and number.
    """

    def __init__(self, folder: Path):
        self.path = Path(folder) / ".lock"
        self._descriptor: int | None = None

    def __enter__(self) -> "RunLock":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        owner = self._owner()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._refuse(owner)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            if owner and not _gone(owner):
                self._refuse(owner)
        if owner:
            logger.info("%s: the lock of process %s on %s, which is gone, is taken over", self.path, *_names(owner))
        self._write({"pid": os.getpid(), "host": socket.gethostname(), "since": round(time.time())})
        return self

    def __exit__(self, *_: object) -> None:
        self._write(None)
        self._close()

    def _refuse(self, owner: dict[str, Any]) -> None:
        self._close()
        process, host = _names(owner)
        raise UserError(
            f"Process {process} on {host} trains in {self.path.parent}: wait for it or stop it (kill -TERM saves). "
            f"If it is gone for certain, delete {self.path}."
        )

    def _owner(self) -> dict[str, Any]:
        """What the file says; empty after an orderly end."""
        try:
            return json.loads(self.path.read_text() or "{}")
        except (OSError, ValueError):
            return {}

    def _write(self, owner: dict[str, Any] | None) -> None:
        assert self._descriptor is not None  # held
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"" if owner is None else json.dumps(owner).encode(), 0)

    def _close(self) -> None:
        assert self._descriptor is not None
        os.close(self._descriptor)
        self._descriptor = None


def _names(owner: dict[str, Any]) -> tuple[Any, Any]:
    return owner.get("pid", "?"), owner.get("host", "?")


def _gone(owner: dict[str, Any]) -> bool:
    """A process of this host that does not exist any more."""
    return owner.get("host") == socket.gethostname() and not Path(f"/proc/{owner.get('pid')}").exists()
