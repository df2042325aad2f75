"""Schedule, shift coefficient and loss weight against their formulas and the values of the paper's settings."""

import math

import numpy as np
import pytest
import torch

from ldae.diffusion.ddim import guided, sampling_coefficient
from ldae.diffusion.schedule import Schedule


@pytest.fixture(scope="module")
def schedule():
    return Schedule()


def test_linear_betas(schedule):
    assert schedule.beta[0] == 1e-4
    assert schedule.beta[-1] == 0.02
    assert math.isclose(schedule.alpha_bar[1], (1 - schedule.beta[0]) * (1 - schedule.beta[1]), rel_tol=1e-12)
    assert schedule.alpha_bar.dtype == np.float64


@pytest.mark.parametrize(("t", "weight"), [(0, 2.5e-4), (100, 0.130), (300, 0.58), (475, 0.722), (999, 0.364)])
def test_loss_weight(schedule, t, weight):
    table = schedule.loss_weight(0.1)
    snr = schedule.alpha_bar[t] / (1 - schedule.alpha_bar[t])
    assert math.isclose(table[t], (1 / (1 + snr)) ** 0.9 * (snr / (1 + snr)) ** 0.1, rel_tol=1e-12)
    assert math.isclose(table[t], weight, rel_tol=0.02)


@pytest.mark.parametrize(("t", "ratio"), [(0, 0), (1, 0.455), (10, 0.864), (100, 0.981), (999, 0.990)])
def test_training_coefficient_against_that_of_sampling(schedule, t, ratio):
    sampling, training = (sampling_coefficient(schedule, kind) for kind in ("sqrt", "training"))
    assert math.isclose(training[t] / sampling[t], ratio, abs_tol=6e-4)


def test_add_noise(schedule):
    z, noise = torch.ones(2, 1, 1, 1, 1), torch.full((2, 1, 1, 1, 1), 2.0)
    noisy = schedule.add_noise(z, noise, torch.tensor([0, 999])).flatten()
    expected = [math.sqrt(a) + 2 * math.sqrt(1 - a) for a in schedule.alpha_bar[[0, 999]]]
    torch.testing.assert_close(noisy, torch.tensor(expected))


def test_guided_noise(schedule):
    def estimator(x, t, y):
        return torch.full_like(x, 3.0), y.view(-1, 1, 1, 1, 1) * torch.ones_like(x)

    model = guided(estimator, torch.tensor([1.0, 2.0]), np.array([0.0, 0.5]))
    eps = model(torch.zeros(2, 1, 1, 1, 1), torch.tensor([0, 1]))
    assert eps.flatten().tolist() == [3.0, 2.0]


def test_shift_and_noise_make_the_posterior_mean(schedule):
    """With the true conditional score as G, eps - k_t G moves the DDPM mean by PDAE's sigma_t^2 G."""
    t = 400
    a, previous, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
    posterior_variance = beta * (1 - previous) / (1 - a)
    mean_per_eps = -beta / (math.sqrt(1 - beta) * math.sqrt(1 - a))
    assert math.isclose(-schedule.shift[t] * mean_per_eps, posterior_variance, rel_tol=1e-12)
