"""Images on disk that no list of images has: by the names of their folders T1w scans, which are lost, or others."""

from collections.abc import Set

import pandas as pd

from ldae.adni.disk import SubjectFiles, days_of, sequence_of, session_of
from ldae.adni.image_listing import FARTHEST, named_otherwise, named_t1w

UNKNOWN, UNLISTED = "unknown images", "missing in the list of images"
NO_T1W = "no T1w image"


def unlisted_days(images: pd.DataFrame, disk: SubjectFiles, known: Set[str], visits: pd.Series) -> list[dict]:
    """One entry for each day of a subject on which there are images in folders named like T1w scans, and none of them
    or of the day is in the list. Without a visit within 90 days Clinica could not convert them either (ADNI4).

    Args:
        images: the subject's rows of the list; known: all images that are listed.
        visits: dates of the subject's visits in ADNIMERGE.
    """
    unlisted = {image: files for image, files in disk.images.items() if image not in known}
    others = {image: files for image, files in unlisted.items() if named_t1w(sequence_of(files))}
    if not others:
        return []
    listed = {session_of(disk.images[image]) for image in images["ImageUID"] if image in disk.images}
    listed |= set(images["ScanDate"])
    entries = []
    sessions: dict[str, list[str]] = {}
    for image, files in others.items():
        sessions.setdefault(session_of(files) or f"I{image}", []).append(image)
    for day, (first, *_) in sorted(sessions.items()):
        scanned = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")
        near = pd.isna(scanned) or bool(((visits - scanned).abs() <= FARTHEST).any())
        if day not in listed and near:
            reason = f"{UNLISTED}: MPRAGEMETA has no image of {day}, I{first} lies in {sequence_of(others[first])}"
            facts = {"session_id": None, "image_id": first, "field_strength": None, "reason": reason}
            entries.append(facts | {"scan_date": day if day[0].isdigit() else None})
    return entries


def unknown_images(disk: SubjectFiles, why: str, others: Set[str] = frozenset()) -> list[dict]:
    """Entries for a subject that no list of images has: as many visits as its folders have days.

    Args:
        others: images that are listed, and so other subjects'.
    """
    here = sorted(disk.ids - others)
    likely = {image: disk.images[image] for image in here if not named_otherwise(sequence_of(disk.images[image]))}
    if here and not likely:
        names = sorted({str(sequence_of(disk.images[image])) for image in here})
        reason = f"{NO_T1W}: no list of images has this subject, the folders are named {', '.join(names[:3])}"
        return [{"session_id": None, "reason": reason, "image_id": None, "field_strength": None, "scan_date": None}]
    days = days_of(likely)
    return [
        {"session_id": None, "reason": f"{UNKNOWN}: {why}", "image_id": images[0], "field_strength": None}
        | {"scan_date": day if day[0].isdigit() else None}
        for day, images in sorted(days.items())
    ]
