"""Cells of the study tables that say something else than the study wrote: what a spreadsheet program made of them, and
values that cannot be."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from ldae.adni.adni4_tables import Adni4
from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.clinica_tables import AdaptedTable, files_beside, respelt
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.adni.preflight.quality_checks import CODES
from ldae.adni.spelling import lost_digits
from ldae.adni.study_tables import BY_NAME
from ldae.core.cells import is_missing, quoted
from ldae.core.errors import UserError
from ldae.core.text_tables import count, read_text_table

JOINED = {  # columns by which tables and files find each other
    "ADNIMERGE": ("PTID", "RID"),
    "MPRAGEMETA": ("ImageUID", "SeriesID"),
    "MRIQUALITY": ("RID", "LONIUID"),
    "MAYOADIRL_MRI_IMAGEQC_05_07_15": ("RID", "loni_image"),
    "DXSUM_PDXCONV": ("RID",),
}
MOST = 0.5  # of the visits: cells of fewer are codes of a missing value (0, 999), of more they are another unit
AS_TEXT = "download it again and use it unopened (a spreadsheet program saves only the digits that it shows), from"


def mangled_numbers(contents: Mapping[str, pd.DataFrame], subjects: list[str]) -> list[Finding]:
    """Numbers that a spreadsheet program has shortened to ``1.00E+06``: nobody can tell which image they are.

    Args:
        contents: tables as the adapter passes them on, by Clinica's names.
        subjects: PTIDs on disk; the list of images is judged by their rows alone.
    """
    findings = []
    for name, columns in JOINED.items():
        for column in columns:
            if name not in contents or column not in contents[name]:
                continue
            cells = contents[name]
            if "SubjectID" in cells:
                cells = cells[cells["SubjectID"].isin(subjects)]
            bad = Counter({cell: n for cell, n in cells[column].value_counts().items() if lost_digits(str(cell))})
            if bad:
                what = f"{column} has lost digits in {bad.total()} of {len(cells)} rows: {quoted(bad, 3)}"
                fix = f"{AS_TEXT} {BY_NAME[name].page}"
                findings.append(Finding("blocking", what, name, fix, "joining tables and files"))
    return findings


def missing_facts(
    merge: pd.DataFrame, arriving: list[tuple[str, str]], changes: Collection[str] = (), limit: float = 1.0
) -> list[Finding]:
    """Arriving visits without a diagnosis, an age or a sex.

    Args:
        merge: ADNIMERGE as the adapter passes it on.
        arriving: PTID and VISCODE of each visit.
        changes: what the adapter changed: ages that are none of an adult (months, years of birth) are no value.
        limit: a larger fraction of visits without a diagnosis, and more than half of them, block; of those without an
            age where cells of AGE are no ages (``convert.max_contradicted_fraction``).
    """
    visits = pd.DataFrame(arriving, columns=["PTID", "VISCODE"]).merge(merge.drop_duplicates(["PTID", "VISCODE"]))
    findings = []
    without = int((~visits["DX"].isin(DIAGNOSES)).sum()) if "DX" in visits else len(visits)
    if without > max(limit, MOST) * len(visits):
        what = f"{without} of {count(len(visits), 'arriving visit')} without a diagnosis that is known (CN, MCI, AD "
        what += "or Dementia in DX): their scans will be left out (manifest.require_diagnosis)"
        fix = "download ADNIMERGE again and use it unopened; to train without labels set manifest.require_diagnosis: "
        fix += "false and convert.max_contradicted_fraction: 1"
        findings.append(Finding("blocking", what, "ADNIMERGE", fix, "the diagnosis of a scan"))
    for column, known, what in (
        ("DX", None, "the diagnosis"), ("AGE", None, "the age"), ("PTGENDER", ("Male", "Female"), "the sex"),
    ):  # fmt: skip
        if column not in visits:
            continue
        cells = visits[column]
        bad = visits[cells.map(is_missing).astype(bool) if known is None else ~cells.isin(known)]
        if len(bad):
            held = f" or holds {quoted(words)}" if (words := Counter(bad[column][bad[column] != ""])) and known else ""
            names = shortened(f"{row.PTID} {row.VISCODE}" for row in bad[["PTID", "VISCODE"]].itertuples())
            said = f"{column} is empty{held} at {len(bad)} of {count(len(visits), 'arriving visit')}: {names}; "
            fix = "none needed: the scans arrive; fill in the cells of ADNIMERGE where you know them"
            no_ages = [change for change in changes if change.startswith(f"{column}: ") and "no value" in change]
            severity: Severity = "note"
            if column == "AGE" and len(bad) > max(limit, MOST) * len(visits):
                severity = "blocking"
                said = f"{no_ages[0]}: no age of an adult in years; {said}" if no_ages else said
                fix = "download ADNIMERGE again and use it unopened: AGE is the age at baseline in years; "
                fix += "to accept it, raise convert.max_contradicted_fraction"
            lost = ", and the scans are left out unless manifest.require_diagnosis is false" if column == "DX" else ""
            findings.append(Finding(severity, f"{said}{what} is n/a{lost}", "ADNIMERGE", fix, f"{what} at a scan"))
    return findings


def known_facts(arriving: list[tuple[str, str]], merge: pd.DataFrame | None, found: Adni4 | None) -> dict[str, int]:
    """How many arriving visits have an age, and how many a diagnosis.

    Args:
        arriving: PTID and VISCODE of each visit (of ADNI4: its session); merge: ADNIMERGE; found: what is of ADNI4.
    """
    aged, diagnosed = set[str](), set[tuple[str, str]]()
    if merge is not None:
        aged |= set(merge.loc[merge["AGE"] != "", "PTID"]) if "AGE" in merge else set()
        named = merge[merge["DX"].isin(DIAGNOSES)] if "DX" in merge else merge.iloc[:0]
        diagnosed |= set(named[["PTID", "VISCODE"]].itertuples(index=False, name=None))
    if found is not None:
        aged |= set(found.subjects.loc[found.subjects["age_bl"].notna(), "PTID"])
        named = found.visits[found.visits["diagnosis"].notna()]
        diagnosed |= set(named[["PTID", "session_id"]].itertuples(index=False, name=None))
    with_age = sum(name in aged for name, _ in arriving)
    return {"age": with_age, "diagnosis": sum(visit in diagnosed for visit in arriving)}


def other_summaries(
    summary: AdaptedTable, tables: Path, merge: AdaptedTable | None, subjects: list[str]
) -> list[Finding]:
    """Diagnostic summaries that lie beside the one that is read, with the number of visits that they call otherwise."""
    findings, ours = [], diagnoses(summary.content, subjects)
    for path in files_beside(summary.table, tables):
        try:
            other = respelt(summary.table, read_text_table(path).frame(), merge, [])
        except UserError as error:
            findings.append(Finding("note", str(error), path.name, "take it out of the folder", summary.table.purpose))
            continue
        both = ours.merge(diagnoses(other, subjects), on=["PTID", "VISCODE2"], suffixes=("", "_other"))
        differ = both[both["DIAGNOSIS"] != both["DIAGNOSIS_other"]]
        names = [f"{row.PTID} {row.VISCODE2} {row.DIAGNOSIS}/{row.DIAGNOSIS_other}" for row in differ.itertuples()]
        read = summary.paths[0].relative_to(tables).as_posix()
        what = f"two diagnostic summaries: {read} is read, {path.relative_to(tables).as_posix()} is not; "
        what += f"they differ in {len(differ)} of {count(len(both), 'visit')} that both have"
        what += f": {shortened(names)}" if names else ""
        findings.append(Finding("note", what, "DXSUM", "keep only the one that you mean", summary.table.purpose))
    return findings


def diagnoses(table: pd.DataFrame | None, subjects: list[str]) -> pd.DataFrame:
    """PTID, VISCODE2 and DIAGNOSIS (CN, MCI, AD) of the visits of some subjects that have one (the last of several)."""
    columns = ["PTID", "VISCODE2", "DIAGNOSIS"]
    if table is None or not set(columns) <= set(table):
        return pd.DataFrame(columns=columns, dtype=object)
    rows = table.loc[table["PTID"].isin(subjects), columns]
    named = rows["DIAGNOSIS"].map(lambda cell: CODES.get(str(cell).removesuffix(".0"), DIAGNOSES.get(cell)))
    return rows.assign(DIAGNOSIS=named).dropna().drop_duplicates(["PTID", "VISCODE2"], keep="last")
