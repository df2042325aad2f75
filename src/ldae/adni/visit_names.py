"""The names of visits in LONI's older image lists, by which Clinica 0.12 finds the images of a visit."""

import re

import pandas as pd

SCREENING_CODES = {"sc", "scmri"}


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
