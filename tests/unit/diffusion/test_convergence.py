"""Order of convergence of every solver, in both directions, where the exact flow is known.

The schedule is cut into 100,000 timesteps, so that snapping to integers does not hide the order.
"""

import itertools
import math

import pytest
import torch

from ldae.diffusion.ddim import ddim_decode, ddim_encode, ddim_grid
from ldae.diffusion.dpm_solver import dpmpp_2m_decode, dpmpp_2m_encode, log_sigma_grid
from ldae.diffusion.schedule import Schedule

FINE = 100_000
SCHEDULE = Schedule(FINE, 1e-4 * 1000 / FINE, 0.02 * 1000 / FINE)
SPREAD = torch.tensor([0.2, 0.5, 1.0, 1.5], dtype=torch.float64).view(1, 4, 1, 1, 1)
ALPHA_BAR = torch.as_tensor(SCHEDULE.alpha_bar)
PAPER = Schedule()


def denoiser(alpha_bar, spread):
    """The exact noise prediction for z_0 ~ N(0, spread^2)."""

    def model(x, t):
        a = alpha_bar[t].view(-1, 1, 1, 1, 1)
        return (1 - a).sqrt() * x / (a * spread**2 + 1 - a)

    return model


def error(walk, grid, start, end):
    """Relative distance from the exact flow, which keeps x_t in units of its own standard deviation."""
    x = torch.ones(1, 4, 1, 1, 1, dtype=torch.float64)
    deviation = [torch.sqrt(ALPHA_BAR[t] * SPREAD**2 + 1 - ALPHA_BAR[t]) for t in (start, end)]
    exact = x * deviation[1] / deviation[0]
    return float((walk(denoiser(ALPHA_BAR, SPREAD), x, grid, SCHEDULE) - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    ("decode", "encode", "grid", "order"),
    [
        (ddim_decode, ddim_encode, lambda steps: ddim_grid(steps, FINE), 1),
        (ddim_decode, ddim_encode, lambda steps: log_sigma_grid(steps, SCHEDULE), 1),
        (dpmpp_2m_decode, dpmpp_2m_encode, lambda steps: log_sigma_grid(steps, SCHEDULE), 2),
    ],
    ids=["ddim", "ddim on the log-sigma grid", "dpmpp_2m"],
)
@pytest.mark.parametrize("direction", ["decode", "encode"])
def test_order_of_convergence(decode, encode, grid, order, direction):
    walk, ends = (decode, (FINE - 1, 0)) if direction == "decode" else (encode, (0, FINE - 1))
    errors = [error(walk, grid(steps), *ends) for steps in (40, 80, 160)]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.12)


def test_the_clamp_turns_x_T_into_a_dump_of_what_it_cut_off():
    """Latents N(0, 1) and their exact denoiser: inverted with the clamp, x_T has a spread near 40 instead of 1.

    The way back looks better for it, and samples from noise are squeezed into [-1, 1].
    """
    generator = torch.Generator().manual_seed(0)
    z, noise = (torch.randn(1, 3, 16, 20, 16, dtype=torch.float64, generator=generator) for _ in range(2))
    model, grid = denoiser(torch.as_tensor(PAPER.alpha_bar), 1.0), ddim_grid(100)
    found = {}
    for clamp in (None, 1.0):
        x_T = ddim_encode(model, z, grid, PAPER, clamp)
        back, sample = (ddim_decode(model, start, grid, PAPER, clamp) for start in (x_T, noise))
        found[clamp] = float(x_T.std()), float((back - z).square().mean()), float(sample.std())
    assert found[None][0] == pytest.approx(1, abs=0.05)
    assert 30 < found[1.0][0] < 50
    assert found[1.0][1] < 0.5 * found[None][1]
    assert found[None][2] == pytest.approx(1, abs=0.05)
    assert found[1.0][2] == pytest.approx(0.72, abs=0.02)
