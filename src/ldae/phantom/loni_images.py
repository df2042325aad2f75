"""The images of a visit as LONI lists them: names, numbers, sequences, and the marks that decide between them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from ldae.core.keyed import stream
from ldae.phantom.visit_schedule import Plan, Visit

DUPLICATE_SHARE = 0.05  # of the visits have a second image, one of the two being refused by quality control
IMAGE_BASE, SERIES_BASE, STUDY_BASE = 1_000_000, 500_000, 200_000
SEQUENCES = {
    "ADNI1": "MP-RAGE",
    "ADNIGO": "MPRAGE",
    "ADNI2": "MPRAGE",
    "ADNI3": "Accelerated Sagittal MPRAGE",
    "ADNI4": "Accelerated Sagittal MPRAGE (MSV21)",
}


@dataclass(frozen=True)
class Image:
    """One row of MPRAGEMETA and one folder of DICOM files. ``chosen``: the image that the study's rules select.

    ``passed`` is MRIQUALITY's PASS (ADNI1); ``quality`` and ``selected`` are Mayo's marks (1 good ... 4 refused); None:
    no mark.
    """

    ptid: str
    months: int
    image_id: int
    series_id: int
    study_id: int
    visit_name: str
    sequence: str
    field_strength: float
    acquired: dt.datetime
    chosen: bool
    passed: int | None = None
    quality: int | None = None
    selected: int | None = None

    @property
    def folder(self) -> str:
        """Path below the images' root: PTID / sequence / date / image."""
        return f"{self.ptid}/{self._clean_sequence}/{self.acquired:%Y-%m-%d_%H_%M_%S}.0/I{self.image_id}"

    def file_name(self, number: int) -> str:
        """File of one slice; converters find an image by the ending ``_I<image id>``."""
        stem = f"ADNI_{self.ptid}_MR_{self._clean_sequence}_br_raw_{self.acquired:%Y%m%d%H%M%S}"
        return f"{stem}_{number}_S{self.series_id}_I{self.image_id}.dcm"

    @property
    def _clean_sequence(self) -> str:
        return "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in self.sequence)


def adni4_code(plan: Plan, visit: Visit) -> str:
    """VISCODE of a visit in ADNI4; who comes from an earlier phase begins with ``4_init``."""
    if plan.phase != "ADNI4":
        return "4_init"
    return f"4_{visit.code}"


def visit_name(phase: str, months: int) -> str:
    """The visit's name in the image tables, which differs between study phases."""
    screening = {"ADNIGO": "ADNIGO Screening MRI", "ADNI2": "ADNI2 Screening MRI-New Pt"}
    if months == 0:
        return screening.get(phase, "ADNI Screening")
    return f"ADNI1/GO Month {months}" if phase in ("ADNI1", "ADNIGO") else f"{phase} Year {months // 12} Visit"


def images_of(seed: int, plan: Plan, visit: Visit) -> list[Image]:
    """The chosen image and, at a few visits, a refused one beside it."""
    random = stream(seed, "images", plan.subject.rid, visit.months)
    duplicate = random.random() < DUPLICATE_SHARE
    morning = dt.datetime.combine(visit.scan_date, dt.time(8)) + dt.timedelta(minutes=int(random.integers(540)))
    common: dict[str, Any] = {
        "ptid": plan.subject.ptid,
        "months": visit.months,
        "study_id": STUDY_BASE + _number(plan, visit) // 10,
        "visit_name": adni4_code(plan, visit) if visit.phase == "ADNI4" else visit_name(visit.phase, visit.months),
        "field_strength": visit.field_strength,
    }
    marks = _marks(visit.phase, duplicate)
    images = []
    for order, (sequence, chosen, passed, quality, selected) in enumerate(marks):
        number = _number(plan, visit) + order
        images.append(
            Image(
                image_id=IMAGE_BASE + number,
                series_id=SERIES_BASE + number,
                sequence=sequence,
                acquired=morning + dt.timedelta(minutes=9 * order),
                chosen=chosen,
                passed=passed,
                quality=quality,
                selected=selected,
                **common,
            )
        )
    return images


def _number(plan: Plan, visit: Visit) -> int:
    return plan.subject.rid * 100 + visit.months // 12 * 10


def _marks(phase: str, duplicate: bool) -> list[tuple[str, bool, int | None, int | None, int | None]]:
    """(sequence, chosen, passed, quality, selected) of each image of a visit."""
    name = SEQUENCES[phase]
    if phase == "ADNI1":
        if duplicate:
            return [(name, False, 0, None, None), (f"{name} REPEAT", True, 1, None, None)]
        return [(name, True, 1, None, None)]
    if phase in ("ADNI3", "ADNI4") and duplicate:  # _ND: without correction of gradient distortion
        return [(name, True, None, 2, 1), (f"{name}_ND", False, None, None, None)]
    if duplicate:
        return [(name, False, None, 4, 0), (f"{name} Repeat", True, None, 1, 0)]
    return [(name, True, None, 1, 1)]
