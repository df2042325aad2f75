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
        if birth is not None:
            return "seems to be a year of birth (give ages, or name another column: bids.columns.baseline_age)"
        return f"is no age in years ({unit})" if unit else f"is no age in {settings.age_unit}"

    def of_diagnosis(cell: str) -> str:
        if plain(cell) in codes:
            return "is left without a meaning by bids.values.diagnosis"
        meaning = f"bids: {{values: {{diagnosis: {{{cut(cell)!r}: AD}}}}}}, or CN, or MCI"
        return f"has no entry in bids.values.diagnosis (say what it means: {meaning})"

    no_age = phrases(scans, "age", cells, dataset, settings, of_age)
    no_place = "the time of the visit is not known (set bids.session_pattern, or give dates)"
    return {
        "no_age": no_age.mask(stated, no_place).where(scans["age"].isna(), None),
        "no_diagnosis": phrases(
            scans, "diagnosis", first_cells(scans, "diagnosis"), dataset, settings, of_diagnosis
        ).where(scans["diagnosis"].isna(), None),
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
        cells: what the tables have of it; of_cell: what is wrong with such a cell.
    """
    place = dataset.places.get(fact)
    people, visits = set(dataset.participants["participant_id"]), visits_with_a_row(dataset)
    doubled = {(*key, name) for key, name in dataset.notes.doubled if name in ASKED[fact]}
    known: dict[str, str] = {}
    found = []
    for participant, session, cell in zip(scans["participant_id"], scans["session_id"], cells, strict=True):
        if isinstance(cell, str):
            known[cell] = known.get(cell) or f"{cut(cell)!r} of {place or 'the tables'} {of_cell(cell)}"
            found.append(known[cell])
        elif any({(participant, name), (participant, session, name)} & doubled for name in ASKED[fact]):
            found.append(f"rows stand twice and differ in {place} (keep the right one)")
        elif people and participant not in people:
            other = listed(sorted(people), 1)
            found.append(
                f"no row of this participant in {people_name(settings)}, which has {other} (participant_id is the name "
                "of the folder sub-*)"
            )
        elif settings.visits is not None and (participant, session) not in visits:
            found.append(f"no row of this visit in {visits_name(settings)} (bids.nearest_days takes the nearest one)")
        else:
            keys = " or ".join(f"bids.columns.{key}" for key in ASKED[fact])
            found.append(f"{place} is blank (fill it in)" if place else f"no table has a column for it ({keys})")
    return pd.Series(found, index=scans.index, dtype=object)


def visits_with_a_row(dataset: Dataset) -> set[tuple[str, str]]:
    """Participant and session of the visits of which a table says anything."""
    rows = dataset.visits[dataset.visits.reindex(columns=list(VISIT_FACTS)).notna().any(axis=1)]
    return set(rows[KEY].itertuples(index=False, name=None))
