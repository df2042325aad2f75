"""Samplers against the exact solution of a Gaussian problem, and against MONAI's DDIM step."""

import math
from functools import partial
from typing import get_args

import numpy as np
import pytest
import torch

from ldae.config import Sampling
from ldae.diffusion import samplers
from ldae.diffusion.ddim import ddim_grid
from ldae.diffusion.dpm_solver import log_sigma_grid
from ldae.diffusion.schedule import Schedule

SCHEDULE = Schedule()
SPREAD = torch.tensor([0.2, 0.5, 1.0, 1.5], dtype=torch.float64).view(1, 4, 1, 1, 1)
SAMPLERS = {
    name: (sampler.decode, sampler.encode, partial(sampler.grid, schedule=SCHEDULE))
    for name, sampler in samplers.SAMPLERS.items()
}


def test_the_configuration_offers_every_sampler():
    assert get_args(Sampling.model_fields["solver"].annotation) == tuple(SAMPLERS)


def gaussian_denoiser(x, t):
    """The exact noise prediction for z_0 ~ N(0, SPREAD^2)."""
    a = torch.as_tensor(SCHEDULE.alpha_bar)[t].view(-1, 1, 1, 1, 1)
    return (1 - a).sqrt() * x / (a * SPREAD**2 + 1 - a)


def exact(x, start, end):
    """The probability-flow ODE keeps x_t in units of its own standard deviation."""
    deviation = [torch.sqrt(SCHEDULE.alpha_bar[t] * SPREAD**2 + 1 - SCHEDULE.alpha_bar[t]) for t in (start, end)]
    return x * deviation[1] / deviation[0]


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


def decode_error(name, steps):
    decode, _, grid = SAMPLERS[name]
    x = torch.ones(2, 4, 1, 1, 1, dtype=torch.float64)
    return relative(decode(gaussian_denoiser, x, grid(steps), SCHEDULE), exact(x, 999, 0))


def test_grid_of_the_paper():
    assert ddim_grid(10) == [0, 99, 199, 299, 399, 499, 599, 699, 799, 899, 999]
    assert ddim_grid(100)[:4] == [0, 9, 19, 29]
    assert len(ddim_grid(100)) == 101


def test_log_sigma_grid_is_even_in_log_sigma():
    grid = log_sigma_grid(10, SCHEDULE)
    assert (grid[0], grid[-1], len(grid)) == (0, 999, 11)
    steps = np.diff(np.log(SCHEDULE.sigma)[grid])
    assert steps.max() / steps.min() < 1.6  # integer timesteps are coarse near 0


@pytest.mark.parametrize("name", SAMPLERS)
def test_decode_converges_to_the_exact_flow(name):
    errors = [decode_error(name, steps) for steps in (10, 20, 40)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < (0.01 if name == "dpmpp_2m" else 0.06)


def test_the_second_order_solver_needs_a_fifth_of_the_steps():
    assert decode_error("dpmpp_2m", 20) < decode_error("ddim", 100)
    ddim_order = math.log2(decode_error("ddim", 50) / decode_error("ddim", 100))
    dpm_order = math.log2(decode_error("dpmpp_2m", 10) / decode_error("dpmpp_2m", 20))
    assert 0.8 < ddim_order < 1.3
    assert dpm_order > 1.35  # not 2: timesteps are snapped to integers


@pytest.mark.parametrize(("name", "steps", "bound"), [("ddim", 100, 0.05), ("ddim", 500, 0.01), ("dpmpp_2m", 20, 0.02)])
def test_encode_then_decode_comes_back(name, steps, bound):
    decode, encode, grid = SAMPLERS[name]
    z = SPREAD.expand(2, -1, -1, -1, -1).clone()
    x_T = encode(gaussian_denoiser, z, grid(steps), SCHEDULE)
    assert relative(x_T, exact(z, 0, 999)) < 4 * bound
    assert relative(decode(gaussian_denoiser, x_T, grid(steps), SCHEDULE), z) < bound


@pytest.mark.parametrize("name", SAMPLERS)
def test_network_calls_and_timesteps(name):
    seen = []

    def model(x, t):
        seen.append(t.tolist())
        return torch.zeros_like(x)

    decode, encode, grid = SAMPLERS[name]
    times = grid(5)
    decode(model, torch.ones(2, 1, 1, 1, 1), times, SCHEDULE)
    assert seen == [[t, t] for t in times[:0:-1]]
    seen.clear()
    encode(model, torch.ones(2, 1, 1, 1, 1), times, SCHEDULE)
    assert seen == [[t, t] for t in times[:-1]]


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_of_a_batch_are_independent(name):
    decode, _, grid = SAMPLERS[name]
    x = torch.randn(3, 4, 1, 1, 1, dtype=torch.float64)
    whole = decode(gaussian_denoiser, x, grid(8), SCHEDULE)
    assert torch.equal(whole[1:2], decode(gaussian_denoiser, x[1:2], grid(8), SCHEDULE))


@pytest.mark.parametrize("name", SAMPLERS)
def test_clamp_bounds_the_result_and_is_off_by_default(name):
    decode, _, grid = SAMPLERS[name]
    x = torch.full((1, 4, 1, 1, 1), 3.0, dtype=torch.float64)
    free, held = (decode(gaussian_denoiser, x, grid(20), SCHEDULE, clamp) for clamp in (None, 1.0))
    assert free.max() > 2
    assert held.max() < 1.1
