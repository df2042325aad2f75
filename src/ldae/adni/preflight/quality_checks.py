"""What others found wrong with the data: scans that Mayo rejected, and what users of ADNI and Clinica reported.

A visit whose only 3 T scans were rejected ends Clinica 0.12 (``int(None)``). The same candidates are gathered as
Clinica gathers them. A rejected scan beside a good one is ordinary and no finding.
"""

import pandas as pd

from ldae.adni.accounting import too_many_lost
from ldae.adni.bids_tables import DIAGNOSES
from ldae.adni.preflight.finding import Finding, shortened
from ldae.core.text_tables import count

MAYO = "MAYOADIRL_MRI_IMAGEQC_05_07_15"
VISIT = ["SubjectID", "Visit"]
UNUSABLE_SITES = {"381": "Clinica's issue 1659"}
SORTED = "where so many differ, one column was sorted or pasted alone, or a table is of another edition"
ACCEPT = "to accept it, raise convert.max_contradicted_fraction"
CODES = {"1": "CN", "2": "MCI", "3": "AD"}


def rejected_visits(contents: dict[str, pd.DataFrame], subjects: list[str]) -> list[Finding]:
    """``contents``: ADNIMERGE, MPRAGEMETA, MRIQUALITY and Mayo's table, all cells text."""
    images = candidates(contents, subjects)
    mayo = contents[MAYO]
    mayo = mayo[mayo["series_type"] == "T1"]
    images = images.assign(loni_image=images["ImageUID"].radd("I"))
    marks = images.merge(mayo, on="loni_image", how="left", indicator="rated")
    marks["rated"] = marks["rated"] == "both"
    marks["selected"] = pd.to_numeric(marks["series_selected"], errors="coerce").fillna(0)
    marks["accepted"] = pd.to_numeric(marks["series_quality"], errors="coerce") < 4
    visits = marks.groupby(VISIT)
    dead = visits["rated"].all() & ~visits["accepted"].any() & (visits["selected"].sum() != 1)
    lost = sorted({subject for subject, _ in dead[dead].index})
    if not lost:
        return []
    what = (
        f"the only 3 T scans of a visit were rejected by Mayo (quality 4) for {shortened(lost)}; these visits are lost"
    )
    fix = "none needed; a rejected scan is no loss"
    return [Finding("quarantine", what, MAYO, fix, "choosing between the 3 T scans of a visit")]


def candidates(contents: dict[str, pd.DataFrame], subjects: list[str]) -> pd.DataFrame:
    """Original images that Clinica would choose between by Mayo's marks, visit by visit.

    None where it takes a processed image, and none where the visit has scans of another field strength, to which it
    turns when all 3 T scans were rejected.
    """
    meta = contents["MPRAGEMETA"]
    meta = meta[meta["SubjectID"].isin(subjects) & (meta["Visit"] != "ADNI Baseline")].copy()
    phase = phase_of_visit(meta, contents["ADNIMERGE"])
    late = phase == "ADNI3"
    quality = contents["MRIQUALITY"]
    failed = set(quality.loc[pd.to_numeric(quality["PASS"], errors="coerce") != 1, "LONIUID"].str.strip())
    passed = late | ~meta["SeriesID"].str.strip().radd("S").isin(failed)
    sequence = meta["Sequence"].str.lower()
    mprage = sequence.str.contains("mprage|mp-rage|mp rage") & ~sequence.str.contains("2")
    spgr = sequence.str.contains("spgr") & ~sequence.str.contains("acc")
    accelerated = sequence.str.contains("accel") & ~sequence.str.endswith("_nd")
    wanted = (mprage | spgr).where(~late, accelerated)
    processed = ~late & passed & (meta["Orig/Proc"] == "Processed") & meta["Sequence"].str.endswith(("Scaled", "N3m"))
    taken = processed.groupby([meta[name] for name in VISIT]).transform("any")
    chosen = meta[(meta["Orig/Proc"] == "Original") & wanted & passed & ~taken].copy()
    chosen["ImageUID"] = chosen["ImageUID"].str.strip()
    strength = pd.to_numeric(chosen["MagStrength"], errors="coerce")
    alone = strength.groupby([chosen[name] for name in VISIT]).transform("nunique") == 1
    return chosen[alone & (strength == 3)]


def phase_of_visit(meta: pd.DataFrame, merge: pd.DataFrame) -> pd.Series:
    """COLPROT of the visit nearest in time to each image; empty where a date is missing."""
    left = pd.DataFrame(
        {"PTID": meta["SubjectID"], "date": pd.to_datetime(meta["ScanDate"], format="%Y-%m-%d", errors="coerce")}
    )
    left = left.dropna().rename_axis("row").reset_index().sort_values("date")
    right = merge[["PTID", "COLPROT"]].assign(
        date=pd.to_datetime(merge["EXAMDATE"], format="%Y-%m-%d", errors="coerce")
    )
    right = right.dropna().sort_values("date")
    nearest = pd.merge_asof(left, right, on="date", by="PTID", direction="nearest").set_index("row")["COLPROT"]
    return nearest.reindex(meta.index).fillna("")


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


def diagnosis_findings(
    merge: pd.DataFrame, summary: pd.DataFrame, subjects: list[str], limit: float = 1.0
) -> list[Finding]:
    """Visits to which ADNIMERGE and the diagnostic summary give different diagnoses (Clinica's issue 1397).

    Args:
        merge: ADNIMERGE; summary: DXSUM, with PTID, VISCODE2, DIAGNOSIS (1 CN, 2 MCI, 3 AD).
        limit: a larger fraction of the visits blocks (``convert.max_contradicted_fraction``).
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
    blocking = too_many_lost(len(different), len(both), different["PTID"].nunique(), limit)
    if blocking:
        fix = f"download both tables again: {SORTED}; {ACCEPT}"
    return [Finding("blocking" if blocking else "note", what, "ADNIMERGE, DXSUM", fix, "the diagnosis of a scan")]


def changing_facts(merge: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """What a subject has once, and ADNIMERGE has differently at different visits: sex, age and date at baseline, and
    the roster number, which is the end of the name.

    Args:
        limit: a larger fraction of the subjects blocks (``convert.max_contradicted_fraction``).
    """
    rows, findings = merge[merge["PTID"].isin(subjects)], []
    people = rows["PTID"].nunique()
    rows = rows.assign(RID=rows["RID"].where(rows["RID"] != rows["PTID"].str[6:].str.lstrip("0"), ""))
    for column, allowed in (("PTGENDER", 1), ("AGE", 1), ("EXAMDATE_bl", 1), ("ORIGPROT", 1), ("RID", 0)):
        if column not in rows:
            continue
        cells = rows.loc[rows[column] != "", ["PTID", column]].drop_duplicates()
        numbers = cells["PTID"].value_counts()
        names = sorted(numbers.index[numbers > allowed])
        if not names:
            continue
        first = ", ".join(cells.loc[cells["PTID"] == names[0], column].head(3))
        how = "differs between the visits" if allowed else "is not the end of PTID"
        what = f"{column} {how} of {len(names)} of {count(people, 'subject')}: {names[0]} ({first})"
        what += f", {shortened(names[1:])}" if names[1:] else ""
        blocking = too_many_lost(len(names), people, len(names), limit)
        fix = f"download the table again: {SORTED}; {ACCEPT}" if blocking else "correct it where it is wrong"
        findings.append(Finding("blocking" if blocking else "note", what, "ADNIMERGE", fix, "the facts of a subject"))
    return findings


def doubled_visits(merge: pd.DataFrame, subjects: list[str], columns: tuple[str, ...]) -> list[Finding]:
    """Visits that stand twice in ADNIMERGE with different cells; Clinica reads the first row."""
    rows = merge.loc[merge["PTID"].isin(subjects), [name for name in columns if name in merge]]
    rows = rows[(rows["VISCODE"] != "") & rows.duplicated(["PTID", "VISCODE"], keep=False)].drop_duplicates()
    bad = rows[rows.duplicated(["PTID", "VISCODE"])]
    if bad.empty:
        return []
    names = [f"{row.PTID} {row.VISCODE}" for row in bad.itertuples()]
    what = f"{count(len(names), 'visit')} twice with different cells: {shortened(names)}; the first row is read"
    return [Finding("note", what, "ADNIMERGE", "keep only the right row", "age, diagnosis and scores")]
