"""The part of one subject that is of ADNI4: which images are taken, and why another visit has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from ldae.adni.accounting import NO_VISIT, NOT_ON_DISK, SECOND
from ldae.adni.adni4_tables import WITHIN_DAYS, Adni4
from ldae.adni.disk import SubjectFiles
from ldae.adni.unlisted import unknown_images

SAME_VISIT_DAYS = 31  # between two scans of one visit


@dataclass(frozen=True)
class Part:
    """Rows of the tables of ADNI4 that are of one subject.

    ``person``: its columns of participants.tsv; ``visits``: rows of sessions.tsv; ``images``: in the order of
    preference.
    """

    person: dict[str, str | None]
    visits: list[dict]
    images: list[dict]

    @property
    def image_ids(self) -> set[str]:
        """Images that may be converted."""
        return {image["ImageUID"] for image in self.images if image["refusal"] is None and image["session_id"]}


def parts_of(found: Adni4 | None) -> dict[str, Part]:
    """PTID -> what of the subject is of ADNI4."""
    if found is None:
        return {}
    visits, images = (by_subject(table) for table in (found.visits, found.images))
    people = {row.pop("PTID"): row for row in found.subjects.drop(columns="clinica").to_dict("records")}
    return {name: Part(person, visits.get(name, []), images.get(name, [])) for name, person in people.items()}


def by_subject(table: pd.DataFrame) -> dict[str, list[dict]]:
    """Rows of a table by PTID, in their order."""
    found: dict[str, list[dict]] = {}
    for row in table.astype(object).where(table.notna(), None).to_dict("records") if len(table) else ():
        found.setdefault(row.pop("PTID"), []).append(row)
    return found


@dataclass(frozen=True)
class Choice:
    """One visit: the ``image`` to convert, or the ``reason`` why there is none."""

    session_id: str | None
    image: dict | None
    reason: str | None = None


def choices(part: Part, disk: SubjectFiles, reasons: Mapping[str, str]) -> list[Choice]:
    """One choice for every visit that has a listed image, and one for each image that has no visit.

    Args:
        disk: the subject's files.
        reasons: image ID -> why its files cannot be used.
    """
    found: list[Choice] = []
    sessions: dict[str, list[dict]] = {}
    for image in part.images:
        if image["session_id"]:
            sessions.setdefault(image["session_id"], []).append(image)
        elif image["ImageUID"] in disk.ids:
            reason = f"{NO_VISIT}: no visit of ADNI4 has a date within {WITHIN_DAYS} days of I{image['ImageUID']}"
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", image["ScanDate"] or ""):
                reason = f"unreadable scan date: {image['ScanDate']!r} of I{image['ImageUID']}"
            found.append(Choice(None, image, reason))
    for session, images in sorted(sessions.items()):
        usable = [image for image in images if is_usable(image, disk, reasons)]
        found.append(choice_of(session, images, usable, disk, reasons))
        for image in of_another_day(usable):
            found.append(Choice(session, image, f"{SECOND}: I{image['ImageUID']}, scanned {image['ScanDate']}"))
    if not part.images:
        for entry in unknown_images(disk, "no list of images has a row of this subject"):
            image = {"ImageUID": entry["image_id"], "ScanDate": entry["scan_date"], "MagStrength": None}
            found.append(Choice(None, image, entry["reason"]))
    return found


def is_usable(image: dict, disk: SubjectFiles, reasons: Mapping[str, str]) -> bool:
    """Whether an image is on disk, whole and not refused."""
    return image["ImageUID"] in disk.ids and image["refusal"] is None and image["ImageUID"] not in reasons


def of_another_day(usable: list[dict]) -> list[dict]:
    """Of the usable images of a visit, those scanned more than a month from the one that is taken, one for each day:
    they were another visit, to which the tables give the same months."""
    if not usable:
        return []
    days = {image["ScanDate"]: image for image in reversed(usable)}
    taken = date.fromisoformat(usable[0]["ScanDate"])
    return [
        image for day, image in sorted(days.items()) if abs((date.fromisoformat(day) - taken).days) > SAME_VISIT_DAYS
    ]


def choice_of(
    session: str, images: list[dict], usable: list[dict], disk: SubjectFiles, reasons: Mapping[str, str]
) -> Choice:
    """The best image of a visit that is ``usable`` (:func:`is_usable`), or why there is none."""
    if usable:
        return Choice(session, usable[0])
    here = [image for image in images if image["ImageUID"] in disk.ids]
    if not here:
        return Choice(
            session, images[0], f"{NOT_ON_DISK}: no file is named after I{images[0]['ImageUID']}, which is listed"
        )
    broken = next((reasons[image["ImageUID"]] for image in here if image["ImageUID"] in reasons), None)
    return Choice(session, here[0], broken or f"{here[0]['refusal']} (I{here[0]['ImageUID']})")
