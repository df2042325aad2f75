"""The stochastic codes that a study reads: stated by their keys, asked for here, and written down with their cost."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ldae.core.store import Store
from ldae.inference.pipeline import LDAE, SWITCHES, CodeKey
from ldae.studies.common.inputs import Inputs

COLUMNS = [
    *("store", "digest", "model", "conditional", "solver", "steps"),
    *SWITCHES,
    *("scans", "uses", "network_calls", "network_calls_without_cache"),
]


@dataclass
class Stated:
    """One key: the store that holds it, network calls of one inversion, and what was read of it so far."""

    key: CodeKey
    store: Store
    calls: int
    rows: set[int] = field(default_factory=set)
    uses: int = 0


class Reads:
    """Cached x_T by model and direction of use. Only what was stated can be read.

    Args:
        inputs: what holds the stores.
        stated: every (LDAE with its solver, with y_sem or not) whose x_T the study reads.

    Raises:
        UserError: no store of one of the keys was computed.
    """

    def __init__(self, inputs: Inputs, stated: Iterable[tuple[LDAE, bool]]):
        self.inputs = inputs
        self._stated: dict[CodeKey, Stated] = {}
        self.taken: list[tuple[int, list[int]]] = []  # every reading in its order: place of the key, scans
        for ldae, conditional in stated:
            key = CodeKey.of(ldae, conditional)
            self._stated[key] = Stated(key, inputs.x_T_store(key), ldae.network_calls)

    def x_T(self, ldae: LDAE, conditional: bool, rows: Iterable[int]) -> np.ndarray:
        """Cached x_T of these scans (B, C, x, y, z), float32: what ``ldae`` would invert them to.

        Raises:
            UserError: the store does not hold one of the scans.
            KeyError: the study did not state this key.
        """
        key, rows = CodeKey.of(ldae, conditional), [int(row) for row in rows]
        codes = self.inputs.x_T(self._stated[key].key, rows)
        self.note(list(self._stated).index(key), rows)
        return codes

    def note(self, place: int, rows: list[int]) -> None:
        """These scans were read of the key at this place, now or by an earlier attempt of the study."""
        own = list(self._stated.values())[place]
        own.rows.update(rows)
        own.uses += len(rows)
        self.taken.append((place, rows))

    def table(self) -> pd.DataFrame:
        """One row per key: the store, its scans that were read, how often in all, and the network calls of their
        inversion, made once per scan; without the cache they would be made at every use."""
        rows = [
            {
                **{"store": own.store.path.name, "digest": own.store.digest, "model": own.key.model},
                **{"conditional": own.key.conditional, "solver": own.key.solver, "steps": own.key.steps},
                **dict(own.key.method),
                **{"scans": len(own.rows), "uses": own.uses, "network_calls": own.calls * len(own.rows)},
                "network_calls_without_cache": own.calls * own.uses,
            }
            for own in self._stated.values()
        ]
        return pd.DataFrame(rows, columns=COLUMNS)
