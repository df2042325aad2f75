"""Folders in folders, more of them than Python recurses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def deep(place: Path, name: str, folders: int) -> Iterator[Path]:
    """``place/name/name/...``; taken down one by one, since pytest and :func:`shutil.rmtree` go down by recursion."""
    top, here = place / name, os.open(place, os.O_RDONLY)
    for _ in range(folders):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        yield top
    finally:
        while top.exists():
            inside = next(top.iterdir(), None)
            if inside is not None:
                inside.rename(place / "lower")
            top.rmdir()
            if inside is not None:
                (place / "lower").rename(top)
