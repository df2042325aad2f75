"""The headline numbers of the report: where each stands, and what it is to be compared with."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.report.estimate_tables import cell, count_of, note_of, row_of, split_estimate
from ldae.report.plain_tables import in_html


@dataclass(frozen=True)
class Card:
    """One headline number with what to compare it to."""

    label: Markup
    value: str
    interval: str
    subjects: int
    note: str
    compare: Markup


@dataclass(frozen=True)
class Wanted:
    """Where a headline number stands, and which method it is to be compared with."""

    study: str
    table: str
    method: str
    metrics: tuple[str, ...]
    label: str
    rival: str | None = None
    rival_label: str = ""


HEADLINES = (
    Wanted(
        "probes",
        "summary",
        "ldae",
        ("auc_ad_cv",),
        "Diagnosis from y$_{sem}$: AUC, AD against CN, cross-validated",
        "untrained_encoder",
        "untrained encoder",
    ),
    Wanted(
        "probes",
        "summary",
        "ldae",
        ("auc_ad_test",),
        "Diagnosis from y$_{sem}$: AUC, AD against CN, test subjects",
        "pca_voxels",
        "PCA of voxels",
    ),
    Wanted(
        "probes",
        "summary",
        "ldae",
        ("age_mae_cv",),
        "Age from y$_{sem}$: mean error in years, cross-validated",
        "mean_predictor",
        "mean age",
    ),
    Wanted(
        "reconstruction",
        "summary",
        "ae",
        ("ssim_w11_brain",),
        "Autoencoder: SSIM in the brain",
        "mean_volume",
        "mean training brain",
    ),
    Wanted(
        "reconstruction",
        "summary",
        "ldae_encoded",
        ("ssim_w11_brain",),
        "LDAE reconstruction: SSIM in the brain",
        "ae",
        "autoencoder alone, the ceiling",
    ),
    Wanted(
        "reconstruction",
        "summary",
        "ldae_noise",
        ("ssim_w11_brain",),
        "From y$_{sem}$ alone: SSIM in the brain",
        "ldae_shuffled_y",
        "with another subject's y$_{sem}$",
    ),
    Wanted(
        "reconstruction",
        "ventricles",
        "ldae_encoded",
        ("r_truth", "r_original"),
        "Ventricle volume after LDAE reconstruction: r",
        "ldae_noise",
        "from y$_{sem}$ alone",
    ),
    Wanted(
        "interpolation",
        "summary",
        "ldae",
        ("ssim_w11_brain",),
        "Interpolated visit: SSIM in the brain",
        "copy_nearest",
        "copy of the nearest scan",
    ),
    Wanted(
        "manipulation",
        "summary",
        "probe",
        ("ventricle_ml_change_plus_ad",),
        "Moved towards AD: median change of ventricles in ml",
        "random",
        "random direction",
    ),
)


def headline_cards(evaluate: Path) -> list[Card]:
    """The headline numbers of the studies that were run; a number that could not be computed keeps its reason."""
    return [card for wanted in HEADLINES if (card := _card(evaluate, wanted)) is not None]


def _card(evaluate: Path, wanted: Wanted) -> Card | None:
    path = evaluate / wanted.study / f"{wanted.table}.tsv"
    if not path.is_file():
        return None
    table = read_tsv(path)
    for metric in wanted.metrics:
        row = row_of(table, wanted.method, metric)
        if row is not None and (pd.notna(row["value"]) or metric == wanted.metrics[-1]):
            value, interval = split_estimate(row)
            rival = row_of(table, wanted.rival, metric) if wanted.rival else None
            compare = (
                Markup("")
                if rival is None
                else Markup("{}: {}").format(in_html(wanted.rival_label), cell(rival, count_of(row)))
            )
            return Card(
                in_html(wanted.label),
                value,
                interval,
                count_of(row),
                note_of(row),
                compare,
            )
    return None
