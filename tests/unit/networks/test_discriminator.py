"""Adversarial losses, and the perceptual distance from weights in a file."""

import torch
from safetensors.torch import save_file

from ldae.config import Discriminator
from ldae.networks.discriminator import build_discriminator, build_perceptual, discriminator_loss, generator_loss


def test_least_squares_losses():
    fake, real = torch.tensor([0.0, 0.5]), torch.tensor([1.0, 0.0])
    assert generator_loss(fake).item() == (1 + 0.25) / 2
    assert discriminator_loss(fake, real).item() == 0.5 * (0.25 / 2 + 1 / 2)


def test_one_score_per_patch():
    scores = build_discriminator(Discriminator(channels=4, layers=2))(torch.rand(2, 1, 32, 32, 32))
    assert scores.shape[:2] == (2, 1)
    assert min(scores.shape[2:]) > 1


def test_perceptual_distance_from_a_file(tmp_path):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path / "squeezenet.safetensors"
    network = squeezenet1_1(weights=None)
    save_file(network.state_dict(), path)
    distance = build_perceptual(path, fraction=1.0)
    given = network.state_dict()["features.3.squeeze.weight"]
    held = {
        name: value for name, value in distance.distance.net.state_dict().items() if name.endswith(".3.squeeze.weight")
    }
    assert torch.equal(*held.values(), given)
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    x = torch.rand(1, 1, 32, 32, 32)
    assert distance(x, x).item() == 0
    blurred = torch.nn.functional.avg_pool3d(x, 3, stride=1, padding=1)
    assert distance(blurred, x).item() > 0
