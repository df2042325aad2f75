"""The whole configuration: its sections, and what must fit between them."""

from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from ldae.config.cohort import AuthorsCsv, Bids, Convert, Manifest, Phantom, Raw, Splits
from ldae.config.evaluation import Evaluation
from ldae.config.method import Method
from ldae.config.networks import Autoencoder, Dae, Diffusion, Representation, Supervised
from ldae.config.preprocessing import Preprocessing
from ldae.config.section import Section
from ldae.config.training import Launch
from ldae.switches import method_of


class Config(Section):
    results_dir: Path
    seed: int = 42
    source: Literal["adni", "bids", "csv"] = "adni"
    raw: Raw
    bids: Bids | None = None
    csv: AuthorsCsv | None = None
    phantom: Phantom | None = None
    convert: Convert
    manifest: Manifest = Manifest()
    splits: Splits = Splits()
    preprocessing: Preprocessing
    method: Method = Method()
    autoencoder: Autoencoder
    diffusion: Diffusion
    representation: Representation
    dae: Dae
    supervised_ad: Supervised
    supervised_age: Supervised
    launch: Launch = Launch()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _source_has_its_section(self) -> "Config":
        if self.source != "adni" and getattr(self, self.source) is None:
            raise ValueError(f"source {self.source} needs the section {self.source} with its path")
        if self.source == "csv" and self.phantom is not None:
            raise ValueError("the phantom is a raw ADNI download or a BIDS dataset: with source csv set phantom: null")
        return self

    @model_validator(mode="after")
    def _grid_fits(self) -> "Config":
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        deepest = factor * 2 ** (len(self.diffusion.multipliers) - 1)
        sizes = self.preprocessing.conform.shape
        if any(size % factor for size in sizes):
            raise ValueError(
                f"preprocessing.conform.shape {sizes} is not a multiple of the autoencoder's factor {factor}"
            )
        if self.diffusion.resample == "isotropic" and any(size % deepest for size in sizes):
            raise ValueError(f"preprocessing.conform.shape {sizes} is not a multiple of {deepest} (autoencoder x UNet)")
        if any(small * self.dae.factor > size for small, size in zip(self.dae.shape, sizes, strict=True)):
            raise ValueError(f"dae.shape {self.dae.shape} x dae.factor {self.dae.factor} exceeds conform.shape {sizes}")
        return self

    def section(self, *names: str) -> dict[str, Any]:
        """One section (or subsection) as plain values, the form in which rules hand it to their adapters."""
        values = self.model_dump(mode="json")
        for name in names:
            values = values[name]
        return values

    def method_of(self, rule: str) -> dict[str, Any]:
        """The entries of the ``method`` section that a rule reads."""
        return method_of(rule, self.section())

    def supervised(self, name: Literal["supervised_ad", "supervised_age"]) -> dict[str, Any]:
        """The representation section with the training of a supervised baseline, as plain values."""
        encoder = self.section("representation") | {"training": self.section(name, "training")}
        return {key: value for key, value in encoder.items() if key not in ("snr_gamma", "ema_doubles_backbone")}

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(channels, x, y, z) of one latent."""
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        return (self.autoencoder.latent_channels, *(size // factor for size in self.preprocessing.conform.shape))
