"""Every visit on disk is accounted for: what the study tables say of its images, and why Clinica made nothing of it.

Clinica leaves a visit out without a word in its exit status, and one row of a table can end its run for everybody: such
rows are withheld from it. The same account, made of the prediction of what Clinica will choose, is the preflight's.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from ldae.adni.clinica import session_id
from ldae.adni.clinica_cells import NUMBER
from ldae.adni.disk import SubjectFiles
from ldae.adni.image_listing import visit_name
from ldae.adni.selection import PHASES, Rules, expected_name
from ldae.adni.study_tables import TABLES, find_tables, read_table
from ldae.adni.troubles import Trouble
from ldae.adni.unlisted import NO_T1W, unknown_images, unlisted_days
from ldae.core.cells import cut
from ldae.core.errors import UserError

NOT_ON_DISK, REFUSED, LATER_PHASE = "not downloaded", "refused by the study", "phase not converted"
LATER = r"ADNI ?\d+"  # a phase of the study, after those that Clinica converts; anything else is a damaged cell
ORDINARY = (NOT_ON_DISK, REFUSED, LATER_PHASE, NO_T1W)  # no fault of the download or of the conversion
SECOND, UNDATED = "second image of the visit", "unknown visit of ADNI4"
HIDDEN, NAMELESS = "in a hidden folder", "files without an image ID"
NO_NUMBER, TWICE = "no image ID", "listed for two visits"
LEFT_OUT, UNUSABLE_ROW, NO_VISIT = "left out by Clinica", "unusable visit", "no visit near"
FARTHEST = pd.Timedelta(days=90)  # Clinica's own limit between a scan and its visit
MISTAKEN_DAYS = 183  # a scan this far from the visit that its date alone gave it is of another visit
FOUR_DIGITS = r"[0-9]{3}_S_[0-9]{4}"  # Clinica dies on any other name in ADNIMERGE
VISIT = re.compile(r"bl|[mM][0-9]{1,4}")  # nobody comes for 800 years
NEEDED = ("ADNIMERGE", "MPRAGEMETA", "MRIQUALITY", "MAYOADIRL_MRI_IMAGEQC_05_07_15")


@dataclass(frozen=True)
class Listing:
    """What the study tables list.

    ``images``: MPRAGEMETA with ``refusal`` (why Clinica must not or will not take the image, or None) and ``withheld``
    (Clinica dies on such a row); ``visits``: ADNIMERGE with ``day`` (of the examination) and ``fault`` (why Clinica
    would die on it, or None); ``failed``: series without a PASS; ``ratings``: Mayo's table; ``adni4``: whether visits
    of ADNI4 are converted elsewhere, so that one is lost that no table dates; ``known``: all images that are listed.
    """

    images: pd.DataFrame
    visits: pd.DataFrame
    failed: set[str]
    ratings: pd.DataFrame
    adni4: bool = False
    known: frozenset[str] = frozenset()

    def suspects(self, subjects: list[str]) -> list[str]:
        """Subjects on whom Clinica is known to die: a later visit whose EXAMDATE_bl is no date."""
        usable = self.visits[self.visits["fault"].isna() & (self.visits["VISCODE"] != "bl")]
        days = pd.to_datetime(usable["EXAMDATE_bl"], format="%Y-%m-%d", errors="coerce")
        bad = set(usable.loc[days.isna(), "PTID"])
        return [name for name in subjects if name in bad]

    def shown(self, on_disk: Mapping[str, set[str]]) -> pd.Series:
        """Rows of ``images`` that Clinica is to see.

        Of a visit that has a usable image on disk, those that are not there are withheld, so that Clinica does not
        choose one of them; without any, they stay, and the visit is listed as not downloaded.

        Args:
            on_disk: PTID -> image IDs that can be had.
        """
        images = self.images
        here = pd.Series(
            [
                image in on_disk.get(subject, ())
                for subject, image in zip(images["SubjectID"], images["ImageUID"], strict=True)
            ],
            index=images.index,
        )
        usable = here & images["refusal"].isna()
        served = usable.groupby([images["SubjectID"], images["Visit"]]).transform("any")
        shown = ~images["withheld"] & (here | ~served)
        return shown & ~self.deadly(shown)

    def deadly(self, shown: pd.Series) -> pd.Series:
        """Rows of the visits on which Clinica dies for want of the field strength that it prefers, as far as it would
        see them (``shown``)."""
        rows = self.images[shown]
        several = rows.groupby([rows["SubjectID"], rows["Visit"]])["MagStrength"].transform("nunique") > 1
        subjects = set(rows.loc[several, "SubjectID"])
        concerned = shown & self.images["SubjectID"].isin(subjects)
        rules = self.rules(concerned) if subjects else None
        bad = {(name, visit) for name in subjects for visit in (rules.deadly(name) if rules else ())}
        pairs = zip(self.images["SubjectID"], self.images["Visit"], strict=True)
        return pd.Series([pair in bad for pair in pairs], index=self.images.index, dtype=bool)

    def rules(self, shown: pd.Series) -> Rules:
        """Clinica's choice among the images that it is shown; ``shown``: which rows of ``images`` these are."""
        usable = self.visits[self.visits["fault"].isna()]
        return Rules(usable, self.images[shown], self.failed, self.ratings)


def read_listing(tables: Path, adni4: bool = False, elsewhere: Set[str] = frozenset()) -> Listing:
    """Read ADNIMERGE, MPRAGEMETA and the two quality tables (which must be there).

    Args:
        elsewhere: images that are listed, but not for Clinica.
    """
    return listing_of({name: read_table(find_tables(tables, name)[0]) for name in NEEDED}, adni4, elsewhere)


def too_many_lost(lost: int, possible: int, subjects: int, limit: float) -> bool:
    """Whether so many scans are lost that nothing is to be made of the rest; those of one subject never are too many.

    The preflight judges its prediction by it, ``merge_bids`` what came of the conversion: the whole cohort both times.

    Args:
        possible: scans that arrive or could have; lost: those of them that do not; subjects: whose these are.
        limit: ``convert.max_quarantined_fraction``.
    """
    return subjects > 1 and lost > limit * possible


def lost_scans(status: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of status tables that are lost scans, and the number of scans that were converted or could have been."""
    possible = status[~status["reason"].fillna("").str.startswith(ORDINARY)]
    return possible[possible["state"] == "quarantined"], len(possible)


def check_lost(status: pd.DataFrame, limit: float) -> None:
    """Args:
        status: the status tables of all shards.

    Raises:
        UserError: more scans than the fraction ``limit`` are quarantined, of those that could have been converted.
    """
    broken, possible = lost_scans(status)
    if too_many_lost(len(broken), possible, broken["participant_id"].nunique(), limit):
        raise UserError(
            f"The conversion: {len(broken)} of {possible} scans cannot be used ({kinds_of(broken)}); `ldae preflight` "
            "says what to do about each kind; to accept the loss, raise convert.max_quarantined_fraction (what is "
            "converted is kept)."
        )


def kinds_of(broken: pd.DataFrame) -> str:
    """``2 x no image; 1 x slices lost``: the kinds of reasons of some rows, the commonest first."""
    kinds = broken["reason"].str.split(":").str[0].value_counts()
    return "; ".join(f"{number} x {reason}" for reason, number in kinds.items())


def listing_of(contents: Mapping[str, pd.DataFrame], adni4: bool = False, elsewhere: Set[str] = frozenset()) -> Listing:
    """The same of tables that are read already, by Clinica's names."""
    images, visits = contents["MPRAGEMETA"].copy(), contents["ADNIMERGE"].copy()
    ratings = contents["MAYOADIRL_MRI_IMAGEQC_05_07_15"]
    visits["day"] = pd.to_datetime(visits["EXAMDATE"], format="%Y-%m-%d", errors="coerce")
    images["day"] = pd.to_datetime(images["ScanDate"], format="%Y-%m-%d", errors="coerce")
    visits["fault"] = None
    visits.loc[~visits["ORIGPROT"].isin(PHASES), "fault"] = "ORIGPROT"
    visits.loc[visits["day"].isna(), "fault"] = "EXAMDATE"
    visits.loc[~visits["VISCODE"].str.fullmatch(VISIT), "fault"] = "VISCODE"
    visits.loc[~visits["PTID"].str.fullmatch(FOUR_DIGITS), "fault"] = "PTID"  # of anybody: it would end the whole run
    failed = failed_series(contents["MRIQUALITY"])
    rejected = images["ImageUID"].isin(refused_images(ratings, images)) & (images["Orig/Proc"] == "Original")
    rejected &= pd.to_numeric(images["MagStrength"], errors="coerce") == 3.0
    images["refusal"] = None
    images.loc[images["SeriesID"].isin(failed), "refusal"] = f"{REFUSED}: MRIQUALITY has no PASS for it"
    images.loc[rejected, "refusal"] = f"{REFUSED}: Mayo's quality table rejects it"
    images.loc[images["day"].isna(), "refusal"] = "unreadable scan date: MPRAGEMETA must have it as YYYY-MM-DD"
    unknown, doubled = ~images["ImageUID"].str.fullmatch(NUMBER), images.duplicated(["SubjectID", "ImageUID"])
    apart = images.groupby(["SubjectID", "ImageUID"])["ScanDate"].transform("nunique") > 1
    images.loc[unknown, "refusal"] = f"{NO_NUMBER}: ImageUID of the list of images is no number"
    images.loc[apart & ~unknown, "refusal"] = f"{TWICE}: the list of images has it with two dates"
    images["withheld"] = rejected | images["day"].isna() | of_faulty_visit(images, visits) | unknown | apart | doubled
    return Listing(images, visits, failed, ratings, adni4, frozenset(images["ImageUID"]) | elsewhere)


def of_faulty_visit(images: pd.DataFrame, visits: pd.DataFrame) -> pd.Series:
    """Images of a faulty row's visit, by its name or, where the row has a date, by being nearest to it.

    Without that row Clinica would take them for the next visit.
    """
    faulty = visits[visits["fault"].notna()]
    names = {
        (row.PTID, name)
        for row in faulty.itertuples()
        for name in (visit_name(row.ORIGPROT, row.VISCODE), expected_name(row.ORIGPROT, row.VISCODE))
        if name is not None
    }
    pairs = zip(images["SubjectID"], images["Visit"], strict=True)
    named = pd.Series([pair in names for pair in pairs], index=images.index, dtype=bool)
    concerned = images["SubjectID"].isin(faulty.loc[faulty["fault"] == "VISCODE", "PTID"]) & images["day"].notna()
    if not concerned.any():
        return named
    left = images.loc[concerned, ["SubjectID", "day"]].rename(columns={"SubjectID": "PTID"})
    left = left.rename_axis("row").reset_index().sort_values("day")
    right = visits.dropna(subset=["day"])[["PTID", "day", "fault"]].sort_values("day")
    nearest = pd.merge_asof(left, right, on="day", by="PTID", direction="nearest").set_index("row")["fault"]
    return named | nearest.notna().reindex(images.index, fill_value=False)


def failed_series(quality: pd.DataFrame) -> set[str]:
    """Series that ADNI1's quality control did not pass (Clinica reads the first row of a series)."""
    first = quality.drop_duplicates("LONIUID")
    return set(first.loc[pd.to_numeric(first["PASS"], errors="coerce") != 1, "LONIUID"].str.removeprefix("S"))


def refused_images(ratings: pd.DataFrame, images: pd.DataFrame) -> set[str]:
    """Images that every rating of Mayo's rejects (quality 4 or none) and none selects.

    Clinica 0.12 dies where it finds no other image of the visit (``int(None)``), and never takes one of them elsewhere.
    It believes that an image is selected where the ratings of a visit's ``images`` select one once.
    """
    ratings = ratings[ratings["series_type"] == "T1"]
    quality = pd.to_numeric(ratings["series_quality"], errors="coerce")
    selected = pd.to_numeric(ratings["series_selected"], errors="coerce") == 1
    visits = images.assign(loni_image="I" + images["ImageUID"]).drop_duplicates("loni_image").set_index("loni_image")
    visit = visits["SubjectID"].str.cat(visits["Visit"], "|").reindex(ratings["loni_image"]).to_numpy()
    times = selected.groupby(pd.Series(visit, index=ratings.index)).transform("sum")
    selected &= ~(times > 1)
    usable = set(ratings.loc[(quality < 4) | selected, "loni_image"])
    return {name.removeprefix("I") for name in set(ratings["loni_image"]) - usable}


def write_readable_tables(tables: Path, listing: Listing, shown: pd.Series, folder: Path) -> None:
    """The tables as Clinica is to see them: ADNIMERGE and MPRAGEMETA without the rows that are withheld, links to all
    others."""
    folder.mkdir(parents=True)
    kept = {"MPRAGEMETA": shown, "ADNIMERGE": listing.visits["fault"].isna()}
    for table in TABLES:
        for path in find_tables(tables, table.name):
            if table.name in kept and not kept[table.name].all():
                read_table(path)[kept[table.name]].to_csv(folder / f"{table.name}.csv", index=False)
            else:
                (folder / path.name).symlink_to(path.resolve())


def absence(image_id: str, disk: SubjectFiles, reasons: Mapping[str, str]) -> str:
    """Why Clinica found no file of an image it had chosen.

    Args:
        reasons: image ID -> why its files were not staged.
    """
    if image_id in reasons:
        return reasons[image_id]
    if image_id in disk.hidden:
        return f"{HIDDEN}: the files of I{image_id} lie in {Path(disk.hidden[image_id]).name}"
    if image_id in disk.empty:
        return Trouble.EMPTY.because(f"the folder I{image_id} has no file in it")
    return f"{NOT_ON_DISK}: no file is named after I{image_id}, which MPRAGEMETA lists"


def visits_left_out(
    subject: str, listing: Listing, disk: SubjectFiles, chosen: set[str], taken: set[str], reasons: Mapping[str, str]
) -> list[dict]:
    """One entry for each visit with an image on disk of which Clinica chose none.

    Args:
        chosen: ids of the images Clinica chose.
        taken: sessions that have an entry already.
        reasons: image ID -> why its files were not staged.

    Returns:
        ``session_id`` (None where no visit is near), ``image_id``, ``scan_date``, ``field_strength``, ``reason``.
    """
    images = listing.images[listing.images["SubjectID"] == subject]
    visits = listing.visits[listing.visits["PTID"] == subject]
    here = images[images["ImageUID"].isin(disk.ids) | may_be_here(images, disk, listing.known)]
    entries = []
    for visit, group in here.groupby("Visit", sort=False):
        mine = images[(images["Visit"] == visit) & images["ImageUID"].isin(chosen)]
        if len(mine):
            entries += of_another_time(group, mine["day"].iloc[0], reasons)
            continue
        for own in apart_in_time(group, group["day"].iloc[0]):
            first = own.iloc[0]
            session, phase = nearest_visit(first["day"], visits)
            session = None if session in taken else session
            scanned = None if pd.isna(first["day"]) else first["ScanDate"]
            number = first["ImageUID"] if re.fullmatch(NUMBER, first["ImageUID"]) else None
            facts = {"image_id": number, "scan_date": scanned, "field_strength": first["MagStrength"]}
            reason = left_out(visit, own, visits, phase, reasons, listing.adni4)
            entries.append({"session_id": session, "reason": reason, **facts})
    if images.empty:
        return entries + unknown_images(disk, "MPRAGEMETA has no row of this subject", listing.known)
    return entries + unlisted_days(images, disk, listing.known, visits["day"].dropna())


def apart_in_time(images: pd.DataFrame, day: pd.Timestamp) -> list[pd.DataFrame]:
    """Images of one visit of the list: those within half a year of ``day``, and each later or earlier day of others,
    which were of other visits, whatever the list calls them."""
    apart = (images["day"] - day).abs() > pd.Timedelta(days=MISTAKEN_DAYS)
    others = [group for _, group in images[apart].groupby("ScanDate", sort=False)]
    return [images[~apart], *others]


def of_another_time(images: pd.DataFrame, taken: pd.Timestamp, reasons: Mapping[str, str]) -> list[dict]:
    """Entries for the days of a visit of the list that are half a year from the image that is taken of it: they would
    else be in no number."""
    entries = []
    for group in apart_in_time(images[images["refusal"].isna()], taken)[1:]:
        first = group.iloc[0]
        number, day, visit = first["ImageUID"], first["ScanDate"], cut(first["Visit"])
        reason = reasons.get(number, f"{SECOND}: the list calls I{number} of {day} {visit!r} too")
        facts = {"image_id": number, "scan_date": day, "field_strength": first["MagStrength"]}
        entries.append({"session_id": None, "reason": reason, **facts})
    return entries


def may_be_here(images: pd.DataFrame, disk: SubjectFiles, known: Set[str]) -> pd.Series:
    """Rows without an image's number whose image may be on disk: the digits of the cell are there, or an image that no
    row has.

    Args:
        images: a subject's; known: all that are listed.
    """
    unknown = ~images["ImageUID"].str.fullmatch(NUMBER)
    if not unknown.any():
        return unknown
    digits = images["ImageUID"].str.replace(r"[^0-9]", "", regex=True).str.lstrip("0")
    return unknown & (digits.isin(disk.ids) | bool(disk.ids - known))


def left_out(
    visit: str,
    images: pd.DataFrame,
    visits: pd.DataFrame,
    phase: str | None,
    reasons: Mapping[str, str],
    adni4: bool = False,
) -> str:
    """Why none of a visit's images was chosen."""
    refusals = images["refusal"].dropna()
    faults = visits[visits["fault"].notna()]
    if visits.empty:
        return "no visit: ADNIMERGE has no row of this subject"
    if len(refusals) == len(images):
        row = min(refusals.index, key=lambda row: refusals[row].startswith(ORDINARY))  # a loss before what is none
        cell = images.loc[row, "ImageUID"]
        return f"{refusals[row]} ({f'I{cell}' if re.fullmatch(NUMBER, cell) else repr(cut(cell))})"
    if broken := next((reasons[image] for image in images["ImageUID"] if image in reasons), None):
        return broken
    enrolled = faults.loc[faults["fault"] == "ORIGPROT", "ORIGPROT"]
    if len(enrolled) == len(visits) and enrolled.str.fullmatch(LATER, case=False).all():
        return f"{LATER_PHASE}: the subject was enrolled in {enrolled.iloc[0]}, {known_phases()}"
    if phase is not None and phase not in PHASES:
        return f"{LATER_PHASE}: the visit is of {phase}, {known_phases()}"
    if visit.startswith("4_"):
        if adni4:
            return f"{UNDATED}: the list of images has {visit!r}, and no table a dated visit of ADNI4 of this subject"
        return f"{LATER_PHASE}: the visit {visit!r} is of ADNI4, {known_phases()}"
    if len(faults):
        row = faults.iloc[0]
        cell, code = cut(row[row["fault"]]), cut(row["VISCODE"]) or "a visit"
        return (
            f"{UNUSABLE_ROW}: ADNIMERGE has {row['fault']} {cell!r} for {code} of this subject: Clinica cannot read it"
        )
    days = images["day"].dropna()
    nearest = (visits["day"] - days.iloc[0]).abs().min() if len(days) else pd.NaT
    keys = zip(visits["ORIGPROT"], visits["VISCODE"], strict=True)
    known = visit in {name for study, code in keys for name in (expected_name(study, code), visit_name(study, code))}
    if nearest > (pd.Timedelta(days=MISTAKEN_DAYS) if known else FARTHEST):
        codes = ", ".join(dict.fromkeys(map(cut, visits["VISCODE"].head(4)))) + (", ..." if len(visits) > 4 else "")
        return f"{NO_VISIT}: ADNIMERGE has {codes} of this subject, the nearest {nearest.days} days from this scan"
    strengths = sorted(set(images["MagStrength"]))
    told = f" (field strengths {', '.join(map(repr, strengths))})" if len(strengths) > 1 else ""
    return f"{LEFT_OUT}: it finds no T1w scan of an ADNIMERGE visit in the visit {cut(visit)!r}{told}"


def known_phases() -> str:
    """The phases of the study that Clinica converts, for a message."""
    return f"Clinica knows {', '.join(PHASES)}"


def mistaken_visit(subject: str, code: str, image_id: str, rules: Rules) -> str | None:
    """Why the visit that Clinica gave an image cannot be the image's: its date alone speaks for it, and is far away."""
    visit = next((row for row in rules.visits.get(subject, ()) if row["VISCODE"] == code), None)
    scan = next((row for row in rules.images.get(subject, ()) if row["ImageUID"] == image_id), None)
    if visit is None or scan is None or scan["Visit"] == expected_name(visit["ORIGPROT"], code):
        return None
    distance = abs((date.fromisoformat(visit["EXAMDATE"]) - date.fromisoformat(scan["ScanDate"])).days)
    if distance <= MISTAKEN_DAYS or scan["Visit"] == visit_name(visit["ORIGPROT"], code):
        return None
    return f"{NO_VISIT}: I{image_id} was scanned {distance} days from {code}, the visit that Clinica takes it for"


def nearest_visit(day: pd.Timestamp, visits: pd.DataFrame) -> tuple[str | None, str | None]:
    """Session and study phase of the examination nearest to ``day``, if it is within Clinica's 90 days."""
    distance = (visits["day"] - day).abs()
    if not (distance <= FARTHEST).any():
        return None, None
    visit = visits.loc[distance.idxmin()]
    code = visit["VISCODE"]
    return (session_id(code) if VISIT.fullmatch(code) else None), visit["COLPROT"]
