"""Split conformal prediction: how far off a new subject's answer may be, judged by subjects that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

COVERAGE = 0.9  # of the interval of age, at least


@dataclass(frozen=True)
class Level:
    """What a new value stays below.

    Attributes:
        value: the level; none where there are too few subjects for the coverage.
        coverage: probability that a new subject's value stays below, at least; none without a level.
        subjects: by which it was set.
    """

    value: float | None
    coverage: float | None
    subjects: int


def level_of(values: np.ndarray, subjects: Sequence[str], coverage: float) -> Level:
    """The level that a scan of a new subject of the same kind stays below with at least this probability.

    With one scan of each of n subjects it is the ceil((n + 1) coverage)-th smallest value, and the probability is
    ceil((n + 1) coverage) / (n + 1) where values do not tie. A subject may have several scans (Lee, Barber & Willett
    2023): every subject weighs 1 / (n + 1), shared by its scans; the weight that is left belongs to the next one.

    Args:
        values: (N,) of scans that nothing was fitted to.
        subjects: (N,) whose they are.
    """
    names, place, counts = np.unique(np.asarray(subjects, dtype=str), return_inverse=True, return_counts=True)
    if fewest(coverage) > len(names):
        return Level(None, None, len(names))
    weights = 1 / ((len(names) + 1) * counts[place])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    first = int(np.flatnonzero(reached >= coverage - 1e-9)[0])
    return Level(float(np.asarray(values)[order][first]), float(min(reached[first], 1.0)), len(names))


def fewest(coverage: float) -> int:
    """Subjects that are needed for a level of this coverage: the least n with ceil((n + 1) coverage) <= n."""
    return ceil(coverage / (1 - coverage) - 1e-9)


@dataclass(frozen=True)
class AgeError:
    """The interval of age.

    Attributes:
        half_width: years; none where too few subjects were held out.
        coverage: that is guaranteed for a new subject of the same kind; none without an interval.
        subjects: held out from networks and probe, by whose errors it was set.
    """

    half_width: float | None = None
    coverage: float | None = None
    subjects: int = 0

    @classmethod
    def of(cls, errors: np.ndarray, subjects: Sequence[str]) -> "AgeError":
        """By absolute errors (N,) in years of scans that neither networks nor probe were fitted to."""
        found = level_of(errors, subjects, COVERAGE)
        return cls(found.value, found.coverage, found.subjects)

    @property
    def why_none(self) -> str | None:
        """Why there is no interval; none where there is one."""
        if self.half_width is not None:
            return None
        return (
            f"{self.subjects} held-out subjects with an age, and an interval of coverage {COVERAGE:g} needs "
            f"{fewest(COVERAGE)}"
        )

    def as_json(self) -> dict[str, Any]:
        """As plain values; :meth:`from_json` reads it."""
        return {"half_width": self.half_width, "coverage": self.coverage, "subjects": self.subjects}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "AgeError":
        """What :meth:`as_json` wrote; an earlier version stated a coverage without an interval, too."""
        width = content["half_width"]
        return cls(width, None if width is None else content["coverage"], content["subjects"])
