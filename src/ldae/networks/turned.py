"""Volumes turned for networks that were trained on other axes than R-A-S."""

from collections.abc import Sequence

from torch import Tensor


def turned(volumes: Tensor, axes: Sequence[int]) -> Tensor:
    """Volumes (B, C, X, Y, Z) with some of their axes (0, 1, 2) reversed: exact, and undone by doing it again."""
    return volumes.flip([2 + axis for axis in axes]) if axes else volumes
