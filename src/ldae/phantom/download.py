"""A cohort as LONI's download has it: DICOM series in folders by subject, and the study tables beside them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import Image
from ldae.phantom.loni_tables import write_tables
from ldae.phantom.scan import Scan
from ldae.phantom.visit_schedule import Plan, Visit

GHOST_SHIFT, GHOST_WEIGHT = 9, 0.35  # voxels, fraction: how motion spoils a refused image


@dataclass(frozen=True)
class Download:
    """``images``: one folder per subject (NNN_S_NNNN); ``tables``: ADNIMERGE, MPRAGEMETA, ..."""

    images: Path
    tables: Path

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        return self.images, self.tables

    def holds(self, plan: Plan, visit: Visit, images: list[Image]) -> bool:
        return all((self.images / image.folder).is_dir() for image in images)

    def write_images(self, plan: Plan, visit: Visit, images: list[Image], scan: Scan, broken: frozenset[int]) -> None:
        """One folder of slices per image; an image that the study refuses has motion ghosts."""
        x, y, z = (float(step) for step in np.diag(scan.affine)[:3])
        age, sex = float(scan.truth["age"]), str(scan.truth["sex"])
        for image in images:
            folder = self.images / image.folder
            if not folder.is_dir():
                volume = scan.image if image.chosen else ghosted(scan.image)
                write_series(volume, (x, y, z), folder, image, sex, age, truncate=image.image_id in broken)

    def write_tables(self, plans: list[Plan], images: list[Image], seed: int) -> None:
        write_tables(self.tables, plans, images, seed)


def ghosted(image: np.ndarray) -> np.ndarray:
    """The same head with motion ghosts along the phase-encoding axis (y): why quality control refuses it."""
    ghosts = np.roll(image, GHOST_SHIFT, axis=1) + np.roll(image, -GHOST_SHIFT, axis=1)
    return (image * (1 - GHOST_WEIGHT) + ghosts * (GHOST_WEIGHT / 2)).astype(np.int16)
