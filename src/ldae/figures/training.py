"""Figure: the learning curves of the three stages."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ldae.errors import UserError
from ldae.figures.style import (
    FULL_WIDTH_MM,
    house_style,
    letter_panels,
    new_figure,
    save_figure,
    say_why_empty,
    series_style,
)

STAGE_TITLES = {
    "autoencoder": "Stage 1: autoencoder",
    "diffusion": "Stage 2: latent diffusion",
    "representation": "Stage 3: representation",
}
VALIDATION_PREFIXES = ("val", "valid", "validation")
BOOKKEEPING = ("step", "learning_rate", "lr", "seconds", "time", "epoch", "scans", "grad", "norm", "memory", "rate", "images")
CURVES_PER_PANEL = 4
SMOOTH_ABOVE = 60


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Long table ``step``, ``metric``, ``value`` of a metrics.jsonl (one JSON object per line with ``step``).

    Raises:
        UserError: a line is not JSON or has no ``step``.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            step = int(record["step"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(f"Line {number} of {path} is not a metrics record with a step ({error}); train again.") from error
        rows += [(step, name, float(value)) for name, value in _scalars(record)]
    return pd.DataFrame(rows, columns=["step", "metric", "value"])


def _scalars(record: Mapping[str, object], prefix: str = "") -> list[tuple[str, float]]:
    """Numbers of a record, nested objects flattened with ``/``."""
    found = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            found += _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            found.append((prefix + name, float(value)))
    return found


@house_style()
def figure_training(metrics: Mapping[str, str | Path], stem: str | Path) -> None:
    """Training loss (top) and validation measures (bottom) against optimizer steps, one column per stage.

    Args:
        metrics: stage -> its metrics.jsonl, in the order of the columns.
        stem: output path without suffix.
    """
    figure = new_figure(FULL_WIDTH_MM, 92)
    panels = figure.subplots(2, len(metrics), squeeze=False)
    tables = []
    for column, (stage, path) in enumerate(metrics.items()):
        table = read_metrics(path)
        tables.append(table.assign(stage=stage))
        title = STAGE_TITLES.get(stage, stage)
        _draw_curves(panels[0, column], table, _training_names(table), f"No training losses in\n{Path(path).name}.")
        _draw_curves(panels[1, column], table, _validation_names(table), "No validation was recorded:\nthe run was too short.")
        panels[0, column].set_title(title)
        panels[1, column].set_xlabel("optimizer step")
    for row, label in enumerate(("training", "validation")):
        panels[row, 0].set_ylabel(label)
    letter_panels(list(panels[0]))
    save_figure(figure, stem, pd.concat(tables, ignore_index=True)[["stage", "step", "metric", "value"]])


def _is_validation(name: str) -> bool:
    return name.lower().replace("/", "_").split("_")[0] in VALIDATION_PREFIXES


def _is_bookkeeping(name: str) -> bool:
    words = name.lower().replace("/", "_").split("_")
    return name.lower() in BOOKKEEPING or any(word in BOOKKEEPING for word in words)


def _training_names(table: pd.DataFrame) -> list[str]:
    names = [name for name in table["metric"].unique() if not _is_validation(name) and not _is_bookkeeping(name)]
    return sorted(names, key=lambda name: ("loss" not in name.lower(), len(name), name))[:CURVES_PER_PANEL]


def _validation_names(table: pd.DataFrame) -> list[str]:
    names = [name for name in table["metric"].unique() if _is_validation(name) and not _is_bookkeeping(name)]
    return sorted(names)[:CURVES_PER_PANEL]


def _draw_curves(axes: Axes, table: pd.DataFrame, names: list[str], reason: str) -> None:
    table = table[table["metric"].isin(names) & np.isfinite(table["value"])]
    if table.empty:
        say_why_empty(axes, reason)
        return
    for name, style in series_style(names).items():
        curve = table[table["metric"] == name].sort_values("step")
        few = len(curve) < 25
        if len(curve) > SMOOTH_ABOVE:
            axes.plot(curve["step"], curve["value"], color=style["color"], linewidth=0.5, alpha=0.25)
            window = max(len(curve) // 25, 3)
            curve = curve.assign(value=curve["value"].rolling(window, center=True, min_periods=1).median())
        marker = style["marker"] if few else ""
        axes.plot(
            curve["step"], curve["value"], color=style["color"], linestyle=style["linestyle"], marker=marker,
            markersize=3, label=_readable(name),
        )
    positive = table["value"] > 0
    if positive.all() and table["value"].max() > 10 * table["value"].min():
        axes.set_yscale("log")
    axes.grid(axis="y")
    axes.legend(loc="best")


def _readable(name: str) -> str:
    return name.replace("validation", "val").replace("/", " ").replace("_", " ")
