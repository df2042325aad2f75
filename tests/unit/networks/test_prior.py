"""The Gaussian start of the demo: exact for Gaussian latents, and its linear response to y_sem."""

from pathlib import Path

import pytest
import torch

from ldae.config import load_config
from ldae.diffusion.schedule import Schedule
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.unet import GaussianPrior, UNet

CONFIG = Path(__file__).parents[3] / "config"
SHAPE = (4, 4, 4, 4)


@pytest.fixture
def settings():
    small = load_config(CONFIG / "config.yaml", CONFIG / "small_networks.yaml").diffusion
    return small.model_copy(update={"channels": 8, "norm_groups": 2})


@pytest.fixture
def prior(settings):
    generator = torch.Generator().manual_seed(1)
    mean, variance = torch.randn(SHAPE, generator=generator), torch.rand(SHAPE, generator=generator) + 0.1
    return GaussianPrior(torch.as_tensor(Schedule.of(settings).alpha_bar), mean, variance)


def test_prediction_is_the_conditional_mean_of_the_noise(prior):
    """Regression of eps on z_t over many Gaussian draws gives the closed form, and its error the stated spread."""
    generator, t = torch.Generator().manual_seed(2), 300
    draws = 20000
    mean, variance = (value[:1, :1, :1, :2].flatten() for value in (prior.mean, prior.variance))
    small = GaussianPrior(prior.alpha_bar, mean.view(1, 1, 1, 2), variance.view(1, 1, 1, 2))
    a = prior.alpha_bar[t]
    z = mean + variance.sqrt() * torch.randn(draws, 2, generator=generator)
    noise = torch.randn(draws, 2, generator=generator)
    z_t = a.sqrt() * z + (1 - a).sqrt() * noise
    times = torch.full((draws,), t)
    error = noise - small.noise(z_t.view(draws, 1, 1, 1, 2), times).view(draws, 2)
    assert error.mean(0).abs().max() < 0.03
    assert (error * (z_t - z_t.mean(0))).mean(0).abs().max() < 0.02  # nothing linear is left
    torch.testing.assert_close(error.std(0), small.error(times[:1]).view(2), rtol=0.03, atol=0)


def test_response_moves_the_mean(prior, settings):
    """eps - sqrt(1 - a_t) G with the linear response alone is the prediction of a prior whose mean has moved."""
    trunk = UNet(settings, SHAPE[0], prior)
    shift = build_shift_branch(settings, SHAPE[0], 6, trunk)
    torch.nn.init.normal_(shift.prior_mean.weight)
    estimator = GradientEstimator(trunk, shift)
    z, t, y = torch.randn(3, *SHAPE), torch.tensor([5, 400, 999]), torch.randn(3, 6)
    eps, gradient = estimator(z, t, y)  # both output convolutions start at zero
    moved = prior.variance.sqrt() * shift.prior_mean(y).view(3, *SHAPE)
    for scan in range(3):
        other = GaussianPrior(prior.alpha_bar, prior.mean + moved[scan], prior.variance)
        a = prior.alpha_bar[t[scan]]
        expected = other.noise(z[scan : scan + 1], t[scan : scan + 1])[0]
        torch.testing.assert_close((eps - (1 - a).sqrt() * gradient)[scan], expected, rtol=1e-4, atol=1e-4)


def test_estimator_starts_at_the_unconditional_model(prior, settings):
    trunk = UNet(settings, SHAPE[0], prior)
    estimator = GradientEstimator(trunk, build_shift_branch(settings, SHAPE[0], 6, trunk))
    eps, gradient = estimator(torch.randn(2, *SHAPE), torch.tensor([3, 700]), torch.randn(2, 6))
    assert torch.equal(gradient, torch.zeros_like(gradient))
    assert torch.isfinite(eps).all()


def test_the_paper_has_no_prior():
    settings = load_config(CONFIG / "config.yaml").diffusion
    with torch.device("meta"):
        trunk = UNet(settings, 3)
        assert build_shift_branch(settings, 3, 768, trunk).prior_mean is None
