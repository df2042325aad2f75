"""Which image of a visit Clinica 0.12 chooses, predicted from the tables alone.

The rules were found by reading the converter and by running it; a test compares this prediction with what the real
Clinica lists for tables that exercise every branch. ADNI1, GO and 2: originals that failed MRIQUALITY are out, a
processed image (Scaled, else N3m) comes first, then an original MPRAGE or SPGR. ADNI3: an accelerated original. Between
several originals at 3 T Mayo's marks decide.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pandas as pd

PHASES = ("ADNI1", "ADNIGO", "ADNI2", "ADNI3")
FARTHEST_DAYS, HALFWAY_DAYS = 90, 30
# Visits that Clinica itself leaves out: dcm2niix made several images of them.
KNOWN_TROUBLE = {
    ("031_S_0830", "m48"), ("100_S_0995", "m18"), ("031_S_0867", "m48"), ("100_S_0892", "m18"), ("003_S_6264", "m12"),
    ("011_S_4105", "m72"), ("006_S_4485", "m84"), ("029_S_2395", "m72"), ("114_S_6039", "bl"), ("016_S_4952", "m48"),
}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """``code``: the ADNIMERGE visit; ``visit``: its name in the list of images; ``image``: its ID, None: none is
    fit."""

    code: str
    visit: str
    image: str | None


class Rules:
    """The tables of a cohort by subject; ``choices`` gives the images of one subject.

    Args:
        visits: ADNIMERGE; images: the list of images as Clinica will see it (cells text, numbers plain); failed: series
        that
            failed MRIQUALITY; ratings: Mayo's table.
    """

    def __init__(self, visits: pd.DataFrame, images: pd.DataFrame, failed: set[str], ratings: pd.DataFrame) -> None:
        columns = ["PTID", "VISCODE", "EXAMDATE", "COLPROT", "ORIGPROT"]
        self.visits = by_subject(visits[columns].sort_values("EXAMDATE", kind="stable"), "PTID")
        self.images = by_subject(images.sort_values("ScanDate", kind="stable"), "SubjectID")
        self.failed = failed
        self.marks: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        ratings = ratings[ratings["series_type"] == "T1"]
        quality = pd.to_numeric(ratings["series_quality"], errors="coerce")
        selected = pd.to_numeric(ratings["series_selected"], errors="coerce")
        self.order: dict[str, int] = {}
        for image, mark, chosen in zip(ratings["loni_image"], quality, selected, strict=True):
            number = image.removeprefix("I")
            self.order.setdefault(number, len(self.order))
            self.marks[number].append((mark, chosen == 1))

    def choices(self, subject: str) -> list[Choice]:
        """The image of every visit of a subject that Clinica looks for, in its order; visits without one have None."""
        images = self.images.get(subject, [])
        found = []
        for (code, phase), visit in visits_of(images, self.visits.get(subject, [])).items():
            image = None
            if (subject, code) not in KNOWN_TROUBLE and phase in PHASES:
                image = self.chosen([item for item in images if item["Visit"] == visit], phase)
            found.append(Choice(code, visit, image))
        return found

    def chosen(self, images: list[dict], phase: str) -> str | None:
        """The image of a visit; images in the order of their dates."""
        fit, preferred, processed = self.fit(images, phase)
        if not processed:
            return self.best(fit, preferred)
        if len({strength(item) for item in fit}) > 1:
            fit = [item for item in fit if strength(item) == preferred]
        series = sorted(fit, key=lambda item: number(item["SeriesID"]))
        return series[0]["ImageUID"] if series else None

    def fit(self, images: list[dict], phase: str) -> tuple[list[dict], float, bool]:
        """The images of a visit that are chosen from, the field strength that is preferred (T), and whether they are
        processed ones."""
        if phase == "ADNI3":
            fit = [item for item in images if item["Orig/Proc"] == "Original" and accelerated(item["Sequence"])]
            return fit, 3.0, False
        preferred = 1.5 if phase == "ADNI1" else 3.0
        passed = [item for item in images if item["SeriesID"] not in self.failed]
        for ending in ("Scaled", "N3m"):
            processed = [i for i in passed if i["Orig/Proc"] == "Processed" and i["Sequence"].endswith(ending)]
            if processed:
                return processed, preferred, True
        return [i for i in passed if i["Orig/Proc"] == "Original" and mprage(i["Sequence"])], preferred, False

    def deadly(self, subject: str) -> set[str]:
        """Visits on which Clinica dies: their images have several field strengths, and none the one it prefers."""
        images, found = self.images.get(subject, []), set()
        for (_, phase), visit in visits_of(images, self.visits.get(subject, [])).items():
            if phase in PHASES:
                fit, preferred, _ = self.fit([item for item in images if item["Visit"] == visit], phase)
                if len(strengths := {strength(item) for item in fit}) > 1 and preferred not in strengths:
                    found.add(visit)
        return found

    def best(self, images: list[dict], preferred: float) -> str | None:
        """Of original images the one that Mayo's marks prefer, where there are any."""
        if not images:
            return None
        others: list[dict] = []
        if len({strength(item) for item in images}) > 1:
            others = [item for item in images if strength(item) != preferred]
            images = [item for item in images if strength(item) == preferred]
        if not images:
            return None
        if strength(images[0]) == 3.0:
            rated = [item["ImageUID"] for item in images if item["ImageUID"] in self.marks]
            rated = sorted(dict.fromkeys(rated), key=self.order.__getitem__)
            if rated:
                kept = self.by_marks(rated)
                if kept is None:
                    unrated = [item for item in images if item["ImageUID"] not in self.marks]
                    images = unrated or others
                else:
                    images = [item for item in images if item["ImageUID"] in kept]
        return without_repeat(images)

    def by_marks(self, rated: list[str]) -> list[str] | None:
        """The best of the rated images (several if equal); None where all are rejected."""
        marks = [(image, *mark) for image in rated for mark in self.marks[image]]
        selected = [image for image, _, chosen in marks if chosen]
        if len(selected) == 1:
            return selected
        accepted = [(image, quality) for image, quality, _ in marks if quality < 4]
        if not accepted:
            return None
        positive = [quality for _, quality in accepted if quality > 0]
        best = min(positive) if positive else -1
        return [image for image, quality in accepted if quality == best]


def by_subject(table: pd.DataFrame, column: str) -> dict[str, list[dict]]:
    """Rows of a table by the subject that ``column`` names, in their order."""
    found: dict[str, list[dict]] = defaultdict(list)
    for row in table.to_dict("records"):
        found[row[column]].append(row)
    return found


def strength(image: dict) -> float:
    """Field strength of an image (T)."""
    return number(image["MagStrength"])


def number(cell: str) -> float:
    """A cell as a number; infinity where it is none."""
    try:
        return float(cell)
    except ValueError:
        return float("inf")


def mprage(sequence: str) -> bool:
    """Whether a sequence's name is, to Clinica, that of an MPRAGE or SPGR."""
    name = sequence.lower()
    return (bool(re.search("mprage|mp-rage|mp rage", name)) and "2" not in name) or (
        "spgr" in name and "acc" not in name
    )


def accelerated(sequence: str) -> bool:
    """Whether a sequence's name is, to Clinica, that of an accelerated one."""
    return "accel" in sequence.lower() and not sequence.lower().endswith("_nd")


def without_repeat(images: list[dict]) -> str | None:
    """Image ID of the first image, repeats last; None where there is none."""
    first = [item for item in images if "repeat" not in item["Sequence"].lower()] or images
    return first[0]["ImageUID"] if first else None


def visits_of(images: list[dict], visits: list[dict]) -> dict[tuple[str, str], str]:
    """(VISCODE, COLPROT) -> name of the visit in the list of images: by its expected name, else by the nearest date."""
    names = list(dict.fromkeys(item["Visit"] for item in images if item["Visit"] != "ADNI Baseline"))
    found: dict[tuple[str, str], str] = {}
    pending = []
    for visit in visits:
        name = expected_name(visit["ORIGPROT"], visit["VISCODE"])
        if name is not None and name in names:
            found.setdefault((visit["VISCODE"], visit["COLPROT"]), name)
            names.remove(name)
        else:
            pending.append(visit)
    for name in names:
        day = next(item["ScanDate"] for item in images if item["Visit"] == name)
        if (closest := nearest(day, pending)) is not None:
            found.setdefault((closest["VISCODE"], closest["COLPROT"]), name)
    return found


def expected_name(study: str, code: str) -> str | None:
    """The name that Clinica looks for; years are written ``Year 1.0`` there, and therefore never found."""
    if code == "bl":
        return {"ADNIGO": "ADNIGO Screening MRI", "ADNI2": "ADNI2 Screening MRI-New Pt"}.get(study, "ADNI Screening")
    months = int(code[1:]) if re.fullmatch(r"m[0-9]{1,4}", code, re.IGNORECASE) else None
    if months is None or study == "ADNI3":
        return None
    if study == "ADNI2":
        return {"m03": "ADNI2 Month 3 MRI-New Pt", "m06": "ADNI2 Month 6-New Pt"}.get(code)
    return "ADNIGO Month 3 MRI" if code == "m03" else f"ADNI{'1/' if months < 54 else ''}GO Month {months}"


def nearest(day: str, visits: Iterable[dict]) -> dict | None:
    """The visit nearest in time; beyond 90 days the earlier one of two, where the scan lies about halfway."""
    visits = list(visits)
    if len(visits) < 2:
        return visits[0] if visits else None
    scan = date.fromisoformat(day)
    days = [date.fromisoformat(visit["EXAMDATE"]) for visit in visits]
    order = sorted(range(len(visits)), key=lambda place: abs((days[place] - scan).days))
    first, second = order[0], order[1]
    distance, apart = abs((days[first] - scan).days), (days[first] - days[second]).days
    between = days[first] > scan > days[second]
    halfway = between and distance > FARTHEST_DAYS and abs(apart / 2 - distance) < HALFWAY_DAYS
    return visits[second if halfway else first]
