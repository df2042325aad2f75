"""A Gaussian start for the UNet: what each latent voxel's mean and variance alone tell about the noise.

If the voxels of z_0 were independent Gaussians N(m, s^2), then with v_t = a_t s^2 + 1 - a_t the best prediction would
be eps = sqrt(1 - a_t) (z_t - sqrt(a_t) m) / v_t, and its error would have variance a_t s^2 / v_t. A network that adds
to this prediction, on that error's scale, has only the rest to learn (the preconditioning of Karras 2022, per voxel,
for noise prediction). Small trainings need it: most of a registered brain's latent is the mean brain.
"""

import torch
from torch import Tensor, nn


class GaussianPrior(nn.Module):
    """Mean and variance of every latent voxel over the training scans, and what follows from them.

    Args:
        alpha_bar: a_t, (timesteps,).
        mean: (C, x, y, z), of scaled latents.
        variance: same shape.
    """

    alpha_bar: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, alpha_bar: Tensor, mean: Tensor, variance: Tensor):
        super().__init__()
        self.register_buffer("alpha_bar", alpha_bar.float())
        self.register_buffer("mean", mean.float())
        self.register_buffer("variance", variance.float())

    @classmethod
    def empty(cls, timesteps: int, shape: tuple[int, ...]) -> "GaussianPrior":
        """One to load saved values into."""
        return cls(torch.ones(timesteps), torch.zeros(shape), torch.ones(shape))

    def whiten(self, z: Tensor, t: Tensor) -> Tensor:
        """z_t in units of its own standard deviation about its own mean: the input of the network."""
        a = self._at(t)
        return (z - a.sqrt() * self.mean) / self._total(a).sqrt()

    def noise(self, z: Tensor, t: Tensor) -> Tensor:
        """The prior's prediction of the noise in z_t."""
        a = self._at(t)
        return (1 - a).sqrt() * (z - a.sqrt() * self.mean) / self._total(a)

    def error(self, t: Tensor) -> Tensor:
        """Standard deviation of that prediction's error, (B, C, x, y, z)."""
        a = self._at(t)
        return (a * self.variance / self._total(a)).sqrt()

    def response(self, t: Tensor) -> Tensor:
        """What a mean that lies one standard deviation higher adds to G, (B, C, x, y, z): s sqrt(a_t) / v_t.

        It is the derivative of the predicted noise by the mean, over -sqrt(1 - a_t), which the guidance multiplies by.
        """
        a = self._at(t)
        return (a * self.variance).sqrt() / self._total(a)

    def _at(self, t: Tensor) -> Tensor:
        return self.alpha_bar[t].view(-1, 1, 1, 1, 1)

    def _total(self, a: Tensor) -> Tensor:
        return a * self.variance + 1 - a
