"""The names of visits in LONI's older image lists, by which Clinica 0.12 finds the images of a visit."""

import re

import pandas as pd

SCREENING_CODES = {"sc", "scmri"}
FARTHEST = pd.Timedelta(days=90)  # Clinica's own limit between a scan and its visit


def visit_name(study: str, code: str) -> str | None:
    """``("ADNI1", "m06")`` -> ``ADNI1/GO Month 6``; None where the code says no month (``nv``, ``uns1``).

    ``study`` is the phase of enrolment (ORIGPROT), ``code`` a VISCODE2.
    """
    if code in SCREENING_CODES | {"bl"}:
        return {"ADNIGO": "ADNIGO Screening MRI", "ADNI2": "ADNI2 Screening MRI-New Pt"}.get(study, "ADNI Screening")
    found = re.fullmatch(r"m(\d+)", code)
    if not found or study not in {"ADNI1", "ADNIGO", "ADNI2", "ADNI3"}:
        return None
    months = int(found.group(1))
    if study == "ADNI2" and months in (3, 6):
        return "ADNI2 Month 3 MRI-New Pt" if months == 3 else "ADNI2 Month 6-New Pt"
    if study in ("ADNI2", "ADNI3"):
        return f"{study} Year {months / 12:g} Visit"
    if months == 3:
        return "ADNIGO Month 3 MRI"
    return f"ADNI1/GO Month {months}" if months < 54 else f"ADNIGO Month {months}"


def dated_visits(subjects: pd.Series, codes: pd.Series, dates: pd.Series, merge: pd.DataFrame) -> pd.Series:
    """Visit codes, those that are empty filled in: the code of the subject's ADNIMERGE visit nearest to the scan within
    Clinica's 90 days, else ``scanned <date>``, so that scans of different days are not taken for one visit."""
    empty = codes.str.strip() == ""
    if not empty.any():
        return codes
    left = pd.DataFrame(
        {"PTID": subjects[empty], "day": pd.to_datetime(dates[empty], format="%Y-%m-%d", errors="coerce")}
    )
    left = left.dropna().rename_axis("row").reset_index().sort_values("day")
    right = merge[["PTID", "VISCODE"]].assign(day=pd.to_datetime(merge["EXAMDATE"], format="%Y-%m-%d", errors="coerce"))
    right = right.dropna().sort_values("day")
    nearest = pd.merge_asof(left, right, on="day", by="PTID", direction="nearest", tolerance=FARTHEST)
    found = nearest.set_index("row")["VISCODE"].reindex(codes.index)
    return codes.mask(empty, found.fillna("scanned " + dates))


def named_visits(subjects: pd.Series, codes: pd.Series, merge: pd.DataFrame) -> pd.Series:
    """Visit codes as visit names; what is no code, or has no name, stays as it is, and Clinica goes by the date.

    ADNI1 scanned some subjects at 3 T at baseline, after the screening scan at 1.5 T: where a subject has both, its
    baseline images are called ``ADNI Baseline``, which Clinica leaves out.
    """
    study = subjects.map(merge.drop_duplicates("PTID").set_index("PTID")["ORIGPROT"]).fillna("")
    known = {pair: visit_name(*pair) for pair in set(zip(study, codes, strict=True))}
    names = pd.Series([known[pair] for pair in zip(study, codes, strict=True)], index=codes.index, dtype=object)
    names = names.where(names.notna(), codes)
    screened = set(subjects[codes.isin(SCREENING_CODES)])
    again = (codes == "bl") & (study == "ADNI1") & subjects.isin(screened)
    return names.mask(again, "ADNI Baseline")
