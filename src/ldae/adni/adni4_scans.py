"""The part of one subject that is of ADNI4: which images are taken, and why another visit has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ldae.adni.accounting import NO_VISIT, NOT_ON_DISK
from ldae.adni.adni4_tables import WITHIN_DAYS, Adni4
from ldae.adni.disk import SubjectFiles


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
        found.append(choice_of(session, images, disk, reasons))
    if not part.images and disk.ids:
        found.append(Choice(None, None, "unknown images: no list of images has a row of this subject"))
    return found


def choice_of(session: str, images: list[dict], disk: SubjectFiles, reasons: Mapping[str, str]) -> Choice:
    """The best image of a visit that is on disk, whole and not refused, or why there is none."""
    here = [image for image in images if image["ImageUID"] in disk.ids]
    for image in here:
        if image["refusal"] is None and image["ImageUID"] not in reasons:
            return Choice(session, image)
    if not here:
        return Choice(
            session, images[0], f"{NOT_ON_DISK}: no file is named after I{images[0]['ImageUID']}, which is listed"
        )
    broken = next((reasons[image["ImageUID"]] for image in here if image["ImageUID"] in reasons), None)
    return Choice(session, here[0], broken or f"{here[0]['refusal']} (I{here[0]['ImageUID']})")
