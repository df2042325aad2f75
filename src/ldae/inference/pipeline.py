"""The trained LDAE as one object: everything an evaluation asks of it; and what an x_T depends on besides the scan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ldae import config
from ldae.core.keyed import normal
from ldae.core.lineage import chain_scale_factor, require_chain, require_grid
from ldae.core.store import Store
from ldae.diffusion.ddim import Denoiser, guided, sampling_coefficient
from ldae.diffusion.samplers import SAMPLERS, Sampler
from ldae.diffusion.schedule import Schedule
from ldae.inference.arithmetic import PLAIN, Answer, called, placed
from ldae.inference.device import pick_device
from ldae.inference.model_folder import Loaded, initial_representation, load_autoencoder, load_representation, load_unet
from ldae.inference.readers import frozen_noise
from ldae.networks.autoencoder import Autoencoder, reparameterise
from ldae.networks.gradient_estimator import GradientEstimator
from ldae.networks.representation import Representation
from ldae.networks.unet import UNet

SWITCHES = ("posterior", "clamp_z0", "shift_at_sampling")  # of the method section, those that shape an inversion
MAIN = {True: "x_T", False: "x_T_unconditional"}  # stores of the main solver, by whether y_sem is used


def semantic_encoder(train: Path, arithmetic: config.Arithmetic = PLAIN) -> Callable[[np.ndarray], np.ndarray]:
    """The trained semantic encoder alone, on the CPU: volumes (B, X, Y, Z) -> y_sem (B, dimension), one by one as it is
    stored.

    Args:
        train: folder of the models.

    Raises:
        UserError: a model is missing.
    """
    representation = load_representation(train / "representation", load_unet(train / "diffusion"))
    device = torch.device("cpu")
    encode = called(placed(representation.network.encoder, arithmetic, device), arithmetic, device)

    @torch.no_grad()
    def codes(volumes: np.ndarray) -> np.ndarray:
        made = [encode(torch.from_numpy(volume)[None, None].to(device)).float().cpu() for volume in volumes]
        return torch.cat(made).numpy()

    return codes


class LDAE:
    """Autoencoder, UNet, semantic encoder and gradient estimator with their averaged weights.

    All methods run without gradients and in evaluation mode, and take and return tensors on ``device``.

    Attributes:
        latent_shape: (C, x, y, z).
        scale_factor: latents are multiplied by it for everything diffusive.
        digest: of the representation model, which names the whole chain.
        digests: of all three, by stage.
        dimension: length of y_sem.
        arithmetic: how the networks are computed.
    """

    def __init__(
        self,
        autoencoder: Loaded[Autoencoder],
        unet: Loaded[UNet],
        representation: Loaded[Representation],
        method: config.Method,
        sampling: config.Sampling,
        device: torch.device,
        arithmetic: config.Arithmetic = PLAIN,
    ):
        description = representation.description
        self.device, self.method, self.sampling, self.arithmetic = device, method, sampling, arithmetic
        self._readers = {"autoencoder": autoencoder.description, "representation": description}
        self.latent_shape = tuple(description["latent_shape"])
        models: dict[str, Loaded] = {"autoencoder": autoencoder, "diffusion": unet, "representation": representation}
        self.scale_factor = chain_scale_factor({name: model.description for name, model in models.items()})
        self.dimension: int = description["settings"]["dimension"]
        self.digest, self.unconditional_digest = representation.digest, unet.digest
        self.autoencoder_digest = autoencoder.digest
        self.digests = {stage: model.digest for stage, model in models.items()}
        self.autoencoder = placed(autoencoder.network, arithmetic, device)
        self.encoder = placed(representation.network.encoder, arithmetic, device)
        estimator = GradientEstimator(unet.network, representation.network.shift).eval()
        self.estimator = placed(estimator, arithmetic, device)
        if arithmetic.precision == "bf16":
            self.estimator.trunk.halve()  # the bits of autocast without a cast at every call
        self.schedule = Schedule.of(config.Diffusion.model_validate(unet.description["settings"]))
        self.coefficient = sampling_coefficient(self.schedule, method.shift_at_sampling)

    @classmethod
    def load(
        cls,
        train: Path,
        method: config.Method,
        sampling: config.Sampling,
        trained_encoder: bool = True,
        arithmetic: config.Arithmetic = PLAIN,
    ) -> "LDAE":
        """Load the three model folders below ``train``.

        Args:
            trained_encoder: off: the semantic encoder and the estimator as they were before stage 3, as a reference.

        Raises:
            UserError: a model is missing, or the three do not belong together.
        """
        train = Path(train)
        autoencoder, unet = load_autoencoder(train / "autoencoder"), load_unet(train / "diffusion")
        representation = load_representation(train / "representation", unet)
        loaded: dict[str, Loaded] = {"autoencoder": autoencoder, "diffusion": unet, "representation": representation}
        require_chain({stage: model.description for stage, model in loaded.items()}, train)
        if not trained_encoder:
            network = initial_representation(representation.description, unet).requires_grad_(False).eval()
            representation = Loaded(network, representation.description, "untrained")
        return cls(autoencoder, unet, representation, method, sampling, pick_device(), arithmetic)

    def with_sampling(self, solver: str, steps: int) -> "LDAE":
        """The same networks with another solver or number of steps."""
        other = object.__new__(LDAE)
        other.__dict__.update(self.__dict__, sampling=config.Sampling(solver=solver, steps=steps))
        return other

    def require_volumes(self, store: Store) -> None:
        """The volumes of a store lie where those of the networks' training lay.

        Raises:
            UserError: they are on another grid.
        """
        for name, description in self._readers.items():
            require_grid(name, description, store)

    @torch.no_grad()
    def autoencode(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Volumes (B, 1, X, Y, Z) -> their stage-1 reconstructions, not clipped.

        Args:
            noise: of the posterior's sample that is decoded; none: its mean.
        """
        return self._called(self.autoencoder.decode)(self._posterior(x, noise))

    @torch.no_grad()
    def encode_latent(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Volumes -> scaled z_0 (B, C, x, y, z): posterior means, or samples with that noise."""
        return self._posterior(x, noise) * self.scale_factor

    def _posterior(self, x: Tensor, noise: Tensor | None) -> Tensor:
        mu, sigma = self._called(self.autoencoder.encode)(x.to(self.device))
        return mu if noise is None else reparameterise(mu, sigma, noise.to(self.device))

    def posterior_noise(self, ids: Sequence[str]) -> Tensor | None:
        """Noise of each scan's frozen sample; none where latents are posterior means (``method.posterior``)."""
        return frozen_noise(ids, self.latent_shape) if self.method.posterior == "frozen" else None

    @torch.no_grad()
    def decode_latent(self, z: Tensor) -> Tensor:
        """Scaled latents -> volumes (B, 1, X, Y, Z), not clipped."""
        return self._called(self.autoencoder.decode)(z.to(self.device) / self.scale_factor)

    @torch.no_grad()
    def encode_semantic(self, x: Tensor) -> Tensor:
        """Volumes (B, 1, X, Y, Z) -> y_sem (B, dimension)."""
        return self._called(self.encoder)(x.to(self.device))

    @torch.no_grad()
    def invert(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Scaled latents -> x_T; without y_sem, by the unconditional model of stage 2."""
        return self._sampler.encode(self._model(y), z.to(self.device), self._grid(), self.schedule, self._clamp())

    @torch.no_grad()
    def sample(self, x_T: Tensor, y: Tensor | None) -> Tensor:
        """x_T -> scaled latents; without y_sem, by the unconditional model of stage 2."""
        return self._sampler.decode(self._model(y), x_T.to(self.device), self._grid(), self.schedule, self._clamp())

    @property
    def network_calls(self) -> int:
        """Of the UNet, for each scan in either direction."""
        return len(self._grid()) - 1

    def noise(self, ids: Sequence[str], seed: int) -> Tensor:
        """Standard normal x_T (B, C, x, y, z), fixed by (seed, id), whatever the batch."""
        return torch.stack([normal(self.latent_shape, seed, "x_T", name) for name in ids]).to(self.device)

    def _model(self, y: Tensor | None) -> Denoiser:
        if y is None:
            return self._called(self.estimator.trunk)
        return guided(self._called(self.estimator), y.to(self.device), self.coefficient)

    def _called(self, network: Callable[..., Answer]) -> Callable[..., Answer]:
        return called(network, self.arithmetic, self.device)

    @property
    def _sampler(self) -> Sampler:
        return SAMPLERS[self.sampling.solver]

    def _grid(self) -> list[int]:
        return self._sampler.grid(self.sampling.steps, self.schedule)

    def _clamp(self) -> float | None:
        return 1.0 if self.method.clamp_z0 else None


@dataclass(frozen=True)
class CodeKey:
    """Model, direction of use and solver of one inversion.

    Attributes:
        model: digest of the representation model, or of the unconditional one.
        conditional: inverted with the scan's y_sem.
        method: the switches that shape an inversion, as (name, value) pairs.
        precision: of the network's calls.
    """

    model: str
    conditional: bool
    solver: str
    steps: int
    method: tuple[tuple[str, Any], ...]
    precision: str = "fp32"

    @classmethod
    def of(cls, ldae: LDAE, conditional: bool) -> "CodeKey":
        """The key of what ``ldae`` would invert now."""
        model = ldae.digest if conditional else ldae.unconditional_digest
        method = tuple((name, getattr(ldae.method, name)) for name in SWITCHES)
        return cls(model, conditional, ldae.sampling.solver, ldae.sampling.steps, method, ldae.arithmetic.precision)

    @property
    def name(self) -> str:
        """Folder of a store of one of the further solvers."""
        return f"{MAIN[self.conditional]}_{self.solver}-{self.steps}"

    @property
    def names(self) -> tuple[str, str]:
        """Folders in which its store may stand: that of the main solver, and its own."""
        return MAIN[self.conditional], self.name

    def matches(self, meta: Mapping[str, Any]) -> bool:
        """Whether a store's description is that of this key."""
        known = config.Method.model_validate(meta.get("method", {}))
        found = tuple((name, getattr(known, name)) for name in SWITCHES)
        facts = tuple(meta.get(name) for name in ("model", "conditional", "solver", "steps"))
        same = facts == (self.model, self.conditional, self.solver, self.steps) and found == self.method
        return same and meta.get("precision", "fp32") == self.precision

    def __str__(self) -> str:
        kind = "with y_sem" if self.conditional else "unconditional"
        words = f"model {self.model}, {kind}, {self.solver} with {self.steps} steps, {dict(self.method)}"
        return words if self.precision == "fp32" else f"{words}, {self.precision}"
