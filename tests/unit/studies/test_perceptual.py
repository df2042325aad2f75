"""LPIPS from weights that the test makes: zero for equal volumes, the same number twice, the paper's half beside."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import squeezenet1_1

from ldae.config import Evaluation
from ldae.studies.common.image_metrics import LPIPS, Perceptual


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory: pytest.TempPathFactory) -> Perceptual:
    path: Path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    torch.manual_seed(0)
    save_file(squeezenet1_1(weights=None).state_dict(), path)
    return Perceptual.of(Evaluation(lpips_weights=path), torch.device("cpu"))


def test_equal_volumes_have_no_distance(perceptual: Perceptual) -> None:
    x = torch.rand(2, 1, 20, 20, 20)
    assert perceptual.columns(x, x) == {name: [0.0, 0.0] for name in LPIPS}


def test_the_metric_is_seeded_and_leaves_the_global_generator_alone(perceptual: Perceptual) -> None:
    x, y = torch.rand(2, 1, 1, 20, 20, 20)
    state = torch.get_rng_state()
    first = perceptual.columns(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert perceptual.columns(x, y) == first
    assert all(values[0] > 0 for values in first.values())
    assert first[LPIPS[0]] != first[LPIPS[1]]  # all slices, half of them


def test_volumes_too_small_for_the_network_have_no_value(perceptual: Perceptual) -> None:
    assert all(v == v for column in perceptual.columns(*torch.rand(2, 1, 1, 17, 17, 17)).values() for v in column)
    assert all(v != v for column in perceptual.columns(*torch.rand(2, 1, 1, 16, 20, 20)).values() for v in column)


def test_without_weights_every_value_is_missing() -> None:
    volume = torch.zeros(1, 1, 8, 8, 8)
    values = Perceptual.of(Evaluation(), torch.device("cpu")).columns(volume, volume)
    assert set(values) == set(LPIPS) and all(value != value for column in values.values() for value in column)
