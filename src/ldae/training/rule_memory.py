"""What the rules that use trained networks need of a GPU's memory: the weights that lie there, and their largest pass.

Counted on fake tensors, as in :mod:`ldae.training.memory`. Passes follow one another, so the largest decides. What a
sampler keeps between two calls of its network are latents, which are small; the baseline's are volumes of one channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ldae.config import Config
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.dae import build_dae
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder, build_supervised
from ldae.networks.unet import UNet
from ldae.training.dry_run import Network, Use, used, without_weights
from ldae.training.memory import GIB, LONGEST, WORKSPACE, distance

CHAIN = ("autoencoder", "encoder", "estimator")
Metric = Callable[[Tensor, Tensor], object]
"""A measure of two batches of volumes (B, 1, X, Y, Z)."""
RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # rule: networks on the device, passes
    "encode_latents": (("autoencoder",), ("encode",)),
    "encode_codes": ((*CHAIN, *CHAIN), ("semantic", "sample")),  # the untrained chain beside the trained one
    "encode_solver_codes": (CHAIN, ("sample",)),
    "encode_baselines": (("dae", "supervised"), ("encode_dae", "supervised")),
    "eval_reconstruction": ((*CHAIN, "dae"), ("sample", "decode", "encode", "sample_dae", "metric", "lpips")),
    "eval_solvers": ((*CHAIN, "dae"), ("sample", "decode", "sample_dae", "metric", "lpips")),
    "eval_interpolation": (CHAIN, ("sample", "decode", "encode", "metric")),
    "eval_manipulation": (CHAIN, ("sample", "decode", "encode", "semantic", "metric")),
    "eval_counterfactual": ((*CHAIN, *CHAIN), ("sample", "decode", "encode", "semantic")),
    "eval_reliability": ((*CHAIN, *CHAIN), ("encode", "semantic")),
    "eval_forecasting": (CHAIN, ("sample", "decode", "semantic", "metric")),
    "eval_variation": (CHAIN, ("sample", "decode")),
    "eval_samples": (CHAIN, ("sample", "decode", "encode", "semantic")),
    "eval_efficiency": ((*CHAIN, "dae"), ("sample", "decode", "encode", "semantic", "encode_dae", "sample_dae")),
}


@dataclass(frozen=True)
class RuleNeed:
    """GiB of a rule: ``weights`` stay, ``working`` is what its largest pass takes, which is named.

    Attributes:
        at_once: scans of that pass.
        values: of the largest tensor of any pass.
    """

    rule: str
    weights: float
    working: float
    largest_pass: str
    at_once: int
    values: int

    @property
    def total(self) -> float:
        """GiB, the CUDA context's workspace included."""
        return self.weights + WORKSPACE + self.working

    def fits(self, memory: float) -> bool:
        """Whether it fits into ``memory`` GiB, and no tensor is too long."""
        return self.total <= memory and self.values < LONGEST


@dataclass(frozen=True)
class Pass:
    """One forward pass: a network, what is done with it, and how many scans at once.

    Attributes:
        network_call: in the precision of evaluation; metrics are float32.
    """

    network: Network
    forward: Callable[[Any, int], object]
    at_once: int
    network_call: bool = True


def rule_needs(config: Config, metric: Metric) -> list[RuleNeed]:
    """The need of every rule after the trainings that uses a network.

    Args:
        metric: the costliest measure of the studies.
    """
    weights, every = weight_bytes(config), passes(config, metric)
    half = config.evaluation.precision == "bf16"
    uses = {name: used(one.network, one.forward, one.at_once, half and one.network_call) for name, one in every.items()}
    left_out = () if config.baselines else ("encode_baselines",)
    left_out = left_out if config.phantom else (*left_out, "eval_reliability")
    return [
        _need(rule, sum(weights[name] for name in held), {name: uses[name] for name in names if name in uses}, every)
        for rule, (held, names) in RULES.items()
        if rule not in left_out
    ]


def weight_bytes(config: Config) -> dict[str, int]:
    """Bytes of every network's weights and tables."""
    modules = {name: without_weights(network) for name, network in _networks(config).items()}
    return {name: sum(t.nbytes for t in (*m.parameters(), *m.buffers())) for name, m in modules.items()}


def _need(rule: str, weights: int, uses: dict[str, Use], every: dict[str, Pass]) -> RuleNeed:
    largest = max(uses, key=lambda name: uses[name].peak)
    values = max(use.largest for use in uses.values())
    return RuleNeed(rule, weights / GIB, uses[largest].peak / GIB, largest, every[largest].at_once, values)


def _networks(config: Config) -> dict[str, Network]:
    channels = config.autoencoder.latent_channels

    def estimator() -> nn.Module:
        trunk = UNet(config.diffusion, channels)
        shift = build_shift_branch(config.diffusion, channels, config.representation.dimension, trunk)
        return GradientEstimator(trunk.halve() if config.evaluation.precision == "bf16" else trunk, shift)

    def frozen(network: Network) -> Network:  # autocast keeps copies of weights that are trained, and of no others
        return lambda: network().requires_grad_(False)

    networks: dict[str, Network] = {
        "autoencoder": lambda: build_autoencoder(config.autoencoder),
        "encoder": lambda: build_semantic_encoder(config.representation),
        "estimator": estimator,
        "dae": lambda: build_dae(config.dae),
        "supervised": lambda: build_supervised(config.representation),
    }
    return {name: frozen(network) for name, network in networks.items()}


def passes(config: Config, metric: Metric) -> dict[str, Pass]:
    """Every pass by name, with as many scans as the configuration gives it at once."""
    networks = _networks(config)
    latent, volume = config.latent_shape, config.preprocessing.conform.shape
    latents, volumes = config.evaluation.batch, config.evaluation.volumes

    def x(scans: int) -> Tensor:
        return torch.rand(scans, 1, *volume)

    def small(scans: int) -> Tensor:
        return torch.rand(scans, 1, *config.dae.shape)

    def t(scans: int) -> Tensor:
        return torch.zeros(scans, dtype=torch.int64)

    def y(scans: int, length: int) -> Tensor:
        return torch.randn(scans, length)

    coded, coarse = config.representation.dimension, config.dae.dimension
    found = {
        "encode": Pass(networks["autoencoder"], lambda m, n: m.encode(x(n)), volumes),
        "decode": Pass(networks["autoencoder"], lambda m, n: m.decode(torch.randn(n, *latent)), volumes),
        "semantic": Pass(networks["encoder"], lambda m, n: m(x(n)), volumes),
        "sample": Pass(networks["estimator"], lambda m, n: m(torch.randn(n, *latent), t(n), y(n, coded)), latents),
        "encode_dae": Pass(networks["dae"], lambda m, n: m.encode(small(n)), volumes),
        "sample_dae": Pass(networks["dae"], lambda m, n: m(small(n), t(n), y(n, coarse)), volumes),
        "supervised": Pass(networks["supervised"], lambda m, n: m.features(x(n)), volumes),
        "metric": Pass(nn.Identity, lambda m, n: metric(x(n), x(n)), latents, network_call=False),
    }
    if config.evaluation.lpips_weights is not None:
        found["lpips"] = Pass(lambda: distance(fraction=1.0), lambda m, n: m(x(n), x(n)), 1, network_call=False)
    return found
