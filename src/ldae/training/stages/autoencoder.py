"""Stage 1: the autoencoder, with an adversary (paper 4.1, Table 2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ldae import config
from ldae.core.batches import batches
from ldae.core.keyed import Draw, key
from ldae.inference.degenerate import discriminator_at_chance
from ldae.inference.device import precision_context
from ldae.inference.readers import Volumes, keyed_noise
from ldae.networks.autoencoder import Autoencoder, build_autoencoder, kl_divergence, narrow_posterior, reparameterise
from ldae.networks.discriminator import build_discriminator, build_perceptual, discriminator_loss, generator_loss
from ldae.networks.rewrites import lay_out
from ldae.networks.weights import start_from_generative
from ldae.training.stages.stage import EXAMPLES, Stage, ssim


class AutoencoderStage(Stage[Autoencoder]):
    """L1 + KL + perceptual distance (when weights are given) + least-squares adversary from the first step.

    The discriminator is frozen during the generator's step, so it gets no gradient of the generator's loss (unless
    ``discriminator.gradients`` is ``leaked``). Selection: best validation SSIM.
    """

    name = "autoencoder"
    selection = "ssim"

    def __init__(self, settings: config.Autoencoder, training: Volumes, validation: Volumes, seed: int):
        self.settings, self.training, self.validation = settings, training, validation
        self.device, self.scans = training.device, len(training)
        torch.manual_seed(key(seed, self.name, "initial weights"))
        self.product = build_autoencoder(settings)
        if settings.pretrained is not None:
            start_from_generative(self.product, settings.pretrained, settings.pretrained_sha256)
        else:
            narrow_posterior(self.product)
        lay_out(self.product.to(self.device), settings.training.compute.channels_last)
        self.networks: dict[str, nn.Module] = {"autoencoder": self.product}
        self.discriminator: nn.Module | None = None
        if settings.adversarial_weight:
            self.discriminator = build_discriminator(settings.discriminator).to(self.device)
            self.networks["discriminator"] = self.discriminator
        self.perceptual: nn.Module | None = None
        if settings.perceptual_weights is not None:
            loss = build_perceptual(settings.perceptual_weights, settings.perceptual_sha256)
            self.perceptual = loss.to(self.device)

    def learning_rate(self, network: str, default: float) -> float:
        """The discriminator has its own (``autoencoder.discriminator.learning_rate``)."""
        return self.settings.discriminator.learning_rate if network == "discriminator" else default

    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """The generator's losses and, where there is an adversary, the discriminator's on the same volumes."""
        x = self.training[[draw.scan for draw in draws]]
        with precision_context(self.settings.training.precision, self.device):
            mu, sigma = self.product.encode(x)
            noise = keyed_noise(draws, tuple(mu.shape[1:]), "posterior").to(self.device)
            reconstruction = self.product.decode(reparameterise(mu, sigma, noise))
            terms = self._generator_terms(x, reconstruction, mu, sigma)
        weights = self._weights()
        (share * torch.as_tensor(sum(weights[name] * value for name, value in terms.items()))).backward()
        if self.discriminator is not None:
            with precision_context(self.settings.training.precision, self.device):
                fake, real = self.discriminator(reconstruction.detach()), self.discriminator(x)
                terms["discriminator"] = discriminator_loss(fake.float(), real.float())
            (share * self.settings.adversarial_weight * terms["discriminator"]).backward()
        return {name: value.detach() for name, value in terms.items()}

    def _weights(self) -> dict[str, float]:
        settings = self.settings
        return {
            "l1": 1.0,
            "kl": settings.kl_weight,
            "adversarial": settings.adversarial_weight,
            "perceptual": settings.perceptual_weight,
        }

    def _generator_terms(self, x: Tensor, reconstruction: Tensor, mu: Tensor, sigma: Tensor) -> dict[str, Tensor]:
        terms = {
            "l1": (reconstruction.float() - x).abs().mean(),
            "kl": kl_divergence(mu.float(), sigma.float()).mean(),
        }
        if self.discriminator is not None:
            self.discriminator.requires_grad_(self.settings.discriminator.gradients == "leaked")
            terms["adversarial"] = generator_loss(self.discriminator(reconstruction).float())
            self.discriminator.requires_grad_(True)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(reconstruction, x)
        return terms

    def validate(self, product: Autoencoder) -> dict[str, float]:
        """L1 and SSIM of reconstructions from posterior means."""
        batch = self.settings.training.micro_batch
        absolute, similarity = [], []
        for scans in batches(range(len(self.validation)), batch):
            x = self.validation[scans]
            with precision_context(self.settings.training.precision, self.device):
                reconstruction = product.decode(product.encode(x)[0])
            reconstruction = reconstruction.float()
            absolute.append((reconstruction - x).abs().flatten(1).mean(1))
            similarity.append(ssim(reconstruction, x))
        return {"l1": float(torch.cat(absolute).mean()), "ssim": float(torch.cat(similarity).mean())}

    def remark(self, history: Sequence[Mapping[str, Any]]) -> str | None:
        """A discriminator that has been at chance for hundreds of steps."""
        return discriminator_at_chance(history)

    def examples(self, product: Autoencoder) -> Tensor:
        """Originals beside their reconstructions."""
        pairs = []
        for scan in range(min(EXAMPLES, len(self.validation))):
            x = self.validation[[scan]]
            with precision_context(self.settings.training.precision, self.device):
                reconstruction = product.decode(product.encode(x)[0]).float()
            pairs.append(torch.cat([x, reconstruction], dim=1))
        return torch.cat(pairs)
