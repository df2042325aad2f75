"""Figure: the learning curves of the three stages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ldae.core.errors import UserError
from ldae.studies.common.figure_style import (
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
NAMES = {
    "l1": "L1",
    "kl": "KL",
    "ssim": "SSIM",
    "ssim_ae": "SSIM against the autoencoder",
    "unconditional": "frozen stage 2 alone",
    "gap_filled": "gap to stage 2 filled",
}
VALIDATION = "validation_"
BOOKKEEPING = {
    "step",
    "skipped",
    "learning",
    "lr",
    "seconds",
    "time",
    "epoch",
    "scans",
    "grad",
    "norm",
    "memory",
    "rate",
}
MARKERS_BELOW = 25
SCALE = 100  # a loss so many times larger than every other one is beyond their scale


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Long table ``step``, ``metric``, ``value`` of a metrics.jsonl (one JSON object per line with ``step``).

    Raises:
        UserError: a line is not JSON or has no ``step``.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            step = int(record.pop("step"))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"Line {number} of {path} is not a metrics record ({error}); train again.") from error
        rows += [(step, name, float(value)) for name, value in record.items() if isinstance(value, int | float)]
    return pd.DataFrame(rows, columns=["step", "metric", "value"])


@house_style()
def figure_training(metrics: Mapping[str, str | Path], stem: str | Path) -> None:
    """Losses (top: training solid, validation dashed) and other validation measures (bottom) against optimizer steps.

    Args:
        metrics: stage -> its metrics.jsonl, in the order of the columns.
        stem: output path without suffix.
    """
    figure = new_figure(FULL_WIDTH_MM, 98)
    panels = figure.subplots(2, len(metrics), squeeze=False, height_ratios=[1.35, 1])
    tables = []
    for column, (stage, path) in enumerate(metrics.items()):
        table = read_metrics(path)
        tables.append(table.assign(stage=stage))
        losses, measures = _names(table)
        panels[0, column].set_title(STAGE_TITLES.get(stage, stage))
        _draw_losses(panels[0, column], table, losses)
        _draw_measures(panels[1, column], table, measures)
        panels[1 if measures else 0, column].set_xlabel("optimizer step")
    panels[0, 0].set_ylabel("loss")
    panels[1, 0].set_ylabel("validation")
    letter_panels(list(panels[0]))
    save_figure(
        figure, stem, pd.concat(tables, ignore_index=True)[["stage", "step", "metric", "value"]], on_test_scans=False
    )


def _names(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Losses seen in training, and measures that validation alone has (without their prefix)."""
    usable = [name for name in table["metric"].unique() if not BOOKKEEPING & set(name.lower().split("_"))]
    losses = [name for name in usable if not name.startswith(VALIDATION)]
    measures = [name.removeprefix(VALIDATION) for name in usable if name.startswith(VALIDATION)]
    return losses, [name for name in measures if name not in losses]


def _curve(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    curve = table[(table["metric"] == metric) & np.isfinite(table["value"])]
    return curve.sort_values("step")


def _draw_losses(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Losses beyond the scale of the others have an axis of their own, on the right; where two coincide, as adversary
    and discriminator do at chance, the later one is drawn narrower, so that both are seen."""
    if not names:
        say_why_empty(axes, "No losses were recorded.")
        return
    beyond = out_of_scale(table, names)
    right = axes.twinx() if beyond else axes
    right.spines["right"].set_visible(bool(beyond))
    widths = np.linspace(2.2, 1.0, len(names)) if len(names) > 2 else [None] * len(names)
    for (name, style), width in zip(series_style(names).items(), widths, strict=True):
        for metric, dash, face in ((name, "-", style["color"]), (VALIDATION + name, (0, (3, 2)), "white")):
            curve = _curve(table, metric)
            if curve.empty:
                continue
            label = _readable(name) + (", right axis" if name in beyond else "")
            label += ", validation" if face == "white" else ""
            _plot(right if name in beyond else axes, curve, style, dash, face, label, width)
    for each in {axes, right}:
        values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in each.lines])
        if (values > 0).all() and values.max() > 10 * values.min():
            each.set_yscale("log")
    _finish(axes, [*axes.lines, *(right.lines if beyond else [])])


def out_of_scale(table: pd.DataFrame, names: list[str]) -> set[str]:
    """Losses that are everywhere more than a hundred times every other one, as KL, which is summed over the latent."""
    last = 0.0
    for name in sorted(names, key=lambda name: _curve(table, name)["value"].median()):
        values = _curve(table, name)["value"]
        if last and len(values) and values.min() > SCALE * last:
            return {name for name in names if _curve(table, name)["value"].min() > SCALE * last}
        last = max(last, values.max() if len(values) else 0.0)
    return set()


def _draw_measures(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    if not names:
        say_why_empty(axes, "No other measure\nin this stage.")
        return
    for name, style in series_style(names).items():
        _plot(axes, _curve(table, VALIDATION + name), style, style["linestyle"], style["color"], _readable(name))
    _finish(axes)


def _plot(
    axes: Axes, curve: pd.DataFrame, style: dict, dash: object, face: object, label: str, width: float | None = None
) -> None:
    marker = style["marker"] if len(curve) < MARKERS_BELOW else ""
    axes.plot(
        curve["step"],
        curve["value"],
        color=style["color"],
        linestyle=dash,
        linewidth=width,
        marker=marker,
        markersize=3.2 if width is None else 2.2 + width,
        markerfacecolor=face,
        label=label,
    )


def _finish(axes: Axes, lines: Sequence[Line2D] | None = None) -> None:
    axes.grid(axis="y")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(handles=lines or axes.lines, loc="best", fontsize=6.3)


def _readable(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))
