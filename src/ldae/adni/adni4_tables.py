"""Subjects, visits and images of ADNI4, which Clinica 0.12 does not convert, from the study tables of their own.

ADNIMERGE ends with ADNI3. Visits and diagnoses come from the diagnostic summary and REGISTRY, sex and birth from
PTDEMOG, scores from MMSE and CDR, images from today's lists, and Mayo's marks from MAYOADIRL_MRI_QUALITY_ADNI3. Names,
columns and the codes of visits (``4_sc``, ``4_bl``, ``4_init``, ``4_m12``) are those of public sources: the reference
pages of the R package ADNIMERGE2 and scripts of users of 2025 and 2026; none of the tables was seen by us.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from ldae.adni.accounting import failed_series
from ldae.adni.adni4_visits import ROSTER, People, Visits, number
from ldae.adni.bids_tables import SESSION_COLUMNS
from ldae.adni.clinica_tables import OTHER_NAMES, AdaptedTable, prepared_table
from ldae.adni.disk import SubjectFiles, subject_files
from ldae.adni.image_listing import image_list
from ldae.adni.inventory import FIVE_DIGITS, subject_folders
from ldae.adni.selection import PHASES
from ldae.adni.spelling import plain_number
from ldae.adni.study_tables import BY_NAME, FILES, StudyTable, columns, find_todays_tables
from ldae.core.cells import Reading, read_dates
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keys import roster_number
from ldae.core.text_tables import read_text_table

MAYO, LIST = "MAYOADIRL_MRI_QUALITY_ADNI3", "MRIQC"
TABLES = (
    StudyTable(
        "DXSUM_PDXCONV",
        columns("RID VISCODE DIAGNOSIS"),
        "visits of ADNI4, their dates and diagnoses",
        BY_NAME["DXSUM_PDXCONV"].page,
        columns("VISCODE2 EXAMDATE"),
        either=(("PHASE",), ("COLPROT",)),
        subject="RID",
        today=("DXSUM",),
    ),
    StudyTable(
        "REGISTRY",
        columns("RID VISCODE EXAMDATE"),
        "dates of visits of ADNI4",
        f"{FILES} > Enrollment > Registry, table REGISTRY",
        columns("VISCODE2"),
        either=(("PHASE",), ("COLPROT",)),
        subject="RID",
        optional=True,
    ),
    StudyTable(
        "PTDEMOG",
        columns("RID PTGENDER"),
        "sex and age of subjects of ADNI4",
        f"{FILES} > Subject Characteristics > Subject Demographics, table PTDEMOG",
        columns("PTEDUCAT"),
        either=(("PTDOB",), ("PTDOBYY",)),
        subject="RID",
    ),
    StudyTable(
        "MMSE",
        columns("RID VISCODE MMSCORE"),
        "MMSE at visits of ADNI4",
        f"{FILES} > Assessments > Mini-Mental State Examination, table MMSE",
        subject="RID",
        optional=True,
    ),
    replace(BY_NAME["CDR"], required=columns("RID VISCODE CDGLOBAL"), used=columns("CDRSB")),
    StudyTable(
        MAYO,
        columns("LONI_IMAGE SERIES_QUALITY SERIES_SELECTED"),
        "refusing scans of ADNI4, and choosing between those of a visit",
        f"{FILES} > Imaging > MR Image Quality, table {MAYO}",
    ),
)
LISTS = ("MRIQC", "All_Images", "Structural_MRI_Images")
IMAGE_COLUMNS = ["PTID", "session_id", "ImageUID", "ScanDate", "MagStrength", "Sequence", "refusal"]
VISIT_COLUMNS = ["PTID", *SESSION_COLUMNS]
REFUSED = "refused by the study: Mayo's quality table rejects it"
NOT_PASSED = "refused by the study: MRIQUALITY has no PASS for it"
NONE: set[str] = set()
REJECTED = 4  # SERIES_QUALITY of a scan that is not to be used; 1 to 3 are good to poor
WITHIN_DAYS, CODED_DAYS = 90, 183  # between a scan and its visit: by the dates alone, and where the list names it
NAMES = {"subjects": "adni4_subjects.tsv", "visits": "adni4_visits.tsv", "images": "adni4_images.tsv"}


@dataclass(frozen=True)
class Adni4:
    """What there is of ADNI4 on the disk and in the tables.

    ``subjects``: PTID, ``clinica`` (whether the subject has visits of earlier phases, which Clinica converts), and the
    columns of participants.tsv; ``visits``: PTID and the columns of sessions.tsv; ``images``: those listed, of a visit
    the best first (:func:`preference`), ``session_id`` empty where no visit is near; ``tables``: what they were made
    of; ``files``: the subjects' files; ``unlisted``: subjects with files that no list of images has; ``notes``: what
    was noticed of their visits.
    """

    subjects: pd.DataFrame
    visits: pd.DataFrame
    images: pd.DataFrame
    tables: Mapping[str, AdaptedTable] = field(default_factory=dict)
    files: Mapping[str, SubjectFiles] = field(default_factory=dict)
    unlisted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def alone(self) -> set[str]:
        """Subjects in whom Clinica has no part."""
        return set(self.subjects.loc[~self.subjects["clinica"], "PTID"])

    @property
    def strangers(self) -> list[str]:
        """Subjects of whom no dated visit is known."""
        known = set(self.visits["PTID"])
        return [name for name in self.subjects["PTID"] if name not in known]

    def needs(self, name: str) -> bool:
        """Whether subjects or visits are lost without a table."""
        if name == "PTDEMOG":
            return bool(self.subjects["age_bl"].isna().any())
        if name in ("DXSUM_PDXCONV", "REGISTRY"):
            return len(self.strangers) == len(self.subjects)
        return name == MAYO

    @property
    def short(self) -> list[str]:
        """Tables that are needed and missing, doubled or incomplete."""
        names = [name for name, item in self.tables.items() if self.needs(name) and not item.usable]
        return names + ([LIST] if self.unlisted and self.images.empty else [])


def adni4_of(
    images: Path,
    tables: Path,
    adapted: Mapping[str, AdaptedTable],
    files: Mapping[str, SubjectFiles] | None = None,
) -> Adni4 | None:
    """Everything of ADNI4 in a download; None where no subject and no image on disk is of it.

    Args:
        adapted: the tables for Clinica.
        files: PTID -> files of the subjects that are asked for; None: of all that are on disk.
    """
    own = {table.name: prepared_table(table, images, tables, adapted.get("ADNIMERGE")) for table in TABLES}
    contents = {name: usable_content(item) for name, item in own.items()}
    merge = usable_content(adapted.get("ADNIMERGE"))
    in_adni4 = seen_in_adni4([contents["DXSUM_PDXCONV"], contents["REGISTRY"], merge])
    on_disk = list(files) if files is not None else [path.name for path in subject_folders(images)]
    names = [name for name in on_disk if FIVE_DIGITS.fullmatch(name) or roster_number(name) in in_adni4]
    if not names:
        return None
    rids = {roster_number(name) for name in names}
    contents = {name: of_subjects(table, rids) for name, table in contents.items() if name != MAYO}
    merge = of_subjects(merge, rids)
    people = People(contents["PTDEMOG"], merge)
    visits = Visits(contents, merge, people)
    found = {name: visits.of(name) for name in names}
    listed = listed_images(images, tables, adapted, names)
    listed = with_sessions(listed, {name: visits.dated(name) for name in names})
    alone = {name for name in names if not people.in_merge(name)}
    listed = listed[listed["of_adni4"] | listed["SubjectID"].isin(alone)]
    held = {name: files[name] if files is not None else subject_files(images / name) for name in names}
    here = {name for name in names if held[name].ids & set(listed.loc[listed["SubjectID"] == name, "ImageUID"])}
    kept = [name for name in names if name in here or FIVE_DIGITS.fullmatch(name)]
    if not kept:
        return None
    rows = [people.row(name, found[name]) | {"clinica": name not in alone} for name in kept]
    sessions = pd.DataFrame([{"PTID": name} | row for name in kept for row in found[name]], columns=VISIT_COLUMNS)
    choice = chosen_order(listed[listed["SubjectID"].isin(kept)], *quality_marks(own, adapted))
    unlisted = tuple(name for name in kept if name not in here and held[name].ids)
    files_kept = {name: held[name] for name in kept}
    return Adni4(pd.DataFrame(rows), sessions, choice, own, files_kept, unlisted, tuple(visits.notes(kept)))


def seen_in_adni4(tables: Iterable[pd.DataFrame | None]) -> set[int]:
    """Roster numbers of subjects to whom a table gives a visit in ADNI4."""
    found: set[int] = set()
    for table in tables:
        for column in ("PHASE", "COLPROT", "ORIGPROT"):
            if table is not None and column in table:
                here = table[column].str.replace(r"[\s_-]", "", regex=True).str.upper() == "ADNI4"
                rids = [rid for rid in table.loc[here, "RID"] if ROSTER.fullmatch(rid)]
                found |= {int(float(rid)) for rid in rids}
    return found


def of_subjects(table: pd.DataFrame | None, rids: set[int]) -> pd.DataFrame | None:
    """The rows of some subjects."""
    return None if table is None else table[pd.to_numeric(table["RID"], errors="coerce").isin(rids)]


def usable_content(item: AdaptedTable | None) -> pd.DataFrame | None:
    """The cells of a table that has all it needs."""
    return item.content if item is not None and item.usable else None


def listed_images(images: Path, tables: Path, adapted: Mapping[str, AdaptedTable], names: list[str]) -> pd.DataFrame:
    """T1w images of some subjects, of every list that is there (an old MPRAGEMETA ends before ADNI4)."""
    lists = []
    if (first := usable_content(adapted.get("MPRAGEMETA"))) is not None:
        lists.append(first)
    for name in LISTS:
        for path in find_todays_tables(tables, name):
            try:
                lists.append(image_list(read_text_table(path, wanted=OTHER_NAMES).frame(), None, images, None))
            except UserError:
                continue  # named by the preflight where it matters
    needed = {"SubjectID", "ImageUID", "ScanDate"}
    rows = [table[table["SubjectID"].isin(names)] for table in lists if needed <= set(table)]
    every = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=sorted(needed), dtype=object)
    every = every.reindex(
        columns=[*sorted(needed), "MagStrength", "Sequence", "SeriesID", "Visit", "Orig/Proc"]
    ).fillna("")
    return every.drop_duplicates(["SubjectID", "ImageUID"], ignore_index=True)


def with_sessions(listed: pd.DataFrame, visits: Mapping[str, list[dict]]) -> pd.DataFrame:
    """Add ``session_id`` (None where no visit is near) and ``of_adni4``: whether that visit is one of ADNI4.

    A visit is that of the list's code where it is within half a year of the scan, else the nearest within 90 days.

    Args:
        visits: PTID -> ``code``, ``day``, ``session_id`` and ``adni4`` of all visits that have a date.
    """
    days = pd.to_datetime(pd.Series(read_dates(listed["ScanDate"], Reading()), index=listed.index, dtype=object))
    chosen = [
        nearest_visit(visits[subject], code.lower(), day)
        for subject, code, day in zip(listed["SubjectID"], listed["Visit"], days, strict=True)
    ]
    return listed.assign(
        ScanDate=days.dt.strftime("%Y-%m-%d").fillna(listed["ScanDate"]),
        session_id=[None if visit is None else visit["session_id"] for visit in chosen],
        of_adni4=[visit is not None and visit["adni4"] for visit in chosen],
    )


def nearest_visit(visits: Iterable[dict], code: str, day: pd.Timestamp) -> dict | None:
    """The visit of a scan: by its code, else by its date."""
    if pd.isna(day):
        return None
    by_distance = sorted(visits, key=lambda visit: (abs((visit["day"] - day).days), not visit["adni4"]))
    for visit in by_distance:
        if visit["adni4"] and visit["code"] == code and abs((visit["day"] - day).days) <= CODED_DAYS:
            return visit
    near = next(iter(by_distance), None)
    return near if near is not None and abs((near["day"] - day).days) <= WITHIN_DAYS else None


def quality_marks(
    own: Mapping[str, AdaptedTable], adapted: Mapping[str, AdaptedTable]
) -> tuple[pd.DataFrame | None, set[str]]:
    """Mayo's marks of all phases, and the series that ADNI1's quality control did not pass."""
    tables = [usable_content(own[MAYO])]
    if (earlier := usable_content(adapted.get("MAYOADIRL_MRI_IMAGEQC_05_07_15"))) is not None:
        tables.append(earlier[earlier["series_type"] == "T1"].rename(columns=str.upper))
    columns = ["LONI_IMAGE", "SERIES_QUALITY", "SERIES_SELECTED"]
    marks = [table[columns] for table in tables if table is not None]
    quality = usable_content(adapted.get("MRIQUALITY"))
    failed = failed_series(quality) if quality is not None else set()
    return (pd.concat(marks, ignore_index=True) if marks else None), failed


def chosen_order(listed: pd.DataFrame, mayo: pd.DataFrame | None, failed: set[str] = NONE) -> pd.DataFrame:
    """The images in the order of preference, those that Mayo rejects, or whose series failed, with a refusal."""
    marks: dict[str, list[tuple[float, bool]]] = {}
    if mayo is not None:
        for image, quality, selected in zip(
            mayo["LONI_IMAGE"], mayo["SERIES_QUALITY"], mayo["SERIES_SELECTED"], strict=True
        ):
            marks.setdefault(plain_number(image), []).append((number(quality), number(selected) == 1))
    rows = []
    for row in listed.to_dict("records"):
        own = marks.get(row["ImageUID"], [])
        refused = any(quality == REJECTED for quality, _ in own)
        refused &= not any(quality < REJECTED or selected for quality, selected in own)
        refusal = REFUSED if refused else None
        if row["SeriesID"] in failed:
            refusal = NOT_PASSED
        rows.append(row | {"PTID": row["SubjectID"], "refusal": refusal, "order": preference(row, own)})
    table = pd.DataFrame(rows, columns=[*IMAGE_COLUMNS, "order"])
    return table.sort_values("order", ignore_index=True)[IMAGE_COLUMNS]


def preference(image: dict, marks: list[tuple[float, bool]]) -> tuple:
    """What orders the images of a visit: original before processed; corrected for gradient distortion before not
    (``_ND``); selected by Mayo; of good quality (1 to 3, unrated after them); 3 T; no repeat; the first."""
    name = image["Sequence"].lower()
    rated = [quality for quality, _ in marks if 0 < quality < 4]
    return (
        image["Orig/Proc"] == "Processed",
        name.endswith("_nd"),
        not any(selected for _, selected in marks),
        min(rated, default=4.0),
        number(image["MagStrength"]) != 3.0,
        "repeat" in name,
        image["ScanDate"],
        number(image["ImageUID"]),
    )


def set_apart(adapted: Mapping[str, AdaptedTable], found: Adni4) -> dict[str, AdaptedTable]:
    """Clinica's tables without the images of ADNI4, which it would take for those of the nearest visit it knows."""
    listing, theirs = adapted["MPRAGEMETA"], set(found.images["ImageUID"])
    if listing.content is None or "ImageUID" not in listing.content:
        return dict(adapted)
    stay = ~listing.content["ImageUID"].isin(theirs)
    if stay.all():
        return dict(adapted)
    note = f"{(~stay).sum()} images of ADNI4 set apart, dcm2niix converts them"
    rest = replace(listing, content=listing.content[stay].reset_index(drop=True), changes=(*listing.changes, note))
    return dict(adapted) | {"MPRAGEMETA": rest}


def known_phases(visits: pd.DataFrame) -> pd.DataFrame:
    """ADNIMERGE's rows without those of ADNI4."""
    return visits[(visits["COLPROT"].isin(PHASES)) | (visits["COLPROT"] != "ADNI4") & (visits["ORIGPROT"] != "ADNI4")]


def write_adni4(found: Adni4 | None, folder: Path) -> None:
    """Write the tables of ADNI4 to ``folder``, or remove what an earlier run wrote."""
    for name, file in NAMES.items():
        if found is None:
            (folder / file).unlink(missing_ok=True)
        else:
            write_tsv(folder / file, getattr(found, name))


def read_written(folder: Path) -> Adni4 | None:
    """The tables of ADNI4 as :func:`write_adni4` left them; None where there are none."""
    if not (folder / NAMES["images"]).is_file():
        return None
    found = {}
    for name, file in NAMES.items():
        table = read_tsv(folder / file, dtype=str)
        found[name] = table.astype(object).where(table.notna(), None)
    found["subjects"] = found["subjects"].assign(clinica=found["subjects"]["clinica"] == "True")
    return Adni4(**found)
