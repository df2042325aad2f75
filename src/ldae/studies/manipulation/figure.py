"""Figure 6: scans moved along the diagnosis probe, and how a phantom's head would truly look there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ldae.core.store import Store
from ldae.studies.common.brain_sheets import (
    Plane,
    Sheet,
    brain_box,
    cut,
    difference_limit,
    inline_label,
    mark_sides,
    open_examples,
    picture_sheet,
    rows_where,
    scans_of,
    show_difference,
    show_grey,
    volume_of,
)
from ldae.studies.common.estimate_panels import MINUS
from ldae.studies.common.figure_style import empty_figure, house_style, save_figure

MAX_SUBJECTS = 2
SHOWN = (0.02, 0.1, 0.5, 0.9, 0.98)
LEAD = 2  # columns before the doses: the scan, and what the doses are compared with
WORDS = {
    "sweep": "moved by\ncalibrated steps",
    "truth": "true\ncounterfactual",
    "paper": "moved by the\npaper's fixed α",
}


@dataclass(frozen=True)
class Strip:
    """One row of pictures with its row of differences: rows of the store, by dose; ``base`` is what they are compared
    with."""

    pair: tuple[str, str]
    kind: str
    base: int
    doses: list[int]


@house_style()
def figure_6_manipulation(examples: str | Path, stem: str | Path, plane: Plane = "axial") -> None:
    """Strips over the probabilities of AD that codes are moved to, and signed differences from the unmoved decoding.

    Below each, in a phantom, the true counterfactuals; for the first scan also the paper's fixed steps.

    Args:
        examples: the store ``evaluate/manipulation/examples``.
        stem: output path without suffix.
    """
    store = open_examples(examples)
    if store is None:
        empty_figure(
            stem, "No manipulation: the diagnosis probe needs training subjects with AD and CN, and a test scan."
        )
        return
    strips = strips_of(store)
    columns = LEAD + max(len(strip.doses) for strip in strips)
    box = brain_box(store.volumes(rows_where(store, kind="original")).max(axis=0))
    limit = difference_limit(
        [(store.volumes(row) - store.volumes(strip.base))[box] for strip in strips for row in strip.doses]
    )
    first = [place == 0 or strips[place - 1].pair != strip.pair for place, strip in enumerate(strips)]
    gaps = [gap for start in first[1:] for gap in (0.8, 18.0 if start else 12.0)] + [0.8]
    sheet = picture_sheet(
        box,
        [[plane] * columns] * (2 * len(strips)),
        left_mm=3,
        top_mm=18,
        gaps_mm=gaps,
        column_gaps_mm=[0.8, 2.5, *[0.8] * (columns - LEAD - 1)],
    )
    for place, strip in enumerate(strips):
        _draw_strip(sheet, 2 * place, store, strip, box, limit, plane)
        if first[place]:
            sheet.banner(2 * place, inline_label(store, *strip.pair), lines=3)
    save_figure(sheet.figure, stem, store.index)


def strips_of(store: Store) -> list[Strip]:
    """What is drawn, in order: for each scan its calibrated doses, then the truth; the fixed alphas of the first."""
    strips = []
    for number, pair in enumerate(scans_of(store)[:MAX_SUBJECTS]):
        for kind, base in (("sweep", "reconstruction"), ("truth", "true_reconstruction"), ("paper", "reconstruction")):
            rows = rows_where(store, participant_id=pair[0], session_id=pair[1], kind=kind)
            bases = rows_where(store, participant_id=pair[0], session_id=pair[1], kind=base)
            if len(rows) and len(bases) and not (kind == "paper" and number):
                strips.append(Strip(pair, kind, int(bases[0]), _chosen(store, rows, kind)))
    return strips


def _chosen(store: Store, rows: np.ndarray, kind: str) -> list[int]:
    """Rows nearest to the probabilities that are shown, without repeats, by probability; all fixed alphas by size."""
    if kind == "paper":
        return [int(row) for row in sorted(rows, key=lambda row: abs(store.index["alpha"].iloc[row]))][: len(SHOWN)]
    probabilities = store.index["probability"].to_numpy(dtype=float)
    chosen = {int(rows[np.abs(probabilities[rows] - wanted).argmin()]) for wanted in SHOWN}
    return sorted(chosen, key=lambda row: probabilities[row])


def _draw_strip(sheet: Sheet, row: int, store: Store, strip: Strip, box: tuple, limit: float, plane: Plane) -> None:
    own = store.volumes(strip.base)[box]
    lead = sheet.panels[row, 0]
    if strip.kind == "sweep":
        scan = volume_of(store, participant_id=strip.pair[0], session_id=strip.pair[1], kind="original")
        show_grey(lead, cut(scan[box], plane))
        mark_sides(lead, plane)
        sheet.head(0, "scan", row)
    else:
        _say(lead, WORDS[strip.kind])
    show_grey(sheet.panels[row, 1], cut(own, plane))
    unmoved = "clean twin\nof the scan" if strip.kind == "truth" else "unmoved\ndecoding"
    sheet.head(1, unmoved + _volume(store, strip.base), row)
    for panel in sheet.panels[row + 1, :LEAD]:
        panel.set_axis_off()
    _say(sheet.panels[row + 1, 1], f"each {MINUS}\n{unmoved.splitlines()[0]}")
    for column, place in enumerate(strip.doses, start=LEAD):
        volume = store.volumes(place)[box]
        show_grey(sheet.panels[row, column], cut(volume, plane))
        image = show_difference(sheet.panels[row + 1, column], cut(volume - own, plane), limit)
        sheet.head(column, _dose(store, place, strip.kind) + _volume(store, place), row)
    for column in range(LEAD + len(strip.doses), sheet.panels.shape[1]):
        sheet.panels[row, column].set_axis_off()
        sheet.panels[row + 1, column].set_axis_off()
    sheet.colour_bar(image, [row + 1], "difference")


def _say(panel, words: str) -> None:
    panel.set_axis_off()
    panel.text(0.98, 0.5, words, transform=panel.transAxes, ha="right", va="center", fontsize=7)


def _dose(store: Store, row: int, kind: str) -> str:
    alpha = f"α {float(store.index['alpha'].iloc[row]):+.1f}".replace("-", MINUS)
    if kind == "paper":
        return alpha
    probability = f"p(AD) {float(store.index['probability'].iloc[row]):g}"
    return probability if kind == "truth" else f"{probability}\n{alpha}"


def _volume(store: Store, row: int) -> str:
    """Ventricles, on the scale of scans and raw where the picture was decoded."""
    volume, mapped = (float(store.index[name].iloc[row]) for name in ("ventricle_ml", "ventricle_ml_mapped"))
    if np.isfinite(mapped):
        return f"\n{mapped:.0f} ml (raw {volume:.0f})"
    return f"\n{volume:.0f} ml" if np.isfinite(volume) else ""
