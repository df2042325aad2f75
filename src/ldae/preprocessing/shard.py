"""One step over one shard of scans: a broken scan is quarantined with its reason, the rest goes on.

The status table is the shard's only declared output and is written last; images are written beside it and skipped
when they are already there, so a killed shard continues where it was.
"""

import fcntl
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import BiasField, BrainExtraction, Conform, Registration
from ldae.core.batches import track
from ldae.core.errors import MachineError, UserError, require_own_reasons
from ldae.core.files import write_tsv
from ldae.core.keys import KEY
from ldae.preprocessing.antspy import require_plain
from ldae.preprocessing.derivatives import ScanFiles, remove_leftovers
from ldae.preprocessing.description import describe_dataset
from ldae.preprocessing.memory import workers_that_fit
from ldae.preprocessing.pool import run_isolated
from ldae.preprocessing.reading import SMALLEST_SIDE
from ldae.preprocessing.resource_use import Outcome, Timings
from ldae.preprocessing.steps import Product, bias_field_step, brain_step, mean_step, register_step

COLUMNS = [*KEY, "path", "size", "sha256", "state", "reason"]
PRELOAD = {  # heavy modules of each step; of brain extraction, of each backend
    "correct_bias_field": ["ldae.preprocessing.bias_field", "ants"],
    "deepbet": ["ldae.preprocessing.brain_extraction", "deepbet.bet"],
    "template": ["ldae.preprocessing.brain_extraction", "ants"],
    "register_mni": ["ldae.preprocessing.quality", "ants"],
}
Work = Callable[[dict[str, Any]], Product]
logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Shard:
    """One step over some scans.

    Attributes:
        scans: included rows of scans.tsv.
        derivatives: results/derivatives/ldae-preproc.
        status: table to be written.
        timings: table of seconds and memory, one row per scan that was really worked on; never declared, never read.
        max_quarantined: fraction of the scans that may fail in this step (one scan alone never stops a shard).
        workers: scans side by side, each in its own process with one thread.
        scans_per_worker: a process is replaced after so many scans, so that memory stays flat.
        memory_mb: of the job; fewer scans are worked on side by side where they would not fit. None: no limit is known.
    """

    scans: pd.DataFrame
    derivatives: Path
    status: Path
    timings: Path
    max_quarantined: float = 0.1
    workers: int = 1
    scans_per_worker: int = 50
    memory_mb: float | None = None

    def files(self) -> list[ScanFiles]:
        """Of all scans, in their order."""
        return [files_of(scan, self.derivatives) for scan in self.scans.to_dict("records")]

    def fitting(self, kind: str, images: Iterable[Path]) -> "Shard":
        """With no more workers than the job's memory holds (:func:`ldae.preprocessing.memory.workers_that_fit`)."""
        return replace(self, workers=workers_that_fit(kind, images, self.workers, self.memory_mb))


def run_bias_field(
    shard: Shard, bids: Path, settings: BiasField, orientation: str | None = None, min_slices: int = SMALLEST_SIDE
) -> None:
    """N4 over one shard; what headers do not say and how few slices are enough, as ``Preprocessing`` has it."""
    require_plain(shard.derivatives)
    describe_dataset(shard.derivatives, bids)
    work = partial(bias_field_work, shard.derivatives, bids, settings, orientation, min_slices)
    shard = shard.fitting("correct_bias_field", [bids / t1w for t1w in shard.scans["t1w"]])
    run_shard("correct_bias_field", shard, {}, work, PRELOAD["correct_bias_field"])


def run_extract_brain(shard: Shard, previous: pd.DataFrame, settings: BrainExtraction) -> None:
    """Brain extraction over one shard; ``previous`` is the status table of the bias-field step."""
    work = partial(brain_work, shard.derivatives, settings)
    shard = shard.fitting(settings.backend, [files.corrected for files in shard.files()])
    run_shard("extract_brain", shard, earlier_reasons(previous), work, PRELOAD.get(settings.backend, ()))


def run_register(
    shard: Shard, previous: pd.DataFrame, settings: Registration, conform: Conform, keep_corrected: bool
) -> None:
    """Registration over one shard; ``previous`` is the status table of the brain-extraction step."""
    require_plain(shard.derivatives)
    lost = earlier_reasons(previous)
    shard = shard.fitting("register_mni", [files.mask for files in shard.files()])
    repeated = visits_of_repeated(shard.scans, lost) if settings.longitudinal else {}
    lost |= make_means(shard, repeated, settings)
    work = partial(register_work, shard.derivatives, settings, conform, frozenset(repeated))
    run_shard("register_mni", shard, lost, work, PRELOAD["register_mni"])
    if not keep_corrected:
        for files in shard.files():
            files.corrected.unlink(missing_ok=True)


def bias_field_work(
    derivatives: Path,
    bids: Path,
    settings: BiasField,
    orientation: str | None,
    min_slices: int,
    scan: dict[str, Any],
) -> Product:
    """N4 of one scan (a row of scans.tsv), in a worker process."""
    files = files_of(scan, derivatives)
    return bias_field_step(files, bids / scan["t1w"], settings, None, orientation, min_slices)


def brain_work(derivatives: Path, settings: BrainExtraction, scan: dict[str, Any]) -> Product:
    """Brain extraction of one scan, in a worker process."""
    return brain_step(files_of(scan, derivatives), settings)


def register_work(
    derivatives: Path, settings: Registration, conform: Conform, repeated: frozenset[str], scan: dict[str, Any]
) -> Product:
    """Registration of one scan, in a worker process; through the subject's mean where there are several visits."""
    through_mean = scan["participant_id"] in repeated
    return register_step(files_of(scan, derivatives), settings, conform, through_mean)


def mean_work(derivatives: Path, settings: Registration, scans: list[dict[str, Any]]) -> Product:
    """The mean of one subject's visits, in a worker process."""
    return mean_step([files_of(scan, derivatives) for scan in scans], settings)


def visits_of_repeated(scans: pd.DataFrame, lost: dict[tuple[str, str], str]) -> dict[str, list[dict[str, Any]]]:
    """participant_id -> usable visits, of subjects with two or more; all visits of a subject are in one shard."""
    visits: dict[str, list[dict[str, Any]]] = {}
    for scan in scans.to_dict("records"):
        if (scan["participant_id"], scan["session_id"]) not in lost:
            visits.setdefault(scan["participant_id"], []).append(scan)
    return {subject: found for subject, found in visits.items() if len(found) > 1}


def make_means(
    shard: Shard, repeated: dict[str, list[dict[str, Any]]], settings: Registration
) -> dict[tuple[str, str], str]:
    """Build the mean of every subject with several visits; returns the scans of those where it failed, and why."""
    groups = list(repeated.values())
    work = partial(mean_work, shard.derivatives, settings)
    preload, folders = PRELOAD["register_mni"], [shard.derivatives]
    ends = run_isolated(work, groups, shard.workers, shard.scans_per_worker, preload, folders)
    lost: dict[tuple[str, str], str] = {}
    for position, outcome in track(ends, "subject means", total=len(groups)):
        if outcome.reason:
            reason = f"the subject's mean could not be made: {outcome.reason}"
            lost |= {(scan["participant_id"], scan["session_id"]): reason for scan in groups[position]}
    return lost


def files_of(scan: dict[str, Any], derivatives: Path) -> ScanFiles:
    """Where the files of a scan (a row of scans.tsv) lie."""
    return ScanFiles(derivatives, scan["participant_id"], scan["session_id"])


def run_shard(
    step: str, shard: Shard, earlier: dict[tuple[str, str], str], work: Work, preload: Sequence[str] = ()
) -> None:
    """Apply ``work`` to every scan that has no ``earlier`` reason, and write the status table.

    Args:
        preload: modules that the server of the workers imports once.

    Raises:
        UserError: more than ``max_quarantined`` of the scans failed in this step (one scan alone never stops a shard).
        MachineError: the machine failed; no table is written, and what is done is found there by the next attempt.
    """
    with alone(shard.timings.with_suffix(".lock")):
        try:
            rows = attempt_all(step, shard, earlier, work, preload)
        except MachineError as error:
            raise MachineError(f"{step} shard {shard.status.stem} stopped, no scan is lost: {error}") from error
    table = pd.DataFrame(rows)
    for column in COLUMNS:
        if column not in table:
            table[column] = None
    table = table[COLUMNS + sorted(set(table) - set(COLUMNS) - {"fresh"})].assign(size=table["size"].astype("Int64"))
    lost = table[table["state"] == "quarantined"]
    failures = lost[~lost["reason"].str.startswith("earlier: ")]
    fresh = sum(bool(row.get("fresh")) for row in rows)
    unchanged = len(table) - len(lost) - fresh
    logger.info("%s %s: %d processed, %d unchanged, %d lost", step, shard.status.stem, fresh, unchanged, len(failures))
    if len(failures) > max(1, shard.max_quarantined * len(shard.scans)):
        raise UserError(
            f"{step} shard {shard.status.stem}: {len(failures)} of {len(shard.scans)} scans failed, more than the "
            f"allowed {shard.max_quarantined:.0%}; the first reason: {failures['reason'].iloc[0]}."
        )
    write_tsv(shard.status, table)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on this step of the shard: a job may outlive a Snakemake that was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # released by the kernel, however the process ends
        yield


def earlier_reasons(previous: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Scans that an earlier step quarantined, with the reason."""
    lost = previous[previous["state"] == "quarantined"]
    require_own_reasons(lost["reason"])
    return {
        (row["participant_id"], row["session_id"]): "earlier: " + row["reason"].removeprefix("earlier: ")
        for _, row in lost.iterrows()
    }


def attempt_all(
    step: str, shard: Shard, earlier: dict[tuple[str, str], str], work: Work, preload: Sequence[str]
) -> list[dict]:
    """One status row per scan, in table order, whatever the order in which they end."""
    scans = shard.scans.to_dict("records")
    names = [(scan["participant_id"], scan["session_id"]) for scan in scans]
    rows = {name: named(name) | {"state": "quarantined", "reason": earlier[name]} for name in names if name in earlier}
    waiting = [scan for scan, name in zip(scans, names, strict=True) if name not in earlier]
    for scan in waiting:
        remove_leftovers(files_of(scan, shard.derivatives))
    for name, outcome in in_workers(step, shard, waiting, work, preload):
        if outcome.reason:
            logger.warning("%s %s quarantined: %s", *name, "\n".join(filter(None, (outcome.reason, outcome.details))))
            rows[name] = named(name) | {"state": "quarantined", "reason": outcome.reason}
        else:
            rows[name] = named(name) | row_of(outcome.value, shard.derivatives)
    return [rows[name] for name in names]


def in_workers(
    step: str, shard: Shard, scans: list[dict[str, Any]], work: Work, preload: Sequence[str]
) -> Iterator[tuple[tuple[str, str], Outcome]]:
    """(participant_id, session_id) and outcome of every scan as it ends, with its timing noted."""
    timings = Timings(shard.timings)
    ends = run_isolated(work, scans, shard.workers, shard.scans_per_worker, preload, [shard.derivatives])
    for position, outcome in track(ends, step, total=len(scans)):
        name = scans[position]["participant_id"], scans[position]["session_id"]
        if outcome.reason or outcome.value.fresh:
            timings.note(*name, outcome)
        yield name, outcome


def named(name: tuple[str, str]) -> dict[str, str]:
    """The first columns of a status row."""
    return dict(zip(KEY, name, strict=True))


def row_of(product: Product, derivatives: Path) -> dict[str, Any]:
    """What the status table says of a finished scan."""
    place = {"path": product.path.relative_to(derivatives).as_posix(), "size": product.record["size"]}
    done = {"sha256": product.record["sha256"], "state": "done", "fresh": product.fresh}
    return place | done | product.record["metrics"]
