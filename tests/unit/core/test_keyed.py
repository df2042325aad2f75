"""Keyed random numbers never change: every published number hangs on them."""

import pytest
import torch

from ldae.core.keyed import key, normal, scan_at, seed_layers, stream, study_stream


def test_the_numbers_of_each_kind_of_key_are_pinned():
    assert key(1, "diffusion", "noise", 3) == 3454000050686886247
    assert stream(1, "age", "sub-1").integers(1000, size=4).tolist() == [397, 677, 337, 447]
    assert study_stream(1, "folds", "AD").integers(1000, size=4).tolist() == [907, 434, 925, 363]
    assert [scan_at(1, "dae", 5, 2, place, 4) for place in range(4)] == [2, 1, 4, 1]


def test_the_numbers_that_torch_draws_are_pinned():
    assert normal((3,), 1, "x_T", "a").tolist() == pytest.approx([1.7147138, -1.1515732, -0.4800035], abs=1e-6)
    seed_layers(1, "dropout")
    assert torch.rand(2).tolist() == pytest.approx([0.1157260, 0.7046947], abs=1e-6)
