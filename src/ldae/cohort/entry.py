"""What of a BIDS dataset will enter the cohort, decided by the same functions as when the chain runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.cohort.bids import ANOTHER, bids_scans
from ldae.cohort.exclusions import commonest
from ldae.cohort.manifest import decided, nobody_left, say
from ldae.cohort.splits import make_splits
from ldae.config import Bids, Manifest, Splits
from ldae.core.errors import UserError
from ldae.core.files import escaped, read_tsv
from ldae.core.keys import KEY
from ldae.core.text_tables import count, listed


@dataclass(frozen=True)
class Dealing:
    """How the subjects will be split. ``ledger``: the splits of earlier runs, where there are any; ``trained_on``: as
    :func:`ldae.cohort.splits.make_splits`."""

    settings: Splits
    seed: int
    ledger: Path | None = None
    trained_on: frozenset[str] = frozenset()


@dataclass
class Entry:
    """``scans``: every image, with its status and reason; ``blocking``, ``notes``: sentences."""

    scans: pd.DataFrame
    blocking: list[str]
    notes: list[str]

    @property
    def kept(self) -> pd.DataFrame:
        """The scans that will enter."""
        return self.scans[self.scans["status"] == "included"]

    @property
    def further(self) -> int:
        """Number of images beside the one that is used of their visit."""
        return int(self.scans["reason"].str.startswith(ANOTHER, na=False).sum())

    def facts(self) -> dict[str, int]:
        """Number of scans that will enter with an age, and with a diagnosis."""
        return {f"with_{name}": int(self.kept[name].notna().sum()) for name in ("age", "diagnosis")}

    def sentence(self) -> str:
        """``9 of 12 scans will enter, 9 with an age, 3 with a diagnosis (beside them 2 further images)``."""
        facts = self.facts()
        beside = f" (beside them {count(self.further, 'further image')} of the same visits)" if self.further else ""
        known = f"{facts['with_age']} with an age, {facts['with_diagnosis']} with a diagnosis"
        scans = count(len(self.scans) - self.further, "scan")
        return f"{len(self.kept)} of {scans} will enter, {known}{beside}"

    def left_out(self) -> list[dict[str, Any]]:
        """Kinds of reasons, the commonest first: how many scans of how many subjects, the commonest reason in full,
        and all scans, each with its own."""
        lost = self.scans[(self.scans["status"] != "included")]
        lost = lost[~lost["reason"].str.startswith(ANOTHER, na=False)]
        kinds = [
            {
                "reason": commonest(rows["reason"]),
                "scans": len(rows),
                "subjects": rows["participant_id"].nunique(),
                "which": [" ".join(k) for k in rows[KEY].values],
                "reasons": list(rows["reason"]),
            }
            for _, rows in lost.groupby(lost["reason"].str.split(":").str[0], sort=False)
        ]
        return sorted(kinds, key=lambda kind: -kind["scans"])

    def lines(self) -> list[str]:
        """Text for a terminal, the verdict first."""
        if self.blocking:
            verdict = "The dataset is not ready"
        else:
            verdict = "The dataset is ready" + (", but for the scans below" if self.left_out() else "")
        lines = [f"{verdict}: {self.sentence()}.", *(f"blocking: {sentence}" for sentence in self.blocking)]
        for kind in self.left_out():
            number = count(kind["scans"], "scan")
            number += f" of {count(kind['subjects'], 'subject')}" if kind["scans"] > 1 else ""
            own = zip(kind["which"], kind["reasons"], strict=True)
            which = [name if why == kind["reason"] else f"{name}: {why.partition(': ')[2]}" for name, why in own]
            lines.append(f"quarantine: {number}, {kind['reason']} ({listed(which, 3)})")
        for name, number in self.kept["diagnosis"].fillna("no diagnosis").value_counts().sort_index().items():
            lines.append(f"{name}: {count(number, 'scan')}")
        return [escaped(line) for line in lines + [f"note: {note}" for note in self.notes]]

    def report(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "ready": not self.blocking,
            "images": len(self.scans),
            "scans": len(self.kept),
            "visits": {"on_disk": len(self.scans) - self.further, "arriving": len(self.kept)},
            "blocking": self.blocking,
            "left_out": self.left_out(),
            "notes": self.notes,
            **self.facts(),
        }


def entry(settings: Bids, manifest: Manifest, dealing: Dealing | None = None) -> Entry:
    """Read a dataset as the rule build_manifest does, and deal its subjects as make_splits does.

    Args:
        dealing: how; None: they are not dealt, as with a frozen model, of which every subject is a test subject.

    Raises:
        UserError: there is no dataset, or it has no T1w image, or a table cannot be read.
    """
    found = bids_scans(settings)
    notes = list(found.attrs["notes"])
    scans = decided(found, "bids", manifest)
    notes = say(scans, scans["status"] == "included") + notes
    blocking = [refusal] if (refusal := nobody_left(scans, "bids")) is not None else []
    if not blocking and dealing is not None:
        known = read_tsv(dealing.ledger) if dealing.ledger is not None else None
        try:
            make_splits(scans, dealing.settings, dealing.seed, known, dealing.trained_on)
        except UserError as error:
            blocking.append(str(error))
    return Entry(scans, blocking, notes)
