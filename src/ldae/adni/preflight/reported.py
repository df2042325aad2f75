"""What users of ADNI and of Clinica reported about the data themselves: said and listed, never resolved here."""

import pandas as pd

from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.preflight.finding import Finding, shortened
from ldae.core.text_tables import count

UNUSABLE_SITES = {"381": "Clinica's issue 1659"}
CODES = {"1": "CN", "2": "MCI", "3": "AD"}


def site_findings(subjects: list[str]) -> list[Finding]:
    """Subjects of a site that is reported upstream as unusable."""
    findings = []
    for site, source in UNUSABLE_SITES.items():
        names = [name for name in subjects if name.startswith(f"{site}_S_")]
        if names:
            what = (
                f"{count(len(names), 'subject')} of site {site}, which {source} reports as unusable: {shortened(names)}"
            )
            fix = f'they stay in; to leave them out: manifest.exclude_sites: ["{site}"]'
            findings.append(Finding("note", what, "the images", fix, "the cohort"))
    return findings


def diagnosis_findings(merge: pd.DataFrame, summary: pd.DataFrame, subjects: list[str]) -> list[Finding]:
    """Visits to which ADNIMERGE and the diagnostic summary give different diagnoses (Clinica's issue 1397).

    Args:
        merge: ADNIMERGE; summary: DXSUM, with PTID, VISCODE2, DIAGNOSIS (1 CN, 2 MCI, 3 AD).
    """
    if "DX" not in merge:
        return []
    ours = merge.loc[merge["PTID"].isin(subjects), ["PTID", "VISCODE", "DX"]]
    ours = ours.assign(DX=ours["DX"].map(DIAGNOSES)).dropna().drop_duplicates(["PTID", "VISCODE"])
    theirs = summary[["PTID", "VISCODE2", "DIAGNOSIS"]].rename(columns={"VISCODE2": "VISCODE"})
    theirs = theirs.assign(
        VISCODE=theirs["VISCODE"].replace({"sc": "bl"}),
        DIAGNOSIS=theirs["DIAGNOSIS"].str.replace(r"\.0$", "", regex=True).map(CODES),
    ).dropna()
    theirs = theirs.drop_duplicates(["PTID", "VISCODE"], keep="last")
    both = ours.merge(theirs, on=["PTID", "VISCODE"])
    different = both[both["DX"] != both["DIAGNOSIS"]]
    if different.empty:
        return []
    cells = [f"{row.PTID} {row.VISCODE} {row.DX}/{row.DIAGNOSIS}" for row in different.itertuples()]
    what = (
        f"ADNIMERGE and DXSUM give {len(cells)} of {count(len(both), 'visit')} different diagnoses: {shortened(cells)}"
    )
    fix = "ADNIMERGE's is used; correct it there where you know better"
    return [Finding("note", what, "ADNIMERGE, DXSUM", fix, "the diagnosis of a scan")]


def doubled_visits(merge: pd.DataFrame, subjects: list[str], columns: tuple[str, ...]) -> list[Finding]:
    """Visits that stand twice in ADNIMERGE with different cells; Clinica reads the first row."""
    rows = merge.loc[merge["PTID"].isin(subjects), [name for name in columns if name in merge]]
    rows = rows[rows.duplicated(["PTID", "VISCODE"], keep=False)].drop_duplicates()
    bad = rows[rows.duplicated(["PTID", "VISCODE"])]
    if bad.empty:
        return []
    names = [f"{row.PTID} {row.VISCODE}" for row in bad.itertuples()]
    what = f"{count(len(names), 'visit')} twice with different cells: {shortened(names)}; the first row is read"
    return [Finding("note", what, "ADNIMERGE", "leave the right row alone", "age, diagnosis and scores")]
