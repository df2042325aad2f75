"""Stage 2: the unconditional latent diffusion model (paper 4.2, Table 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldae import config
from ldae.core.keyed import Draw, key, normal
from ldae.diffusion.schedule import Schedule, gather
from ldae.inference.device import precision_context
from ldae.inference.readers import Latents
from ldae.networks.rewrites import lay_out
from ldae.networks.unet import GaussianPrior, UNet
from ldae.training.stages.stage import EXAMPLES, Stage, noisy, validation_draws


class DiffusionStage(Stage[UNet]):
    """Mean squared error of the predicted noise, t uniform, no weighting. Written: the average of the last step."""

    name = "diffusion"

    def __init__(
        self, settings: config.Diffusion, method: config.Method, training: Latents, validation: Latents, seed: int
    ):
        self.settings, self.method, self.training, self.validation = settings, method, training, validation
        self.device, self.scans = training.device, len(training)
        self.schedule = Schedule.of(settings)
        torch.manual_seed(key(seed, self.name, "initial weights"))
        product = UNet(settings, training.shape[0], self._prior()).to(self.device)
        self.product = lay_out(product, settings.training.compute.channels_last)
        self.networks = {"unet": self.product}
        self.seed = seed

    def _prior(self) -> GaussianPrior | None:
        """Moments of the training latents, posterior spread included."""
        if self.settings.prior == "none":
            return None
        mean, variance = self.training.moments()
        return GaussianPrior(torch.as_tensor(self.schedule.alpha_bar), mean, variance)

    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """Mean squared error of the noise (paper 4.2)."""
        z_t, noise, t = noisy(self.training.draw(draws, self.method.posterior), draws, self.schedule)
        with precision_context(self.settings.training.precision, self.device):
            loss = (self.product(z_t, t).float() - noise).square().mean()
        (share * loss).backward()
        return {"loss": loss.detach()}

    def validate(self, product: UNet) -> dict[str, float]:
        """The same error on fixed draws, every scan counting alike."""
        losses = []
        for draws in validation_draws(self.seed, self.name, len(self.validation), self.settings.training.micro_batch):
            z = self.validation.evaluated([draw.scan for draw in draws], self.method.posterior)
            z_t, noise, t = noisy(z, draws, self.schedule)
            with precision_context(self.settings.training.precision, self.device):
                eps = product(z_t, t)
            losses.append((eps.float() - noise).square().flatten(1).mean(1))
        return {"loss": float(torch.cat(losses).mean())}

    def examples(self, product: UNet) -> Tensor:
        """First channel of z_0, of z_t at a quarter of the timesteps, and of the z_0 that the network sees in it."""
        z = self.validation.mean[:EXAMPLES].to(self.device)
        noise = torch.stack([normal(tuple(z.shape[1:]), self.seed, self.name, "example", i) for i in range(len(z))])
        t = torch.full((len(z),), self.schedule.timesteps // 4, device=z.device)
        z_t = self.schedule.add_noise(z, noise.to(z.device), t)
        signal = gather(self.schedule.alpha_bar, t, z).sqrt()
        with precision_context(self.settings.training.precision, self.device):
            noise = product(z_t, t).float()
        guess = (z_t - (1 - signal.square()).sqrt() * noise) / signal
        shown = torch.stack([z[:, 0], z_t[:, 0], guess[:, 0]], dim=1)
        low, high = z[:, 0].amin(), z[:, 0].amax()
        return (shown - low) / (high - low)
