"""Straight and spherical paths."""

import math

import pytest
import torch

from ldae.inference.paths import lerp, slerp


def vectors(*rows):
    return torch.tensor(rows, dtype=torch.float64).view(len(rows), -1, 1, 1, 1)


def test_lerp_per_sample():
    a, b = torch.zeros(3, 2), torch.ones(3, 2)
    assert lerp(a, b, torch.tensor([0.0, 0.25, 2.0])).tolist() == [[0, 0], [0.25, 0.25], [2, 2]]


def test_slerp_of_a_right_angle():
    found = slerp(vectors([1, 0]), vectors([0, 1]), torch.tensor([1 / 3])).flatten()
    torch.testing.assert_close(found, torch.tensor([math.cos(math.pi / 6), 0.5], dtype=torch.float64))


def test_slerp_ends_are_the_inputs_and_samples_are_independent():
    a, b = torch.randn(3, 4, 2, 2, 2), torch.randn(3, 4, 2, 2, 2)
    fraction = torch.tensor([0.0, 0.5, 1.0])
    path = slerp(a, b, fraction)
    torch.testing.assert_close(path[0], a[0])
    torch.testing.assert_close(path[2], b[2])
    torch.testing.assert_close(path[1:2], slerp(a[1:2], b[1:2], fraction[1:2]))


def test_slerp_keeps_the_norm_of_equal_norms():
    a, b = torch.randn(5, 100, dtype=torch.float64), torch.randn(5, 100, dtype=torch.float64)
    b = b * a.norm(dim=1, keepdim=True) / b.norm(dim=1, keepdim=True)
    path = slerp(a, b, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path.norm(dim=1), a.norm(dim=1))


def test_slerp_of_the_same_vector_is_that_vector():
    a = torch.randn(2, 10)
    torch.testing.assert_close(slerp(a, a.clone(), torch.tensor([0.3, 0.7])), a)


def test_slerp_of_parallel_and_zero_vectors_is_straight():
    path = slerp(vectors([1, 0], [0, 0]), vectors([3, 0], [2, 0]), torch.tensor([0.5, 0.5]))
    assert path.flatten().tolist() == [2, 0, 1, 0]


def test_slerp_of_opposite_vectors_is_refused():
    with pytest.raises(ValueError, match="opposite"):
        slerp(vectors([1, 0]), vectors([-1, 0]), torch.tensor([0.5]))


def test_slerp_of_two_zero_vectors_is_zero():
    assert torch.equal(slerp(vectors([0, 0]), vectors([0, 0]), torch.tensor([0.5])), vectors([0, 0]))


def test_slerp_of_nearly_equal_and_nearly_opposite_vectors_stays_finite():
    for angle in (1e-7, math.pi - 1e-3):
        path = slerp(vectors([1, 0]), vectors([math.cos(angle), math.sin(angle)]), torch.tensor([0.5])).flatten()
        expected = torch.tensor([math.cos(angle / 2), math.sin(angle / 2)], dtype=torch.float64)
        torch.testing.assert_close(path, expected, rtol=1e-9, atol=1e-9)


def test_lerp_of_opposite_and_equal_vectors():
    a = vectors([1, -2])
    assert torch.equal(lerp(a, -a, torch.tensor([0.5])), torch.zeros_like(a))
    assert torch.equal(lerp(a, a.clone(), torch.tensor([0.3])), a)
