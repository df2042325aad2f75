"""The two grids of the phantom, and the maps between heads that live on them.

Template grid: 1 mm voxels, R-A-S, MNI152 millimetres, wide enough for a head and neck.
Control grid: 3 mm nodes over the same box; every displacement and velocity field lives there, in mm.
A map is a backward displacement u (3, *CONTROL_SHAPE) in mm: the scan at point x shows the template at x + u(x).
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ldae.core.keyed import stream

ORIGIN = np.array([-100.0, -138.0, -118.0])  # MNI mm of voxel (0, 0, 0)
SHAPE = (201, 257, 219)
CONTROL_MM = 3.0
CONTROL_SHAPE = tuple(int(np.ceil(size / CONTROL_MM)) + 1 for size in SHAPE)
HEAD_SCALE = 0.89  # mean linear size of a head relative to MNI space (which is about 1.4 x too large in volume)
MAX_STEP_MM = 0.35  # largest displacement of the first step of scaling and squaring
SHAPE_MM = ((2.6, 26.0), (0.9, 10.0))  # subject shape: (standard deviation, correlation length), coarse and fine
FOLDS_MM = (0.9, 6.0)  # of the folds of a rich phantom: standard deviation, correlation length
MIN_JACOBIAN = 0.35  # of the subject's shape; smaller ones are shrunk
POLES_MM = (-17.0, 45.0, 9.0)  # y of the middle of the brain; from where on to front and back there is torque; its rise
HEMISPHERE_MM, BEND_MM = 12.0, 25.0  # |x| at which a hemisphere is a whole one; how far the midline's bend reaches


class Region(NamedTuple):
    """A box of the template grid: its slices and its broadcastable coordinates (mm)."""

    slices: tuple[slice, slice, slice]
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


def axes(shape: tuple[int, ...], origin: np.ndarray, step: float) -> list[np.ndarray]:
    """Three float32 coordinate arrays (mm) that broadcast to ``shape``."""
    lines = [(origin[i] + step * np.arange(size)).astype(np.float32) for i, size in enumerate(shape)]
    return [line.reshape([-1 if i == j else 1 for j in range(3)]) for i, line in enumerate(lines)]


def region(lower: tuple[float, ...], upper: tuple[float, ...]) -> Region:
    """The voxels between two corners (MNI mm), clipped to the template grid."""
    first = np.clip(np.floor(np.asarray(lower) - ORIGIN), 0, SHAPE).astype(int)
    last = np.clip(np.ceil(np.asarray(upper) - ORIGIN) + 1, 0, SHAPE).astype(int)
    shape = tuple(np.maximum(last - first, 0))
    x, y, z = (slice(a, b) for a, b in zip(first, last, strict=True))
    return Region((x, y, z), *axes(shape, ORIGIN + first, 1.0))


def voxel(point: tuple[float, float, float]) -> tuple[int, int, int]:
    """The template voxel nearest to an MNI point (mm)."""
    return tuple(np.round(np.asarray(point) - ORIGIN).astype(int))


def ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    """Approximate signed distance (mm, negative inside) to an axis-aligned ellipsoid."""
    squares = sum(((axis - c) / r) ** 2 for axis, c, r in zip((x, y, z), centre, radii, strict=True))
    return (np.sqrt(squares) - 1) * np.float32(min(radii))


def signed_distance(mask: np.ndarray, step: float) -> np.ndarray:
    """Distance (mm, negative inside) to the border of ``mask``."""
    outside = ndimage.distance_transform_edt(~mask)
    return ((outside - ndimage.distance_transform_edt(mask)) * step).astype(np.float32)


def coverage(distance: np.ndarray) -> np.ndarray:
    """Signed distance (mm) to the fraction of a 1 mm voxel that lies inside."""
    return np.clip(0.5 - distance, 0, 1)


def smooth_union(distances: list[np.ndarray], width: float) -> np.ndarray:
    """Soft minimum of signed distances: -w log(sum exp(-d/w)), blending over ``width`` mm."""
    total = sum(np.exp(np.clip(-distance / width, -40, 40)) for distance in distances)
    return -width * np.log(total + 1e-20)


def smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian filter in float32; ``sigma`` in voxels."""
    return ndimage.gaussian_filter(image.astype(np.float32), sigma)


def upsample(image: np.ndarray, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Twice as many samples along each axis, linear in between, cut to ``shape``."""
    for axis, size in enumerate(shape):
        nodes = np.moveaxis(image, axis, 0)
        fine = np.empty((2 * len(nodes), *nodes.shape[1:]), np.float32)
        fine[::2] = nodes
        fine[1:-1:2] = (nodes[:-1] + nodes[1:]) / 2
        fine[-1] = nodes[-1]
        image = np.moveaxis(fine[:size], 0, axis)
    return np.ascontiguousarray(image)


def to_control(image: np.ndarray) -> np.ndarray:
    """Box average of a template image at the nodes of the control grid (zero beyond the template)."""
    step = int(CONTROL_MM)
    counts = [(size - 1) // step + 1 for size in image.shape]
    padded = np.pad(image, [(1, 1)] * 3, mode="symmetric")[tuple(slice(step * count) for count in counts)]
    blocks = padded.reshape([part for count in counts for part in (count, step)])
    nodes = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    result = np.zeros(CONTROL_SHAPE, np.float32)
    result[tuple(slice(size) for size in nodes.shape)] = nodes
    return result


def sample(image: np.ndarray, points: np.ndarray, mode: str = "nearest") -> np.ndarray:
    """Trilinear values (float32) of ``image`` at ``points`` (3, ...), given in its voxel indices."""
    return ndimage.map_coordinates(image, points, order=1, mode=mode, prefilter=False, output=np.float32)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """[0, 1] to 0...255."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


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


def subject_shape(seed: int, rid: int, torque_mm: float = 0.0) -> np.ndarray:
    """Smooth displacement of one subject's head and gyri, the same at all visits: a random one, and what all heads
    have in common of asymmetry (:func:`torque`)."""
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
    return displacement + torque(torque_mm) if torque_mm else displacement


def folds(random: np.random.Generator) -> np.ndarray:
    """Displacement (3, *CONTROL_SHAPE) of small scale: folds that no other head has."""
    deviation, length = FOLDS_MM
    return np.stack([np.float32(deviation) * _smooth_noise(random, length / 2) for _ in range(3)])


def torque(size_mm: float) -> np.ndarray:
    """The asymmetry of most human brains (Toga & Thompson 2003): the right frontal pole reaches farther forward than
    the left one, the left occipital pole farther back than the right one, and the midline bends to the right behind.

    Args:
        size_mm: by which one pole outreaches the other, and the bend of the midline at the occipital pole.
    """
    x, y, z = axes(CONTROL_SHAPE, ORIGIN, CONTROL_MM)
    middle, start, rise = POLES_MM
    behind, front = (1 / (1 + np.exp((start - side * (y - middle)) / rise)) for side in (-1, 1))
    inside = np.exp(-(((z - 10) / 60) ** 4))  # the neck has none
    forward = size_mm / 2 * np.tanh(x / HEMISPHERE_MM) * (behind + front) * inside
    rightward = size_mm * np.exp(-((x / BEND_MM) ** 2)) * behind * inside
    # the map is backward: where tissue lies farther forward, the scan shows what lies behind in the template
    return -np.stack([rightward, forward, np.zeros_like(forward)]).astype(np.float32)


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
