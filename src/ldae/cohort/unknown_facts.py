"""Why the age or the diagnosis of a scan is not known, as far as the tables of its dataset tell, and what to do.

The words are about columns and cells, not about subjects, so that scans that lack a fact for the same cause share them.
"""

from collections.abc import Callable

import pandas as pd

from ldae.cohort.bids_reader import VISIT_FACTS, Dataset, people_name, visits_name
from ldae.cohort.columns import middle_birth, other_unit, plain
from ldae.cohort.table_columns import ASKED
from ldae.config import Bids
from ldae.core.cells import cut
from ldae.core.keys import KEY
from ldae.core.text_tables import listed

SHOWN = 4  # words


def why_unknown(scans: pd.DataFrame, dataset: Dataset, settings: Bids) -> dict[str, pd.Series]:
    """``no_age`` and ``no_diagnosis``: for each scan without one a phrase, None where it has one.

    Args:
        scans: with the cells of the tables (``scan:age``, ``participant:diagnosis``, ...) and the facts read from them.
    """
    own, stated = settings.values.diagnosis, scans["visit_age"].notna() | scans["baseline_age"].notna()
    codes = {plain(code): meaning for code, meaning in own.items()}
    cells = first_cells(scans, "age")
    birth, unit = middle_birth(cells), other_unit(cells, settings.age_unit)

    def of_age(cell: str) -> str:
        what = f"{cut(cell)!r} of {dataset.places.get('age', 'the tables')}"
        if birth is not None:
            return f"{what} seems to be a year of birth (give ages, or name another column: bids.columns.baseline_age)"
        return f"{what} is no age in {settings.age_unit}" + (f" ({unit})" if unit else "")

    def of_diagnosis(cell: str) -> str:
        if plain(cell) in codes:
            return f"{cut(cell)!r} of {place} is left without a meaning by bids.values.diagnosis"
        names = listed((repr(cut(word)) for word in words), SHOWN)
        entries = ", ".join(f"{cut(word)!r}: ..." for word in words[:SHOWN])
        meaning = f"say which is CN, MCI or AD: bids: {{values: {{diagnosis: {{{entries}}}}}}}"
        return f"no entry in bids.values.diagnosis for {names} of {place} ({meaning})"

    diagnoses = first_cells(scans, "diagnosis")
    words = [word for word in diagnoses.dropna().value_counts().index if plain(word) not in codes]
    place = dataset.places.get("diagnosis", "the tables")
    no_age = phrases(scans, "age", cells, dataset, settings, of_age)
    no_place = "the time of the visit is not known (set bids.session_pattern, or give dates)"
    return {
        "no_age": no_age.mask(stated, no_place).where(scans["age"].isna(), None),
        "no_diagnosis": phrases(scans, "diagnosis", diagnoses, dataset, settings, of_diagnosis).where(
            scans["diagnosis"].isna(), None
        ),
    }


def first_cells(scans: pd.DataFrame, fact: str) -> pd.Series:
    """The cell that says most of a fact: that of the scan, of its visit or of the participant."""
    found = pd.Series(None, index=scans.index, dtype=object)
    for table in ("scan", "visit", "participant"):
        for name in (fact, *ASKED[fact]):
            if (column := f"{table}:{name}") in scans:
                found = found.where(found.notna(), scans[column])
    return found


def phrases(
    scans: pd.DataFrame, fact: str, cells: pd.Series, dataset: Dataset, settings: Bids, of_cell: Callable[[str], str]
) -> pd.Series:
    """Why a fact is not known, scan by scan.

    Args:
        cells: what the tables have of it; of_cell: what is wrong where there is such a cell.
    """
    place = dataset.places.get(fact)
    people, visits = set(dataset.participants["participant_id"]), visits_with_a_row(dataset)
    doubled = {(*key, name) for key, name in dataset.notes.doubled if name in ASKED[fact]}
    known: dict[str, str] = {}
    found = []
    for participant, session, cell in zip(scans["participant_id"], scans["session_id"], cells, strict=True):
        if isinstance(cell, str):
            known[cell] = known.get(cell) or of_cell(cell)
            found.append(known[cell])
        elif any({(participant, name), (participant, session, name)} & doubled for name in ASKED[fact]):
            found.append(f"rows stand twice and differ in {place} (keep the right one)")
        elif people and participant not in people:
            other = listed(sorted(people), 1)
            found.append(
                f"no row of this participant in {people_name(settings)}, which has {other} (participant_id is the name "
                "of the folder sub-*)"
            )
        elif f" of {visits_name(settings)}" in (place or "") and (participant, session) not in visits:
            nearest = (
                "bids.nearest_days takes the nearest one" if settings.visits else "a visit is called as its folder"
            )
            found.append(f"no row of this visit in {visits_name(settings)} ({nearest})")
        else:
            unread = f"; not read: {dataset.unread}" if dataset.unread else ""
            name = f"no table has a column for it (name it: bids: {{columns: {{{ASKED[fact][0]}: [...]}}}}{unread})"
            found.append(f"{place} is blank (fill it in)" if place else name)
    return pd.Series(found, index=scans.index, dtype=object)


def visits_with_a_row(dataset: Dataset) -> set[tuple[str, str]]:
    """Participant and session of the visits of which a table says anything."""
    rows = dataset.visits[dataset.visits.reindex(columns=list(VISIT_FACTS)).notna().any(axis=1)]
    return set(rows[KEY].itertuples(index=False, name=None))
