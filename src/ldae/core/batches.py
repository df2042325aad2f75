"""Work in parts of a fixed size, and progress a person can watch: a bar in a terminal, nothing otherwise."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Items = TypeVar("Items", list, range, np.ndarray)


def batches(items: Items, size: int) -> list[Items]:
    """The items in their order, ``size`` at a time; the last part may be shorter."""
    return [items[first : first + size] for first in range(0, len(items), size)]


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Iterate with a progress bar on stderr when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description, total=total, console=Console(stderr=True), transient=True)
