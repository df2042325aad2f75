"""The first words of the report: differences counted by their side of zero, and the method's own said in words."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from ldae.core.files import write_tsv
from ldae.report.losses import with_p
from ldae.report.verdict import LONGEST, side_of, verdict
from ldae.studies.common.statistics import holm

COLUMNS = ["method", "metric", "value", "low", "high", "n_subjects", "n_rows", "redrawn", "n_replicates", "note"]


def written(folder, study, rows, note=None, **more):
    table = pd.DataFrame([(*row, 30, 60, 0, 200, note) for row in rows], columns=COLUMNS)
    write_tsv(folder / study / "differences.tsv", table.assign(**more))


@pytest.mark.parametrize(
    ("metric", "low", "high", "side"),
    [
        ("ssim_w11_brain", 0.1, 0.2, "better"), ("ssim_w11_brain", -0.2, -0.1, "worse"),
        ("ssim_w11_brain", -0.1, 0.2, "open"), ("mse", -0.2, -0.1, "better"), ("mse", 0.1, 0.2, "worse"),
        ("mse", 0.0, 0.2, "open"), ("psnr", -0.2, 0.0, "open"), ("mse_vs_ae", -0.2, -0.1, "own"),
        ("ssim_w4_paper", 0.1, 0.2, "own"), ("ssim_w4_paper", -0.2, -0.1, "worse"), ("mse_vs_ae", -0.2, 0.1, "open"),
    ],
)  # fmt: skip
def test_the_side_of_an_interval(metric, low, high, side):
    assert side_of(pd.Series({"metric": metric, "low": low, "high": high, "p_holm": 0.01})) == side


def test_a_gain_counts_after_holms_correction_and_a_loss_without():
    gain = pd.Series({"metric": "psnr", "low": 0.1, "high": 0.2, "p_holm": 0.07})
    assert side_of(gain) == "open" and side_of(gain.replace("psnr", "mse")) == "worse"


def test_p_values_of_intervals_are_those_of_normal_errors_on_the_side_of_zero(tmp_path):
    value, errors = np.array([0.4, -0.4, 0.0, 0.1]), np.array([0.2, 0.2, 0.1, 0.2])
    reach = norm.ppf(0.975) * errors
    table = pd.DataFrame({"value": value, "low": value - reach, "high": value + reach})
    p = 2 * norm.sf(abs(value) / errors)
    assert with_p(table)["p_holm"].tolist() == pytest.approx(holm(pd.Series(p)).tolist())
    uneven = table.assign(high=table["high"] + 5 * (value > 0), low=table["low"] - 5 * (value < 0))  # away from zero
    assert with_p(uneven)["p_holm"].tolist() == pytest.approx(holm(pd.Series(p)).tolist())


def test_all_studies_are_counted_and_pairs_of_ours_left_out(tmp_path):
    assert verdict(tmp_path) is None
    written(
        tmp_path,
        "reconstruction",
        [
            ("ldae_noise-mean_volume", "mse", -0.02, -0.03, -0.01),
            ("ldae_noise-mean_volume", "psnr", 1.0, 0.5, 1.5),
            ("ldae_noise-mean_volume", "mse_vs_ae", -0.02, -0.03, -0.01),  # against the autoencoder's own output
            ("ldae_noise-mean_volume", "ssim_w11_brain", -0.02, -0.03, -0.01),
            ("ldae_encoded-ldae_noise", "mse", -0.02, -0.03, -0.01),  # two of ours
        ],
    )
    written(tmp_path, "probes", [("ldae-pca_voxels", "auc_ad_cv", 0.1, -0.2, 0.3)], p_holm=0.9)
    found = verdict(tmp_path)
    assert (found.n_better, found.n_worse, found.n_open, found.n_all, found.n_own) == (2, 1, 1, 4, 1)
    (sentence,) = found.better
    assert "is ahead of Mean training brain</a>: " in sentence and sentence.endswith(", and 1 more")
    assert sentence.startswith('<a href="#reconstruction">LDAE, own y<sub>sem</sub>')
    assert found.sections == [("Reconstruction", 2, 0, 3), ("Linear probes", 0, 0, 1)]


def test_no_more_than_a_few_are_told_in_words(tmp_path):
    rows = [(f"ldae-rival_{number}", "auc_ad_cv", 0.2, 0.1, 0.3) for number in range(2 * LONGEST)]
    written(tmp_path, "probes", rows, note="too few", p_holm=0.01)
    found = verdict(tmp_path)
    assert all(", too few)" in sentence for sentence in found.better)
    assert (len(found.better), found.n_better) == (LONGEST, 2 * LONGEST)
    assert found.sections == [("Linear probes", 2 * LONGEST, 2 * LONGEST, 2 * LONGEST)]
