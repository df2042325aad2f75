"""Where the voxels of a volume lie in MNI space, and in which direction its axes run.

Every volume of this workflow has the axes R-A-S: indices grow to the right, to the front, upwards. Networks that were
trained elsewhere may have seen others; they carry their grid with them (model.json), and volumes are turned for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ldae.core.errors import UserError
from ldae.core.store import Store

RAS = "RAS"
OPPOSITE = {"R": "L", "A": "P", "S": "I"}


@dataclass(frozen=True)
class VoxelGrid:
    """A box of cubic voxels along the axes of MNI space.

    Attributes:
        shape: voxels (X, Y, Z).
        spacing_mm: edge of a voxel.
        centre_mm: R-A-S MNI coordinates of the middle of the box.
        axes: the directions in which the three indices grow, such as RAS or LAS.
    """

    shape: tuple[int, int, int]
    spacing_mm: float
    centre_mm: tuple[float, float, float]
    axes: str = RAS

    @classmethod
    def of(cls, shape: Sequence[int], affine: Sequence[Sequence[float]]) -> "VoxelGrid":
        """From the affine (4, 4) that takes indices to R-A-S millimetres.

        Raises:
            UserError: the voxels are not cubes along the three axes, in their order.
        """
        matrix = np.asarray(affine, dtype=float)
        edges = np.diag(matrix)[:3]
        if not np.allclose(matrix[:3, :3], np.diag(edges)) or not np.allclose(np.abs(edges), abs(edges[0])):
            raise UserError(f"The voxels are not cubes along the axes of MNI space: affine {matrix[:3, :3].tolist()}.")
        centre = matrix[:3, :3] @ ((np.array(shape) - 1) / 2) + matrix[:3, 3]
        axes = "".join(axis if edge > 0 else OPPOSITE[axis] for axis, edge in zip(RAS, edges, strict=True))
        return cls(_whole(shape), round(abs(float(edges[0])), 6), _point(centre), axes)

    @classmethod
    def of_store(cls, store: Store) -> "VoxelGrid | None":
        """The grid of a volume store; None where it does not say it."""
        return cls.of(store.meta["shape"][1:], store.meta["affine"]) if "affine" in store.meta else None

    @classmethod
    def of_model(cls, description: Mapping[str, Any]) -> "VoxelGrid | None":
        """The grid of the volumes that a model was trained on (``grid`` of model.json); None: it does not say it."""
        if not (known := description.get("grid")):
            return None
        return cls(_whole(known["shape"]), known["spacing_mm"], _point(known["centre_mm"]), known["axes"])

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) indices -> R-A-S millimetres."""
        signs = [1 if own == axis else -1 for own, axis in zip(self.axes, RAS, strict=True)]
        matrix = np.diag([*(sign * self.spacing_mm for sign in signs), 1.0])
        matrix[:3, 3] = np.array(self.centre_mm) - matrix[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        return matrix

    @property
    def flipped(self) -> tuple[int, ...]:
        """The axes (0, 1, 2) that run against R-A-S."""
        return tuple(axis for axis, (own, ras) in enumerate(zip(self.axes, RAS, strict=True)) if own != ras)

    def as_json(self) -> dict[str, Any]:
        """``grid`` of model.json."""
        shape, centre = list(self.shape), list(self.centre_mm)
        return {"axes": self.axes, "shape": shape, "spacing_mm": self.spacing_mm, "centre_mm": centre}

    def offset_mm(self, other: "VoxelGrid") -> np.ndarray:
        """(3,) from this centre to the other's, R-A-S."""
        return np.array(other.centre_mm) - np.array(self.centre_mm)

    def __str__(self) -> str:
        size, centre = " x ".join(map(str, self.shape)), ", ".join(f"{value:g}" for value in self.centre_mm)
        return f"{'-'.join(self.axes)}, {size} voxels of {self.spacing_mm:g} mm around ({centre}) mm"


def _whole(shape: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = map(int, shape)
    return x, y, z


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in values)
    return x, y, z
