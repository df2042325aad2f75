"""Keyed random numbers, the validation SSIM, checkpoint fingerprints."""

import numpy as np
import pytest
import torch

from ldae.core.keyed import key, normal, scan_at
from ldae.training.safety.checkpoint import flatten
from ldae.training.stages.stage import ssim


def test_keys_are_stable_and_distinct():
    assert key(42, "diffusion", 3) == key(42, "diffusion", 3)
    assert len({key(42, "noise", step, position) for step in range(50) for position in range(50)}) == 2500
    assert key("a", "bc") != key("ab", "c")


def test_normal_numbers_are_standard_and_keyed():
    numbers = normal((40, 50, 50), 1, "x")
    assert numbers.mean().abs() < 0.02
    assert (numbers.std() - 1).abs() < 0.02
    assert torch.equal(numbers, normal((40, 50, 50), 1, "x"))
    assert not torch.equal(numbers, normal((40, 50, 50), 1, "y"))


def test_data_order_is_a_function_of_the_position_alone():
    one = [scan_at(1, "s", 5, step, i, 2) for step in range(10) for i in range(2)]
    other = [scan_at(1, "s", 5, step, i, 4) for step in range(5) for i in range(4)]
    assert one == other
    assert one != [scan_at(2, "s", 5, step, i, 2) for step in range(10) for i in range(2)]


def test_validation_ssim_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    x = rng.random((20, 22, 24))
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1)
    _, theirs = metrics.structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, full=True
    )
    ours = ssim(*(torch.from_numpy(volume)[None, None] for volume in (x, y)))
    assert ours.item() == pytest.approx(theirs[5:-5, 5:-5, 5:-5].mean(), abs=1e-6)


def test_flatten():
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
