"""Random numbers as pure functions of what they are for.

A draw is keyed by (seed, purpose, ...), never by how many draws came before it. So a killed run needs no generator
state, a scan can be made again alone, and noise does not depend on micro-batches or on which process makes it. A key
is the blake2b of its parts, joined by ``|``. There are three kinds, and none may change: every number hangs on them.

- :func:`key` (63 bits, big-endian): what networks draw, by (seed, stage, purpose, step, position, ...).
  :func:`generator`, :func:`normal`, :func:`seed_layers` and :func:`scan_at` are made of it.
- :func:`stream` (128 bits, little-endian): the phantom, by (seed, purpose, subject, session, ...).
- :func:`study_stream` (128 bits, big-endian): folds, bootstraps and draws of the studies, by (seed, purpose, ...).

torch is imported by the functions that return something of it.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def key(*parts: int | str) -> int:
    """63-bit key of a purpose: blake2b of its parts."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(seed: int, purpose: str, *keys: object) -> np.random.Generator:
    """A generator keyed by blake2b of (seed, purpose, keys): equal keys give equal numbers in any order of calls."""
    text = "|".join(map(str, (seed, purpose, *keys)))
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little"))


def study_stream(seed: int, *names: object) -> np.random.Generator:
    """As :func:`stream`, for the studies, whose keys are read from the other end."""
    text = "|".join(str(part) for part in (seed, *names))
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big"))


def picks(index: int, fraction: float) -> bool:
    """Whether item ``index`` (0, 1, ...) belongs to an evenly spread ``fraction``.

    Of the first n items exactly round-half-up(n * fraction) are picked, and a longer list never changes its beginning.
    """
    return int((index + 1) * fraction + 0.5) > int(index * fraction + 0.5)


@dataclass(frozen=True)
class Draw:
    """One scan of an effective batch: its place among the training scans and the key of all its random numbers."""

    scan: int
    key: tuple[int | str, ...]


@lru_cache(maxsize=4)
def _epoch_order(seed: int, stage: str, scans: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(key(seed, stage, "order", epoch)).permutation(scans)


def scan_at(seed: int, stage: str, scans: int, step: int, position: int, batch: int) -> int:
    """Which of ``scans`` scans stands at ``position`` of the effective batch of ``step``.

    Every epoch is a fresh permutation, so each scan is seen once per epoch; batches run across epoch borders.
    """
    epoch, place = divmod(step * batch + position, scans)
    return int(_epoch_order(seed, stage, scans, epoch)[place])


def generator(*parts: int | str) -> "torch.Generator":
    """A CPU generator; drawing on the CPU gives the same numbers whatever the device."""
    import torch

    return torch.Generator().manual_seed(key(*parts))


def normal(shape: tuple[int, ...], *parts: int | str) -> "Tensor":
    """Standard normal float32 numbers of one key."""
    import torch

    return torch.randn(shape, generator=generator(*parts))


def seed_layers(*parts: int | str) -> None:
    """Key the draws of dropout and stochastic depth, which come from the default generators.

    ``torch.manual_seed`` would do, but costs half a millisecond where CUDA is built in and not in use.
    """
    import torch

    number = key(*parts)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
