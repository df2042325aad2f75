"""The samplers by their name in the configuration (``evaluation.sampling.solver``)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ldae.diffusion.ddim import ddim_decode, ddim_encode, ddim_grid
from ldae.diffusion.dpm_solver import dpmpp_2m_decode, dpmpp_2m_encode, log_sigma_grid
from ldae.diffusion.schedule import Schedule


@dataclass(frozen=True)
class Sampler:
    """One way to walk between x_T and z_0, with one network call between neighbours of its grid.

    Attributes:
        grid: (steps, schedule) -> ascending timesteps, the first near 0, the last the schedule's last.
        decode: (model, x_T, grid, schedule, clamp) -> z.
        encode: (model, z, grid, schedule, clamp) -> x_T.
    """

    grid: Callable[[int, Schedule], list[int]]
    decode: Callable[..., Tensor]
    encode: Callable[..., Tensor]


SAMPLERS = {
    "ddim": Sampler(lambda steps, schedule: ddim_grid(steps, schedule.timesteps), ddim_decode, ddim_encode),
    "dpmpp_2m": Sampler(log_sigma_grid, dpmpp_2m_decode, dpmpp_2m_encode),
}
