"""One step over one shard of scans: a broken scan is quarantined with its reason, the rest goes on.

The status table is the shard's only declared output and is written last; images are written beside it and skipped
when they are already there, so a killed shard continues where it was.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from ldae.config import BiasField, BrainExtraction, Conform, Registration
from ldae.errors import QuarantinedScan, UserError
from ldae.files import write_tsv
from ldae.preprocessing.derivatives import ScanFiles, describe_dataset
from ldae.preprocessing.steps import Product, bias_field_step, brain_step, register_step
from ldae.progress import track

COLUMNS = ["participant_id", "session_id", "path", "size", "sha256", "state", "reason"]
logger = logging.getLogger("ldae")


def run_bias_field(
    scans: pd.DataFrame, bids: Path, derivatives: Path, settings: BiasField, max_quarantined: float, status: Path
) -> None:
    """N4 over the included scans of one shard (rows of scans.tsv)."""
    describe_dataset(derivatives)

    def work(scan: pd.Series) -> Product:
        return bias_field_step(files_of(scan, derivatives), bids / scan["t1w"], settings)

    run_shard("correct_bias_field", scans, None, work, derivatives, max_quarantined, status)


def run_extract_brain(
    scans: pd.DataFrame,
    previous: pd.DataFrame,
    derivatives: Path,
    settings: BrainExtraction,
    max_quarantined: float,
    status: Path,
) -> None:
    """Brain extraction over one shard; ``previous`` is the status table of the bias-field step."""

    def work(scan: pd.Series) -> Product:
        return brain_step(files_of(scan, derivatives), settings)

    run_shard("extract_brain", scans, previous, work, derivatives, max_quarantined, status)


def run_register(
    scans: pd.DataFrame,
    previous: pd.DataFrame,
    derivatives: Path,
    settings: Registration,
    conform: Conform,
    keep_corrected: bool,
    max_quarantined: float,
    status: Path,
) -> None:
    """Registration over one shard; ``previous`` is the status table of the brain-extraction step."""

    def work(scan: pd.Series) -> Product:
        return register_step(files_of(scan, derivatives), settings, conform)

    run_shard("register_mni", scans, previous, work, derivatives, max_quarantined, status)
    if not keep_corrected:
        for _, scan in scans.iterrows():
            files_of(scan, derivatives).corrected.unlink(missing_ok=True)


def files_of(scan: pd.Series, derivatives: Path) -> ScanFiles:
    return ScanFiles(derivatives, scan["participant_id"], scan["session_id"])


def run_shard(
    step: str,
    scans: pd.DataFrame,
    previous: pd.DataFrame | None,
    work: Callable[[pd.Series], Product],
    derivatives: Path,
    max_quarantined: float,
    status: Path,
) -> None:
    """Apply ``work`` to every scan and write the status table.

    Raises:
        UserError: more than ``max_quarantined`` of the scans failed in this step (one scan alone never stops a shard).
    """
    rows = list(attempt_all(step, scans, earlier_reasons(previous), work, derivatives))
    table = pd.DataFrame(rows)
    for column in COLUMNS:
        if column not in table:
            table[column] = None
    table = table[COLUMNS + sorted(set(table) - set(COLUMNS) - {"fresh"})].assign(size=table["size"].astype("Int64"))
    lost = table[table["state"] == "quarantined"]
    failures = lost[~lost["reason"].str.startswith("earlier: ")]
    fresh = sum(bool(row.get("fresh")) for row in rows)
    unchanged = len(table) - len(lost) - fresh
    logger.info("%s %s: %d processed, %d unchanged, %d lost", step, status.stem, fresh, unchanged, len(failures))
    if len(failures) > max(1, max_quarantined * len(scans)):
        raise UserError(
            f"{step} shard {status.stem}: {len(failures)} of {len(scans)} scans failed, more than the allowed "
            f"{max_quarantined:.0%}; the first reason: {failures['reason'].iloc[0]}."
        )
    write_tsv(status, table)


def earlier_reasons(previous: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """Scans that an earlier step quarantined, with the reason."""
    if previous is None:
        return {}
    lost = previous[previous["state"] == "quarantined"]
    return {
        (row["participant_id"], row["session_id"]): "earlier: " + row["reason"].removeprefix("earlier: ")
        for _, row in lost.iterrows()
    }


def attempt_all(
    step: str,
    scans: pd.DataFrame,
    earlier: dict[tuple[str, str], str],
    work: Callable[[pd.Series], Product],
    derivatives: Path,
) -> Iterator[dict]:
    """One status row per scan, in table order."""
    for _, scan in track(scans.iterrows(), step, total=len(scans)):
        row = {"participant_id": scan["participant_id"], "session_id": scan["session_id"]}
        known = earlier.get((scan["participant_id"], scan["session_id"]))
        if known:
            yield row | {"state": "quarantined", "reason": known}
            continue
        try:
            product = work(scan)
        except (QuarantinedScan, RuntimeError) as error:  # RuntimeError: how ITK and torch report a scan they refuse
            reason = str(error).strip().split("\n")[-1].strip() or type(error).__name__
            logger.warning("%s %s quarantined: %s", *row.values(), reason)
            yield row | {"state": "quarantined", "reason": reason}
            continue
        place = {"path": product.path.relative_to(derivatives).as_posix(), "size": product.record["size"]}
        done = {"sha256": product.record["sha256"], "state": "done", "fresh": product.fresh}
        yield row | place | done | product.record["metrics"]
