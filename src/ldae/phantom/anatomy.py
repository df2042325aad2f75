"""The template head that every scan is made from: built once, kept in a file; which amplitudes give which volumes."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy import ndimage

from ldae.core.errors import UserError
from ldae.core.files import atomic_path
from ldae.phantom.grid import ORIGIN, SHAPE, axes, exponential, roi_volume_ml, smooth, support, to_uint8
from ldae.phantom.head import BACKGROUND_SKIN_MM, head_image, head_surfaces
from ldae.phantom.structures import (
    hippocampi,
    load_template,
    sulcal_weight,
    t1_contrast,
    ventricle_distance,
    ventricles,
    white_matter_caps,
)
from ldae.phantom.velocity import BASES, intracranial_domain, velocity_bases

VENTRICLE_AMPLITUDES = np.array([-1.2, -0.6, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.5])
HIPPOCAMPUS_AMPLITUDES = np.array([-0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.3, 1.8])
VERSION = 1  # of the anatomy's content
HEAD_GAIN = 1.2  # the head channel holds signals of 0...1.2 in 0...255
FOREGROUND_MM = 4  # spacing of the coarse mask of voxels worth sampling
REACH_MM = 15  # subject shapes move points by less


@dataclass(frozen=True)
class Calibration:
    """Volumes (ml, template space) at the tabulated amplitudes.

    ``ventricles_ml`` and ``squeezed_hippocampus_ml`` (a left hippocampus beside ventricles of that size) belong to
    ``VENTRICLE_AMPLITUDES``; ``hippocampus_ml`` (left) to ``HIPPOCAMPUS_AMPLITUDES``.
    """

    ventricles_ml: np.ndarray
    squeezed_hippocampus_ml: np.ndarray
    hippocampus_ml: np.ndarray

    def ventricle_amplitude(self, volume_ml: float) -> float:
        """Amplitude that gives both lateral and third ventricles this volume."""
        return float(np.interp(volume_ml, self.ventricles_ml, VENTRICLE_AMPLITUDES))

    def hippocampus_amplitude(self, mean_volume_ml: float, ventricle_amplitude: float) -> float:
        """Amplitude for a hippocampus of this volume, given how the ventricles already press on it."""
        rest = np.interp(0.0, VENTRICLE_AMPLITUDES, self.squeezed_hippocampus_ml)
        squeeze = np.interp(ventricle_amplitude, VENTRICLE_AMPLITUDES, self.squeezed_hippocampus_ml) / rest
        order = np.argsort(self.hippocampus_ml)
        return float(np.interp(mean_volume_ml / squeeze, self.hippocampus_ml[order], HIPPOCAMPUS_AMPLITUDES[order]))


def calibrate(
    velocity: dict[str, np.ndarray], nodes: np.ndarray, ventricles: np.ndarray, hippocampus_l: np.ndarray
) -> Calibration:
    """Deform the template with both sides at once and measure. The left hippocampus stands for both (symmetric)."""
    ventricle = velocity["ventricle_l"] + velocity["ventricle_r"]
    hippocampus = velocity["hippocampus_l"] + velocity["hippocampus_r"]
    grown = [exponential(np.float32(-a) * ventricle, nodes) for a in VENTRICLE_AMPLITUDES]
    shrunk = [exponential(np.float32(-a) * hippocampus, nodes) for a in HIPPOCAMPUS_AMPLITUDES]
    return Calibration(
        ventricles_ml=np.array([roi_volume_ml(ventricles, field) for field in grown]),
        squeezed_hippocampus_ml=np.array([roi_volume_ml(hippocampus_l, field) for field in grown]),
        hippocampus_ml=np.array([roi_volume_ml(hippocampus_l, field) for field in shrunk]),
    )


@dataclass(frozen=True)
class Anatomy:
    """uint8 channels on the 1 mm template grid (255 = 1), velocity bases on the 3 mm control grid, calibration.

    ``t1`` is the template's intensity; ``head`` the signal outside the brain / ``HEAD_GAIN``; ``intracranial``,
    ``brain``, ``ventricles``, ``hippocampus_l`` and ``hippocampus_r`` are fractions; ``sulci`` and ``caps`` are the
    weights of cortical thinning and of white-matter darkening. ``foreground`` is a coarse mask of the head.
    ``velocity`` is (basis, 3, x, y, z) in the order of :data:`ldae.phantom.velocity.BASES`.
    """

    t1: np.ndarray
    head: np.ndarray
    intracranial: np.ndarray
    brain: np.ndarray
    ventricles: np.ndarray
    hippocampus_l: np.ndarray
    hippocampus_r: np.ndarray
    sulci: np.ndarray
    caps: np.ndarray
    foreground: np.ndarray
    velocity: np.ndarray
    nodes: np.ndarray
    reached_nodes: np.ndarray
    structure_box: np.ndarray
    calibration: Calibration

    def velocity_of(self, amplitudes: dict[str, float]) -> np.ndarray:
        """sum_k a_k v_k; missing bases count as 0."""
        weights = np.array([amplitudes.get(name, 0.0) for name in BASES], np.float32)
        return np.tensordot(weights, self.velocity, axes=1)


def load_anatomy(cache: str | Path | None = None) -> Anatomy:
    """Read the anatomy from ``cache`` (npz), or build it (about 20 s, 1 GB) and write it there.

    A file of another version is replaced.

    Raises:
        UserError: the file exists but is not an anatomy.
    """
    if cache is not None and Path(cache).is_file():
        anatomy = _read(Path(cache))
        if anatomy is not None:
            return anatomy
    anatomy = build_anatomy()
    if cache is not None:
        _write(Path(cache), anatomy)
    return anatomy


def build_anatomy() -> Anatomy:
    """Derive everything from the template's three maps. Deterministic."""
    template = load_template()
    ventricle = ventricles(template)
    hippocampus = hippocampi(template, ventricle)
    surfaces = head_surfaces(template.brain)
    distance = ventricle_distance(ventricle)
    domain = intracranial_domain(template.brain, surfaces.intracranial)
    bases = velocity_bases(template, ventricle, hippocampus, surfaces.intracranial, distance, domain)
    velocity = np.stack([bases[name] for name in BASES]).astype(np.float16).astype(np.float32)
    left = axes(SHAPE, ORIGIN, 1.0)[0] < 0
    structures = {
        "ventricles": to_uint8(smooth(ventricle, 0.5)),
        "hippocampus_l": to_uint8(smooth(hippocampus & left, 0.5)),
        "hippocampus_r": to_uint8(smooth(hippocampus & ~left, 0.5)),
    }
    nodes = support(velocity.reshape(-1, *velocity.shape[2:]))
    return Anatomy(
        t1=t1_contrast(template, surfaces.inner),
        head=to_uint8(head_image(surfaces) / HEAD_GAIN),
        intracranial=to_uint8(surfaces.intracranial),
        brain=to_uint8(smooth(template.brain, 0.7)),
        **structures,
        sulci=to_uint8(sulcal_weight(template, ventricle)),
        caps=to_uint8(white_matter_caps(template, distance)),
        foreground=_coarse_foreground(surfaces.skin),
        velocity=velocity,
        nodes=nodes,
        reached_nodes=_reached(nodes, velocity.shape[2:]),
        structure_box=_joint_box(list(structures.values())),
        calibration=calibrate(
            dict(zip(BASES, velocity, strict=True)), nodes, structures["ventricles"], structures["hippocampus_l"]
        ),
    )


def _coarse_foreground(skin: np.ndarray) -> np.ndarray:
    near = (skin < BACKGROUND_SKIN_MM + 2).astype(np.uint8)
    return ndimage.maximum_filter(near, 5)[::FOREGROUND_MM, ::FOREGROUND_MM, ::FOREGROUND_MM]


def _reached(nodes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Nodes within ``REACH_MM`` of ``nodes``: a subject's shape may carry any of them into the brain."""
    mask = np.zeros(shape, bool)
    mask[tuple(nodes)] = True
    return np.stack(np.nonzero(ndimage.binary_dilation(mask, iterations=int(REACH_MM / 3))))


def _joint_box(structures: list[np.ndarray]) -> np.ndarray:
    """Lower and upper corner (2, 3), in voxels, of all structures together."""
    box = ndimage.find_objects((np.maximum.reduce(structures) > 0).astype(np.uint8))[0]
    return np.array([[s.start - 1 for s in box], [s.stop for s in box]], np.float32)


def _write(path: Path, anatomy: Anatomy) -> None:
    content = {f.name: getattr(anatomy, f.name) for f in fields(anatomy) if f.name != "calibration"}
    content |= {f"calibration_{name}": np.asarray(value) for name, value in asdict(anatomy.calibration).items()}
    content["version"] = np.array(VERSION)
    content["velocity"] = anatomy.velocity.astype(np.float16)  # lossless: the build rounds to float16
    with atomic_path(path) as temporary:
        np.savez(temporary, **content)


def _read(path: Path) -> Anatomy | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if int(archive["version"]) != VERSION:
                return None
            content = {name: archive[name] for name in archive.files if name != "version"}
        calibration = Calibration(**{f.name: content.pop(f"calibration_{f.name}") for f in fields(Calibration)})
        content["velocity"] = content["velocity"].astype(np.float32)
        return Anatomy(**content, calibration=calibration)
    except (BadZipFile, ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} is not an anatomy ({error}); delete it and run again.") from error
