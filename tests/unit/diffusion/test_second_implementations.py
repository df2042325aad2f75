"""Whole walks against diffusers, and single steps against MONAI, where their grids coincide with ours."""

import pytest
import torch

from ldae.diffusion.ddim import ddim_decode, ddim_encode
from ldae.diffusion.dpm_solver import dpmpp_2m_decode, log_sigma_grid
from ldae.diffusion.schedule import Schedule

SCHEDULE = Schedule()
BETAS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
GRID = list(range(0, 1000, 100))
CLOSE = {"rtol": 2e-4, "atol": 2e-4}  # theirs are tables in float32


def denoiser(x, t):
    """Smooth, not linear, different at every timestep."""
    return torch.tanh(x + 0.001 * t.view(-1, 1, 1, 1, 1)) * (0.5 + 0.0005 * t.view(-1, 1, 1, 1, 1))


def start():
    return torch.randn(2, 3, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def theirs(scheduler, x, timesteps=None):
    for t in scheduler.timesteps if timesteps is None else timesteps:
        x = scheduler.step(denoiser(x, t.expand(len(x))), t, x).prev_sample
    return x


@pytest.mark.parametrize("clamp", [None, 1.0])
def test_ddim_decodes_as_diffusers_does(clamp):
    """Their step from 900 to 800 and so on to 0. With the clamp, eps is derived again from the clamped z_0."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(**BETAS, clip_sample=clamp is not None, timestep_spacing="leading")
    scheduler.set_timesteps(10)
    x = start()
    expected = x
    for t in scheduler.timesteps[:-1]:
        eps = denoiser(expected, t.expand(len(x)))
        expected = scheduler.step(eps, t, expected, use_clipped_model_output=True).prev_sample
    torch.testing.assert_close(ddim_decode(denoiser, x, GRID, SCHEDULE, clamp), expected, **CLOSE)


def test_ddim_encodes_as_diffusers_does():
    """Their inverse step to t takes the state at t - 100; the network is asked at the state's own timestep, as ours."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMInverseScheduler(**BETAS, clip_sample=False, timestep_spacing="leading")
    scheduler.set_timesteps(10)
    x = start()
    expected = x
    for t in torch.tensor(GRID[1:]):
        expected = scheduler.step(denoiser(expected, (t - 100).expand(len(x))), t, expected).prev_sample
    torch.testing.assert_close(ddim_encode(denoiser, x, GRID, SCHEDULE), expected, **CLOSE)


@pytest.mark.parametrize("steps", [6, 20])
def test_dpm_solver_decodes_as_diffusers_does(steps):
    """DPM-Solver++(2M), midpoint, on our log-sigma grid, down to the noise level of t = 0."""
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DPMSolverMultistepScheduler(**BETAS, lower_order_final=False, final_sigmas_type="sigma_min")
    grid = log_sigma_grid(steps, SCHEDULE)
    scheduler.set_timesteps(timesteps=grid[:0:-1])
    x = start()
    torch.testing.assert_close(dpmpp_2m_decode(denoiser, x, grid, SCHEDULE), theirs(scheduler, x), **CLOSE)


@pytest.mark.parametrize("t", [99, 599, 999])
def test_a_ddim_step_is_monais_in_both_directions(t):
    schedulers = pytest.importorskip("monai.networks.schedulers")
    monai = schedulers.DDIMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, clip_sample=False)
    monai.set_timesteps(10)
    x = start()
    eps = denoiser(x, torch.tensor([t]).expand(len(x)))
    if t > 99:  # their step from 99 ends at a = 1, which is no timestep
        down, _ = monai.step(eps, t, x)
        torch.testing.assert_close(ddim_decode(lambda *_: eps, x, [t - 100, t], SCHEDULE), down, **CLOSE)
    if t < 999:
        up, _ = monai.reversed_step(eps, t, x)
        torch.testing.assert_close(ddim_encode(lambda *_: eps, x, [t, t + 100], SCHEDULE), up, **CLOSE)
