"""LDAE-ADNI: from a raw ADNI download to the tables and figures of Latent Diffusion Autoencoders.

``from ldae import LDAE`` is a trained model (:mod:`ldae.inference.model`). It loads torch; ``import ldae`` does not.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``LDAE``, imported when it is asked for."""
    if name == "LDAE":
        return import_module("ldae.inference.model").LDAE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
