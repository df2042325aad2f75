"""Stopping before somebody else does: on request, and ahead of the scheduler's time limit.

A signal of the scheduler or the terminal, or a file, raises a flag; the loop saves and leaves. Ctrl-C reaches every
process of the terminal at once: Snakemake waits for its jobs then, and a second one changes nothing here (Snakemake
itself may answer it with tracebacks). A connection
that breaks sends SIGHUP.
"""

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from ldae.core.errors import UserError

SCHEDULER = (signal.SIGTERM, signal.SIGUSR1)
TERMINAL = (signal.SIGINT, signal.SIGHUP)
SIGNALS = (*SCHEDULER, *TERMINAL)
REQUEST = "stop"  # a file of this name in the checkpoint folder asks for the same
VARIABLES = ("SLURM_JOB_END_TIME", "LDAE_STOP_AT")  # epoch seconds; the first that is set counts
RESERVE = 2.0  # times the longest step, validation and save seen


def stop_signals() -> list[signal.Signals]:
    """Those that ask this process to stop; not those of the terminal that it was told to ignore (``nohup``, ``&``)."""
    return [*SCHEDULER, *(number for number in TERMINAL if signal.getsignal(number) is not signal.SIG_IGN)]


class StopFlag:
    """Knows whether one of these signals came. As a context manager it puts the earlier handlers back at the end.

    A flag entered inside another one is that other one: the job raises it from its start, the loop reads it.
    Handlers can only be set in the main thread; elsewhere the flag just stays down.
    """

    _outer: "StopFlag | None" = None

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._earlier: dict[signal.Signals, Any] = {}

    def reason(self, folder: Path) -> str | None:
        """Why to stop; none: go on.

        Args:
            folder: where a file named ``stop`` asks for it (a launcher of several processes puts it there).
        """
        if self.signal_name is not None:
            return f"{self.signal_name} received"
        try:
            return f"{(folder / REQUEST).read_text().strip() or 'a stop'} received"
        except OSError:
            return None

    def __enter__(self) -> "StopFlag":
        if StopFlag._outer is not None:
            return StopFlag._outer
        if threading.current_thread() is threading.main_thread():
            StopFlag._outer = self
            self._earlier = {number: signal.signal(number, self._raise_flag) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        if StopFlag._outer is self:
            StopFlag._outer = None

    def _raise_flag(self, number: int, frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name


class Walltime:
    """Knows when the time limit is too near for another step.

    Args:
        margin: seconds to keep in hand at least; more is kept when steps, validations or saves take longer.
        environment: where SLURM_JOB_END_TIME or LDAE_STOP_AT (epoch seconds) is looked for; in a SLURM job with neither
            (SLURM 22.05 sets none) squeue is asked; otherwise there is no limit.
        clock: epoch seconds now.

    Raises:
        UserError: the variable is not a number.
    """

    def __init__(
        self,
        margin: float,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ):
        self._margin, self._clock = margin, clock
        self._longest: dict[str, float] = {}
        self.end = next((_seconds(name, environment[name]) for name in VARIABLES if environment.get(name)), None)
        if self.end is None and environment.get("SLURM_JOB_ID"):
            self.end = _end_of_job(environment["SLURM_JOB_ID"])

    @property
    def margin(self) -> float:
        """Seconds kept in hand: those asked for, or twice the longest step, validation, save and write of a
        checkpoint, if that is more."""
        return max(self._margin, RESERVE * sum(self._longest.values()))

    def remaining(self) -> float:
        """Seconds to the limit; infinite without one."""
        return math.inf if self.end is None else self.end - self._clock()

    def observe(self, kind: str, seconds: float) -> None:
        """A step, a validation or a save took this long."""
        self._longest[kind] = max(seconds, self._longest.get(kind, 0.0))

    def __bool__(self) -> bool:
        """True: stop now."""
        return self.remaining() < self.margin


def _end_of_job(job: str) -> float | None:
    """Epoch seconds at which SLURM will end the job, from squeue; none when it does not say."""
    try:
        command = ["squeue", "--noheader", f"--jobs={job}", "--format=%e"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        return datetime.fromisoformat(answer.strip()).timestamp()
    except (OSError, subprocess.TimeoutExpired, ValueError):  # no squeue, no answer, no limit ("NONE")
        return None


def _seconds(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UserError(f"{name}={value} is not a time in epoch seconds (as `date +%s` prints); unset it.") from None
