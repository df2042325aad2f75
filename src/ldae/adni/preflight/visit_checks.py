"""Visits in ADNIMERGE: codes, phases, scores and diagnoses that end Clinica, lose a visit, or contradict each other."""

from collections import Counter

import pandas as pd

from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.preflight.cross_checks import contradiction
from ldae.adni.preflight.date_checks import bad_dates
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.selection import PHASES
from ldae.adni.study_tables import BY_NAME
from ldae.core.cells import cut, is_missing, quoted
from ldae.core.text_tables import count

PAGE = BY_NAME["ADNIMERGE"].page
OFTEN = 0.1  # of the rows of a column
MOST_POINTS = 30  # of the MMSE
NORMAL, SEVERE = 24, 28  # MMSE: fewer points of a healthy person, or more of one with dementia, are rare


def visit_findings(
    merge: pd.DataFrame, subjects: list[str], costly: set[str] | None = None, unnamed: str = ""
) -> list[Finding]:
    """Dates, visit codes, phases and diagnoses; subjects on disk that the table does not know.

    Args:
        costly: subjects who lose a scan to a row that cannot be used; None: unknown.
        unnamed: what was said of rows whose PTID is none.
    """
    rows = merge[merge["PTID"].isin(subjects)]
    dated = pd.to_datetime(rows["EXAMDATE"], format="%Y-%m-%d", errors="coerce").notna()
    unread = (~dated & (rows["EXAMDATE"] != "")).mean()
    every = costly is None or unread > OFTEN  # a damaged column is told, whatever else its visits are lost to
    concerned = rows if every else rows[rows["PTID"].isin(costly or ())]
    findings = [
        *bad_dates(concerned, "EXAMDATE", "PTID", "ADNIMERGE"),
        *bad_codes(concerned),
        *unknown_phases(rows),
        *unknown_diagnoses(rows),
    ]
    strangers = sorted(set(subjects) - set(rows["PTID"]))
    if strangers:
        what = f"{count(len(strangers), 'subject')} without a row: {shortened(strangers)}; Clinica leaves them out"
        fix = f"download the newest table from {PAGE}"
        fix = f"{unnamed}: give these rows the study's names, if they are theirs; else {fix}" if unnamed else fix
        findings.append(Finding("quarantine", what, "ADNIMERGE", fix, "visits, age and diagnosis"))
    return findings


def bad_codes(rows: pd.DataFrame) -> list[Finding]:
    """Codes of visits other than ``bl`` and ``m06``."""
    bad = rows[~rows["VISCODE"].str.fullmatch(r"bl|m[0-9]{1,4}")]
    if bad.empty:
        return []
    codes = shortened(cut(code) for code in sorted(set(bad["VISCODE"])))
    names = shortened(sorted(set(bad["PTID"])))
    what = f"VISCODE holds {codes or 'nothing'} for {names}; such a visit is left out"
    fix = f"download the table again from {PAGE}"
    return [Finding("quarantine", what, "ADNIMERGE", fix, "the months since baseline")]


def unknown_phases(rows: pd.DataFrame) -> list[Finding]:
    """Phases of the study that Clinica does not convert."""
    findings = []
    for column, effect in (
        ("ORIGPROT", "such a subject is left out"),
        ("COLPROT", "Clinica leaves such a visit out"),
    ):
        outside = rows[~rows[column].isin(PHASES)]
        if len(outside):
            names = shortened(sorted(set(outside["PTID"])))
            values = shortened(sorted(set(outside[column])))
            what = f"{column} is {values or 'empty'}, not ADNI1, ADNIGO, ADNI2 or ADNI3, for {names}; {effect}"
            fix = "none needed if you accept the loss; this Clinica converts no other phase"
            findings.append(Finding("quarantine", what, "ADNIMERGE", fix, "the rules of the study phase"))
    return findings


def unknown_diagnoses(rows: pd.DataFrame) -> list[Finding]:
    """Diagnoses that will be n/a, or that there are none at all."""
    used = "the diagnosis of a scan"
    if "DX" not in rows:
        what, fix = "no column DX: no scan will have a diagnosis", f"download the complete table from {PAGE}"
        return [Finding("note", what, "ADNIMERGE", fix, used)]
    values = [cell for cell in set(rows["DX"]) - set(DIAGNOSES) if not is_missing(cell)]
    if not values:
        return []
    cells = Counter(rows["DX"][rows["DX"].isin(values)])
    what = f"DX holds {quoted(cells, 5)} at {cells.total()} of {count(len(rows), 'row')}; "
    what += "the diagnosis of these visits will be n/a, and their scans left out (manifest.require_diagnosis)"
    fix = "write CN, MCI or Dementia where you know what is meant, or download the table again"
    return [Finding("quarantine", what, "ADNIMERGE", fix, used)]


def contradicting_phases(merge: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Visits of a phase before that of enrolment or before that of an earlier visit, and baselines of another phase
    than the enrolment.

    Args:
        merge: ADNIMERGE; subjects: PTIDs on disk; limit: as :func:`contradiction`.
    """
    rows = merge[merge["PTID"].isin(subjects) & merge["ORIGPROT"].isin(PHASES) & merge["COLPROT"].isin(PHASES)]
    rows = rows.sort_values("EXAMDATE", kind="stable")
    order = {phase: place for place, phase in enumerate(PHASES)}
    first, now = rows["ORIGPROT"].map(order), rows["COLPROT"].map(order)
    before = now.groupby(rows["PTID"]).cummax()
    wrong = rows[(now < first) | (now < before) | ((rows["VISCODE"] == "bl") & (now != first))]
    cells = [f"{row.PTID} {row.VISCODE} ({row.COLPROT}, enrolled in {row.ORIGPROT})" for row in wrong.itertuples()]
    words = "ORIGPROT and COLPROT contradict each other or the dates", "visit", "the rules of the study phase"
    return contradiction(cells, len(rows), wrong["PTID"].nunique(), limit, words, "ADNIMERGE")


def contradicting_codes(merge: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Subjects of whom another visit than ``bl`` has the date of the baseline: VISCODE was sorted alone.

    Args:
        merge: ADNIMERGE; subjects: PTIDs on disk; limit: as :func:`contradiction`.
    """
    rows = merge[merge["PTID"].isin(subjects) & (merge["EXAMDATE_bl"] != "")]
    wrong = rows[rows["VISCODE"].str.startswith("m") & (rows["EXAMDATE"] == rows["EXAMDATE_bl"])].drop_duplicates(
        "PTID"
    )
    cells = [f"{row.PTID} {row.VISCODE} ({row.EXAMDATE})" for row in wrong.itertuples()]
    words = "VISCODE contradicts the dates, another visit than bl has that of the baseline,", "subject", "the visits"
    return contradiction(cells, rows["PTID"].nunique(), len(cells), limit, words, "ADNIMERGE")


def points(scores: pd.Series) -> pd.Series:
    """MMSE as numbers; codes for a missing one (-4, 99) are none."""
    found = pd.to_numeric(scores, errors="coerce")
    return found.where(found.between(0, MOST_POINTS))


def contradicting_scores(merge: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Visits whose MMSE is not that at baseline though they are it, or that the diagnosis makes very unlikely.

    Args:
        merge: ADNIMERGE; subjects: PTIDs on disk; limit: as :func:`contradiction`.
    """
    if not {"MMSE", "DX"} <= set(merge):
        return []
    rows = merge[merge["PTID"].isin(subjects)]
    score = points(rows["MMSE"])
    start = points(rows["MMSE_bl"]) if "MMSE_bl" in rows else score
    diagnosis = rows["DX"].map(DIAGNOSES)
    odd = ((diagnosis == "CN") & (score < NORMAL)) | ((diagnosis == "AD") & (score > SEVERE))
    wrong = rows[odd | ((rows["VISCODE"] == "bl") & score.notna() & start.notna() & (score != start))]
    cells = [f"{row.PTID} {row.VISCODE} ({cut(row.MMSE)}, {row.DX or 'no diagnosis'})" for row in wrong.itertuples()]
    words = "MMSE contradicts the diagnosis, or MMSE_bl,", "visit", "the scores at a scan"
    return contradiction(cells, int(score.notna().sum()), wrong["PTID"].nunique(), limit, words, "ADNIMERGE")
