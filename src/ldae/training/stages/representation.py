"""Stage 3: semantic encoder and gradient estimator on the frozen UNet (paper 4.3, 4.4; PDAE)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldae import config
from ldae.core.batches import batches
from ldae.core.keyed import Draw, normal
from ldae.diffusion.ddim import ddim_decode, ddim_grid, guided, sampling_coefficient
from ldae.diffusion.schedule import Schedule, gather
from ldae.inference.device import precision_context
from ldae.inference.readers import Latents, Volumes
from ldae.networks.autoencoder import Autoencoder
from ldae.networks.gradient_estimator import GradientEstimator
from ldae.networks.representation import Representation, build_representation
from ldae.networks.rewrites import lay_out
from ldae.networks.semantic_encoder import SemanticEncoder
from ldae.networks.unet import UNet
from ldae.training.stages.stage import EXAMPLES, Stage, noisy, ssim, validation_draws

VALIDATION_SAMPLES = 16  # scans decoded from noise at a validation


class RepresentationStage(Stage[Representation]):
    """Weighted error of eps - k_t G(z_t, t, y_sem) (PDAE, eq. 10).

    Selection: best validation SSIM between the original and what is decoded from fixed noise and y_sem.
    """

    name = "representation"
    selection = "ssim"

    def __init__(
        self,
        settings: config.Representation,
        diffusion: config.Diffusion,
        method: config.Method,
        trunk: UNet,
        autoencoder: Autoencoder,
        scale_factor: float,
        volumes: tuple[Volumes, Volumes],
        latents: tuple[Latents, Latents],
        seed: int,
    ):
        self.settings, self.method, self.seed = settings, method, seed
        (self.volumes, self.validation_volumes), (self.latents, self.validation_latents) = volumes, latents
        self.device, self.scans = self.latents.device, len(self.latents)
        self.schedule = Schedule.of(diffusion)
        self.autoencoder, self.scale_factor = autoencoder.to(self.device).eval(), scale_factor
        training = settings.training
        computed = diffusion.training.model_copy(update={"compute": training.compute})  # not as stage 2 was
        diffusion = diffusion.model_copy(update={"training": computed})
        product = build_representation(settings, diffusion, self.latents.shape[0], trunk, seed)
        self.product = lay_out(product.to(self.device), training.compute.channels_last)
        self.trunk = lay_out(trunk.to(self.device), training.compute.channels_last)
        if training.precision == "bf16" and training.compute.half_trunk:
            self.trunk.halve()
        self.estimator = GradientEstimator(self.trunk, product.shift)
        self.networks = {"representation": self.product}
        self.averaged_twice = ("encoder.backbone.",) if settings.ema_doubles_backbone else ()

    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """PDAE's weighted error; ``unconditional`` is that of the frozen model alone on the same noise."""
        x = self.volumes[[draw.scan for draw in draws]]
        z = self.latents.draw(draws, self.method.posterior)
        with precision_context(self.settings.training.precision, self.device):
            losses, unconditional = self._losses(self.product.encoder(x), self.estimator, z, draws)
        loss = losses.mean()
        (share * loss).backward()
        return {"loss": loss.detach(), "unconditional": unconditional.mean()}

    def _losses(
        self, y: Tensor, estimator: GradientEstimator, z: Tensor, draws: Sequence[Draw]
    ) -> tuple[Tensor, Tensor]:
        """Per scan: the loss, and that of the frozen model alone on the same noise."""
        z_t, noise, t = noisy(z, draws, self.schedule)
        eps, shift = (value.float() for value in estimator(z_t, t, y))
        weight = gather(self.schedule.loss_weight(self.settings.snr_gamma), t, z)
        conditional = eps - gather(self.schedule.shift, t, z) * shift
        return tuple((weight * (noise - guess).square()).flatten(1).mean(1) for guess in (conditional, eps))

    def validate(self, product: Representation) -> dict[str, float]:
        """The error on fixed draws, the part of the frozen model's error that is gone (``gap_filled``), and SSIM of
        scans decoded from noise and y_sem.
        """
        estimator = GradientEstimator(self.trunk, product.shift).eval()
        losses, unconditional = [], []
        for draws in validation_draws(self.seed, self.name, len(self.validation_latents), self.at_once):
            scans = [draw.scan for draw in draws]
            with precision_context(self.settings.training.precision, self.device):
                y = product.encoder(self.validation_volumes[scans])
                z = self.validation_latents.evaluated(scans, self.method.posterior)
                pair = self._losses(y, estimator, z, draws)
            losses.append(pair[0])
            unconditional.append(pair[1])
        loss, reference = torch.cat(losses).mean(), torch.cat(unconditional).mean()
        return {
            "loss": float(loss),
            "gap_filled": float(1 - loss / reference),
        } | self._sample_ssim(product.encoder, estimator)

    def _sample_ssim(self, encoder: SemanticEncoder, estimator: GradientEstimator) -> dict[str, float]:
        """SSIM of decode(sample(fixed noise, y_sem)) with ``method.validation_reference`` (``ssim``, selects) and with
        the autoencoder's reconstruction (``ssim_ae``), over some validation scans.
        """
        count = len(self.validation_volumes)
        chosen = sorted({i * count // VALIDATION_SAMPLES for i in range(VALIDATION_SAMPLES)})
        original, reconstructed = [], []
        for scans in batches(chosen, self.at_once):
            x = self.validation_volumes[scans]
            samples = self._samples(scans, x, encoder, estimator)
            original.append(ssim(samples, x))
            reconstructed.append(ssim(samples, self._decoded(scans)))
        against = {"original": float(torch.cat(original).mean()), "ae": float(torch.cat(reconstructed).mean())}
        return {"ssim": against["ae" if self._against_autoencoder else "original"], "ssim_ae": against["ae"]}

    def _samples(self, scans: list[int], x: Tensor, encoder: SemanticEncoder, estimator: GradientEstimator) -> Tensor:
        """decode(sample(fixed noise, y_sem)) of some validation scans with volumes ``x``."""
        grid = ddim_grid(self.settings.training.validation_steps, self.schedule.timesteps)
        coefficient = sampling_coefficient(self.schedule, self.method.shift_at_sampling)
        noise = [normal(self.latents.shape, self.seed, self.name, "validation noise", scan) for scan in scans]
        with precision_context(self.settings.training.precision, self.device):
            model = guided(estimator, encoder(x), coefficient)
            clamp = 1.0 if self.method.clamp_z0 else None
            z = ddim_decode(model, torch.stack(noise).to(self.device), grid, self.schedule, clamp)
            return self.autoencoder.decode(z / self.scale_factor).float()

    def examples(self, product: Representation) -> Tensor:
        """Originals, their autoencoder reconstructions, and what noise and y_sem give."""
        estimator = GradientEstimator(self.trunk, product.shift).eval()
        parts = []
        for scans in batches(list(range(min(EXAMPLES, len(self.validation_volumes)))), self.at_once):
            x = self.validation_volumes[scans]
            columns = [x, self._decoded(scans), self._samples(scans, x, product.encoder, estimator)]
            parts.append(torch.cat(columns, dim=1))
        return torch.cat(parts)

    def _decoded(self, scans: list[int]) -> Tensor:
        """The autoencoder's reconstructions of some validation scans."""
        z = self.validation_latents.evaluated(scans, self.method.posterior)
        with precision_context(self.settings.training.precision, self.device):
            return self.autoencoder.decode(z / self.scale_factor).float()

    @property
    def at_once(self) -> int:
        """Scans of a batch of a validation: a scan decoded without gradients needs less than one that is trained on."""
        return self.settings.training.micro_batch

    @property
    def _against_autoencoder(self) -> bool:
        return self.method.validation_reference == "autoencoder"
