"""Tiny result files in the forms that ``ldae.studies`` writes them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.image import imsave

from ldae.core.files import write_tsv
from ldae.core.store import write_store

SHAPE = (12, 14, 12)
SCANS = [("sub-ADNI002S0295", "ses-M000", "AD"), ("sub-ADNI005S0223", "ses-M012", "CN")]


def brain(seed: int, ventricle: float = 3.0) -> np.ndarray:
    """An ellipsoid with a dark middle, uint8."""
    axes = [np.linspace(-1, 1, size) for size in SHAPE]
    radius = np.sqrt(sum(part**2 for part in np.meshgrid(*axes, indexing="ij")))
    noise = np.random.default_rng(seed).normal(0, 0.02, SHAPE)
    volume = np.where(radius < 0.9, 0.8 + noise, 0) * (1 - 0.7 * np.exp(-ventricle * radius**2))
    return (np.clip(volume, 0, 1) * 255).astype(np.uint8)


def estimates(values: dict[tuple[str, str], float], subjects: int = 12, note: str | None = None) -> pd.DataFrame:
    """A long table of estimates; NaN values carry ``note``."""
    rows = []
    for (method, metric), value in values.items():
        known = np.isfinite(value)
        rows.append(
            {
                "method": method,
                "metric": metric,
                "value": value,
                "low": value - 0.05,
                "high": value + 0.05,
                "n_subjects": subjects if known else 0,
                "n_rows": subjects,
                "redrawn": 0,
                "n_replicates": 200,
                "note": ("too few" if subjects < 20 else None) if known else note,
            }
        )
    return pd.DataFrame(rows)


def examples(folder: Path, rows: list[tuple], columns: str) -> None:
    volumes = [brain(place, 2 + place % 5) for place in range(len(rows))]
    write_store(folder, volumes, pd.DataFrame(rows, columns=columns.split()), "uint8")


def write_manifest(folder: Path) -> None:
    rows = []
    for number in range(9):
        diagnosis = ("CN", "MCI", "AD")[number % 3]
        for months in (0, 12, 24)[: 1 + number % 3]:
            later = "AD" if diagnosis == "MCI" and months else diagnosis
            rows.append(
                (f"sub-{number}", f"ses-M{months:03d}", months, 70 + number + months / 12, later, "included", None)
            )
    rows.append(("sub-9", "ses-M000", 0, 70, "CN", "excluded", "truncated DICOM series"))
    columns = ["participant_id", "session_id", "months", "age", "diagnosis", "status", "reason"]
    write_tsv(folder / "scans.tsv", pd.DataFrame(rows, columns=columns))
    splits = [(f"sub-{number}", "test" if number < 3 else "train", "CN") for number in range(9)]
    write_tsv(folder / "splits.tsv", pd.DataFrame(splits, columns=["participant_id", "split", "stratum"]))
    flow = [
        ("images", 20, "", 10),
        ("images", 1, "truncated DICOM series", 1),
        ("images", 0, "no such image", 0),
        ("scans", 19, "", 9),
    ]
    write_tsv(folder / "flow.tsv", pd.DataFrame(flow, columns=["stage", "count", "reason", "subjects"]))
    write_tsv(
        folder / "exclusions.tsv",
        pd.DataFrame(
            [("sub-9", "ses-M000", "convert", "truncated DICOM series")],
            columns=["participant_id", "session_id", "step", "reason"],
        ),
    )


def write_qc(folder: Path) -> None:
    imsave(folder / "qc_mosaic.png", brain(0)[6], cmap="gray")
    write_tsv(folder / "qc.tsv", pd.DataFrame([(*scan[:2], 0.9) for scan in SCANS], columns=["a", "b", "correlation"]))


def write_reconstruction(folder: Path) -> None:
    methods = ("ae", "ldae_encoded", "lddim_encoded", "ldae_noise", "ldae_shuffled_y", "mean_volume")
    rows = [(*scan, method) for scan in SCANS for method in ("original", *methods)]
    examples(folder / "examples", rows, "participant_id session_id diagnosis method")
    metrics = ("ssim_w11_brain", "ssim_w3_paper", "mse", "psnr")
    values = {(name, metric): 0.6 + 0.05 * place for place, name in enumerate(methods) for metric in metrics}
    write_tsv(folder / "summary.tsv", estimates(values))
    ventricles = {(name, metric): 0.5 for name in methods[:-1] for metric in ("r_truth", "r_original")}
    ventricles |= {("mean_volume", "r_truth"): np.nan, ("mean_volume", "r_original"): np.nan}
    write_tsv(folder / "ventricles.tsv", estimates(ventricles, note="constant"))
    write_tsv(folder / "differences.tsv", estimates({("ldae_noise-ldae_shuffled_y", "ssim_w11_brain"): 0.08}))
    scans = [(*scan, "ae", 40.0 + place, 41.0, np.nan) for place, scan in enumerate(SCANS)]
    columns = [
        "participant_id",
        "session_id",
        "diagnosis",
        "method",
        "ventricle_ml",
        "original_ventricle_ml",
        "truth_ventricle_ml",
    ]
    write_tsv(folder / "scans.tsv", pd.DataFrame(scans, columns=columns))


def write_solvers(folder: Path) -> None:
    metrics = ("ssim_w11_brain", "ssim_w3_paper", "psnr", "x_T_std")
    parts = [
        estimates(
            {(name, metric): 0.8 - 1 / steps for name in ("ldae_noise", "ldae_encoded") for metric in metrics}
        ).assign(solver=solver, steps=steps)
        for solver, steps in (("ddim", 10), ("ddim", 100), ("dpmpp_2m", 20))
    ]
    write_tsv(folder / "summary.tsv", pd.concat(parts))


def write_probes(folder: Path) -> None:
    values = {}
    for features in ("ldae", "untrained_encoder", "pca_voxels", "oracle"):
        for metric in ("auc_ad_cv", "auc_ad_test", "auc_ad_test_paper", "age_mae_cv", "age_mae_test"):
            values[features, metric] = 0.8 if "auc" in metric else 5.5
    write_tsv(folder / "summary.tsv", estimates(values | {("mean_predictor", "age_mae_cv"): 6.5}, subjects=24))
    write_tsv(
        folder / "differences.tsv",
        estimates({("ldae-untrained_encoder", "auc_ad_cv"): 0.19}).assign(p=0.001, p_holm=0.01),
    )
    generator = np.random.default_rng(0)
    rows = [
        (f"sub-{number}", "ses-M000", diagnosis, "test" if number % 3 == 0 else "train", *generator.normal(place, 1, 3))
        for place, diagnosis in enumerate(("CN", "MCI", "AD"))
        for number in range(20 * place, 20 * place + 15)
    ]
    columns = ["participant_id", "session_id", "diagnosis", "split", "axis_1", "axis_2", "axis_ad_cn"]
    write_tsv(folder / "lda.tsv", pd.DataFrame(rows, columns=columns))


def write_arena(folder: Path) -> None:
    ranks = {("ldae", "rank_mean"): 1.5, ("dae", "rank_mean"): 2.0, ("untrained_encoder", "rank_mean"): 2.5}
    ranks |= {(method, "rank_auc_ad"): place for (method, _), place in ranks.items()}
    named = {
        (method, f"{metric}_{protocol}"): place
        for protocol in ("cv", "test")
        for (method, metric), place in ranks.items()
    }
    write_tsv(folder / "ranks.tsv", estimates(named, subjects=24))


def write_calibration(folder: Path) -> None:
    named = {
        ("ldae", f"{name}_{protocol}"): value for name, value in CALIBRATION.items() for protocol in ("cv", "test")
    }
    write_tsv(folder / "summary.tsv", estimates(named, subjects=24))
    curves = {
        ("ldae", f"{name}_{protocol}"): 0.3 for name in ("probability_ad", "share_ad") for protocol in ("cv", "test")
    }
    parts = [estimates({key: value + part / 5 for key, value in curves.items()}).assign(part=part) for part in (1, 2)]
    write_tsv(folder / "curves.tsv", pd.concat(parts))
    worth = {("ldae", f"net_benefit_ad_{protocol}"): 0.2 for protocol in ("cv", "test")}
    thresholds = [estimates(worth, subjects=24).assign(threshold=place / 10) for place in range(1, 10)]
    write_tsv(folder / "decisions.tsv", pd.concat(thresholds))
    groups = [
        estimates({("ldae", "auc_ad_cv"): value}).assign(grouping="sex", level=level)
        for level, value in (("men", 0.7), ("women", 0.8))
    ]
    write_tsv(folder / "subgroups.tsv", pd.concat(groups))
    gap = estimates({("ldae", "auc_ad_cv"): 0.1}).assign(grouping="sex", levels="men, women")
    write_tsv(folder / "gaps.tsv", gap.assign(chance=0.05, chance_low=0.01, chance_high=0.2, p=0.2, p_holm=1.0))


CALIBRATION = {"brier_ad": 0.2, "calibration_slope_ad": 0.9, "calibration_in_the_large_ad": 0.02}


def write_conversion(folder: Path) -> None:
    metrics = ("uno_c", "auc_36m", "auc_smci_pmci_36m", "brier_36m", "calibration_slope_36m")
    methods = ("ldae", "clinical", "ldae_clinical", "permuted_times", "oracle")
    named = {(one, f"{two}_{protocol}"): 0.6 for one in methods for two in metrics for protocol in ("cv", "test")}
    write_tsv(folder / "summary.tsv", estimates(named, subjects=48))
    gaps = {("ldae-clinical", f"uno_c_{protocol}"): -0.1 for protocol in ("cv", "test")}
    write_tsv(folder / "differences.tsv", estimates(gaps, subjects=48).assign(p=0.01, p_holm=0.02))
    parts = []
    for place, part in enumerate(("lowest third", "middle third", "highest third")):
        for month in (0, 12, 36):
            free = {("ldae", "not_converted_cv"): 1 - (place + 1) * month / 150}
            parts.append(estimates(free, subjects=16).assign(part=part, month=month))
        at_last = {("ldae", f"{name}_36m_cv"): (place + 1) * 0.24 for name in ("risk", "converted")}
        parts.append(estimates(at_last, subjects=16).assign(part=part, month=36))
    write_tsv(folder / "thirds.tsv", pd.concat(parts))


def write_counterfactual(folder: Path) -> None:
    metrics = ("image_error", "image_cosine", "outside_share", "ventricle_ml_amount", "independent_effect")
    values = {(name, metric): 0.9 for name in ("ldae_probe", "ldae_regression", "random") for metric in metrics}
    write_tsv(folder / "summary.tsv", estimates(values | {("ldae_probe", "back_share"): 0.2}, subjects=24))
    write_tsv(folder / "differences.tsv", estimates({("ldae_probe-no_edit", "image_error"): -0.1}).assign(p_holm=0.01))


def write_reliability(folder: Path) -> None:
    icc = ("icc_2_1_ad", "icc_2_1_age", "icc_2_1_code_median", "icc_2_1_code_good", "icc_retest_ad")
    metrics = (*icc, "scanner_accuracy", "scanner_chance", "scanner_p", "share_scanner_code", "auc_ad_test")
    names = ("ldae", "ldae_combat", "untrained_encoder", "oracle", "noise")
    write_tsv(folder / "summary.tsv", estimates({(name, metric): 0.9 for name in names for metric in metrics}, 24))
    compared = {("ldae-untrained_encoder", "icc_2_1_ad"): 0.1}
    write_tsv(folder / "differences.tsv", estimates(compared).assign(p=0.01, p_holm=0.01))


def write_forecasting(folder: Path) -> None:
    metrics = ("mae_brain", "ventricle_ml_step_error", "hippocampus_region_ml_step_error", "auc_future_ad")
    methods = ("ldae_mean_slope", "ldae_ridge", "latent_mean_change", "copy_last", "ldae_copy")
    values = {(name, metric): 0.7 for name in methods for metric in (*metrics, "future_mmse_mae")}
    write_tsv(folder / "one_visit.tsv", estimates(values, subjects=24))
    write_tsv(folder / "two_visits.tsv", estimates(values | {("ldae_slope", name): 0.6 for name in metrics}))
    groups = [
        estimates({("ldae_ridge", "ventricle_ml_step_error"): 0.5}).assign(
            visits_known=1, grouping=grouping, level=level
        )
        for grouping, level in (("gap_years", "0.5"), ("gap_years", "1"), ("diagnosis", "CN"), ("diagnosis", "AD"))
    ]
    write_tsv(folder / "by_group.tsv", pd.concat(groups))
    compared = estimates({("ldae_ridge-copy_last", "ventricle_ml_step_error"): -0.1}, subjects=24)
    question = "better than copying the last visit"
    write_tsv(folder / "differences.tsv", compared.assign(visits_known=1, question=question, p=0.01, p_holm=0.01))


def write_probe_checks(folder: Path) -> None:
    values = {(name, metric): 0.7 for name in ("ldae", "untrained_encoder") for metric in CONFOUNDS}
    table = estimates(values)
    table.insert(2, "classes", table["metric"].map(CONFOUNDS))
    read = table["metric"].str.contains("field_strength_cv|study_phase_cv")
    chances = (("chance", 0.46), ("chance_low", 0.38), ("chance_high", 0.56), ("chance_p", 0.01))
    for place, (name, value) in enumerate(chances):
        table.insert(3 + place, name, np.where(read, value, np.nan))
    write_tsv(folder / "confounds.tsv", table)
    parts = []
    for fraction, subjects in ((0.1, 3), (0.5, 15), (1.0, 30)):
        values = {("ldae", "auc_ad_test"): 0.5 + fraction / 3, ("ldae", "age_mae_test"): 8 - 2 * fraction}
        part = estimates(values)
        part.insert(2, "fraction", fraction)
        part.insert(3, "n_train_subjects", subjects)
        parts.append(part)
    write_tsv(folder / "label_efficiency.tsv", pd.concat(parts))


CONFOUNDS = {
    "auc_field_strength_cv": "1.5 T, 3 T",
    "auc_study_phase_cv": "ADNI1, ADNI2",
    "auc_ad_cv_within_field_strength": "3 T",
    "age_mae_cv_cn": "CN",
}


def write_reads(path: Path) -> None:
    rows = [("x_T", "aa", "1f3", True, "ddim", 20, 14, 22, 280, 440)]
    rows += [("x_T_unconditional_dpmpp_2m-10", "bb", "2e4", False, "dpmpp_2m", 10, 14, 14, 140, 140)]
    columns = "store digest model conditional solver steps scans uses network_calls network_calls_without_cache"
    write_tsv(path, pd.DataFrame(rows, columns=columns.split()))


def write_interpolation(folder: Path) -> None:
    methods = ("ae", "ldae", "ldae_months", "y_only", "x_T_only", "latent_lerp", "voxel_lerp", "copy_nearest")
    shown = ("start", "target", "end", *methods)
    rows = [(scan[0], "ses-M012", method, 0.5, 24) for scan in SCANS for method in shown]
    examples(folder / "examples", rows, "participant_id session_id method alpha gap_months")
    write_reads(folder / "reads.tsv")
    lines = [("scans", 1.096, -17.85, 146, 64, 0.989, 3.6), ("decoded", 1.9, 33.0, 128, 60, 0.978, 4.9)]
    lines += [("decoded_to_scans", 1.7, 46.0, 128, 60, 0.981, 4.1)]
    columns = "volumes slope offset scans subjects r residual_ml"
    write_tsv(folder / "ventricle_calibration.tsv", pd.DataFrame(lines, columns=columns.split()))
    metrics = ("ssim_w11_brain", "ventricle_ml_error", "ventricle_ml_error_mapped", "ssim_w4_paper", "mse_vs_ae")
    write_tsv(folder / "summary.tsv", estimates({(name, metric): 0.8 for name in methods for metric in metrics}))
    groups = [
        estimates({(name, metric): 0.8 - level / 1000 for name in methods for metric in metrics}).assign(
            grouping=grouping, level=level
        )
        for grouping, levels in {"gap_months": (24, 36), "prediction_gap_months": (6, 12), "position": (0.5,)}.items()
        for level in levels
    ]
    write_tsv(folder / "by_group.tsv", pd.concat(groups))
    write_tsv(folder / "differences.tsv", estimates({("ldae-copy_nearest", "ssim_w11_brain"): 0.03}))


def write_manipulation(folder: Path) -> None:
    probabilities = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
    rows, scans = [], []
    for scan in SCANS:
        rows += [(*scan, "original", np.nan, np.nan, 40.0, np.nan), (*scan, "reconstruction", 0.0, np.nan, 41.0, 45.0)]
        rows += [(*scan, "sweep", 10 * p - 5, p, 40 + 10 * p, 44 + 12 * p) for p in probabilities]
        rows += [(*scan, "paper", alpha, np.nan, 40 + alpha, 44 + alpha) for alpha in (1.0, 2.0)]
        rows += [(*scan, "true_reconstruction", 0.0, np.nan, 42.0, np.nan), (*scan, "truth", 4.0, 0.9, 47.0, np.nan)]
        for direction in ("probe", "random"):
            scans += [(*scan, direction, "probability", p, *[10 * p - 5] * 2, 12 * p - 6) for p in (0.1, 0.5, 0.9)]
    columns = "participant_id session_id diagnosis kind alpha probability ventricle_ml ventricle_ml_mapped"
    examples(folder / "examples", rows, columns)
    columns = "participant_id session_id diagnosis direction calibration target_probability alpha ventricle_ml_change"
    columns += " ventricle_ml_change_mapped"
    write_tsv(folder / "scans.tsv", pd.DataFrame(scans, columns=columns.split()))
    measures = ("ventricle_ml_change", "ventricle_ml_change_mapped")
    metrics = [f"{measure}_{end}" for measure in measures for end in ("plus_ad", "minus_ad", "plus_minus_ad")]
    values = {(name, metric): 4.0 for name in ("probe", "random") for metric in metrics}
    write_tsv(folder / "summary.tsv", estimates(values))
    measures = [*measures, "hippocampus_region_ml_change", "probability_reencoded"]
    measures += ["ssim_w11_outside_ae_gap", "ventricle_ml_change_truth", "ventricle_ml_change_calibrated"]
    doses = [
        estimates({("unused", measure): 0.4 + dose / 10 for measure in measures}).assign(
            direction=direction, calibration=calibration, dose=dose, group=group
        )
        for direction in ("probe", "random")
        for calibration, levels in {"probability": probabilities, "alpha": (1.0, 2.0)}.items()
        for dose in levels
        for group in ("all", "AD", "CN")
    ]
    write_tsv(folder / "doses.tsv", pd.concat(doses).rename(columns={"metric": "measure"}).drop(columns="method"))


def write_variation(folder: Path) -> None:
    rows = [
        (*scan[:2], kind, sample)
        for scan in SCANS
        for kind, sample in (("original", np.nan), ("sample", 0), ("sample", 1))
    ]
    examples(folder / "samples", rows, "participant_id session_id kind sample")
    index = pd.DataFrame([scan[:2] for scan in SCANS], columns=["participant_id", "session_id"])
    write_store(folder / "std", [np.full(SHAPE, 0.1, np.float32)] * 2, index)
    numbers = [(*scan, 2, 35.0, 2.0, 45.0, 2.5, 46.0) for scan in SCANS]
    columns = [
        "participant_id",
        "session_id",
        "diagnosis",
        "samples",
        "ventricle_ml_mean",
        "ventricle_ml_std",
        "ventricle_ml_mapped_mean",
        "ventricle_ml_mapped_std",
        "original_ventricle_ml",
    ]
    write_tsv(folder / "scans.tsv", pd.DataFrame(numbers, columns=columns))


def write_samples(folder: Path) -> None:
    kinds = ("unconditional", "reconstructed_held_out", "held_out")
    values = {(kind, metric): 0.2 for kind in kinds for metric in ("kernel_y_sem", "kernel_octants")}
    write_tsv(folder / "distances.tsv", estimates(values))
    kinds = ("unconditional", "held_out", "copied_training")
    write_tsv(folder / "memorisation.tsv", estimates({(kind, "nearest_ratio_median"): 0.9 for kind in kinds}))
    rows = [
        (kind, metric, x, x, max(x - 0.1, 0), min(x + 0.1, 1))
        for kind in kinds
        for metric in ("nearest_training_rms", "nearest_ratio")
        for x in (0.0, 0.5, 1.0)
    ]
    write_tsv(folder / "curves.tsv", pd.DataFrame(rows, columns=["kind", "metric", "x", "share", "low", "high"]))
    rows = [(*scan[:2], f"sample-{place}", kind) for place, scan in enumerate(SCANS) for kind in ("sample", "nearest")]
    examples(folder / "examples", rows, "participant_id session_id item kind")


def write_metrics(folder: Path) -> None:
    for stage in ("autoencoder", "diffusion", "representation"):
        (folder / stage).mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"step": step, "loss": 1 / step, "validation_loss": 2 / step}) for step in (10, 20, 30)]
        (folder / stage / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def write_results(root: Path) -> Path:
    """All of results/ that figures and report read."""
    write_manifest(root / "manifest")
    write_qc(root / "manifest")
    write_reconstruction(root / "evaluate/reconstruction")
    write_solvers(root / "evaluate/solvers")
    write_probes(root / "evaluate/probes")
    write_probe_checks(root / "evaluate/probe_checks")
    write_arena(root / "evaluate/arena")
    write_calibration(root / "evaluate/calibration")
    write_conversion(root / "evaluate/conversion")
    write_counterfactual(root / "evaluate/counterfactual")
    write_reliability(root / "evaluate/reliability")
    write_forecasting(root / "evaluate/forecasting")
    write_interpolation(root / "evaluate/interpolation")
    write_manipulation(root / "evaluate/manipulation")
    write_variation(root / "evaluate/variation")
    write_samples(root / "evaluate/samples")
    write_metrics(root / "train")
    return root
