"""Columns of the list of images against its other columns, LONI's folders and headers: one sorted alone is found."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ldae.adni.disk import SubjectFiles, sequence_of
from ldae.adni.image_listing import named_t1w
from ldae.adni.preflight.cross_checks import contradiction, spread
from ldae.adni.preflight.finding import Finding
from ldae.adni.short_subjects import kind_of_sequence
from ldae.core.cells import cut

PROCESSED = re.compile(r";|__|gradwarp|scaled|\bN3m?\b|mask", re.IGNORECASE)  # in the description of such an image
OPENED = 400  # images of which the field strength is read
GAUSS = 10_000  # in a tesla; some headers are in gauss
APART = 0.7  # T; 1.5 and 3 T are farther apart


def contradicting_kinds(listing: pd.DataFrame, subjects: list[str], limit: float) -> list[Finding]:
    """Images that the list calls processed and describes as originals, or the reverse.

    Args:
        listing: MPRAGEMETA; subjects: PTIDs on disk; limit: as :func:`contradiction`.
    """
    rows = listing[listing["SubjectID"].isin(subjects)]
    made = rows["Sequence"].map(lambda name: PROCESSED.search(name) is not None).astype(bool)
    wrong = rows[made != (rows["Orig/Proc"] == "Processed")]
    named = zip(wrong["ImageUID"], wrong["Orig/Proc"], wrong["Sequence"], strict=True)
    cells = [f"I{image} ({kind}, {cut(sequence)!r})" for image, kind, sequence in named]
    every = set(rows["Orig/Proc"])
    said = "Orig/Proc contradicts the description"
    said = f"Orig/Proc is {min(every)!r} in every row and {said[10:]}" if len(every) == 1 else said
    words = said, "image", "choosing one image for a visit"
    return contradiction(cells, len(rows), wrong["SubjectID"].nunique(), limit, words, "MPRAGEMETA")


def contradicting_sequences(listing: pd.DataFrame, files: Mapping[str, SubjectFiles], limit: float) -> list[Finding]:
    """Images whose sequence in the list is of another kind (accelerated, SPGR, processed) than LONI's name of their
    folder.

    Args:
        listing: MPRAGEMETA; files: PTID -> files on disk; limit: as :func:`contradiction`.
    """
    rows = listing[listing["SubjectID"].isin(files)].drop_duplicates(["SubjectID", "ImageUID"])
    told, cells, names = 0, list[str](), set[str]()
    for name, image, sequence in zip(rows["SubjectID"], rows["ImageUID"], rows["Sequence"], strict=True):
        own = files[name].images.get(image)
        folder = None if own is None else sequence_of(own)
        if folder is None or not named_t1w(folder):
            continue
        told += 1
        if kind_of_sequence(sequence) != kind_of_sequence(folder):
            cells.append(f"I{image} of {name} ({cut(sequence)!r}, folder {cut(folder)})")
            names.add(name)
    words = "Sequence contradicts the folders", "image", "choosing one image for a visit"
    return contradiction(cells, told, len(names), limit, words, "MPRAGEMETA")


def contradicting_strengths(listing: pd.DataFrame, files: Mapping[str, SubjectFiles], limit: float) -> list[Finding]:
    """Images whose MagStrength in the list is not that of their headers.

    Args:
        listing: MPRAGEMETA; files: PTID -> files on disk; of up to 400 images, spread over the list, a header is read.
        limit: as :func:`contradiction`.
    """
    rows = listing[listing["SubjectID"].isin(files)].drop_duplicates(["SubjectID", "ImageUID"])
    pairs = [
        (name, image, strength, files[name].images[image].dicom[0])
        for name, image, strength in zip(rows["SubjectID"], rows["ImageUID"], rows["MagStrength"], strict=True)
        if image in files[name].images and files[name].images[image].dicom
    ]
    told, cells, names = 0, list[str](), set[str]()
    for name, image, strength, path in spread(pairs, OPENED):
        ours, theirs = pd.to_numeric(strength, errors="coerce"), strength_of(Path(path))
        if theirs is None or pd.isna(ours):
            continue
        told += 1
        if abs(theirs - ours) > APART:
            cells.append(f"I{image} of {name} ({strength}, header {theirs:g})")
            names.add(name)
    words = "MagStrength contradicts the headers that were read", "image", "choosing one image for a visit"
    return contradiction(cells, told, len(names), limit, words, "MPRAGEMETA")


def strength_of(path: Path) -> float | None:
    """Field strength (T) in the header of a file; None where it says none."""
    from ldae.adni.dicom_headers import header_of
    from ldae.adni.short_series import as_number

    header = header_of(path, ["Rows", "Columns", "MagneticFieldStrength"])
    number = None if header is None else as_number(header.get("MagneticFieldStrength"))
    return number / GAUSS if number is not None and number > 100 else number
