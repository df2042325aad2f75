"""Who was seen in ADNI4, when, and with what result: the facts of participants.tsv and sessions.tsv.

A subject of an earlier phase keeps the facts that ADNIMERGE has. Months since baseline are those of the translated code
(``m72``) where there is one; ``4_bl`` and ``4_sc`` are the baseline of who was enrolled in ADNI4; any other visit has
the months that its date says.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ldae.adni.bids_tables import DIAGNOSES, PARTICIPANT_COLUMNS
from ldae.adni.selection import PHASES
from ldae.adni.spelling import visit_code
from ldae.core.cells import Reading, quoted, read_dates, read_number
from ldae.core.keys import participant_id, roster_number
from ldae.core.text_tables import count, listed

CODES = {"1": "CN", "2": "MCI", "3": "AD"}
SEXES = {"1": "M", "2": "F", "male": "M", "female": "F", "m": "M", "f": "F"}
BASELINE = {"bl": 0, "4_bl": 1, "sc": 2, "4_sc": 3, "scmri": 4}  # which of several rows at month 0 comes first
BORN = (1890, 2010)  # years of birth of adults; a spreadsheet program makes 2052 of 52
ROSTER = re.compile(r"\d{1,9}(\.0)?")
NO_VISIT = re.compile(r".*disp|f|nv|tau", re.IGNORECASE)
DAYS_PER_MONTH, DAYS_PER_YEAR = 365.25 / 12, 365.25
RANGES = {"MMSE": (0, 30), "cdr_global": (0, 3), "cdr_sb": (0, 18)}


def number(cell: object) -> float:
    """A cell as a number; infinity where it is none."""
    found, _ = read_number(str(cell), {})
    return float("inf") if found is None else found


def days_of(column: pd.Series) -> pd.Series:
    """Dates in any spelling as time stamps, NaT where there is none."""
    return pd.to_datetime(pd.Series(read_dates(column, Reading()), index=column.index, dtype=object))


def by_rid(table: pd.DataFrame | None) -> dict[int, list[dict]]:
    """Rows of a table by roster number; cells as text."""
    found: dict[int, list[dict]] = defaultdict(list)
    for row in [] if table is None else table.to_dict("records"):
        if ROSTER.fullmatch(str(row["RID"])):
            found[int(float(row["RID"]))].append(row)
    return found


class People:
    """Sex, birth and what else is constant, of ADNIMERGE where the subject stands there, else of PTDEMOG."""

    def __init__(self, demographics: pd.DataFrame | None, merge: pd.DataFrame | None) -> None:
        self.born = by_rid(demographics)
        self.merge: dict[str, list[dict]] = defaultdict(list)
        for row in [] if merge is None else merge.to_dict("records"):
            self.merge[row["PTID"]].append(row)

    def in_merge(self, name: str) -> bool:
        """Whether Clinica can convert the subject: ADNIMERGE knows it, as enrolled before ADNI4."""
        return any(row["ORIGPROT"] in PHASES for row in self.merge.get(name, ()))

    def baseline(self, name: str) -> tuple[float, pd.Timestamp] | None:
        """Age and date of the baseline visit by ADNIMERGE."""
        for row in self.merge.get(name, ()):
            age, day = number(row["AGE"]), pd.to_datetime(row["EXAMDATE_bl"], format="%Y-%m-%d", errors="coerce")
            if age < 150 and not pd.isna(day):
                return age, day
        return None

    def birthday(self, name: str) -> pd.Timestamp | None:
        """The middle of the month, or of the year, that PTDEMOG has; None where it is none of an adult."""
        for row in self.born.get(roster_number(name), ()):
            cells = birth_cells(row)
            years = [int(year) for cell in cells for year in re.findall(r"(?:18|19|20)\d\d", cell)]
            years = [year for year in years if BORN[0] <= year <= BORN[1]]
            if not years:
                continue
            months = [birth_month(cell) for cell in (*cells, str(row.get("PTDOBMM", "")))]
            month = next(filter(None, months), None)
            return pd.Timestamp(years[0], month, 15) if month else pd.Timestamp(years[0], 7, 1)
        return None

    def age(self, name: str, day: pd.Timestamp) -> float | None:
        """Years on a day, two decimals."""
        if (known := self.baseline(name)) is not None:
            return round(known[0] + (day - known[1]).days / DAYS_PER_YEAR, 2)
        if (born := self.birthday(name)) is not None:
            return round((day - born).days / DAYS_PER_YEAR, 2)
        return None

    def row(self, name: str, visits: list[dict]) -> dict[str, Any]:
        """The subject's row of participants.tsv (with PTID); ``visits``: its rows of sessions.tsv."""
        first = next((visit for visit in visits if visit["session_id"] == "ses-M000"), visits[0] if visits else {})
        facts: dict[str, Any] = {"site": str(int(name[:3])), "original_study": first.get("current_study")}
        facts |= {"diagnosis_sc": first.get("diagnosis"), "mmse_bl": first.get("MMSE")}
        for row in reversed(self.born.get(roster_number(name), [])):
            facts["sex"] = SEXES.get(str(row["PTGENDER"]).lower().removesuffix(".0")) or facts.get("sex")
            facts["education_level"] = row.get("PTEDUCAT") or facts.get("education_level")
        born, day = self.birthday(name), first.get("examination_date")
        if born is not None and day:
            facts["age_bl"] = round((pd.Timestamp(day) - born).days / DAYS_PER_YEAR, 2)
        for row in self.merge.get(name, [])[:1]:
            known = {"site": "SITE", "original_study": "ORIGPROT", "diagnosis_sc": "DX_bl", "mmse_bl": "MMSE_bl"}
            known |= {"apoe4": "APOE4", "education_level": "PTEDUCAT", "age_bl": "AGE"}
            facts |= {target: row[column] for target, column in known.items() if row.get(column)}
            facts["sex"] = SEXES.get(row["PTGENDER"].lower()) or facts.get("sex")
        facts["participant_id"] = participant_id(name)
        return {"PTID": name} | {column: facts.get(column) or None for column in PARTICIPANT_COLUMNS}


def birth_cells(row: dict) -> list[str]:
    """The cells of PTDEMOG that may hold a year of birth."""
    return [str(row.get(column) or "") for column in ("PTDOB", "PTDOBYY")]


def birth_month(cell: str) -> int | None:
    """``03/1950``, ``3/15/1950``, ``1950-03-01`` and ``3`` -> 3."""
    found = re.fullmatch(r"(\d{1,2})(?:\.0)?|(\d{1,2})/(?:\d{1,2}/)?\d{4}|\d{4}-(\d{1,2})(?:-\d{1,2}.*)?", cell.strip())
    month = int(next(part for part in found.groups() if part)) if found and any(found.groups()) else 0
    return month if 1 <= month <= 12 else None


class Visits:
    """Every visit of a cohort, by subject.

    Args:
        tables: DXSUM_PDXCONV, REGISTRY, MMSE and CDR; None where there is no usable one.
        merge: ADNIMERGE, or None.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame | None], merge: pd.DataFrame | None, people: People) -> None:
        self.people = people
        self.rows: dict[int, list[dict]] = defaultdict(list)
        for name in ("DXSUM_PDXCONV", "REGISTRY"):
            for row in rows_of(tables[name]):
                self.rows[row["rid"]].append(row)
        for row in merge_rows(merge):
            self.rows[row["rid"]].append(row)
        self.scores: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
        for name, columns in (
            ("MMSE", {"MMSCORE": "MMSE"}),
            ("CDR", {"CDGLOBAL": "cdr_global", "CDRSB": "cdr_sb"}),
        ):
            for rid, rows in by_rid(tables[name]).items():
                for row in rows:
                    facts = {target: score(row.get(column), target) for column, target in columns.items()}
                    known = self.scores[rid, visit_code(row["VISCODE"])]
                    known.update({fact: value for fact, value in facts.items() if value is not None})

    def dated(self, name: str) -> list[dict]:
        """``code``, ``day``, ``session_id`` and ``adni4`` of every visit that has a date."""
        return list(self.placed(name))

    def placed(self, name: str) -> Iterator[dict]:
        """Visits with a date and the months that they are from baseline."""
        rows = [row for row in self.rows.get(roster_number(name), ()) if not NO_VISIT.fullmatch(row["code"])]
        known = {(row["phase"], row["code"]): row["day"] for row in rows if not pd.isna(row["day"])}
        rows = [row | {"day": known.get((row["phase"], row["code"]), row["day"])} for row in rows]
        rows = [row for row in rows if not pd.isna(row["day"])]
        start, enrolled_here = self.start(name, rows)
        taken = {row["code2"] for row in rows if re.fullmatch(r"m\d+", row["code2"])}
        for row in rows:
            months = months_of(row, start, enrolled_here, taken)
            yield row | {"session_id": f"ses-M{months:03d}", "adni4": row["phase"] == "ADNI4"}

    def start(self, name: str, rows: list[dict]) -> tuple[pd.Timestamp | None, bool]:
        """Date of the baseline, and whether the subject was enrolled in ADNI4."""
        enrolled_here = not self.people.in_merge(name) and all(row["phase"] in ("ADNI4", "") for row in rows)
        if (known := self.people.baseline(name)) is not None:
            return known[1], enrolled_here
        first = sorted((rank, row["day"]) for row in rows if (rank := baseline_rank(row)) is not None)
        return (first[0][1] if first else min((row["day"] for row in rows), default=None)), enrolled_here

    def doubted(self, rows: list[dict]) -> dict[str, list[str]]:
        """Code of a visit -> its diagnoses, where rows give different ones: nobody can tell which is right."""
        given: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            given[row["code"]] |= {row["diagnosis"]} - {None}
        return {code: sorted(diagnoses) for code, diagnoses in given.items() if len(diagnoses) > 1}

    def notes(self, names: list[str]) -> Iterator[str]:
        """What was noticed of some subjects: diagnoses that differ, ages and sexes that cannot be had."""
        differ = [
            f"{name} {code} {' or '.join(diagnoses)}"
            for name in names
            for code, diagnoses in self.doubted([row for row in self.placed(name) if row["adni4"]]).items()
        ]
        if differ:
            yield f"{count(len(differ), 'visit')} of ADNI4 with different diagnoses, which are n/a: {listed(differ)}"
        rows = {name: self.people.row(name, []) for name in names}
        ageless = [name for name in names if not self.people.baseline(name) and self.people.birthday(name) is None]
        if ageless:
            people = count(len(ageless), "subject")
            rows_of_birth = [row for name in ageless for row in self.people.born.get(roster_number(name), ())]
            cells = Counter(cell for row in rows_of_birth for cell in birth_cells(row) if cell)
            read = f" (PTDEMOG has {quoted(cells)})" if cells else ""
            yield f"{people} of ADNI4 without a year of birth{read}, the age is n/a: {listed(ageless)}"
        sexless = [name for name in names if rows[name]["sex"] is None]
        if sexless:
            yield f"{count(len(sexless), 'subject')} of ADNI4 without a sex: {listed(sexless)}"

    def of(self, name: str) -> list[dict]:
        """Rows of sessions.tsv for the visits in ADNI4, one for each session, in their order; for those of every phase,
        where ADNIMERGE does not have the subject."""
        rid, found = roster_number(name), dict[str, dict]()
        every = not self.people.in_merge(name)
        rows = [row for row in self.placed(name) if row["adni4"] or every]
        doubted = self.doubted(rows)
        for row in sorted(rows, key=lambda row: (baseline_rank(row) or 0, row["day"])):
            facts = {"session_id": row["session_id"], "examination_date": row["day"].strftime("%Y-%m-%d")}
            facts |= {"age": self.people.age(name, row["day"]), "current_study": row["phase"]}
            diagnosis = None if row["code"] in doubted else row["diagnosis"]
            facts |= {"diagnosis": diagnosis, **row["scores"], **self.scores.get((rid, row["code"]), {})}
            known = found.setdefault(row["session_id"], {})
            known.update({fact: value for fact, value in facts.items() if known.get(fact) is None})
        return [found[session] for session in sorted(found)]


def baseline_rank(row: dict) -> int | None:
    """Which of several rows at month 0 comes first; None for any other visit."""
    return BASELINE.get(row["code2"], BASELINE.get(row["code"]))


def rows_of(table: pd.DataFrame | None) -> Iterator[dict]:
    """Visits in a table of visits (DXSUM, REGISTRY)."""
    if table is None:
        return
    phase = table["PHASE"] if "PHASE" in table else table["COLPROT"]
    empty = pd.Series("", index=table.index, dtype=object)
    days = days_of(table["EXAMDATE"] if "EXAMDATE" in table else table.get("VISDATE", empty))
    diagnoses, second = table.get("DIAGNOSIS", empty), table.get("VISCODE2", empty)
    for rid, code, code2, of, day, diagnosis in zip(
        table["RID"], table["VISCODE"], second, phase, days, diagnoses, strict=True
    ):
        if ROSTER.fullmatch(rid) and (code or code2):
            known = CODES.get(diagnosis.removesuffix(".0")) or DIAGNOSES.get(diagnosis)
            yield {"rid": int(float(rid)), "code": visit_code(code or code2), "code2": visit_code(code2)} | {
                "phase": re.sub(r"[\s_-]", "", of).upper(), "day": day, "diagnosis": known, "scores": {},
            }  # fmt: skip


def merge_rows(merge: pd.DataFrame | None) -> Iterator[dict]:
    """The same of ADNIMERGE, whose newest editions may hold visits of ADNI4."""
    if merge is None:
        return
    for row, day in zip(merge.to_dict("records"), days_of(merge["EXAMDATE"]), strict=True):
        if re.fullmatch(r"\d{1,9}", row["RID"]):
            phase = "ADNI4" if row["ORIGPROT"] == "ADNI4" else row["COLPROT"]
            scores = {"MMSE": score(row.get("MMSE"), "MMSE"), "cdr_sb": score(row.get("CDRSB"), "cdr_sb")}
            yield {"rid": int(row["RID"]), "code": row["VISCODE"], "code2": row["VISCODE"], "phase": phase} | {
                "day": day, "diagnosis": DIAGNOSES.get(row.get("DX", "")), "scores": scores,
            }  # fmt: skip


def score(cell: object, name: str) -> str | None:
    """A score within its scale, as text; codes of missing values (-1, -4) are none."""
    low, high = RANGES[name]
    value = number("" if cell is None else cell)
    return f"{value:g}" if low <= value <= high else None


def months_of(row: dict, start: pd.Timestamp | None, enrolled_here: bool, taken: set[str]) -> int:
    """Months since baseline: of the translated code, of the code itself where ADNI4 began the count, else by the date,
    to the half year unless another visit has it."""
    if row["code2"] in ("bl", "sc", "scmri"):
        return 0
    if found := re.fullmatch(r"m(\d{1,4})", row["code2"]):
        return int(found.group(1))
    if enrolled_here and row["code"] in BASELINE:
        return 0
    if enrolled_here and (found := re.fullmatch(r"(?:4_)?m(\d{1,4})", row["code"])):
        return int(found.group(1))
    if start is None:
        return 0
    exact = max((row["day"] - start).days, 0) / DAYS_PER_MONTH
    rounded = round(exact / 6) * 6
    return round(exact) if f"m{rounded:02d}" in taken else rounded
