"""The report's first words on where the method loses: every study's pairs, the right direction, nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from ldae.core.files import write_tsv
from ldae.report.losses import is_loss, losses

COLUMNS = ["method", "metric", "value", "low", "high", "n_subjects", "n_rows", "redrawn", "n_replicates", "note"]


def written(folder: Path, study: str, rows: list[tuple]) -> None:
    table = pd.DataFrame([(*row, 30, 60, 0, 200, None) for row in rows], columns=COLUMNS)
    write_tsv(folder / study / "differences.tsv", table.assign(p_holm=0.9))


@pytest.mark.parametrize(
    ("metric", "low", "high", "loss"),
    [
        ("ssim_w11_brain", -0.2, -0.1, True), ("ssim_w11_brain", 0.1, 0.2, False), ("mse", 0.1, 0.2, True),
        ("mse_vs_ae", 0.1, 0.2, True), ("mse", -0.2, -0.1, False), ("lpips_paper_half", 0.1, 0.2, True),
        ("psnr", -2.0, -1.0, True), ("age_mae_test", 0.1, 0.2, True), ("auc_ad_cv", -0.2, -0.1, True),
        ("ventricle_ml_error_truth", 0.1, 0.2, True), ("mse", -0.1, 0.2, False), ("auc_ad_cv", -0.1, 0.2, False),
    ],
)  # fmt: skip
def test_a_loss_is_an_interval_on_the_rivals_side(metric: str, low: float, high: float, loss: bool) -> None:
    assert is_loss(pd.Series({"metric": metric, "low": low, "high": high})) == loss


def test_losses_of_every_study_are_told(tmp_path: Path) -> None:
    assert losses(tmp_path) is None
    written(tmp_path, "interpolation", [("ldae-voxel_lerp", "mse", -0.02, -0.03, -0.01)])
    assert losses(tmp_path) == []
    written(
        tmp_path,
        "reconstruction",
        [
            ("ldae_noise-mean_volume", "mse", 0.02, 0.01, 0.03),
            ("ldae_noise-mean_volume", "ssim_w11_brain", -0.02, -0.03, -0.01),
            ("ldae_noise-mean_volume", "psnr", 1.0, 0.5, 1.5),
            ("ldae_encoded-ldae_noise", "mse", 0.02, 0.01, 0.03),  # two of ours
            ("ae-mean_volume", "ssim_w3_paper", -0.02, -0.03, -0.01),  # its first stage
        ],
    )
    written(tmp_path, "probes", [("ldae-pca_voxels", "auc_ad_cv", -0.1, -0.2, -0.05)])
    found = losses(tmp_path)
    assert [(loss.study, len(loss.metrics)) for loss in found] == [
        ("reconstruction", 2),
        ("reconstruction", 1),
        ("probes", 1),
    ]
    assert str(found[0].heading) == "LDAE, own y<sub>sem</sub>, random x<sub>T</sub> against Mean training brain"
    assert "0.020 [0.010, 0.030]" in str(found[0].metrics[0])


def test_what_two_studies_say_of_a_pair_is_told_once(tmp_path: Path) -> None:
    line = ("ldae-pca_voxels", "auc_ad_cv", -0.1, -0.2, -0.05)
    written(tmp_path, "probes", [line])
    written(tmp_path, "arena", [line, ("ldae-pca_voxels", "auc_sex_cv", -0.3, -0.4, -0.1)])
    found = losses(tmp_path)
    assert [(loss.study, len(loss.metrics)) for loss in found] == [("probes", 1), ("arena", 1)]
    assert "-0.1" in str(found[0].metrics[0]).replace("−", "-") and "-0.3" in str(found[1].metrics[0]).replace("−", "-")
