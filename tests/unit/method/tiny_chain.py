"""Settings of tiny networks, and the folders of a chain trained with them."""

from dataclasses import dataclass
from pathlib import Path

from ldae import config

TRAINING = {"steps": 2, "batch": 2, "micro_batch": 1, "learning_rate": 1e-3, "validate_every": 2}
AUTOENCODER = config.Autoencoder(
    patch=2,
    channels=[8, 8],
    latent_channels=2,
    res_blocks=1,
    norm_groups=4,
    discriminator=config.Discriminator(channels=4, layers=1),
    training=TRAINING,
)
DIFFUSION = config.Diffusion(
    channels=8, multipliers=[1, 2], res_blocks=1, attention_factors=[2], norm_groups=4, training=TRAINING
)
REPRESENTATION = config.Representation(
    backbone="test_convnext", dimension=8, heads=2, slice_step=8, drop_path=0.1, training=TRAINING
)


@dataclass(frozen=True)
class Chain:
    """Stores and model folders of eight scans of four subjects, two of them for training."""

    folder: Path

    @property
    def volumes(self) -> Path:
        return self.folder / "volumes"

    @property
    def latents(self) -> Path:
        return self.folder / "latents"

    @property
    def splits(self) -> Path:
        return self.folder / "splits.tsv"

    @property
    def train(self) -> Path:
        return self.folder / "train"
