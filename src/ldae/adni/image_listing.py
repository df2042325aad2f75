"""Today's lists of images (All Images, MRIQC) as the MPRAGEMETA that Clinica 0.12 reads, visits by its names.

Column names: Clinica's issues #1579 and #1580 for All Images; public scripts that read ARC Builder's image tables and
MRIQC. Spellings that were not seen in public are not guessed; a column that no table has is reported as missing.
"""

import re
from pathlib import Path

import pandas as pd

from ldae.adni.spelling import field_strength, plain_number, subject_id, visit_code
from ldae.core.cells import Reading, read_dates
from ldae.core.folders import walk

SPELLINGS = {
    "SubjectID": ("subject_id", "participantid", "ptid", "subject id", "subject"),
    "Visit": ("viscode2", "image_visit", "mri_visit", "viscode"),
    "MagStrength": ("mri_field_str", "mri_field_strength", "magneticfieldstrength", "imaging protocol"),
    "Sequence": ("image_description", "mri_description", "seriesdescription", "description"),
    "ScanDate": ("image_date", "mri_date", "studydate", "study date", "acq date"),
    "StudyID": ("study_id", "lonistudy", "study id"),
    "SeriesID": ("series_id", "loniseries", "series id"),
    "ImageUID": ("image_id", "loniimage", "image id", "image data id"),
    "Orig/Proc": ("image_type", "type"),
}
KINDS = {"original": "Original", "processed": "Processed", "pre-processed": "Processed"}
COLUMNS = ("Orig/Proc", "SubjectID", "Visit", "MagStrength", "Sequence", "ScanDate", "StudyID", "SeriesID", "ImageUID")
T1W = r"mp-?\s?rage|\bmpr|spgr|\bmt1"
T1W_FOLDER = re.compile(r"mp-?[\s_]?rage|(?<![a-z])mpr(?![a-z])|spgr|(?<![a-z])mt1(?![0-9])", re.IGNORECASE)
OTHER_FOLDER = re.compile(  # sequences of ADNI that are no T1w scans, in the names of LONI's folders
    r"flair|dti|dwi|diffusion|t2|f-?mri|rest|bold|epi(?![a-z])|asl|perfusion|cbf|locali[sz]er|scout|survey|plane_loc|"
    r"calib|b1|field_?map|gre(?![a-z])|swi|qsm|hippo|tse|fse|(?<![a-z])pd(?![a-z])|adc|trace|(?<![a-z])fa(?![a-z])|"
    r"angio|(?<![a-z])mra(?![a-z])",
    re.IGNORECASE,
)
T1W_TYPES = {"T1W", "T1", "MT1", "MPRAGE"}  # MRIQC's word, and Mayo's for the same series in its other tables
SERIES_IN_NAME = re.compile(r"_S0*(\d+)_I0*(\d+)\.")
SCREENING_CODES = {"sc", "scmri"}
FARTHEST = pd.Timedelta(days=90)  # Clinica's own limit between a scan and its visit


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that MPRAGEMETA has, under its names, as far as ``table`` has them in any known spelling."""
    present = {column.strip().lower(): column for column in reversed(list(table))}
    found = {}
    for target, spellings in SPELLINGS.items():
        for spelling in (target.lower(), *spellings):
            if spelling in present:
                found[target] = table[present[spelling]].str.strip()
                break
    return pd.DataFrame(found, index=table.index)


def t1w_rows(table: pd.DataFrame) -> pd.DataFrame:
    """MRI rows, and of those the T1w ones: MRIQC says so, else the description does (MPRAGE, SPGR, MPR, MT1)."""
    by_name = {column.strip().lower(): column for column in table}
    keep = pd.Series(True, index=table.index)
    for column in ("image_modality", "modality"):
        if column in by_name:
            keep &= table[by_name[column]].str.strip().str.upper().isin({"MR", "MRI"})
    if "seriestype" in by_name:
        return table[keep & table[by_name["seriestype"]].str.strip().str.upper().isin(T1W_TYPES)]
    description = renamed(table).get("Sequence", pd.Series("", index=table.index))
    return table[keep & description.str.contains(T1W, case=False, regex=True)]


def named_t1w(folder: str | None) -> bool:
    """Whether the name that LONI gave a folder is that of a T1w sequence."""
    return folder is not None and T1W_FOLDER.search(folder) is not None


def named_otherwise(folder: str | None) -> bool:
    """Whether it is the name of another sequence (FLAIR, DTI, a localizer); of a name that tells neither: no."""
    return folder is not None and not named_t1w(folder) and OTHER_FOLDER.search(folder) is not None


def plain_numbers(values: pd.Series) -> pd.Series:
    """``I123``, ``S123``, ``123.0`` -> ``123``."""
    return values.map({cell: plain_number(cell) for cell in values.unique()})


def iso_dates(values: pd.Series) -> pd.Series:
    """``2006-04-18 00:00:00``, ``20060418.0`` and LONI's ``4/18/2006`` as ``2006-04-18``; anything else as it is."""
    days = pd.Series(read_dates(values, Reading(), day_first=False, serials=True), index=values.index, dtype=object)
    return days.fillna(values)


def field_strengths(values: pd.Series) -> pd.Series:
    """``3``, ``3.0 Tesla`` -> ``3.0``, the numbers that Clinica compares."""
    return values.map({cell: field_strength(cell) for cell in values.unique()})


def series_on_disk(images: Path) -> dict[str, str]:
    """ImageUID -> SeriesID from the names of the files (``..._S<series>_I<image>.dcm``), one file per folder."""
    found = {}
    for _, folders, names in walk(images, closed=True):
        folders.sort()
        match = next((match for name in sorted(names) if (match := SERIES_IN_NAME.search(name))), None)
        if match:
            found[match.group(2)] = match.group(1)
    return found


def image_list(
    listing: pd.DataFrame, quality: pd.DataFrame | None, images: Path, merge: pd.DataFrame | None
) -> pd.DataFrame:
    """MPRAGEMETA, with as many of its columns as can be had.

    Columns that ``listing`` lacks are taken from ``quality`` (MRIQC, by image number), SeriesID at last from the names
    of the files on disk. Whether an image is processed stands in ``image_type``; where there is no such column, a
    description with semicolons (``MPR; GradWarp; B1 Correction; N3; Scaled``) is a processed one. ``merge``
    (ADNIMERGE) turns visit codes into names.
    """
    table = renamed(t1w_rows(listing))
    if "ImageUID" not in table:
        return table
    table["ImageUID"] = plain_numbers(table["ImageUID"])
    if quality is not None:
        more = renamed(quality)
        if "ImageUID" in more:
            more["ImageUID"] = plain_numbers(more["ImageUID"])
            more = more.drop_duplicates("ImageUID").set_index("ImageUID")
            for column in more.columns.difference(table.columns):
                table[column] = table["ImageUID"].map(more[column]).fillna("")
    if "SeriesID" not in table and len(series := series_on_disk(images)):
        table["SeriesID"] = table["ImageUID"].map(series).fillna("")
    for column, clean in (
        ("StudyID", plain_numbers),
        ("SeriesID", plain_numbers),
        ("ScanDate", iso_dates),
        ("MagStrength", field_strengths),
    ):
        if column in table:
            table[column] = clean(table[column])
    if "Orig/Proc" in table:
        table["Orig/Proc"] = table["Orig/Proc"].str.lower().map(KINDS).fillna(table["Orig/Proc"])
    elif "Sequence" in table:
        table["Orig/Proc"] = table["Sequence"].str.contains(";").map({True: "Processed", False: "Original"})
    if "SubjectID" in table:
        table["SubjectID"] = table["SubjectID"].map(subject_id)
    if "Visit" not in table and "ScanDate" in table:
        table["Visit"] = ""
    if merge is not None and {"Visit", "SubjectID"} <= set(table):
        table["Visit"] = table["Visit"].map(visit_code)
        if "ScanDate" in table:
            table["Visit"] = dated_visits(table["SubjectID"], table["Visit"], table["ScanDate"], merge)
        table["Visit"] = named_visits(table["SubjectID"], table["Visit"], merge)
    kept = table[[column for column in COLUMNS if column in table]].reset_index(drop=True)
    return kept.astype(object)  # text, also where no row is left to say so


def visit_name(study: str, code: str) -> str | None:
    """``("ADNI1", "m06")`` -> ``ADNI1/GO Month 6``; None where the code says no month (``nv``, ``uns1``).

    ``study`` is the phase of enrolment (ORIGPROT), ``code`` a VISCODE2.
    """
    if code in SCREENING_CODES | {"bl"}:
        return {"ADNIGO": "ADNIGO Screening MRI", "ADNI2": "ADNI2 Screening MRI-New Pt"}.get(study, "ADNI Screening")
    found = re.fullmatch(r"m([0-9]{1,4})", code)
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
