"""What is read from every code: diagnosis, conversion, age, sex, MMSE, and further columns of the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.keys import KEY
from ldae.studies.common.linear_probes import outer_folds, subject_folds
from ldae.studies.common.statistics import Statistic, auc, mae, mean_auc

MOST_CLASSES = 6
WORDS = {"ad": "AD against CN", "smci_pmci": "stable against progressive MCI", "mmse": "MMSE"}
LABELS_OF_FILES = ("image_id", "t1w", "shard", "status", "reason", "age_from", "converted_by")  # nothing of the subject
NAMES = {"site": str, "study_phase": str, "sex": str, "diagnosis": str}  # columns of words, whatever they look like


@dataclass(frozen=True)
class Task:
    """One question.

    Attributes:
        name: ``ad``, ``smci_pmci``, ``age``, ``sex``, ``mmse``, or a column of the manifest.
        metric: by which the codes are compared; ``_cv`` or ``_test`` follows.
        rows: positions of the scans whose answer is known.
        target: (rows,) number of the class, or the number.
        classes: their names; none where numbers are read.
        column: of the manifest, that it is made of.
        reason: why it cannot be asked here.
    """

    name: str
    metric: str
    rows: np.ndarray
    target: np.ndarray
    classes: tuple[str, ...] = ()
    column: str = ""
    reason: str | None = field(default=None)

    @property
    def words(self) -> str:
        """The task in plain words."""
        return WORDS.get(self.name, self.name)

    @property
    def columns(self) -> int:
        """Scores for each scan: one, or one for each of more than two classes."""
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def statistic(self) -> Statistic:
        """Of (scores, target): AUC, mean AUC of one class against the rest, or mean absolute error."""
        if not self.classes:
            return mae
        return auc if len(self.classes) == 2 else mean_auc(len(self.classes))

    def folds(self, scans: pd.DataFrame, folds: int, seed: int, held_out: bool) -> np.ndarray:
        """(rows,) the fold of each of its scans, never splitting a subject; -1: in none.

        Those of diagnosis, age and MMSE are Table 7's, even in the diagnosis; of classes they are even in the class.

        Args:
            held_out: test subjects are in none.
        """
        if not self.classes or self.name == "ad":
            return outer_folds(scans, folds, seed, held_out)[self.rows]
        own = np.full(len(self.rows), -1)
        dealt = scans.loc[self.rows, ["participant_id", "months", "split"]].reset_index(drop=True)
        if held_out:
            dealt = dealt[dealt["split"] != "test"]
        order = dealt.sort_values(["participant_id", "months"], kind="stable").index.to_numpy()
        labels = np.array(self.classes)[self.target[order].astype(int)]
        own[order] = subject_folds(dealt.loc[order, "participant_id"].to_numpy(), labels, folds, seed)
        return own


def all_tasks(scans: pd.DataFrame, manifest: pd.DataFrame, extra: Sequence[str], months: int) -> list[Task]:
    """Every task, those that cannot be asked with their reason.

    Args:
        scans: participant_id, session_id, months, age, sex, diagnosis, in the order of the store.
        manifest: scans.tsv.
        extra: further columns of it.
        months: within which MCI that becomes AD is progressive.

    Raises:
        UserError: the manifest has no such column.
    """
    known = scans[KEY].merge(manifest.drop_duplicates(KEY), on=KEY, how="left", validate="1:1")
    tasks = [
        _classes("ad", "auc_ad", scans["diagnosis"].where(scans["diagnosis"].isin(["CN", "AD"])), ("CN", "AD")),
        conversion(scans, manifest, months),
        _amounts("age", "age_mae", scans["age"]),
        _classes("sex", "auc_sex", scans["sex"], ("F", "M")),
        _amounts("mmse", "mmse_mae", known["mmse"] if "mmse" in known else pd.Series(np.nan, index=known.index)),
    ]
    for column in extra:
        if column not in known or column in KEY or column in LABELS_OF_FILES:
            there = ", ".join(name for name in manifest.columns if name not in (*KEY, *LABELS_OF_FILES))
            raise UserError(
                f"arena.tasks: scans.tsv has no column {column!r} to be read from a code; there are {there}."
            )
        tasks.append(column_task(column, known[column]))
    return tasks


def column_task(column: str, values: pd.Series) -> Task:
    """Classes where a column has two to six values or holds words, else numbers."""
    present = values.dropna()
    numbers = pd.to_numeric(present, errors="coerce").notna().all() and column not in NAMES
    kinds = sorted(present.unique())
    if numbers and len(kinds) > MOST_CLASSES:
        return _amounts(column, f"{column}_mae", pd.to_numeric(values))
    names = tuple(f"{kind:g}" if isinstance(kind, float) else str(kind) for kind in kinds)
    if len(kinds) > MOST_CLASSES:
        words = f"{len(kinds)} different words; a task is numbers, or two to {MOST_CLASSES} classes"
        return Task(column, f"auc_{column}", np.array([], dtype=int), np.array([]), reason=words)
    return _classes(column, f"auc_{column}", values.map(dict(zip(kinds, names, strict=True))), names)


def conversion(scans: pd.DataFrame, manifest: pd.DataFrame, months: int) -> Task:
    """Stable MCI (0) against progressive MCI (1) of the scans with MCI.

    Progressive: AD at a later visit within ``months``. Stable: no AD within them, and a visit with a diagnosis at their
    end or later. Of all others it is not known.
    """
    visits = manifest.dropna(subset=["diagnosis"]) if "diagnosis" in manifest else manifest.iloc[:0]
    of_subject = {name: group[["months", "diagnosis"]] for name, group in visits.groupby("participant_id")}
    labels = pd.Series(None, index=scans.index, dtype=object)
    for row in np.flatnonzero(scans["diagnosis"] == "MCI"):
        own = of_subject.get(scans["participant_id"].iloc[row])
        if own is None:
            continue
        later = own[own["months"] > scans["months"].iloc[row]]
        gap = later["months"] - scans["months"].iloc[row]
        if ((later["diagnosis"] == "AD") & (gap <= months)).any():
            labels.iloc[row] = "pMCI"
        elif (gap >= months).any():
            labels.iloc[row] = "sMCI"
    return _classes("smci_pmci", "auc_smci_pmci", labels, ("sMCI", "pMCI"))


def _classes(name: str, metric: str, labels: pd.Series, classes: tuple[str, ...]) -> Task:
    rows = np.flatnonzero(labels.isin(classes))
    target = pd.Categorical(labels.to_numpy()[rows], categories=classes).codes.astype(float)
    counts = [int((target == place).sum()) for place in range(len(classes))]
    reason = None
    if len(classes) < 2 or min(counts) == 0:
        held = ", ".join(f"{count} {kind}" for kind, count in zip(classes, counts, strict=True)) or "no value"
        reason = f"a class is missing: scans with {held}"
    return Task(name, metric, rows, target, classes, "diagnosis" if name in ("ad", "smci_pmci") else name, reason)


def _amounts(name: str, metric: str, values: pd.Series) -> Task:
    numbers = pd.to_numeric(values, errors="coerce")
    rows = np.flatnonzero(numbers.notna())
    target = numbers.to_numpy(float)[rows]
    reason = None if len(np.unique(target)) > 1 else "it is not known of two scans with different values"
    return Task(name, metric, rows, target, (), name, reason)
