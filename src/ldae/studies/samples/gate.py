"""The gate before a model leaves: is any sample, or any reconstruction of a held-out scan, a copy of a training scan?

One sample in a hundred that is a copy moves no median and no AUC, so every one is looked at by itself. What a copy
looks like is known: training scans that went the same way (``copied_training``), whose nearest training scan is far
nearer than that of any other subject.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json
from ldae.studies.samples.neighbours import HELD_OUT

FILE = "copies.json"
COPIED, SAMPLES = "copied_training", "unconditional"
FEWEST = 5  # copies, and held-out scans, below which nobody knows what either looks like
CONFIDENCE = 0.95

Verdict = Literal["passed", "failed", "unknown"]


def look_for_copies(table: pd.DataFrame, stages: dict[str, str]) -> dict[str, Any]:
    """What copies.json holds.

    A volume counts as a copy where its ratio (:func:`ldae.studies.samples.neighbours.nearest`) lies below ``limit``,
    halfway between the 95th percentile of copies and the 5th of held-out scans.

    Args:
        table: rows with kind and ratio, of neighbours.tsv.
        stages: stage -> digest of the model's weights.

    Returns:
        ``verdict`` (``unknown`` where copies and held-out scans cannot be told apart), ``sentence``, ``limit``, number
        of ``samples`` and ``reconstructions`` with how many of each are copies, and ``share_below``: the share of
        copies among samples that is excluded at 95 % confidence (Clopper & Pearson 1934).
    """
    ratios = {
        kind: table.loc[table["kind"] == kind, "ratio"].dropna().to_numpy(float) for kind in (SAMPLES, HELD_OUT, COPIED)
    }
    counts = {"samples": len(ratios[SAMPLES]), "reconstructions": len(ratios[HELD_OUT])}
    nothing = {"limit": None, "copied_samples": None, "copied_reconstructions": None, "share_below": None}
    found: dict[str, Any] = {"verdict": "unknown", "stages": stages} | counts | nothing
    if min(len(ratios[HELD_OUT]), len(ratios[COPIED])) < FEWEST or not counts["samples"]:
        return found | {"sentence": f"too few samples, held-out or training scans to tell copies apart ({counts})"}
    near, far = np.quantile(ratios[COPIED], CONFIDENCE), np.quantile(ratios[HELD_OUT], 1 - CONFIDENCE)
    if near >= far:
        return found | {
            "sentence": f"copies of training scans (ratio up to {near:.2f}) and held-out scans (from {far:.2f} on) "
            "cannot be told apart after this autoencoder"
        }
    limit = float((near + far) / 2)
    copied = {kind: int((ratios[kind] <= limit).sum()) for kind in (SAMPLES, HELD_OUT)}
    verdict: Verdict = "failed" if any(copied.values()) else "passed"
    return found | {
        "verdict": verdict,
        "limit": limit,
        "copied_samples": copied[SAMPLES],
        "copied_reconstructions": copied[HELD_OUT],
        "share_below": highest_share(copied[SAMPLES], counts["samples"]),
        "sentence": f"{copied[SAMPLES]} of {counts['samples']} samples and {copied[HELD_OUT]} of "
        f"{counts['reconstructions']} reconstructions of held-out scans are as near to one training subject as copies",
    }


def highest_share(copies: int, samples: int) -> float:
    """The upper end of the one-sided interval of a share (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return 1.0 if copies == samples else float(beta.ppf(CONFIDENCE, copies + 1, samples - copies))


def write_gate(out: Path, table: pd.DataFrame, stages: dict[str, str]) -> None:
    """``copies.json`` into ``out``."""
    write_json(out / FILE, look_for_copies(table, stages))


def read_gate(results: Path, stages: dict[str, str]) -> dict[str, Any]:
    """What was found in a results folder; ``unknown`` where nobody looked, or at another model.

    Args:
        stages: stage -> digest of the model that is about to leave.

    Raises:
        UserError: the file is damaged.
    """
    path = results / "evaluate" / "samples" / FILE
    if not path.is_file():
        return {"verdict": "unknown", "sentence": f"nobody looked (rule eval_samples writes evaluate/samples/{FILE})"}
    found = read_json(path)
    whole = isinstance(found, dict) and {"verdict", "sentence", "stages", "share_below"} <= found.keys()
    if not whole or not isinstance(found["stages"], dict):
        raise UserError(f"{path} is not what eval_samples wrote: delete it and run the workflow again.")
    if any(found["stages"].get(stage) != digest for stage, digest in stages.items()):
        return {"verdict": "unknown", "sentence": f"evaluate/samples/{FILE} is of another model than this one"}
    return found
