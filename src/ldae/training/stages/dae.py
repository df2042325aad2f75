"""The voxel-space diffusion autoencoder (Preechakul 2022), the paper's unsupervised baseline."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldae import config
from ldae.core.keyed import Draw, key, normal
from ldae.diffusion.ddim import ddim_decode, ddim_grid
from ldae.diffusion.schedule import Schedule
from ldae.inference.device import precision_context
from ldae.inference.readers import Volumes
from ldae.networks.dae import DiffusionAutoencoder, build_dae, denoiser, reconstruct
from ldae.networks.rewrites import lay_out
from ldae.training.stages.stage import Stage, noisy, ssim, validation_draws

VALIDATION_SAMPLES = 4  # scans decoded from noise at a validation


class DaeStage(Stage[DiffusionAutoencoder]):
    """Mean squared error of the noise predicted from x_t and y, encoder and decoder together.

    Written: the average of the last step, as in stage 2.
    """

    name = "dae"

    def __init__(self, settings: config.Dae, training: Volumes, validation: Volumes, seed: int):
        self.settings, self.training, self.validation, self.seed = settings, training, validation, seed
        self.device, self.scans = training.device, len(training)
        self.schedule = Schedule(settings.timesteps, settings.beta_start, settings.beta_end)
        torch.manual_seed(key(seed, self.name, "initial weights"))
        self.product = lay_out(build_dae(settings).to(self.device), settings.training.compute.channels_last)
        self.networks = {"dae": self.product}

    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """Mean squared error of the noise."""
        loss = self._losses(self.product, self.training[[draw.scan for draw in draws]], draws).mean()
        (share * loss).backward()
        return {"loss": loss.detach()}

    def _losses(self, network: DiffusionAutoencoder, x: Tensor, draws: Sequence[Draw]) -> Tensor:
        """(B,) mean squared error of each scan."""
        x_t, noise, t = noisy(network.centred(x), draws, self.schedule)
        with precision_context(self.settings.training.precision, self.device):
            eps = network(x_t, t, network.encode(x)).float()
        return (eps - noise).square().flatten(1).mean(1)

    def validate(self, product: DiffusionAutoencoder) -> dict[str, float]:
        """Error of the noise on fixed draws, and SSIM of a few scans decoded from noise and y."""
        losses = []
        for draws in validation_draws(self.seed, self.name, len(self.validation), self.settings.training.micro_batch):
            losses.append(self._losses(product, self.validation[[draw.scan for draw in draws]], draws))
        return {"loss": float(torch.cat(losses).mean()), "ssim": self._sample_ssim(product)}

    def _sample_ssim(self, product: DiffusionAutoencoder) -> float:
        """SSIM of what is decoded from fixed noise and y with the original, over some validation scans."""
        count, scores = len(self.validation), []
        grid = ddim_grid(self.settings.training.validation_steps, self.schedule.timesteps)
        for scan in sorted({i * count // VALIDATION_SAMPLES for i in range(VALIDATION_SAMPLES)}):
            x = self.validation[[scan]]
            noise = normal(tuple(x.shape), self.seed, self.name, "validation noise", scan).to(self.device)
            with precision_context(self.settings.training.precision, self.device):
                sampled = ddim_decode(denoiser(product, product.encode(x)), noise, grid, self.schedule, clamp=1.0)
            scores.append(ssim(reconstruct(sampled.float()), x))
        return float(torch.cat(scores).mean())
