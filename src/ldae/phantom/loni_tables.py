"""The study tables that LONI offers beside the images, with the columns that ADNI-to-BIDS converters read."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ldae.core.files import atomic_path
from ldae.core.keyed import stream
from ldae.core.keys import roster_number
from ldae.phantom.loni_images import Image, adni4_code
from ldae.phantom.visit_schedule import BOXES, Cognition, Plan, Visit, cognition_at

STAMP = "01Jan2025"  # LONI adds the day of the download to a table's name
DIAGNOSIS_NAME = {"CN": "CN", "MCI": "MCI", "AD": "Dementia"}
DIAGNOSIS_CODE = {"CN": 1, "MCI": 2, "AD": 3}
APOE4_SHARES = {"CN": (0.72, 0.25, 0.03), "MCI": (0.50, 0.38, 0.12), "AD": (0.34, 0.47, 0.19)}  # 0, 1, 2 alleles
GENOTYPES = ("3/3", "3/4", "4/4")
# Read by converters, not modelled here: present and empty.
EMPTY_COLUMNS = (
    "FDG", "PIB", "AV45", "FBB", "ABETA", "TAU", "PTAU", "ADAS11", "ADAS13", "ADASQ4", "RAVLT_immediate", "FAQ", "MOCA",
    "Ventricles", "Hippocampus", "WholeBrain", "Entorhinal", "Fusiform", "MidTemp", "ICV", "ADAS11_bl", "ADAS13_bl",
    "ADASQ4_bl", "RAVLT_immediate_bl", "MOCA_bl", "TRABSCOR_bl", "mPACCdigit_bl", "mPACCtrailsB_bl",
)  # fmt: skip
COLUMNS = {
    "MPRAGEMETA": (
        "Orig/Proc", "SubjectID", "Visit", "MagStrength", "Sequence", "ScanDate", "StudyID", "SeriesID", "ImageUID"
    ),
    "MRIQUALITY": ("RID", "VISCODE", "LONIUID", "EXAMDATE", "PASS"),
    "MAYOADIRL_MRI_IMAGEQC_05_07_15": (
        "RID", "loni_study", "loni_series", "loni_image", "series_date", "series_type", "series_description",
        "series_quality", "series_selected",
    ),
}  # fmt: skip


def write_tables(folder: Path, plans: list[Plan], images: list[Image], seed: int) -> None:
    """Write ADNIMERGE, DXSUM_PDXCONV, APOERES, CDR, MPRAGEMETA, MRIQUALITY and Mayo's quality table to ``folder``.

    A cohort with ADNI4 has PTDEMOG, MMSE, REGISTRY and ADNI3's quality table too; MRIQC lists its images, which are
    younger than MPRAGEMETA.
    """
    tables = study_tables(plans, seed) | image_tables([image for image in images if not of_adni4(image)])
    if any(map(of_adni4, images)):
        tables |= adni4_tables(plans, images, seed) | {"MRIQC": _mriqc(images)}
    for name, table in tables.items():
        with atomic_path(folder / f"{name}_{STAMP}.csv") as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")


def write_todays_tables(folder: Path, plans: list[Plan], images: list[Image], seed: int) -> None:
    """The same study with the table names and columns LONI uses since October 2024 (as far as they are public).

    All Images lists every modality, calls visits by their code and images by their series; MRIPROT is the quality table
    of ADNI1, DXSUM the diagnostic summary, and genotypes stand in two columns.
    """
    tables = study_tables(plans, seed) | image_tables(images)
    if any(map(of_adni4, images)):
        tables |= adni4_tables(plans, images, seed)
    listing, quality = tables.pop("MPRAGEMETA"), tables.pop("MRIQUALITY")
    tables["Phantom_All_Images"] = _all_images(images, listing)
    tables["MRIPROT"] = quality
    tables["DXSUM"] = tables.pop("DXSUM_PDXCONV")
    genotypes = tables["APOERES"].pop("GENOTYPE").str.split("/", expand=True)
    tables["APOERES"] = tables["APOERES"].assign(APGEN1=genotypes[0], APGEN2=genotypes[1])
    for name, table in tables.items():
        with atomic_path(folder / f"{name}_{STAMP}.csv") as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")


def _all_images(images: list[Image], listing: pd.DataFrame) -> pd.DataFrame:
    """One row per T1w image, and one of another modality beside each, which a reader has to pass over."""
    screening = {image.ptid: "scmri" if "MRI" in image.visit_name else "sc" for image in images if not image.months}
    table = pd.DataFrame(
        {
            "image_id": listing["ImageUID"],
            "subject_id": listing["SubjectID"],
            "study_id": listing["StudyID"],
            "series_id": listing["SeriesID"],
            "image_date": listing["ScanDate"],
            "VISCODE2": [_listed_code(image, screening) for image in images],
            "image_type": "Original",
            "image_description": listing["Sequence"],
            "mri_field_str": listing["MagStrength"],
        }
    )
    other = table.assign(image_id=table["image_id"] + 500_000_000, image_description="Axial DTI")
    return pd.concat([table, other], ignore_index=True)


def _listed_code(image: Image, screening: dict[str, str]) -> str:
    if of_adni4(image):
        return image.visit_name
    return f"m{image.months:02d}" if image.months else screening[image.ptid]


def study_tables(plans: list[Plan], seed: int) -> dict[str, pd.DataFrame]:
    """Tables of persons and visits."""
    merge, diagnoses, genotypes, ratings = [], [], [], []
    for plan in plans:
        person = _person(plan, seed)
        genotypes.append(_visit_key(plan, "sc") | {"GENOTYPE": GENOTYPES[person["APOE4"]]})
        for visit in plan.visits:
            cognition = cognition_at(seed, plan, visit)
            if not visit.months:
                person |= {"MMSE_bl": cognition.mmse, "CDRSB_bl": cognition.cdr_sum}
            if visit.phase != "ADNI4":
                merge.append(_merge_row(plan, visit, person, cognition))
            diagnoses += _diagnosis_rows(plan, visit)
            rating = dict(zip(BOXES, cognition.boxes, strict=True)) | {"CDGLOBAL": cognition.cdr_global}
            ratings.append(_key_of(plan, visit) | rating)
    return {
        "ADNIMERGE": pd.DataFrame(merge),
        "DXSUM_PDXCONV": pd.DataFrame(diagnoses),
        "APOERES": pd.DataFrame(genotypes),
        "CDR": pd.DataFrame(ratings),
    }


def _visit_key(plan: Plan, code: str) -> dict[str, str | int]:
    subject = plan.subject
    return {"PHASE": plan.phase, "PTID": subject.ptid, "RID": subject.rid, "VISCODE": code, "VISCODE2": code}


def _key_of(plan: Plan, visit: Visit) -> dict[str, str | int]:
    """What names a visit in the tables; the code of a visit in ADNI4 is translated (VISCODE2) for who was there
    before."""
    if visit.phase != "ADNI4":
        return _visit_key(plan, visit.code)
    code = adni4_code(plan, visit)
    second = code if plan.phase == "ADNI4" else visit.code
    return _visit_key(plan, code) | {"PHASE": "ADNI4", "VISCODE2": second}


def _diagnosis_rows(plan: Plan, visit: Visit) -> list[dict]:
    """One row per visit; the baseline diagnosis stands under screening too, once more for its confirmation.

    Converters look diagnoses up by (PTID, VISCODE2) and rely on the repeated pairs that the real table has: with a
    unique index pandas returns a bare number instead of a series, and Clinica 0.12 stops.
    """
    content = {"EXAMDATE": visit.exam_date, "DIAGNOSIS": DIAGNOSIS_CODE[plan.diagnosis(visit)]}
    row = _key_of(plan, visit) | content
    if visit.months or visit.phase == "ADNI4":
        return [row]
    screening = _visit_key(plan, "sc") | content
    return [screening, screening | {"VISCODE": "scmri"}, row]


def _person(plan: Plan, seed: int) -> dict:
    """Columns of ADNIMERGE that are constant about a subject."""
    subject, random = plan.subject, stream(seed, "person", plan.subject.rid)
    alleles = int(random.choice(3, p=APOE4_SHARES[subject.diagnosis]))
    return {
        "RID": subject.rid,
        "PTID": subject.ptid,
        "SITE": int(subject.ptid[:3]),
        "ORIGPROT": plan.phase,
        "COLPROT": plan.phase,
        "DX_bl": _enrolment_group(plan),
        "AGE": subject.age,
        "PTGENDER": "Male" if subject.sex == "M" else "Female",
        "PTEDUCAT": int(np.clip(round(random.normal(15.8, 2.8)), 6, 20)),
        "PTETHCAT": "Hisp/Latino" if random.random() < 0.04 else "Not Hisp/Latino",
        "PTRACCAT": "White",
        "PTMARRY": str(random.choice(["Married", "Widowed", "Divorced", "Never married"], p=(0.74, 0.13, 0.09, 0.04))),
        "APOE4": alleles,
    }


def _enrolment_group(plan: Plan) -> str:
    """ADNI1 enrolled late MCI only, ADNIGO early MCI only; later phases both."""
    if plan.subject.diagnosis != "MCI":
        return plan.subject.diagnosis
    early = plan.phase == "ADNIGO" or (plan.phase != "ADNI1" and plan.subject.stage < 0.45)
    return "EMCI" if early else "LMCI"


def _merge_row(plan: Plan, visit: Visit, person: dict, cognition: Cognition) -> dict:
    baseline = plan.visits[0].exam_date
    days = (visit.exam_date - baseline).days
    row = person | {"VISCODE": visit.code, "EXAMDATE": visit.exam_date, "EXAMDATE_bl": baseline}
    row |= {"DX": DIAGNOSIS_NAME[plan.diagnosis(visit)], "MMSE": cognition.mmse, "CDRSB": cognition.cdr_sum}
    row |= {"FLDSTRENG": f"{visit.field_strength} Tesla MRI", "Month": visit.months, "M": visit.months}
    row |= {"Years_bl": round(days / 365.25, 4), "Month_bl": round(days / 30.4375, 4)}
    return row | dict.fromkeys(EMPTY_COLUMNS, "")


def image_tables(images: list[Image]) -> dict[str, pd.DataFrame]:
    """The list of images and the two quality tables, which have their columns even when they are empty."""
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    for image in images:
        rows["MPRAGEMETA"].append(_image_row(image))
        if image.passed is not None:
            rows["MRIQUALITY"].append(_quality_row(image))
        if image.quality is not None:
            rows["MAYOADIRL_MRI_IMAGEQC_05_07_15"].append(_mayo_row(image))
    return {name: pd.DataFrame(rows[name], columns=list(columns)) for name, columns in COLUMNS.items()}


def _image_row(image: Image) -> dict:
    return {
        "Orig/Proc": "Original",
        "SubjectID": image.ptid,
        "Visit": image.visit_name,
        "MagStrength": image.field_strength,
        "Sequence": image.sequence,
        "ScanDate": image.acquired.date(),
        "StudyID": image.study_id,
        "SeriesID": image.series_id,
        "ImageUID": image.image_id,
    }


def _quality_row(image: Image) -> dict:
    code = f"m{image.months:02d}" if image.months else "sc"
    series, day = f"S{image.series_id}", image.acquired.date()
    return {"RID": roster_number(image.ptid), "VISCODE": code, "LONIUID": series, "EXAMDATE": day, "PASS": image.passed}


def _mayo_row(image: Image) -> dict:
    return {
        "RID": roster_number(image.ptid),
        "loni_study": image.study_id,
        "loni_series": f"S{image.series_id}",
        "loni_image": f"I{image.image_id}",
        "series_date": image.acquired.date(),
        "series_type": "T1",
        "series_description": image.sequence,
        "series_quality": image.quality,
        "series_selected": image.selected,
    }


def of_adni4(image: Image) -> bool:
    """Whether an image is of a visit in ADNI4."""
    return image.visit_name.startswith("4_")


def adni4_tables(plans: list[Plan], images: list[Image], seed: int) -> dict[str, pd.DataFrame]:
    """The tables that stand for ADNIMERGE where it has no rows: PTDEMOG, MMSE, REGISTRY; and Mayo's marks of ADNI3 and
    ADNI4."""
    people: list[dict] = []
    scores: list[dict] = []
    visits: list[dict] = []
    for plan in plans:
        person = _person(plan, seed)
        born = plan.visits[0].exam_date - dt.timedelta(days=plan.subject.age * 365.25)
        facts: dict[str, Any] = {"PTGENDER": 1 if plan.subject.sex == "M" else 2, "PTEDUCAT": person["PTEDUCAT"]}
        facts |= {"PTDOB": f"{born:%m/%Y}", "PTDOBYY": born.year, "VISDATE": plan.visits[0].exam_date}
        people.append(_key_of(plan, plan.visits[0]) | facts)
        for visit in plan.visits:
            key: dict[str, Any] = _key_of(plan, visit)
            scores.append(key | {"VISDATE": visit.exam_date, "MMSCORE": cognition_at(seed, plan, visit).mmse})
            visits.append(key | {"EXAMDATE": visit.exam_date})
    marks = [_mayo_row(image) for image in images if image.quality is not None and image.sequence.startswith("Accel")]
    marked = pd.DataFrame(marks).rename(columns=str.upper).assign(SERIES_TYPE="MT1")
    return {
        "PTDEMOG": pd.DataFrame(people),
        "MMSE": pd.DataFrame(scores),
        "REGISTRY": pd.DataFrame(visits),
        "MAYOADIRL_MRI_QUALITY_ADNI3": marked,
    }


def _mriqc(images: list[Image]) -> pd.DataFrame:
    """The list of images that LONI keeps of all phases, in its columns."""
    rows = [
        {
            "image_id": image.image_id,
            "ParticipantID": image.ptid,
            "VISCODE2": _listed_code(image, {image.ptid: "sc"}),
            "StudyDate": f"{image.acquired:%Y%m%d}",
            "SeriesType": "T1w",
            "SeriesDescription": image.sequence,
            "MagneticFieldStrength": image.field_strength,
            "LONIStudy": image.study_id,
            "LONISeries": image.series_id,
        }
        for image in images
    ]
    return pd.DataFrame(rows)
