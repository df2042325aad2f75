"""Work in parts of a fixed size."""

from typing import TypeVar

import numpy as np

Items = TypeVar("Items", list, range, np.ndarray)


def batches(items: Items, size: int) -> list[Items]:
    """The items in their order, ``size`` at a time; the last part may be shorter."""
    return [items[first : first + size] for first in range(0, len(items), size)]
