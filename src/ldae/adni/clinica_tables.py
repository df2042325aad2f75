"""The study tables as Clinica 0.12 reads them, made of whatever LONI gave, in a folder of our own.

A download with the names from before October 2024 is copied byte for byte. Today's names and columns are translated;
what a spreadsheet program did to a table is undone (:mod:`ldae.adni.spelling`); two properties that end Clinica are
mended (a diagnostic summary without a repeated visit, visit codes of CDR that are no session). The user's files are
never changed, and no table that Clinica does not need for T1w images is passed on.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.adni.clinica_cells import NUMBER, readable
from ldae.adni.image_listing import SPELLINGS, image_list, renamed
from ldae.adni.spelling import lost_digits, normalised, plain_number
from ldae.adni.study_tables import (
    BY_NAME,
    TABLES,
    StudyTable,
    files_of_tables,
    find_all,
    find_tables,
    find_todays_tables,
    lacking_columns,
)
from ldae.core.cells import quoted
from ldae.core.errors import UserError
from ldae.core.files import sha256_file
from ldae.core.keys import PTID
from ldae.core.text_tables import count, read_text_table

SESSION_CODES = re.compile(r"bl|sc|[mM][0-9]{1,4}|f|uns1|")
DIAGNOSIS_CODES = {"CN": "1", "MCI": "2", "AD": "3", "Dementia": "3", "DEM": "3"}
OTHER_NAMES = frozenset(  # columns that stand in for those of Clinica, in small letters
    [
        *("rid", "ptid", "dxcurren", "dxchange", "phase", "colprot", "visdate", "examdate", "ptdobmm"),
        *("image_modality", "modality", "seriestype"),
        *(name for names in SPELLINGS.values() for name in names),
        *map(str.lower, SPELLINGS),
    ]
)
CURRENT = {"1": "1", "2": "2", "3": "3"}  # DXCURREN of ADNI1: normal, MCI, AD
CHANGE = dict(zip("123456789", "123233121", strict=True))  # DXCHANGE of ADNIGO and 2: what it is after the change


@dataclass(frozen=True)
class AdaptedTable:
    """One of Clinica's tables as it will be passed on.

    ``paths``: the files it was found in (none: missing; several: nobody can tell which is meant); ``content``: its
    cells as text, None where there is no readable file; ``changes``: what was done to them, empty for a plain copy;
    ``error``: why the file cannot be read.
    """

    table: StudyTable
    paths: tuple[Path, ...] = ()
    content: pd.DataFrame | None = None
    changes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def lacking(self) -> list[str]:
        """Columns that Clinica cannot do without and the table does not have."""
        return [] if self.content is None else lacking_columns(self.table, self.content)

    @property
    def usable(self) -> bool:
        """Whether there is one readable file, with every column that is needed."""
        return self.content is not None and not self.lacking


def adapt_tables(images: Path, tables: Path) -> dict[str, AdaptedTable]:
    """Every table that Clinica reads for T1w images, by Clinica's name; nothing is written."""
    adapted: dict[str, AdaptedTable] = {}
    for table in TABLES:  # ADNIMERGE is the first, and the visits' names come from it
        adapted[table.name] = adapt_table(table, images, tables, adapted.get("ADNIMERGE"))
    return adapted


def adapt_table(table: StudyTable, images: Path, tables: Path, merge: AdaptedTable | None) -> AdaptedTable:
    """One of Clinica's tables, from its own name or today's, respelt, and without what ends Clinica.

    Args:
        merge: ADNIMERGE, adapted before; None while it is adapted itself.
    """
    prepared = prepared_table(table, images, tables, merge)
    if prepared.content is None:
        return prepared
    changes = list(prepared.changes)
    content = mended(table, prepared.content, changes)
    usable = len(prepared.content) > 0 and not prepared.lacking  # else it is told elsewhere
    if usable and (nobody := no_row_left(table, content)) is not None:
        return AdaptedTable(
            table, prepared.paths, error=nobody or f"no row of table {table.name} can be used: {changes[-1]}"
        )
    return AdaptedTable(table, prepared.paths, content, tuple(changes))


def no_row_left(table: StudyTable, content: pd.DataFrame) -> str | None:
    """Why none of a table's rows is of use, in one sentence (empty: the last change tells it); None where one is.

    Anonymised names, or numbers without their digits, would else be told as visits without a row, images without a
    file and the like.
    """
    if content.empty:
        return None if table.name.startswith("MAYO") else ""
    for column, known, what in (
        ("SubjectID", PTID.fullmatch, "is no subject of ADNI (NNN_S_NNNN)"),
        ("ImageUID", re.compile(NUMBER).fullmatch, "is no number"),
    ):
        if table.name == "MPRAGEMETA" and column in content and not any(map(known, content[column].unique())):
            cells, why = Counter(content[column]), ""
            if any(map(lost_digits, cells)):
                what = "has lost digits"
                why = " (a spreadsheet program saves only those that it shows: use it unopened)"
            return f"{column} {what} in {len(content)} of {len(content)} rows: {quoted(cells, 3)}{why}"
    return None


def prepared_table(table: StudyTable, images: Path, tables: Path, merge: AdaptedTable | None) -> AdaptedTable:
    """A table from its own name or today's, respelt; every row of it."""
    paths, source = files_of(table, tables)
    changes: list[str] = []
    regular = [path for path in paths if path.is_file()]
    if 0 < len(regular) < len(paths):
        changes.append(
            f"{count(len(paths) - len(regular), 'other')} of that name left out: a link to nowhere or no file"
        )
        paths = regular
    if len(regular) > 1 and len({sha256_file(path) for path in paths}) == 1:
        changes.append(f"{len(paths)} equal files, the first is read")
        paths = paths[:1]
    joined = None
    if len(paths) > 1 and table.name == "MPRAGEMETA" and (joined := joined_lists(paths, changes)) is not None:
        paths = paths[:1]
    if len(paths) != 1:
        return AdaptedTable(table, tuple(paths))
    try:
        raw = read_text_table(paths[0], wanted=columns_of(table))
        content = raw.frame() if joined is None else joined
        if content.empty and not table.name.startswith("MAYO"):  # Clinica dies of other empty ones
            raise UserError(f"table {table.name} has a header and no row")
        changes += raw.notes
        if (
            source == "MPRAGEMETA"
            and "SubjectID" not in same_spelling(table, content, [])
            and is_list_of_images(content)
        ):
            source = "All_Images"  # saved under the old name
        if source != table.name:
            changes.append(f"made from {paths[0].name}")
            if table.name == "MPRAGEMETA":
                content = listed_images(content, source, images, tables, merge)
        content = respelt(table, content, merge, changes)
    except UserError as error:
        return AdaptedTable(table, tuple(paths), error=str(error))
    return AdaptedTable(table, tuple(paths), content, tuple(changes))


def joined_lists(paths: list[Path], changes: list[str]) -> pd.DataFrame | None:
    """The rows of several lists of images, of each image the first; None where they contradict each other (whose an
    image is, or when it was taken) or one of them cannot be read."""
    try:
        tables = [read_text_table(path, wanted=columns_of(BY_NAME["MPRAGEMETA"])).frame() for path in paths]
    except UserError:
        return None
    if any(list(table) != list(tables[0]) for table in tables) or not is_list_of_images(tables[0]):
        return None
    every = pd.concat(tables, ignore_index=True)
    facts = renamed(every)[["ImageUID", "SubjectID", "ScanDate"]].drop_duplicates()
    if facts["ImageUID"].duplicated().any():
        return None
    rows = every.drop_duplicates(ignore_index=True)
    changes.append(f"{len(paths)} lists joined, {count(len(rows), 'row')}: {', '.join(path.name for path in paths)}")
    return rows


def files_of(table: StudyTable, tables: Path) -> tuple[list[Path], str]:
    """The files that are a table, and the name under which they were found: its own, else one of today's."""
    paths, source = find_tables(tables, table.name), table.name
    for name in table.today:
        if not paths:
            paths, source = find_todays_tables(tables, name), name
    if not paths and table.name == "MPRAGEMETA":
        paths, source = lists_of_images(tables), "All_Images"
    return paths, source


def files_beside(table: StudyTable, tables: Path) -> list[Path]:
    """Files that could be a table too and are not read, since there is one under a name that comes first."""
    read, _ = files_of(table, tables)
    every = [path for name in table.today for path in find_todays_tables(tables, name)]
    every += find_all(tables, table.name)
    if len(read) != 1 or not read[0].is_file():
        return []
    every = [path for path in every if path.is_file()]
    known = sha256_file(read[0])
    return [path for path in sorted(set(every) - set(read)) if sha256_file(path) != known]


def respelt(table: StudyTable, content: pd.DataFrame, merge: AdaptedTable | None, changes: list[str]) -> pd.DataFrame:
    """Columns and cells as Clinica reads them, whoever saved them."""
    content = same_spelling(table, content, changes)
    content = derived(table, content, merge, changes)
    return normalised(table, content, changes)


def columns_of(table: StudyTable) -> frozenset[str]:
    """Names, in small letters, of all columns that are of use in a table."""
    names = (*table.required, *table.used, table.subject, *(name for group in table.either for name in group))
    return OTHER_NAMES | {name.lower() for name in names}


def listed_images(
    content: pd.DataFrame, source: str, images: Path, tables: Path, merge: AdaptedTable | None
) -> pd.DataFrame:
    """MPRAGEMETA from one of today's lists of images, completed by MRIQC where that was downloaded too."""
    quality = find_todays_tables(tables, "MRIQC") if source != "MRIQC" else []
    known_visits = merge.content if merge is not None and merge.usable else None
    marks = read_text_table(quality[0], wanted=OTHER_NAMES).frame() if len(quality) == 1 else None
    return image_list(content, marks, images, known_visits)


def same_spelling(table: StudyTable, content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """Columns that are there in other capitals (``LONI_IMAGE``) get the spelling Clinica asks for."""
    wanted = [*table.required, *table.used, *(column for group in table.either for column in group), table.subject]
    lower = {re.sub(r"[.\s]+", "_", column.lower()): column for column in content}  # R writes DX.bl
    lower |= {column.lower(): column for column in content}
    names = {lower[column.lower()]: column for column in wanted if column not in content and column.lower() in lower}
    if names:
        changes.append("columns renamed: " + ", ".join(f"{old} to {new}" for old, new in sorted(names.items())))
    return content.rename(columns=names)


def lists_of_images(tables: Path) -> list[Path]:
    """Files that are a list of images by their columns, whatever their name (LONI's ``idaSearch_...``)."""
    others = [path for path in files_of_tables(tables) if path.suffix.lower() == ".csv"]
    known = {path for name in BY_NAME for path in find_tables(tables, name)}
    found = []
    for path in others:
        if path in known:
            continue
        try:
            header = pd.DataFrame(columns=read_text_table(path, wanted=OTHER_NAMES).header)
        except UserError:
            continue
        if is_list_of_images(header.astype(object)):
            found.append(path)
    return found


def is_list_of_images(table: pd.DataFrame) -> bool:
    """Whether a table is a list of images by its columns."""
    return {"SubjectID", "ImageUID", "Sequence", "ScanDate"} <= set(renamed(table))


def derived(table: StudyTable, content: pd.DataFrame, merge: AdaptedTable | None, changes: list[str]) -> pd.DataFrame:
    """Columns that some editions spell out otherwise: RID by PTID; of the diagnostic summary PTID by RID, DIAGNOSIS by
    its change."""
    if table.subject == "RID" and "RID" in table.required and "RID" not in content and "PTID" in content:
        content = content.assign(RID=content["PTID"].str.extract(r"(\d+)\s*$", expand=False).fillna(""))
        changes.append("RID made from PTID")
    if table.name != "DXSUM_PDXCONV":
        return content
    have = {column.casefold(): column for column in content}
    if "DIAGNOSIS" not in content and {"dxcurren", "dxchange"} & set(have):
        diagnosis = pd.Series("", index=content.index, dtype=object)
        for name, codes in (("dxcurren", CURRENT), ("dxchange", CHANGE)):
            if name in have:
                cells = content[have[name]].map(plain_number).map(codes)
                diagnosis = diagnosis.where((diagnosis != "") | cells.isna(), cells)
        changes.append("DIAGNOSIS made from DXCURREN and DXCHANGE")
        content = content.assign(DIAGNOSIS=diagnosis)
    if "PTID" not in content and "rid" in have and merge is not None and merge.content is not None and merge.usable:
        people = merge.content.assign(RID=merge.content["RID"].map(plain_number)).drop_duplicates("RID")
        names = people.set_index("RID")["PTID"]
        changes.append("PTID filled in by RID from ADNIMERGE")
        content = content.assign(PTID=content[have["rid"]].map(plain_number).map(names).fillna(""))
    return content


def mended(table: StudyTable, content: pd.DataFrame, changes: list[str]) -> pd.DataFrame:
    """Remove what ends Clinica although it says nothing that Clinica uses."""
    if lacking_columns(table, content) or table.subject not in content:
        return content
    nobody = content[table.subject].str.strip() == ""
    if nobody.any():  # Clinica takes the empty cell of a row for a number, and dies
        changes.append(f"{count(int(nobody.sum()), 'row')} left out without a {table.subject}")
        content = content[~nobody]
    if table.name == "DXSUM_PDXCONV" and content["DIAGNOSIS"].isin(DIAGNOSIS_CODES).any():
        changes.append("diagnoses written as 1, 2, 3")
        content = content.assign(DIAGNOSIS=content["DIAGNOSIS"].replace(DIAGNOSIS_CODES))
    content = readable(table, content, changes)
    if table.name == "CDR":
        session = content["VISCODE2"].str.fullmatch(SESSION_CODES)
        if not session.all():
            changes.append(f"{count(int((~session).sum()), 'row')} left out whose VISCODE2 is not a session")
            return content[session]
    if table.name == "DXSUM_PDXCONV" and len(content) and not content.duplicated(["PTID", "VISCODE2"]).any():
        # With a unique index pandas gives a bare number where Clinica expects a series.
        changes.append("one row repeated")
        return pd.concat([content, content.iloc[[-1]]])
    return content
