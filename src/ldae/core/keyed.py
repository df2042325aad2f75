"""Random numbers as pure functions of what they are for.

A draw is keyed by (seed, stage, purpose, step, position, ...), never by how many draws came before it. So a resumed
run needs no generator state, and noise does not depend on micro-batches or on which process makes it.
"""

import hashlib
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def key(*parts: int | str) -> int:
    """63-bit key of a purpose: blake2b of its parts."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator; drawing on the CPU gives the same numbers whatever the device."""
    return torch.Generator().manual_seed(key(*parts))


def seed_layers(*parts: int | str) -> None:
    """Key the draws of dropout and stochastic depth, which come from the default generators.

    ``torch.manual_seed`` would do, but costs half a millisecond where CUDA is built in and not in use.
    """
    number = key(*parts)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def normal(shape: tuple[int, ...], *parts: int | str) -> Tensor:
    """Standard normal float32 numbers of one key."""
    return torch.randn(shape, generator=generator(*parts))


@lru_cache(maxsize=4)
def _epoch_order(seed: int, stage: str, scans: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(key(seed, stage, "order", epoch)).permutation(scans)


def scan_at(seed: int, stage: str, scans: int, step: int, position: int, batch: int) -> int:
    """Which of ``scans`` scans stands at ``position`` of the effective batch of ``step``.

    Every epoch is a fresh permutation, so each scan is seen once per epoch; batches run across epoch borders.
    """
    epoch, place = divmod(step * batch + position, scans)
    return int(_epoch_order(seed, stage, scans, epoch)[place])
