"""One training loop, its three stages, and the trained LDAE as one object."""

from ldae.training.run import train_autoencoder, train_diffusion, train_representation

__all__ = ["train_autoencoder", "train_diffusion", "train_representation"]
