"""The quality-control mosaic that preprocessing drew, placed among the figures."""

import shutil
from pathlib import Path

from ldae.files import atomic_path


def figure_qc(mosaic: str | Path, stem: str | Path) -> None:
    """Copy the mosaic to ``stem.png``: it is a picture already, and has no SVG."""
    with atomic_path(f"{stem}.png") as temporary:
        shutil.copyfile(mosaic, temporary)
