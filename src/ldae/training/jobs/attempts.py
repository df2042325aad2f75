"""Where the attempts of one training ended, so that a fault that comes back is not repeated for days.

``attempts.json`` lists them; ``progress`` holds the number of the attempt and its steps done, after every step. An
attempt that was killed writes nothing at its end: what it reached stands in ``progress``.
"""

import os
from pathlib import Path
from typing import Any

from ldae.errors import UserError
from ldae.files import read_json, write_json

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
        self._progress = Path(folder) / "progress"
        self._descriptor: int | None = None
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
                f"too. Remove the cause, then delete {self.path} and run the same command."
            )

    def saved_step(self) -> int:
        """The newest step that was ever saved; 0 where none was."""
        return read_json(self.path)["saved"] if self.path.is_file() else 0

    def start(self, step: int) -> None:
        """An attempt begins, with ``step`` steps done."""
        attempts = self._read()
        self._number = attempts[-1]["number"] + 1 if attempts else 1
        entry = {"number": self._number, "shape": self.shape, "step": step, "reason": KILLED, "fault": True}
        self._write([*attempts, entry])
        self._descriptor = os.open(self._progress, os.O_RDWR | os.O_CREAT, 0o644)
        self.reached(step)

    def reached(self, step: int) -> None:
        """``step`` steps are done; some microseconds."""
        os.pwrite(self._descriptor, b"%06d %012d\n" % (self._number, step), 0)

    def saved(self, step: int) -> None:
        """A checkpoint of ``step`` is whole on disk."""
        self._write(self._read(), saved=step)

    def end(self, reason: str, fault: bool) -> None:
        """The attempt ends for this reason; it is no fault where it was asked to stop, or has finished."""
        attempts = self._read()
        attempts[-1] |= {"reason": reason, "fault": fault}
        self._write(attempts)
        os.close(self._descriptor)
        self._descriptor = None

    def clear(self) -> None:
        """The training is finished."""
        self.path.unlink(missing_ok=True)
        self._progress.unlink(missing_ok=True)

    def _read(self) -> list[dict[str, Any]]:
        """The attempts; the last one with the step it has reached."""
        if not self.path.is_file():
            return []
        attempts = read_json(self.path)["attempts"]
        if reached := read_progress(self._progress):
            for attempt in attempts:
                if attempt["number"] == reached[0]:
                    attempt["step"] = reached[1]
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
