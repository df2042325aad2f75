"""What each stage needs of a GPU's memory: a part that stays (weights, gradients, optimizer, average) and one per scan.

The part per scan is a difference between two numbers of scans on fake tensors, so nothing is allocated. Of a training
the estimate sees its networks, one forward pass to a loss, the passes of a validation and of its picture, and numbers
of parameters. Scans and latents stay on the host. The rules after the trainings: :mod:`ldae.training.rule_memory`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ldae.config import Autoencoder, Config, Representation, Training
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.counts import count_parameters
from ldae.networks.dae import DiffusionAutoencoder, build_dae
from ldae.networks.discriminator import SlicePerceptual, build_discriminator, generator_loss
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder, build_supervised
from ldae.networks.unet import UNet
from ldae.training.dry_run import Forward, Network, passes, saved_bytes, used
from ldae.training.stages.stage import ssim


@dataclass(frozen=True)
class Stage:
    """A stage as the estimate sees it.

    Attributes:
        network: makes all its networks as one module.
        forward: (module, scans) -> loss.
        validated, validation: a module, and the passes of a validation or a picture, each (module, scans).
        trained, averaged, frozen: numbers of parameters; held: of networks that only a validation uses.
    """

    name: str
    training: Training
    network: Network
    forward: Forward
    validated: Network
    validation: tuple[Forward, ...]
    trained: int
    averaged: int
    frozen: int
    held: int = 0


class Parts(nn.Module):
    """Several networks as one module."""

    def __init__(self, **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def autoencoder(config: Config, perceptual: bool | None = None) -> Stage:
    """Stage 1: the generator's step, which is the larger one. ``perceptual``: none: as configured."""
    settings, shape = config.autoencoder, config.preprocessing.conform.shape
    perceptual = settings.perceptual_weights is not None if perceptual is None else perceptual

    def network() -> Parts:
        parts: dict[str, nn.Module] = {"autoencoder": build_autoencoder(settings)}
        if settings.adversarial_weight:
            parts["discriminator"] = build_discriminator(settings.discriminator).requires_grad_(False)
        if perceptual:
            parts["perceptual"] = distance()
        return Parts(**parts)

    def forward(parts: Any, scans: int) -> Tensor:
        x = torch.rand(scans, 1, *shape)
        mu, sigma = parts.autoencoder.encode(x)
        reconstruction = parts.autoencoder.decode(mu + sigma * torch.randn_like(sigma))
        loss = (reconstruction.float() - x).abs().mean() + (mu.float().square() + sigma.float().square()).sum()
        if settings.adversarial_weight:
            loss = loss + generator_loss(parts.discriminator(reconstruction).float())
        return loss + parts.perceptual(reconstruction, x) if perceptual else loss

    def reconstructed(parts: Any, scans: int) -> Tensor:
        x = torch.rand(scans, 1, *shape)
        return ssim(parts.autoencoder.decode(parts.autoencoder.encode(x)[0]).float(), x)

    trained = _count(lambda: build_autoencoder(settings)) + _discriminator(settings)
    averaged = _count_averaged(settings)
    return Stage("autoencoder", settings.training, network, forward, network, (reconstructed,), trained, averaged, 0)


def distance(fraction: float = 0.5) -> nn.Module:
    """LPIPS with weights of its own, of so many of the slices."""
    import lpips

    network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    for name in [name for name, _ in network.named_children() if name.startswith("lin") and name != "lins"]:
        delattr(network, name)  # each stands in `lins` too, and a layer that stands twice cannot always be moved
    return SlicePerceptual(network, fraction)


def _discriminator(settings: Autoencoder) -> int:
    return _count(lambda: build_discriminator(settings.discriminator)) if settings.adversarial_weight else 0


def _count_averaged(settings: Autoencoder) -> int:
    return _count(lambda: build_autoencoder(settings))


def diffusion(config: Config) -> Stage:
    """Stage 2: the UNet on latents."""
    settings, shape = config.diffusion, config.latent_shape

    def network() -> nn.Module:
        return UNet(settings, shape[0])

    def forward(unet: nn.Module, scans: int) -> Tensor:
        z, t = torch.randn(scans, *shape), torch.zeros(scans, dtype=torch.int64)
        return (unet(z, t).float() - torch.randn_like(z)).square().mean()

    count = _count(network)
    return Stage("diffusion", settings.training, network, forward, network, (forward,), count, count, 0)


def representation(config: Config) -> Stage:
    """Stage 3: the encoder, the frozen trunk and the shift branch; the autoencoder of its validation."""
    settings, shape, volume = config.representation, config.latent_shape, config.preprocessing.conform.shape
    compute = settings.training.compute
    trunk_settings = config.diffusion.model_copy(update={"training": settings.training})
    halved = settings.training.precision == "bf16" and compute.half_trunk

    def network() -> Parts:
        trunk = UNet(trunk_settings, shape[0])
        shift = build_shift_branch(trunk_settings, shape[0], settings.dimension, trunk)
        estimator = GradientEstimator(trunk.halve() if halved else trunk, shift)
        return Parts(encoder=build_semantic_encoder(settings), estimator=estimator)

    def forward(parts: Any, scans: int) -> Tensor:
        z, t = torch.randn(scans, *shape), torch.zeros(scans, dtype=torch.int64)
        y = parts.encoder(torch.rand(scans, 1, *volume))
        eps, shift = (value.float() for value in parts.estimator(z, t, y))
        return (torch.randn_like(z) - eps + shift).square().mean()

    def decoder() -> nn.Module:
        return build_autoencoder(config.autoencoder)

    def scored(parts: Any, scans: int) -> Tensor:
        samples = parts.autoencoder.decode(torch.randn(scans, *shape)).float()
        reconstructed = parts.autoencoder.decode(torch.randn(scans, *shape)).float()
        return ssim(samples, reconstructed)

    frozen, held = _count(lambda: UNet(trunk_settings, shape[0])), _count(decoder)
    trained = _count(network) - frozen
    validation: tuple[Forward, ...] = (forward, scored)
    return Stage(
        *("representation", settings.training, network, forward),
        *(lambda: Parts(**dict(network().named_children()), autoencoder=decoder()), validation),
        *(trained, trained, frozen, held),
    )


def dae(config: Config) -> Stage:
    """The voxel-space baseline."""
    settings = config.dae

    def forward(network: DiffusionAutoencoder, scans: int) -> Tensor:
        x, t = torch.rand(scans, 1, *settings.shape), torch.zeros(scans, dtype=torch.int64)
        return (network(x, t, network.encode(x)).float() - torch.randn_like(x)).square().mean()

    count = _count(lambda: build_dae(settings))

    def network() -> nn.Module:
        return build_dae(settings)

    return Stage("dae", settings.training, network, forward, network, (forward,), count, count, 0)


def supervised_ad(config: Config) -> Stage:
    """The supervised baseline on AD against CN."""
    return _supervised(config, "supervised_ad")


def supervised_age(config: Config) -> Stage:
    """The supervised baseline on age."""
    return _supervised(config, "supervised_age")


def _supervised(config: Config, name: Literal["supervised_ad", "supervised_age"]) -> Stage:
    settings = Representation.model_validate(config.supervised(name))
    volume = config.preprocessing.conform.shape

    def forward(network: nn.Module, scans: int) -> Tensor:
        return network(torch.rand(scans, 1, *volume)).float().square().mean()

    count = _count(lambda: build_supervised(settings))

    def network() -> nn.Module:
        return build_supervised(settings)

    return Stage(name, settings.training, network, forward, network, (forward,), count, count, 0)


STAGES = (autoencoder, diffusion, representation, dae, supervised_ad, supervised_age)


def _count(network: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return count_parameters(network())


GIB = 2**30
SLOPE = (16, 32)  # scans; so many that gradients of weights, which come one by one, do not set the peak
WORKSPACE = 1.5  # GiB of context, cuDNN workspaces and fragmentation
USABLE = 39.4 / 40  # GiB of every GB on the label that a program gets (A100-40)
LONGEST = 2**31  # values of one tensor, which many kernels count with 32 bits


@dataclass(frozen=True)
class Need:
    """GiB of a stage: ``state`` stays, ``per_scan`` is kept of each scan of a micro-batch for the backward pass,
    ``working`` is what the backward pass takes on top of it per scan; ``validation`` is what a validation takes per
    scan, of which it has as many at once.

    ``values``: of the largest tensor of a step or a validation, per scan.
    """

    stage: str
    state: float
    per_scan: float
    working: float
    micro_batch: int
    batch: int
    validation: float = 0.0
    values: int = 0

    @property
    def total(self) -> float:
        """GiB with the configured micro-batch."""
        return self.at(self.micro_batch)

    def at(self, scans: int) -> float:
        """GiB with micro-batches of this many scans, the CUDA context's workspace included."""
        return self.state + WORKSPACE + scans * max(self.per_scan + self.working, self.validation)

    def largest(self, memory: float) -> int:
        """The largest micro-batch that fits into ``memory`` GiB and divides the effective batch; 0: none does."""
        return max((n for n in range(1, self.batch + 1) if self.batch % n == 0 and self.fits(n, memory)), default=0)

    def fits(self, scans: int, memory: float) -> bool:
        """Whether micro-batches of so many scans fit into ``memory`` GiB, and no tensor is too long."""
        return self.at(scans) <= memory and scans * self.values < LONGEST


def needs(config: Config) -> list[Need]:
    """The need of every stage of a configuration."""
    return [need(make(config)) for make in STAGES]


def need(stage: Stage) -> Need:
    """Measured at two numbers of scans on fake tensors: what grows with the scans, and what does not."""
    training = stage.training
    half = training.precision == "bf16"
    kept = [saved_bytes(stage.network, stage.forward, scans, half) for scans in SLOPE]
    whole = [passes(stage.network, stage.forward, scans, half) for scans in SLOPE]
    per_scan, at_peak = ((many - few) / (SLOPE[1] - SLOPE[0]) / GIB for few, many in (kept, [w.peak for w in whole]))
    checks = [[used(stage.validated, check, scans, half) for scans in (1, 2)] for check in stage.validation]
    return Need(
        stage.name,
        state_bytes(stage) / GIB,
        per_scan,
        max(0.0, at_peak - per_scan),
        training.micro_batch,
        training.batch,
        max(two.peak - one.peak for one, two in checks) / GIB,
        max(whole[1].largest // SLOPE[1], *(two.largest // 2 for _, two in checks)),
    )


def checkpoint_bytes(stage: Stage) -> int:
    """Master weights and Adam's two moments in float32, the average, the best weights."""
    averaged = 4 * stage.averaged
    return 12 * stage.trained + averaged * bool(stage.training.ema_decay) + averaged


def state_bytes(stage: Stage) -> int:
    """Master weights, gradients and Adam's two moments in float32, the average, autocast's copies, frozen weights."""
    half = stage.training.precision == "bf16"
    average = 4 * stage.averaged if stage.training.ema_decay else 0
    stored_half = half and stage.training.compute.half_trunk
    frozen = (2 if stored_half else 4) * stage.frozen + 4 * stage.held
    return (4 + 4 + 8 + 2 * half) * stage.trained + average + frozen
