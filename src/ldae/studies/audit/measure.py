"""The audit of a run: every check, one table for the report, one list of names that stays with the data."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import write_tsv
from ldae.studies.audit import checks
from ldae.studies.audit.finding import CHECKS, Finding
from ldae.studies.common.inputs import Inputs

logger = logging.getLogger("ldae")


def run_audit(
    inputs: Inputs,
    splits: pd.DataFrame,
    encode: Callable[[np.ndarray], np.ndarray] | None,
    gram: np.ndarray | None,
    fitted: Mapping[str, Any],
    refit: checks.Refit,
    allow: Mapping[str, str],
    seed: int,
    out: Path,
) -> pd.DataFrame:
    """Write findings.tsv (the report's) and names.tsv (private: whom a finding concerns) into ``out``.

    Args:
        splits: splits.tsv.
        encode: volumes (B, X, Y, Z) -> y_sem (B, dimension), by the model of the run.
        gram: (scans, scans) inner products of the volumes. None: nothing was trained or fitted on this cohort
            (``model:``), and nothing is compared.
        fitted: fitted.json of the probes.
        refit: scans and their y_sem -> what that file should hold.
        allow: check -> why the run goes on although it finds something (``audit.allow``).

    Returns:
        What findings.tsv holds; :func:`require_clean` judges it.
    """
    if gram is None:
        found = [
            checks.splits(splits),
            checks.stores(inputs.store, splits),
            checks.codes(inputs, encode, seed),
        ]
        done = {finding.check for finding in found}
        words = "nothing was trained or fitted on this cohort"
        found += [Finding(name, "n/a", 0, words) for name in CHECKS if name not in done]
    else:
        found = [
            checks.splits(splits),
            checks.stores(inputs.store, splits),
            checks.training_scans(inputs.train, splits),
            checks.one_person(splits),
            checks.twins(inputs, gram),
            checks.codes(inputs, encode, seed),
            checks.labels(inputs),
            checks.fitted(inputs, fitted, refit, seed),
            checks.scale(inputs),
        ]
    findings = table(found, allow)
    write_tsv(out / "findings.tsv", findings)
    names = [(finding.check, name) for finding in found for name in finding.names]
    write_tsv(out / "names.tsv", pd.DataFrame(names, columns=["check", "concerns"]))
    for finding in found:
        level = logging.WARNING if finding.result in ("warning", "blocking") else logging.INFO
        logger.log(level, "audit: %s: %s: %s", finding.check, finding.result, finding.words)
    return findings


def table(found: list[Finding], allow: Mapping[str, str]) -> pd.DataFrame:
    """One row per check: check, question, result, looked_at, finding, and why it is allowed."""
    order = list(CHECKS)
    rows = [
        (
            finding.check,
            CHECKS[finding.check],
            finding.result,
            finding.looked_at,
            finding.words,
            allow.get(finding.check) if finding.result == "blocking" else None,
        )
        for finding in sorted(found, key=lambda finding: order.index(finding.check))
    ]
    return pd.DataFrame(rows, columns=["check", "question", "result", "looked_at", "finding", "allowed"])


def require_clean(findings: pd.DataFrame, folder: Path) -> None:
    """Nothing blocking that nobody has allowed.

    Args:
        findings: findings.tsv.
        folder: where names.tsv lies.

    Raises:
        UserError: names the first finding, and says what to do.
    """
    stopping = findings[(findings["result"] == "blocking") & findings["allowed"].isna()]
    if len(stopping):
        first = stopping.iloc[0]
        more = f" ({len(stopping)} checks in all)" if len(stopping) > 1 else ""
        raise UserError(
            f"The audit stops headline and tables{more}: {first['finding']} (check {first['check']}). Whom it concerns "
            f"stands in {folder}/names.tsv. Mend it, or go on with a reason: audit.allow: "
            f"{{{first['check']}: 'why'}}."
        )
