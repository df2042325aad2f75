"""Diffeomorphic maps on the control grid. A map is a backward displacement u (3, *CONTROL_SHAPE) in mm: the scan at
point x shows the template at x + u(x)."""

import numpy as np
from scipy import ndimage

from ldae.core.keyed import stream
from ldae.phantom.grid import CONTROL_MM, CONTROL_SHAPE, sample, smooth

MAX_STEP_MM = 0.35  # largest displacement of the first step of scaling and squaring
SHAPE_MM = ((2.6, 26.0), (0.9, 10.0))  # subject shape: (standard deviation, correlation length), coarse and fine
MIN_JACOBIAN = 0.35  # of the subject's shape; smaller ones are shrunk


def support(velocity: np.ndarray, margin: int = 1) -> np.ndarray:
    """Indices (3, n) of the nodes at which a field is not zero, with a margin (nodes)."""
    return np.stack(np.nonzero(ndimage.binary_dilation(np.any(velocity != 0, axis=0), iterations=margin)))


def exponential(velocity: np.ndarray, nodes: np.ndarray | None = None) -> np.ndarray:
    """u of exp(v), by scaling and squaring (Arsigny 2006): u <- u + u o (id + u), from v / 2^n.

    Only ``nodes`` (default: the support of v) are computed; the map is the identity elsewhere.
    """
    nodes = support(velocity) if nodes is None else nodes
    largest = max(float(np.abs(velocity).max()), 1e-6)
    squarings = int(np.clip(np.ceil(np.log2(largest / MAX_STEP_MM)), 1, 6))
    displacement = velocity.astype(np.float32) / 2**squarings
    where = tuple(nodes)
    for _ in range(squarings):
        here = displacement[(slice(None), *where)]
        points = nodes + here / CONTROL_MM
        following = np.stack([sample(component, points) for component in displacement])
        displacement[(slice(None), *where)] = here + following
    return displacement


def compose(first: np.ndarray, second: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """u of x -> second(first(x)); ``nodes`` are those that ``first`` may carry into the support of ``second``."""
    where = (slice(None), *nodes)
    result = first.copy()
    points = nodes + first[where] / CONTROL_MM
    result[where] += np.stack([sample(component, points) for component in second])
    return result


def jacobian_determinant(displacement: np.ndarray) -> np.ndarray:
    """det(I + grad u) at every node, by central differences."""
    (a, b, c), (d, e, f), (g, h, i) = (np.gradient(component, CONTROL_MM) for component in displacement)
    a, e, i = a + 1, e + 1, i + 1
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def subject_shape(seed: int, rid: int) -> np.ndarray:
    """Smooth random displacement of one subject's head and gyri, the same at all visits."""
    random = stream(seed, "shape", rid)
    displacement = np.zeros((3, *CONTROL_SHAPE), np.float32)
    for deviation, length in SHAPE_MM:
        for component in displacement:
            component += deviation * _smooth_noise(random, length / 2)
    displacement = np.stack([smooth(component, 1.2) for component in displacement])
    for _ in range(6):
        if jacobian_determinant(displacement).min() > MIN_JACOBIAN:
            break
        displacement *= np.float32(0.8)
    return displacement


def _smooth_noise(random: np.random.Generator, node_mm: float) -> np.ndarray:
    """Unit-variance noise on a lattice of ``node_mm``, read at the control nodes."""
    size = tuple(int(nodes * CONTROL_MM / node_mm) + 4 for nodes in CONTROL_SHAPE)
    lattice = smooth(random.standard_normal(size, dtype=np.float32), 1.3)
    lattice /= lattice.std()
    for axis, nodes in enumerate(CONTROL_SHAPE):  # linear interpolation, one axis after the other
        position = np.arange(nodes, dtype=np.float32) * np.float32(CONTROL_MM / node_mm) + 1
        lower = position.astype(int)
        weight = (position - lower).reshape([-1 if i == axis else 1 for i in range(3)])
        lattice = np.take(lattice, lower, axis) * (1 - weight) + np.take(lattice, lower + 1, axis) * weight
    return lattice.astype(np.float32)


def roi_volume_ml(roi: np.ndarray, displacement: np.ndarray, step_mm: float = 1.5, margin_mm: int = 20) -> float:
    """Volume (ml) of a uint8 template structure after a map, on a lattice of ``step_mm`` about the structure."""
    box = ndimage.find_objects((roi > 0).astype(np.uint8))[0]
    lines = [np.arange(max(s.start - margin_mm, 0), s.stop + margin_mm, step_mm, dtype=np.float32) for s in box]
    points = np.stack(np.meshgrid(*lines, indexing="ij"))
    moved = points + np.stack([sample(component, points / CONTROL_MM) for component in displacement])
    return float(sample(roi, moved, "constant").sum(dtype=np.float64) / 255 * step_mm**3 / 1e3)
