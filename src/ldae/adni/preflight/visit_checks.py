"""Cells of ADNIMERGE that end Clinica or lose a visit, for the subjects on disk."""

import pandas as pd

from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.selection import PHASES
from ldae.adni.study_tables import BY_NAME

PAGE = BY_NAME["ADNIMERGE"].page


def visit_findings(merge: pd.DataFrame, subjects: list[str]) -> list[Finding]:
    """Dates, visit codes, phases and diagnoses; subjects on disk that the table does not know."""
    rows = merge[merge["PTID"].isin(subjects)]
    findings = [
        *bad_dates(rows, "EXAMDATE", "PTID", "ADNIMERGE"),
        *bad_codes(rows),
        *unknown_phases(rows),
        *unknown_diagnoses(rows),
    ]
    strangers = sorted(set(subjects) - set(rows["PTID"]))
    if strangers:
        what = f"subjects without a row: {shortened(strangers)}; Clinica leaves them out"
        fix = f"download the newest table from {PAGE}"
        findings.append(Finding("quarantine", what, "ADNIMERGE", fix, "visits, age and diagnosis"))
    return findings


def bad_dates(
    table: pd.DataFrame, column: str, subject: str, name: str, effect: str = "such a visit is left out"
) -> list[Finding]:
    """Dates that Clinica cannot read.

    Args:
        column, subject: columns of the date and of the subject's name.
        name: the table, as Clinica calls it.
        effect: what a date that cannot be read costs.
    """
    dates = pd.to_datetime(table[column], format="%Y-%m-%d", errors="coerce", exact=True)
    bad = sorted(set(table.loc[dates.isna() | (table[column].str.len() != 10), subject]))
    if not bad:
        return []
    what = f"{column} is empty or not YYYY-MM-DD for {shortened(bad)}; {effect}"
    page = BY_NAME[name].page
    fix = f"fill in the dates, or download it again without opening it in a spreadsheet program, from {page}"
    return [Finding("quarantine", what, name, fix, "matching images to visits")]


def bad_codes(rows: pd.DataFrame) -> list[Finding]:
    """Codes of visits other than ``bl`` and ``m06``."""
    bad = rows[~rows["VISCODE"].str.fullmatch(r"bl|m\d+")]
    if bad.empty:
        return []
    codes = shortened(sorted(set(bad["VISCODE"])))
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
    values = sorted(set(rows["DX"]) - set(DIAGNOSES) - {""})
    if not values:
        return []
    what = f"DX holds {shortened(values)}; the diagnosis of these visits will be n/a"
    return [Finding("note", what, "ADNIMERGE", "write CN, MCI or Dementia where you know better", used)]
