"""Stopping before the scheduler does: the end of the time limit, and how much of it the next step may need."""

import math
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from ldae.core.errors import UserError

VARIABLES = ("SLURM_JOB_END_TIME", "LDAE_STOP_AT")  # epoch seconds; the first that is set counts
RESERVE = 2.0  # times the longest step, validation and save seen


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
        """Seconds kept in hand: those asked for, or twice the longest step, validation and save, if that is more."""
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
