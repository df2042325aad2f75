"""The last three: variation, the headline, and the paper's tables."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core.files import read_tsv
from ldae.core.store import open_store
from ldae.report.estimates import assemble_headline
from ldae.studies.common.paper_tables import estimate_cells, format_estimate, paper_table
from ldae.studies.interpolation import record as interpolation
from ldae.studies.manipulation import record as manipulation
from ldae.studies.reconstruction import record as reconstruction

TABLES = {
    "reconstruction": reconstruction.IN_TABLE,
    "interpolation": interpolation.IN_TABLE,
    "manipulation": manipulation.IN_TABLE,
}
WANTED = [
    "mean_volume_ssim_w11_brain",
    "ae_ssim_w11_brain",
    "ae_ventricle_r",
    "ldae_encoded_ssim_w11_brain",
    "ldae_noise_ssim_w11_brain",
    "ldae_shuffled_y_ssim_w11_brain",
    "auc_ad_cv",
    "oracle_auc_ad_cv",
    "untrained_encoder_auc_ad_cv",
    "pca_voxels_auc_ad_cv",
    "auc_ad_test",
    "auc_ad_cv_minus_untrained",
    "auc_ad_cv_oracle_minus_ours",
    "age_mae_cv_minus_mean_predictor",
    "age_mae_cv",
    "age_mae_cv_mean_predictor",
    "ventricle_ml_change_plus_ad",
    "ventricle_ml_change_minus_ad",
    "interpolation_ssim_ldae",
    "interpolation_ssim_copy_nearest",
    "interpolation_ssim_voxel_lerp",
]


def test_std_volume_is_that_of_the_samples(evaluated: Path) -> None:
    samples, std = open_store(evaluated / "variation" / "samples"), open_store(evaluated / "variation" / "std")
    for row, subject in enumerate(std.index["participant_id"]):
        chosen = (samples.index["participant_id"] == subject) & (samples.index["kind"] == "sample")
        volumes = samples.volumes(np.flatnonzero(chosen))
        assert len(volumes) == 3
        inside = (volumes > 0.02).all(axis=0) & (volumes < 0.98).all(axis=0)  # the pictures are clipped, std is not
        np.testing.assert_allclose(std.volumes(row)[inside], volumes.std(axis=0)[inside], atol=4e-3)
    assert std.data.dtype == np.float32 and len(std.index) == 3


def test_ventricles_of_the_samples_are_told_raw_and_mapped(evaluated: Path) -> None:
    table = read_tsv(evaluated / "variation" / "scans.tsv")
    line = read_tsv(evaluated / "interpolation" / "ventricle_calibration.tsv").set_index("volumes")
    slope, offset = line.loc["decoded_to_scans", ["slope", "offset"]]
    np.testing.assert_allclose(
        table["ventricle_ml_mapped_mean"], slope * table["ventricle_ml_mean"] + offset, rtol=1e-3
    )
    np.testing.assert_allclose(
        table["ventricle_ml_mapped_std"], slope * table["ventricle_ml_std"], rtol=1e-3, atol=1e-4
    )


def test_headline_has_every_number_and_is_plain_json(evaluated: Path) -> None:
    headline = assemble_headline(evaluated, "abc", "phantom")
    json.dumps(headline, allow_nan=False)
    assert headline["config_digest"] == "abc" and headline["data"] == "phantom"
    for name in WANTED:
        assert headline[name]["value"] is not None and headline[name]["low"] <= headline[name]["high"], name
    summary = read_tsv(evaluated / "probes" / "summary.tsv").set_index(["method", "metric"])
    assert headline["pca_voxels_auc_ad_cv"]["value"] == summary.loc[("pca_voxels", "auc_ad_cv"), "value"]
    gap = headline["oracle_auc_ad_cv"]["value"] - headline["auc_ad_cv"]["value"]
    assert headline["auc_ad_cv_oracle_minus_ours"]["value"] == pytest.approx(gap, abs=1e-5)
    pair = read_tsv(evaluated / "probes" / "differences.tsv").set_index(["method", "metric"])
    low = pair.loc[("ldae-oracle", "auc_ad_cv"), "low"]
    assert headline["auc_ad_cv_oracle_minus_ours"]["high"] == -low


def test_headline_says_why_a_number_is_missing(tmp_path: Path) -> None:
    headline = assemble_headline(tmp_path, "abc", "adni")
    assert headline["auc_ad_cv"] == {"value": None, "reason": "the study was not run"}


@pytest.mark.parametrize("name", TABLES)
def test_paper_tables_have_every_method_and_metric(evaluated: Path, name: str) -> None:
    table, plan = paper_table(TABLES[name], evaluated), TABLES[name]
    assert (table["n_training_seeds"] == 1).all()
    summary = read_tsv(evaluated / plan.source)
    assert table["method"].tolist() == summary["method"].drop_duplicates().tolist()
    for metric in plan.metrics:
        if name == "manipulation" and "_truth_" in metric:
            assert metric not in table  # the toy is no phantom that could be made again
            continue
        words = r"n/a \(no weights" if metric.startswith("lpips") else r".+ \[.+, .+\]( \(n = \d+\))?$"
        shown = table.loc[~(table["method"].str.endswith("_own_grid") & (metric == "ssim_w11"))]  # too small a box
        assert shown[metric].dropna().str.match(words).all(), metric


def test_a_cell_that_rests_on_other_subjects_than_its_row_says_so() -> None:
    columns = ["metric", "value", "low", "high", "n_subjects", "note"]
    rows = [("mse", 0.5, 0.4, 0.6, 28, None), ("psnr", 20.0, 19.0, 21.0, 23, None), ("r", None, None, None, 40, "one")]
    subjects, cells = estimate_cells(pd.DataFrame(rows, columns=columns).set_index("metric"))
    assert subjects == 28  # what has no value rests on nobody
    assert cells == {"mse": "0.500 [0.400, 0.600]", "psnr": "20.00 [19.00, 21.00] (n = 23)", "r": "n/a (one)"}


@pytest.mark.parametrize("name", TABLES)
def test_every_number_stands_beside_the_subjects_it_rests_on(evaluated: Path, name: str) -> None:
    table, plan = paper_table(TABLES[name], evaluated).set_index("method"), TABLES[name]
    summary = read_tsv(evaluated / plan.source).set_index(["method", "metric"])
    for method, row in table.iterrows():
        for metric in plan.metrics:
            if metric in row and isinstance(row[metric], str) and not row[metric].startswith("n/a"):
                own = re.search(r"\(n = (\d+)\)", row[metric])
                stated = int(own.group(1)) if own else row["subjects"]
                assert stated == summary.loc[(method, metric), "n_subjects"], (method, metric)


@pytest.mark.parametrize(
    ("value", "low", "high", "note", "text"),
    [
        (0.8731, 0.861, 0.8844, None, "0.873 [0.861, 0.884]"),
        (12.345, 10.0, 15.0, "too few", "12.35 [10.00, 15.00]"),
        (0.00191, 0.0012, 0.0031, None, "0.00191 [0.0012, 0.0031]"),
        (0.5, None, None, "one subject: no interval", "0.500 (one subject: no interval)"),
        (None, None, None, "no AD scan", "n/a (no AD scan)"),
    ],
)
def test_cells(value: float | None, low: float | None, high: float | None, note: str | None, text: str) -> None:
    assert format_estimate(pd.Series({"value": value, "low": low, "high": high, "note": note})) == text
