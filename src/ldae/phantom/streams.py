"""Random numbers that depend on what they are for, not on what was drawn before."""

import hashlib

import numpy as np


def stream(seed: int, purpose: str, *keys: object) -> np.random.Generator:
    """A generator keyed by blake2b of (seed, purpose, keys): equal keys give equal numbers in any order of calls."""
    text = "|".join(map(str, (seed, purpose, *keys)))
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little"))


def picks(index: int, fraction: float) -> bool:
    """Whether item ``index`` (0, 1, ...) belongs to an evenly spread ``fraction``.

    Of the first n items exactly round-half-up(n * fraction) are picked, and a longer list never changes its beginning.
    """
    return int((index + 1) * fraction + 0.5) > int(index * fraction + 0.5)
