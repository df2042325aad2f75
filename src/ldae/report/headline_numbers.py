"""The numbers that a reader asks for first: one flat JSON."""

from pathlib import Path
from typing import Any

import pandas as pd

from ldae.core.files import read_tsv

RECONSTRUCTION = ("mean_volume", "ae", "lddim_encoded", "ldae_encoded", "ldae_noise", "ldae_shuffled_y")
PROBE_METRICS = ("auc_ad_cv", "auc_ad_test", "age_mae_cv", "age_mae_test")
INTERPOLATION = ("ldae", "y_only", "latent_lerp", "voxel_lerp", "copy_nearest", "ae")


def assemble_headline(evaluate: Path, config_digest: str, data: str) -> dict[str, Any]:
    """Metric -> {value, low, high, n_subjects} or {value: None, reason}, plus ``config_digest`` and ``data``.

    Args:
        evaluate: folder with the results of the studies.
        data: ``phantom`` or ``adni``. A phantom's numbers say that the chain works, nothing about patients.
    """
    wanted = _reconstruction() | _probes() | _interpolation() | _manipulation()
    tables = {name: _read(evaluate / name) for name in sorted({place for place, _, _ in wanted.values()})}
    headline = {key: _cell(tables[place], method, metric) for key, (place, method, metric) in wanted.items()}
    headline["auc_ad_cv_oracle_minus_ours"] = _turned(headline.pop("auc_ad_cv_ours_minus_oracle"))
    return headline | {"config_digest": config_digest, "data": data}


Place = tuple[str, str, str]
"""(table below ``evaluate``, method, metric)."""


def _reconstruction() -> dict[str, Place]:
    metric, folder = "ssim_w11_brain", "reconstruction"
    places = {f"{method}_{metric}": (f"{folder}/summary.tsv", method, metric) for method in RECONSTRUCTION}
    places |= {
        f"{method}_ventricle_r": (f"{folder}/ventricles.tsv", method, "r_truth") for method in RECONSTRUCTION[1:]
    }
    for pair in ("ae-mean_volume", "ldae_noise-ldae_shuffled_y", "ldae_encoded-ldae_noise"):
        places[f"{pair.replace('-', '_minus_')}_{metric}"] = (f"{folder}/differences.tsv", pair, metric)
    return places


def _probes() -> dict[str, Place]:
    places = {metric: ("probes/summary.tsv", "ldae", metric) for metric in PROBE_METRICS}
    for method in ("oracle", "untrained_encoder", "pca_voxels"):
        places |= {
            f"{method}_{metric}": ("probes/summary.tsv", method, metric) for metric in ("auc_ad_cv", "age_mae_cv")
        }
    places["permuted_labels_auc_ad_cv"] = ("probes/summary.tsv", "permuted_labels", "auc_ad_cv")
    places["age_mae_cv_mean_predictor"] = ("probes/summary.tsv", "mean_predictor", "age_mae_cv")
    for method, metrics in (
        ("untrained_encoder", ["auc_ad_cv"]),
        ("pca_voxels", ["auc_ad_cv"]),
        ("mean_predictor", []),
    ):
        for metric in [*metrics, "age_mae_cv"]:
            places[f"ldae_minus_{method}_{metric}"] = ("probes/differences.tsv", f"ldae-{method}", metric)
    return places | {
        "auc_ad_cv_minus_untrained": ("probes/differences.tsv", "ldae-untrained_encoder", "auc_ad_cv"),
        "age_mae_cv_minus_mean_predictor": ("probes/differences.tsv", "ldae-mean_predictor", "age_mae_cv"),
        "auc_ad_cv_ours_minus_oracle": ("probes/differences.tsv", "ldae-oracle", "auc_ad_cv"),
    }


def _interpolation() -> dict[str, Place]:
    metric = "ssim_w11_brain"
    places = {f"interpolation_ssim_{method}": ("interpolation/summary.tsv", method, metric) for method in INTERPOLATION}
    for truth in ("ventricle_ml_error_truth", "ventricle_ml_error_truth_calibrated_by_kind"):
        places |= {
            f"interpolation_{truth}_{method}": ("interpolation/summary.tsv", method, truth) for method in INTERPOLATION
        }
    for rival in ("copy_nearest", "voxel_lerp"):
        places[f"interpolation_ssim_ldae_minus_{rival}"] = ("interpolation/differences.tsv", f"ldae-{rival}", metric)
    return places


def _manipulation() -> dict[str, Place]:
    ends = ("plus_ad", "minus_ad")
    probe = [f"ventricle_ml_change_{end}" for end in (*ends, "plus_minus_ad", "cn_to_ad", "ad_to_cn")]
    probe += [f"ventricle_ml_spearman_{end}" for end in ends]
    probe += ["probability_reencoded_spearman", "probability_reencoded_plus_minus_ad"]
    probe += [f"ssim_w11_outside_ae_gap_{end}" for end in ends]
    random = ["ventricle_ml_change_plus_minus_ad", "ventricle_ml_spearman_mean", "probability_reencoded_plus_minus_ad"]
    places = {metric: ("manipulation/summary.tsv", "probe", metric) for metric in probe}
    return places | {f"random_{metric}": ("manipulation/summary.tsv", "random", metric) for metric in random}


def _turned(cell: dict[str, Any]) -> dict[str, Any]:
    """The difference the other way round."""
    if cell["value"] is None:
        return cell
    low, high = (None if cell[name] is None else 0.0 - cell[name] for name in ("high", "low"))
    return cell | {"value": 0.0 - cell["value"], "low": low, "high": high}


def _read(path: Path) -> pd.DataFrame | None:
    return read_tsv(path) if path.is_file() else None


def _cell(table: pd.DataFrame | None, method: str, metric: str) -> dict[str, Any]:
    if table is None:
        return {"value": None, "reason": "the study was not run"}
    found = table[(table["method"] == method) & (table["metric"] == metric)]
    if found.empty:
        return {"value": None, "reason": f"no {method} in this run"}
    line = found.iloc[0]
    note = line["note"] if isinstance(line["note"], str) else None
    if pd.isna(line["value"]):
        return {"value": None, "reason": note or "not computed"}
    bounds = {name: None if pd.isna(line[name]) else float(line[name]) for name in ("low", "high")}
    cell = {"value": float(line["value"]), **bounds, "n_subjects": int(line["n_subjects"])}
    return cell | ({"note": note} if note else {})
