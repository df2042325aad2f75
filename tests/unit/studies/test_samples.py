"""Distances of distributions in closed form, and copies that are found as copies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core.files import read_tsv
from ldae.core.store import open_store
from ldae.studies.common.latent_octants import octants
from ldae.studies.reconstruction.table import samples_table
from ldae.studies.samples.neighbours import (
    curves,
    frechet,
    frechet_estimate,
    frechet_gaussians,
    kernel_distances,
    kernel_estimate,
    memorisation,
    nearest,
)


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    """Commuting covariances: sum of squared differences of means and of standard deviations along the axes."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    a, b = np.array([1.0, 4.0, 9.0, 0.0]), np.array([4.0, 1.0, 9.0, 2.0])
    mean = np.array([1.0, -2.0, 0.0, 0.5])
    found = frechet_gaussians(mean, axes * a @ axes.T, 0 * mean, axes * b @ axes.T)
    assert found == pytest.approx((mean**2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_frechet_distance_of_samples_comes_near_that_of_their_distributions() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4000, 3)), 2 * rng.standard_normal((4000, 3)) + 1
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, b) == pytest.approx(3 + 3, rel=0.05)


def test_kernel_distance_is_unbiased_and_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 2)), rng.standard_normal((4, 2)) + 1

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (x @ y / 2 + 1) ** 3

    aa = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    bb = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    ab = np.mean([kernel(x, y) for x in a for y in b])
    found = kernel_distances(a, b, np.ones((1, 5)), np.ones((1, 4)))[0]
    assert found == pytest.approx(aa + bb - 2 * ab)
    draws = [kernel_distances(*rng.standard_normal((2, 20, 3)), *np.ones((2, 1, 20)))[0] for _ in range(400)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / 20


def test_intervals_hold_their_value_and_tell_like_from_unlike() -> None:
    rng = np.random.default_rng(0)
    real, alike, other = rng.standard_normal((60, 4)), rng.standard_normal((40, 4)), rng.standard_normal((40, 4)) + 1
    kernel = [kernel_estimate(x, real, 200, 0) for x in (alike, other, real[:2])]
    frechets = [frechet_estimate(x, real, 0) for x in (alike, other, real[:2])]
    for near, far, few in (kernel, frechets):
        assert near.low <= near.value <= near.high and far.low > near.high
        assert few.value is None and "fewer than three" in few.note


def test_the_jackknife_of_the_frechet_distance_covers_as_much_as_it_says() -> None:
    """One feature, covariances 1: the distance is about the squared difference of means, here 1."""
    covered = 0
    for draw in range(60):
        rng = np.random.default_rng(draw)
        estimate = frechet_estimate(rng.standard_normal((80, 1)), rng.standard_normal((80, 1)) + 1, 0)
        covered += estimate.low <= 1.0 <= estimate.high
    assert 50 <= covered <= 60  # 57 expected


def test_nearest_is_zero_for_copies_and_the_second_is_of_another_subject() -> None:
    rng = np.random.default_rng(0)
    references = rng.standard_normal((6, 1, 3, 3, 3)).astype(np.float32)
    references[1] = references[0] + 0.1  # another visit of the first subject
    subjects = np.array(["a", "a", "b", "c", "d", "e"])
    found = nearest(references, references, subjects)
    assert found["place"].tolist() == list(range(6)) and (found["nearest"] == 0).all() and (found["ratio"] == 0).all()
    gap = np.sqrt(((references[0] - references[2:]) ** 2).mean(axis=(1, 2, 3, 4)).min())
    assert found["second"][0] == pytest.approx(gap, rel=1e-6)
    one = nearest(references[:2], references[:2], subjects[:2])
    assert one["ratio"].isna().all()


def table_of(**distances: np.ndarray) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"kind": kind, "subject": [f"{kind}-{i}" for i in range(len(d))], "nearest": d, "ratio": d})
        for kind, d in distances.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_copies_have_an_auc_of_one_and_like_samples_of_one_half() -> None:
    rng = np.random.default_rng(0)
    table = table_of(unconditional=rng.random(40) + 1, held_out=rng.random(40) + 1, copied_training=np.zeros(40))
    summary = memorisation(table, 200, 0).set_index(["method", "metric"])
    copies = summary.loc["copied_training"]
    assert copies.loc["nearest_training_rms_median", "value"] == 0 and copies.loc["nearest_ratio_auc", "value"] == 1
    like = summary.loc[("unconditional", "nearest_training_rms_auc")]
    assert like["low"] < 0.5 < like["high"]
    shares = curves(table, 200, 0)
    assert (shares[shares["kind"] == "copied_training"]["share"] == 1).all()
    last = shares.groupby(["kind", "metric"])["share"].last()
    assert (last == 1).all() and (shares["low"] <= shares["share"]).all() and (shares["share"] <= shares["high"]).all()


def test_octants_are_means_and_spreads_of_the_eight_corners() -> None:
    z = np.random.default_rng(0).standard_normal((2, 3, 4, 6, 4)).astype(np.float32)
    found = octants(z)
    assert found.shape == (2, 48)
    corner = z[1, 2, 2:, :3, 2:]  # octant (1, 0, 1) of channel 2
    assert found[1, 2 * 8 + 5] == pytest.approx(corner.mean(), rel=1e-5)
    assert found[1, 24 + 2 * 8 + 5] == pytest.approx(corner.std(), rel=1e-5)


def test_training_scans_are_found_as_copies_of_themselves(evaluated: Path, cohort: tuple) -> None:
    """The toy's autoencoder loses nothing, so re-encoded training scans are the training scans."""
    table = read_tsv(evaluated / "samples" / "neighbours.tsv")
    copies = table[table["kind"] == "copied_training"]
    assert (copies["item"] == copies["nearest_participant_id"] + "_" + copies["nearest_session_id"]).all()
    assert copies["nearest"].max() < 1e-6
    held_out = table[table["kind"] == "held_out"]
    assert (held_out["nearest"] > 0.01).all() and (held_out["nearest_participant_id"] != held_out["subject"]).all()
    training = set(cohort[1].scans.loc[cohort[1].rows("train"), "participant_id"])
    assert set(table["nearest_participant_id"]) <= training


def test_samples_stand_beside_the_floor_of_held_out_scans(evaluated: Path) -> None:
    table = read_tsv(evaluated / "samples" / "distances.tsv").set_index(["method", "metric"])
    kinds = ["unconditional", "reconstructed_held_out", "held_out"]
    assert table.index.get_level_values(0).unique().tolist() == kinds
    for metric in ("frechet_y_sem_shrunk", "kernel_y_sem", "frechet_octants_shrunk", "kernel_octants"):
        values = table.xs(metric, level=1)
        assert values["n_subjects"].nunique() == 1
        assert values.loc["held_out", "value"] == pytest.approx(
            values.loc["reconstructed_held_out", "value"], rel=1e-3, abs=1e-4
        )  # the toy's autoencoder loses nothing
    memory = read_tsv(evaluated / "samples" / "memorisation.tsv")
    rows = samples_table(table.reset_index(), memory).set_index("kind")
    assert set(rows.index) == {*kinds, "copied_training"} and "[" in rows.loc["unconditional", "nearest_ratio_auc"]
    assert len(open_store(evaluated / "samples" / "examples").index) == 8
