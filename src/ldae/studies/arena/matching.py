"""Which scan a row of somebody's table is: names of subjects and visits in several spellings.

``sub-ADNI002S0295_ses-M006_T1w.nii.gz``, ``002_S_0295_m06``, ``ADNI002S0295/M06`` and
``sub-ADNI002S0295_ses-M006.long.sub-ADNI002S0295`` are one scan.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ldae.core.keys import KEY

BASELINE = frozenset({"bl", "sc", "scbl", "baseline", "screening"})


@dataclass(frozen=True)
class Matched:
    """What became of the rows of a table.

    Attributes:
        rows: (rows,) position of the scan, -1 where there is none.
        outside: rows of subjects who are not in the cohort.
        without_scan: rows of its subjects at visits that are not.
    """

    rows: np.ndarray
    outside: np.ndarray
    without_scan: np.ndarray


def subject_key(text: str) -> str:
    """``sub-ADNI002S0295``, ``002_S_0295`` -> ``002s0295``."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"^sub-", "", text.strip().lower()))
    return re.sub(r"^adni(?=\d{3}s\d{4,5}$)", "", plain)


def session_key(text: str) -> str:
    """``ses-M006``, ``m06``, ``6`` -> ``m6``; ``bl`` -> ``m0``; ``d0129`` -> ``d129``."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"^ses-", "", text.strip().lower()))
    if plain in BASELINE:
        return "m0"
    numbered = re.fullmatch(r"([a-z]*?)0*(\d+)", plain)
    return f"{numbered[1] or 'm'}{int(numbered[2])}" if numbered else plain


def match_rows(ids: Sequence[str], scans: pd.DataFrame) -> Matched:
    """The scan of each row.

    Args:
        ids: what the rows call their scans; a subject alone is its scan where it has one only.
        scans: participant_id and session_id.
    """
    visits: dict[str, dict[str, int]] = {}
    for place, (subject, session) in enumerate(scans[KEY].itertuples(index=False)):
        own, key = visits.setdefault(subject_key(subject), {}), session_key(session)
        own[key] = place if key not in own else -1  # two visits in one spelling are neither
    found = [_row_of(text, visits) for text in ids]
    rows = np.array([row for row, _ in found], dtype=int)
    known = np.array([subject for _, subject in found], dtype=bool)
    return Matched(rows, np.flatnonzero(~known), np.flatnonzero(known & (rows < 0)))


def _row_of(text: str, visits: dict[str, dict[str, int]]) -> tuple[int, bool]:
    """Position of the scan (or -1), and whether the subject is known."""
    whole = text.strip().split(".long.")[0].rstrip("/").replace("\\", "/")
    known = False
    for name in dict.fromkeys((whole.rsplit("/", 1)[-1], whole.replace("/", "_"))):
        name = re.sub(r"(\.nii(\.gz)?|\.mgz|\.npy|\.tsv|\.csv)$", "", name)
        for cut in [len(name), *(found.start() for found in reversed(list(re.finditer(r"[_\-.\s]", name))))]:
            subject, rest = subject_key(name[:cut]), name[cut + 1 :]
            if subject not in visits:
                continue
            known, own = True, visits[subject]
            if not rest:
                return (next(iter(own.values())), True) if len(own) == 1 else (-1, True)
            for visit in (re.split(r"[_.\s]", rest)[0], rest):
                if (row := own.get(session_key(visit), -1)) >= 0:
                    return row, True
    return -1, known
