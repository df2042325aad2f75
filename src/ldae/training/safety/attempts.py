"""Where the attempts of one training ended, so that a fault that comes back is not repeated for days.

``attempts.json`` lists them; ``progress`` holds the number of the attempt and its steps done, after every step. An
attempt that was killed writes nothing at its end: what it reached stands in ``progress``.

Only a fault of the training's own counts: an error that neither a signal, nor the machine, nor the end of another
process explains. A library that crashes (SIGSEGV, SIGABRT, ...) leaves its trace in ``crash``; SIGKILL leaves nothing,
and whoever sent it (a scheduler, a system short of memory) says nothing about the training.
"""

import faulthandler
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ldae.core.errors import Interrupted, UserError, is_machine_error
from ldae.core.files import read_json, write_json, write_text
from ldae.training.distributed import PeerLost

KILLED = "killed without a word"
ALLOWED = 2  # attempts that may end at the same step


class Attempts:
    """The attempts in one checkpoint folder.

    Args:
        shape: digest of what may be changed between attempts to get past a fault (code, micro-batch, processes);
            attempts of another shape do not count.
    """

    def __init__(self, folder: Path, shape: str):
        self.path, self.shape = Path(folder) / "attempts.json", shape
        self._progress, self._crash, self._peer = (Path(folder) / name for name in ("progress", "crash", "fault"))
        self._descriptor: int | None = None
        self._trace: IO[str] | None = None
        self._number = 0

    def refuse_repeats(self) -> None:
        """Compare the ends of the last attempts.

        Raises:
            UserError: the last two that did not end in good order ended at the same step; the message says how.
        """
        ended = [attempt for attempt in self._read() if attempt["shape"] == self.shape and attempt["fault"]][-ALLOWED:]
        if len(ended) == ALLOWED and len({attempt["step"] for attempt in ended}) == 1:
            reasons = " and ".join(sorted({attempt["reason"] for attempt in ended}))
            raise UserError(
                f"{ALLOWED} attempts at this training ended after step {ended[0]['step']} ({reasons}); a third would "
                f"too. Remove the cause, then `ldae retry {shlex.quote(str(self.path.parents[1]))}` lets it go on."
            )

    def saved_step(self) -> int:
        """The newest step that was ever saved; 0 where none was."""
        return read_json(self.path)["saved"] if self.path.is_file() else 0

    def start(self, step: int, processes: int = 1) -> None:
        """An attempt begins, with ``step`` steps done."""
        attempts = self._read()
        self._number = attempts[-1]["number"] + 1 if attempts else 1
        entry = {"number": self._number, "shape": self.shape, "step": step, "reason": KILLED, "fault": False}
        self._peer.unlink(missing_ok=True)
        self._crash.unlink(missing_ok=True)
        self._write([*attempts, entry | {"processes": processes}])
        self._descriptor = os.open(self._progress, os.O_RDWR | os.O_CREAT, 0o644)
        self.reached(step)
        trace = self._crash.open("w")
        self._trace, self._traced_before = trace, faulthandler.is_enabled()
        faulthandler.enable(trace)

    def reached(self, step: int) -> None:
        """``step`` steps are done; some microseconds."""
        assert self._descriptor is not None  # the attempt has started
        os.pwrite(self._descriptor, b"%06d %012d\n" % (self._number, step), 0)

    def saved(self, step: int) -> None:
        """A checkpoint of ``step`` is whole on disk."""
        self._write(self._read(), saved=step)

    def end(self, error: BaseException | None) -> None:
        """The attempt ends, by an error or in good order."""
        if isinstance(error, PeerLost) and self._peer.is_file():
            reason, fault = self._peer.read_text(), True
        else:
            reason, fault = reason_of(error), is_own_fault(error)
        attempts = self._read()
        attempts[-1] |= {"reason": reason, "fault": fault}
        self._write(attempts)
        assert self._descriptor is not None
        assert self._trace is not None
        os.close(self._descriptor)
        self._descriptor = None
        faulthandler.disable()
        if self._traced_before and sys.__stderr__ is not None:
            with suppress(AttributeError, ValueError, OSError):
                faulthandler.enable(sys.__stderr__)
        self._trace.close()
        self._crash.unlink(missing_ok=True)

    def end_of_another(self, error: BaseException | None) -> None:
        """In a process that is not the first: a fault of its own, for the first one to find."""
        if is_own_fault(error):
            write_text(self._peer, reason_of(error))

    def forgive(self) -> int:
        """No fault so far counts any more; returns how many did."""
        attempts = self._read()
        self._crash.unlink(missing_ok=True)
        if attempts:
            self._write([attempt | {"fault": False} for attempt in attempts])
        return sum(attempt["fault"] for attempt in attempts)

    def clear(self) -> None:
        """The training is finished."""
        for path in (self.path, self._progress, self._crash, self._peer):
            path.unlink(missing_ok=True)

    def _read(self) -> list[dict[str, Any]]:
        """The attempts; the last one with the step it has reached, and the crash that ended it."""
        if not self.path.is_file():
            return []
        attempts = read_json(self.path)["attempts"]
        if reached := read_progress(self._progress):
            for attempt in attempts:
                if attempt["number"] == reached[0]:
                    attempt["step"] = reached[1]
        if attempts and attempts[-1]["reason"] == KILLED and (crash := _first_line(self._crash)):
            attempts[-1] |= {"reason": crash, "fault": _is_own_crash(crash, attempts[-1]["processes"])}
        return attempts

    def _write(self, attempts: list[dict[str, Any]], saved: int | None = None) -> None:
        saved = self.saved_step() if saved is None else saved
        write_json(self.path, {"attempts": attempts[-10:], "saved": saved})


def read_progress(path: Path) -> tuple[int, int] | None:
    """Number of the attempt and steps done; none where nothing is written."""
    try:
        number, step = path.read_text().split()
    except (OSError, ValueError):
        return None
    return int(number), int(step)


def is_own_fault(error: BaseException | None) -> bool:
    """Whether an error that ended an attempt would come back in the next one, as far as one can tell."""
    return (
        isinstance(error, Exception) and not isinstance(error, Interrupted | PeerLost) and not is_machine_error(error)
    )


def reason_of(error: BaseException | None) -> str:
    """How an attempt ended, in one line."""
    if error is None or isinstance(error, Interrupted):
        return str(error or "finished")
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _is_own_crash(crash: str, processes: int) -> bool:
    """A bus error is a disk that failed under a mapped file; communication libraries abort when a process is gone."""
    return "Bus error" not in crash and (processes == 1 or "Aborted" not in crash)


def _first_line(path: Path) -> str:
    """Of what faulthandler wrote; empty without a crash."""
    try:
        return (path.read_text(errors="replace").splitlines() or [""])[0]
    except OSError:
        return ""
