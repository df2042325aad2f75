"""Table 6 in two parts, every method with the size of its code and the same by solver and steps; and the samples."""

from pathlib import Path

import pandas as pd

from ldae.core.files import read_tsv
from ldae.studies.common.paper_tables import TRAINING_SEEDS, estimate_cells, format_estimate, paper_table
from ldae.studies.reconstruction.published import METRICS as PUBLISHED_METRICS
from ldae.studies.reconstruction.published import SOLVER, TABLE_6, published
from ldae.studies.reconstruction.record import IN_TABLE

# Numbers of a code as the paper prints them: its latents are counted without their three channels.
PUBLISHED_VALUES = {
    "ae": "5,120 (positions; with channels 15,360)",
    "lddim_encoded": "5,120 (positions; with channels 15,360)",
    "ldae_encoded": "5,888 (with channels 16,128)",
    "dae_encoded": "1,605,632",
}


def reconstruction_table(evaluate: Path) -> pd.DataFrame:
    """One row per method: values in its code, ours and the paper's, then every metric as ``value [low, high]``."""
    table = paper_table(IN_TABLE, evaluate)
    sizes = read_tsv(evaluate / "reconstruction" / "code_sizes.tsv").set_index("method")["values"]
    known = table["method"].map(sizes)
    table.insert(2, "values_in_code", [None if pd.isna(size) else f"{size:,.0f}" for size in known])
    table.insert(3, "values_in_code_published", table["method"].map(PUBLISHED_VALUES))
    return table


def solver_table(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per method, solver and number of steps; each metric as ``value [low, high]``, the paper's number beside.

    The paper's settings that were not run come last: they rest on no subject, and only its own numbers are there.
    """
    rows, here = [], set()
    for (method, solver, steps), group in summary.groupby(["method", "solver", "steps"], sort=False):
        subjects, cells = estimate_cells(group.set_index("metric"))
        row = {"method": method, "solver": solver, "steps": steps, "subjects": subjects}
        row["n_training_seeds"] = TRAINING_SEEDS
        for metric, text in cells.items():
            row[metric] = text
            if metric in PUBLISHED_METRICS:
                row[f"{metric}_published"] = published(method, metric, steps) if solver == SOLVER else None
        rows.append(row)
        here.add((method, solver, steps))
    missing = [key for key in TABLE_6 if key[1] is not None and (key[0], SOLVER, key[1]) not in here]
    for method, steps in missing:
        row = {"method": method, "solver": SOLVER, "steps": steps, "subjects": 0, "n_training_seeds": TRAINING_SEEDS}
        rows.append(row | {f"{metric}_published": published(method, metric, steps) for metric in PUBLISHED_METRICS})
    return pd.DataFrame(rows)


def samples_table(distances: pd.DataFrame, memorisation: pd.DataFrame) -> pd.DataFrame:
    """One row per kind of volume: distances from the training scans, and how near the nearest of them is."""
    both = pd.concat([distances, memorisation], ignore_index=True)
    rows = []
    for kind, group in both.groupby("method", sort=False):
        cells = {metric: format_estimate(line) for metric, line in group.set_index("metric").iterrows()}
        rows.append({"kind": kind, "n_training_seeds": TRAINING_SEEDS} | cells)
    return pd.DataFrame(rows)
