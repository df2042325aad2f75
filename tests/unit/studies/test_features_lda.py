"""PCA from inner products, shrinkage, and the discriminant plane."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from ldae.studies.common.feature_sets import VoxelPca, block_means
from ldae.studies.common.linear_probes import choose
from ldae.studies.probes.discriminant_plane import lda_projection


def test_pca_equals_sklearn_and_sees_only_the_fitted_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 200)) * np.linspace(3, 0.1, 200)
    fit_rows, rows = np.arange(20), np.arange(18, 30)
    ours = VoxelPca(x @ x.T, (5,))(fit_rows, rows)
    model = PCA(5, svd_solver="full").fit(x[fit_rows])
    for own, other in zip(ours, (model.transform(x[fit_rows]), model.transform(x[rows])), strict=True):
        np.testing.assert_allclose(np.abs(own), np.abs(other), atol=1e-8)
    changed = x.copy()
    changed[25] = 100
    np.testing.assert_allclose(VoxelPca(changed @ changed.T, (5,))(fit_rows, rows)[0], ours[0], atol=1e-8)


def test_pca_has_no_more_components_than_the_rows_span() -> None:
    x = np.random.default_rng(0).normal(size=(4, 50))
    assert VoxelPca(x @ x.T, (2, 20))(np.arange(4), np.arange(4))[0].shape == (4, 3)


def test_blocks_are_means() -> None:
    volume = np.arange(2 * 4 * 4 * 5, dtype=float).reshape(2, 4, 4, 5)
    blocks = block_means(volume, 2)
    assert blocks.shape == (2, 8)
    assert blocks[1, 0] == volume[1, :2, :2, :2].mean()


def lda_cohort() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.array(["CN", "MCI", "AD"] * 40)
    codes = rng.normal(size=(120, 10))
    codes[:, 3] -= 4.0 * (labels == "AD")
    codes[:, 5] -= 3.0 * (labels == "MCI")
    scans = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(120)], "session_id": "ses-M000"})
    return scans.assign(diagnosis=labels, split=np.where(np.arange(120) < 90, "train", "test")), codes


def test_lda_separates_unseen_scans_with_ad_on_the_right() -> None:
    scans, codes = lda_cohort()
    table = lda_projection(scans, codes)
    test = table[table["split"] == "test"].groupby("diagnosis")[["axis_1", "axis_2"]].mean()
    assert test.loc["AD", "axis_1"] > test.loc["CN", "axis_1"] + 2
    assert test.loc["MCI", "axis_2"] > test.loc["CN", "axis_2"] + 1


def test_lda_is_fitted_on_training_scans_alone() -> None:
    scans, codes = lda_cohort()
    before = lda_projection(scans, codes)
    train = before["split"] == "train"
    spoiled = scans.assign(diagnosis=np.where(train, scans["diagnosis"], "AD"))
    codes = np.where(train.to_numpy()[:, None], codes, codes + 50)
    after = lda_projection(spoiled, codes)
    pd.testing.assert_frame_equal(after[train], before[train])


def test_lda_of_one_class_is_not_available() -> None:
    scans, codes = lda_cohort()
    assert lda_projection(scans.assign(diagnosis="CN"), codes)[["axis_1", "axis_2", "axis_ad_cn"]].isna().all(axis=None)


def test_the_axis_of_ad_and_cn_is_that_of_a_cohort_without_mci() -> None:
    """Scans of MCI neither turn nor shift it; two directions apart, the first of three classes is another one."""
    scans, codes = lda_cohort()
    table = lda_projection(scans, codes)
    two = (scans["diagnosis"] != "MCI").to_numpy()
    alone = lda_projection(scans[two].reset_index(drop=True), codes[two])
    np.testing.assert_allclose(table.loc[two, "axis_ad_cn"], alone["axis_ad_cn"], atol=1e-9)
    np.testing.assert_allclose(alone["axis_1"], alone["axis_ad_cn"], atol=1e-9)
    assert not np.allclose(table["axis_1"], table["axis_ad_cn"], atol=0.1)
    test = table[table["split"] == "test"].groupby("diagnosis")["axis_ad_cn"].mean()
    assert test["AD"] > test["CN"] + 2


def test_two_subjects_are_enough_to_choose_a_width() -> None:
    """Of two subjects each inner fold leaves one row, which has no component."""
    x = np.random.default_rng(0).standard_normal((2, 6))
    people, strata = np.array(["a", "b"]), np.array(["x", "x"])
    penalty, width = choose("age", VoxelPca(x @ x.T, (1, 5)), np.arange(2), np.array([60.0, 80.0]), people, strata, 0)
    assert width == 1 and penalty > 0
