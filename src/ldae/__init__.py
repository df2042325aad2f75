"""LDAE-ADNI: from a raw ADNI download to the tables and figures of Latent Diffusion Autoencoders."""

__version__ = "0.1.0"
