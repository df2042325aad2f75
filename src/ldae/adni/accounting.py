"""Every visit on disk is accounted for: what the study tables say of its images, and why Clinica made nothing of it.

Clinica leaves a visit out without a word in its exit status, and one row of a table can end its run for everybody.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.adni.clinica import session_id
from ldae.adni.preflight import PHASES
from ldae.adni.study_tables import TABLES, find_tables, read_table

NOT_ON_DISK, REFUSED, LATER_PHASE = "not downloaded", "refused by the study", "phase not converted"
ORDINARY = (NOT_ON_DISK, REFUSED, LATER_PHASE)  # no fault of the download or of the conversion
LEFT_OUT = "left out by Clinica"
FARTHEST = pd.Timedelta(days=90)  # Clinica's own limit between a scan and its visit
VISIT = re.compile(r"bl|[mM]\d+")
FIVE_DIGITS = re.compile(r"\d{3}_S_\d{5,}")


@dataclass(frozen=True)
class Listing:
    """What the study tables list.

    ``images``: MPRAGEMETA with ``refusal`` (why Clinica must not or will not take the image, or None) and ``withheld``
    (Clinica dies on such a row); ``visits``: ADNIMERGE with ``day`` (of the examination).
    """

    images: pd.DataFrame
    visits: pd.DataFrame

    def suspects(self, subjects: list[str]) -> list[str]:
        """Subjects on whom Clinica is known to die: a visit without a date, or enrolled in a phase it does not know."""
        bad = self.visits[self.visits["day"].isna() | ~self.visits["ORIGPROT"].isin(PHASES)]
        return [name for name in subjects if name in set(bad["PTID"])]


def read_listing(tables: Path) -> Listing:
    """Read ADNIMERGE, MPRAGEMETA and the two quality tables (which must be there)."""
    images, visits = content(tables, "MPRAGEMETA"), content(tables, "ADNIMERGE")
    visits["day"] = pd.to_datetime(visits["EXAMDATE"], format="%Y-%m-%d", errors="coerce")
    images["day"] = pd.to_datetime(images["ScanDate"], format="%Y-%m-%d", errors="coerce")
    failed = failed_series(content(tables, "MRIQUALITY"))
    refused = refused_images(content(tables, "MAYOADIRL_MRI_IMAGEQC_05_07_15"))
    rejected = images["ImageUID"].isin(refused) & (images["Orig/Proc"] == "Original")
    rejected &= pd.to_numeric(images["MagStrength"], errors="coerce") == 3.0
    images["refusal"] = None
    images.loc[images["SeriesID"].isin(failed), "refusal"] = f"{REFUSED}: MRIQUALITY has no PASS for it"
    images.loc[rejected, "refusal"] = f"{REFUSED}: Mayo's quality table rejects it"
    images.loc[images["day"].isna(), "refusal"] = "unreadable scan date: MPRAGEMETA must have it as YYYY-MM-DD"
    images["withheld"] = rejected | images["day"].isna()
    return Listing(images, visits)


def content(tables: Path, name: str) -> pd.DataFrame:
    table = read_table(find_tables(tables, name)[0])
    return table.apply(lambda column: column.str.strip())


def failed_series(quality: pd.DataFrame) -> set[str]:
    """Series that ADNI1's quality control did not pass (Clinica reads the first row of a series)."""
    first = quality.drop_duplicates("LONIUID")
    return set(first.loc[pd.to_numeric(first["PASS"], errors="coerce") != 1, "LONIUID"].str.removeprefix("S"))


def refused_images(ratings: pd.DataFrame) -> set[str]:
    """Images that every rating of Mayo's rejects (quality 4 or none) and none selects.

    Clinica 0.12 dies where it finds no other image of the visit (``int(None)``), and never takes one of them elsewhere.
    """
    ratings = ratings[ratings["series_type"] == "T1"]
    quality = pd.to_numeric(ratings["series_quality"], errors="coerce")
    selected = pd.to_numeric(ratings["series_selected"], errors="coerce") == 1
    usable = set(ratings.loc[(quality < 4) | selected, "loni_image"])
    return {name.removeprefix("I") for name in set(ratings["loni_image"]) - usable}


def write_readable_tables(tables: Path, listing: Listing, folder: Path) -> None:
    """The tables as Clinica is to see them: MPRAGEMETA without the rows it dies on, links to all others."""
    folder.mkdir(parents=True)
    for table in TABLES:
        for path in find_tables(tables, table.name):
            if table.name != "MPRAGEMETA":
                (folder / path.name).symlink_to(path.resolve())
    meta = read_table(find_tables(tables, "MPRAGEMETA")[0])
    meta[~listing.images["withheld"]].to_csv(folder / "MPRAGEMETA.csv", index=False)


@dataclass(frozen=True)
class OnDisk:
    """Image ids of a subject: ``named`` by their files, as Clinica looks for them, and by ``folders`` alone."""

    named: frozenset[str]
    folders: frozenset[str]


def images_on_disk(subject: Path) -> OnDisk:
    named, folders = set(), set()
    for folder, _, names in os.walk(subject):
        found = {match.group(1) for name in names if (match := re.search(r"_I(\d+)\.", name))}
        named |= found
        if names and re.fullmatch(r"I\d+", Path(folder).name):
            folders.add(Path(folder).name.removeprefix("I"))
    return OnDisk(frozenset(named), frozenset(folders))


def absence(image_id: str, disk: OnDisk) -> str:
    """Why Clinica found no file of an image it had chosen."""
    if image_id in disk.folders:
        return f"wrong file names: the files of I{image_id} do not end in _I{image_id}.dcm, as LONI names them"
    return f"{NOT_ON_DISK}: no file is named after I{image_id}, which MPRAGEMETA lists"


def visits_left_out(subject: str, listing: Listing, disk: OnDisk, chosen: set[str], taken: set[str]) -> list[dict]:
    """One entry for each visit with an image on disk of which Clinica chose none.

    Args:
        chosen: ids of the images Clinica chose.
        taken: sessions that have an entry already.

    Returns:
        ``session_id`` (None where no visit is near), ``image_id``, ``scan_date``, ``field_strength``, ``reason``.
    """
    images = listing.images[listing.images["SubjectID"] == subject]
    visits = listing.visits[listing.visits["PTID"] == subject]
    here = images[images["ImageUID"].isin(disk.named | disk.folders)]
    entries = []
    for visit, group in here.groupby("Visit", sort=False):
        if chosen & set(images.loc[images["Visit"] == visit, "ImageUID"]):
            continue
        first = group.iloc[0]
        session, phase = nearest_visit(first["day"], visits)
        refusals = group["refusal"].dropna()
        if visits.empty:
            reason = "no visit: ADNIMERGE has no row of this subject"
        elif len(refusals) == len(group):
            reason = f"{refusals.iloc[0]} (I{first['ImageUID']})"
        elif phase is not None and phase not in PHASES:
            reason = f"{LATER_PHASE}: the visit is of {phase}, Clinica knows {', '.join(sorted(PHASES))}"
        else:
            reason = f"{LEFT_OUT}: it finds no T1w scan of an ADNIMERGE visit in the visit {visit!r}"
        session = None if session in taken else session
        date = None if pd.isna(first["day"]) else first["ScanDate"]
        facts = {"image_id": first["ImageUID"], "scan_date": date, "field_strength": first["MagStrength"]}
        entries.append({"session_id": session, "reason": reason, **facts})
    if images.empty and disk.named | disk.folders:
        entries.append({"session_id": None, "reason": "unknown images: MPRAGEMETA has no row of this subject"})
    return entries


def nearest_visit(day: pd.Timestamp, visits: pd.DataFrame) -> tuple[str | None, str | None]:
    """Session and study phase of the examination nearest to ``day``, if it is within Clinica's 90 days."""
    distance = (visits["day"] - day).abs()
    if not (distance <= FARTHEST).any():
        return None, None
    visit = visits.loc[distance.idxmin()]
    code = visit["VISCODE"]
    return (session_id(code) if VISIT.fullmatch(code) else None), visit["COLPROT"]
