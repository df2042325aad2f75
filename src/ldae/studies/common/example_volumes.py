"""Volumes to be shown, taken from the small example stores that ``ldae.studies`` writes."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.keys import KEY
from ldae.core.store import Store, open_store


def open_examples(folder: str | Path) -> Store | None:
    """The example store, or nothing when the study had nothing to show (its store was not written)."""
    return open_store(folder) if (Path(folder) / "store.json").is_file() else None


def rows_where(store: Store, **values: object) -> np.ndarray:
    """Positions of the index rows that have the given values."""
    chosen = pd.Series(True, index=store.index.index)
    for column, value in values.items():
        chosen &= store.index[column] == value
    return np.flatnonzero(chosen)


def volume_of(store: Store, **values: object) -> np.ndarray:
    """The first volume whose index row has the given values, float32 (X, Y, Z).

    Raises:
        UserError: the store has no such volume.
    """
    rows = rows_where(store, **values)
    if len(rows) == 0:
        wanted = ", ".join(f"{column} {value}" for column, value in values.items())
        raise UserError(f"{store.path} holds no volume with {wanted}; run the evaluation that writes it again.")
    return store.volumes(int(rows[0]))


def scans_of(store: Store) -> list[tuple[str, str]]:
    """The (participant_id, session_id) pairs of a store, in its order."""
    pairs = store.index[KEY].drop_duplicates()
    return [(str(participant), str(session)) for participant, session in pairs.itertuples(index=False)]


def inline_label(store: Store, participant: str, session: str) -> str:
    """``AD  ADNI002S0295, M024``: the diagnosis where the index has it, subject and session without their prefixes."""
    return "  ".join(filter(None, [_diagnosis(store, participant, session), ", ".join(_bare(participant, session))]))


def stacked_label(store: Store, participant: str, session: str) -> str:
    """The same as :func:`inline_label` in two or three short lines, for the left of a row."""
    return "\n".join(filter(None, [_diagnosis(store, participant, session), *_bare(participant, session)]))


def _bare(participant: str, session: str) -> tuple[str, str]:
    return participant.removeprefix("sub-"), session.removeprefix("ses-")


def _diagnosis(store: Store, participant: str, session: str) -> str | None:
    if "diagnosis" not in store.index:
        return None
    value = store.index["diagnosis"].iloc[rows_where(store, participant_id=participant, session_id=session)[0]]
    return value if isinstance(value, str) else None
