"""One scan from (seed, subject, session): image, geometry, labels and the measured truth.

A voxel of the scan is carried to template space by the pose, then by the subject's shape, then by the atrophy map; all
channels are read there once, trilinearly.
"""

from dataclasses import dataclass, field

import numpy as np

from ldae.config import Scanner
from ldae.core.keyed import stream
from ldae.phantom.anatomy import FOREGROUND_MM, HEAD_GAIN, Anatomy
from ldae.phantom.grid import CONTROL_MM, ORIGIN, compose, exponential, jacobian_determinant, sample, subject_shape
from ldae.phantom.population import State, Subject, state_at
from ldae.phantom.scanner import (
    Acquisition,
    draw_acquisition,
    ideal,
    inhomogeneity,
    other_scanner,
    rician,
    rotation_matrix,
    tissue_signal,
)
from ldae.phantom.variety import Marks, draw_marks, folded_shape, marked, varied

FIELD_OF_VIEW_MM = (192.0, 224.0, 196.0)
CENTRE = np.array([0.0, -16.0, -8.0])  # MNI point (mm) in the middle of the field of view
CORTEX_GAIN = 2.2  # amplitude of the cortex basis per unit of cortical loss
STRUCTURES = ("ventricles", "hippocampus_l", "hippocampus_r")


@dataclass(frozen=True)
class Scan:
    """``image`` int16 (x, y, z), axes R-A-S; ``affine`` voxel -> scanner mm (pose not included); ``labels`` uint8:
    1 brain, 2 ventricles, 3 left and 4 right hippocampus; ``to_template`` scanner mm -> MNI mm, the true pose and head
    size; ``inhomogeneity`` what the signal was multiplied by, on the image's grid; ``amplitudes`` of the velocity
    bases; ``truth`` the row of truth.tsv that the scan itself determines."""

    image: np.ndarray
    affine: np.ndarray
    labels: np.ndarray
    to_template: np.ndarray
    inhomogeneity: np.ndarray = field(repr=False)
    amplitudes: dict[str, float]
    truth: dict[str, float | int | str] = field(repr=False)


@dataclass(frozen=True)
class _Geometry:
    spacing: np.ndarray
    shape: tuple[int, int, int]
    affine: np.ndarray
    to_template: np.ndarray


def matrix_size(voxel_mm: float) -> tuple[int, int, int]:
    """Even number of voxels that covers the field of view."""
    x, y, z = (2 * round(extent / voxel_mm / 2) for extent in FIELD_OF_VIEW_MM)
    return x, y, z


def amplitudes_for(anatomy: Anatomy, subject: Subject, state: State) -> dict[str, float]:
    """Amplitudes of the five bases that give the state's volumes (targets divided by the head's size)."""
    size = float(np.prod(subject.head_scale))
    ventricle = anatomy.calibration.ventricle_amplitude(state.ventricle_ml / size)
    hippocampus = anatomy.calibration.hippocampus_amplitude(state.hippocampus_ml / size / 2, ventricle)
    return {
        "ventricle_l": ventricle * (1 + subject.asymmetry["ventricles"]),
        "ventricle_r": ventricle * (1 - subject.asymmetry["ventricles"]),
        "hippocampus_l": hippocampus + subject.asymmetry["hippocampi"],
        "hippocampus_r": hippocampus - subject.asymmetry["hippocampi"],
        "cortex": state.cortical_loss * CORTEX_GAIN,
    }


def make_scan(
    anatomy: Anatomy,
    subject: Subject,
    months: float,
    session: str,
    seed: int,
    voxel_mm: float = 2.0,
    shape_field: np.ndarray | None = None,
    displacement: np.ndarray | None = None,
    nuisance: bool = True,
    amp: dict[str, float] | None = None,
    acquisition: Acquisition | None = None,
    scanner: Scanner | None = None,
    torque_mm: float = 0.0,
    rich: bool = False,
) -> Scan:
    """Make a scan; it depends on its arguments only.

    Args:
        months: time since the baseline examination; any real number.
        session: key of the scanner's random numbers, e.g. ``"M024"``.
        shape_field: :func:`head_shape` of the subject, if already at hand.
        displacement: :func:`displacement_of` the subject at that time, if already at hand; without ``amp``.
        nuisance: False gives the clean twin (no pose, inhomogeneity, noise or scanner drift).
        amp: overrides some amplitudes: a true counterfactual of the same head.
        acquisition: how the scanner was set; None: drawn from the session, or ideal without nuisance.
        scanner: how it differs from the usual ones, for a drawn acquisition.
        torque_mm: asymmetry that all heads share (:func:`ldae.phantom.grid.torque`); ``shape_field`` has its own.
        rich: with what no two heads share (:mod:`ldae.phantom.variety`); the truth then says how much of it.
    """
    state = state_at(subject, months / 12)
    amplitudes = amplitudes_for(anatomy, subject, state) | (amp or {})
    if acquisition is None:
        drawn = draw_acquisition(seed, subject.rid, session, subject.site, state.age)
        drawn = varied(drawn, seed, subject.site) if rich else drawn
        drawn = drawn if scanner is None else other_scanner(drawn, scanner)
        acquisition = drawn if nuisance else ideal(subject.site)
    geometry = _geometry(subject, acquisition, voxel_mm)
    marks = draw_marks(anatomy, seed, subject.rid) if rich else None
    if displacement is None:
        shape_field = head_shape(seed, subject.rid, torque_mm, rich) if shape_field is None else shape_field
        displacement = displacement_of(anatomy, shape_field, amplitudes)
    inside, points = _template_points(anatomy, geometry, displacement)
    signal, parts, spots = _signal(anatomy, points, acquisition, state, marks)
    image = np.zeros(geometry.shape, np.float32)
    image[inside] = signal**acquisition.gamma
    multiplied = inhomogeneity(geometry.shape, inside, acquisition)
    image *= multiplied
    if acquisition.noise:
        image = rician(image, acquisition.noise, stream(seed, "noise", subject.rid, session))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[inside] = _label(parts)
    voxel_ml = float(np.prod(geometry.spacing)) / 1e3
    truth = _volumes(parts, voxel_ml) | _describe(subject, state, amplitudes, acquisition)
    if marks is not None:
        truth["lesion_ml"] = float(spots.sum(dtype=np.float64)) * voxel_ml
        truth["focal_atrophy"] = float(marks.strength(state).mean())
    truth["jacobian_min"] = float(jacobian_determinant(displacement).min())
    image = np.clip(np.rint(image * acquisition.gain), 0, 32767).astype(np.int16)
    return Scan(image, geometry.affine, labels, geometry.to_template, multiplied, amplitudes, truth)


def head_shape(seed: int, rid: int, torque_mm: float = 0.0, rich: bool = False) -> np.ndarray:
    """Smooth displacement of one subject's head and gyri, the same at all visits; a rich one has folds of its own."""
    return folded_shape(seed, rid, torque_mm) if rich else subject_shape(seed, rid, torque_mm)


def displacement_of(anatomy: Anatomy, shape_field: np.ndarray, amplitudes: dict[str, float]) -> np.ndarray:
    """What carries a head to the template: its own shape, after the atrophy of these amplitudes."""
    atrophy = exponential(-anatomy.velocity_of(amplitudes), anatomy.nodes)
    return compose(shape_field, atrophy, anatomy.reached_nodes)


def _geometry(subject: Subject, acquisition: Acquisition, voxel_mm: float) -> _Geometry:
    shape = matrix_size(voxel_mm)
    spacing = voxel_mm * np.array(acquisition.zoom)
    half = spacing * (np.array(shape) - 1) / 2
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -half
    to_template = np.eye(4)
    to_template[:3, :3] = np.diag(1 / np.array(subject.head_scale)) @ rotation_matrix(acquisition.rotation)
    to_template[:3, 3] = CENTRE - to_template[:3, :3] @ np.array(acquisition.shift)
    return _Geometry(spacing, shape, affine, to_template)


def _template_points(anatomy: Anatomy, geometry: _Geometry, displacement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask of the voxels in or near the head, and where they lie in the template (3, n), in its voxels."""
    matrix = geometry.to_template @ geometry.affine
    matrix[:3, 3] -= ORIGIN
    matrix = matrix.astype(np.float32)
    index = [
        np.arange(size, dtype=np.float32).reshape([-1 if i == j else 1 for j in range(3)])
        for i, size in enumerate(geometry.shape)
    ]
    points = np.stack([row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + row[3] for row in matrix[:3]])
    limits = np.reshape(anatomy.foreground.shape, (3, 1, 1, 1)) - 1
    nearest = np.clip(np.rint(points / FOREGROUND_MM), 0, limits).astype(np.int32)
    inside = anatomy.foreground[tuple(nearest)] > 0
    points = points[:, inside]
    points += np.stack([sample(component, points / CONTROL_MM) for component in displacement])
    return inside, points


def _signal(
    anatomy: Anatomy, points: np.ndarray, acquisition: Acquisition, state: State, marks: Marks | None
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Signal (white matter = 1) at the points, the fraction of each part of the brain there, and that of lesions at the
    points within the skull (none without marks)."""

    def read(channel: np.ndarray, where: np.ndarray) -> np.ndarray:
        return sample(channel, where, "constant") * np.float32(1 / 255)

    intracranial = read(anatomy.intracranial, points)
    within = intracranial > 0
    brain_points = points[:, within]
    parts = {"intracranial": intracranial}
    parts["brain"] = _scatter(read(anatomy.brain, brain_points), within)
    low, high = anatomy.structure_box[:, :, None]
    near = within.copy()
    near[within] = np.all((brain_points > low) & (brain_points < high), axis=0)
    for name in STRUCTURES:
        parts[name] = _scatter(read(getattr(anatomy, name), points[:, near]), near)
    t1, sulci, caps = (read(channel, brain_points) for channel in (anatomy.t1, anatomy.sulci, anatomy.caps))
    inner, spots = tissue_signal(t1 * 255, sulci, caps, acquisition, state), np.zeros(0, np.float32)
    if marks is not None:
        found = marks.focal(brain_points, state), marks.lesion(brain_points, state)
        inner, spots = marked(inner, t1 * 255, sulci, acquisition.fluid, *found)
    outside = intracranial < 1
    outer = points[:, outside]
    outer[2] = np.abs(outer[2])  # the neck continues below the model, mirrored
    signal = np.zeros(points.shape[1], np.float32)
    signal[outside] = read(anatomy.head, outer) * np.float32(HEAD_GAIN * acquisition.scalp)
    signal[within] += intracranial[within] * (inner - signal[within])
    return signal, parts, spots


def _scatter(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    full = np.zeros(where.shape, np.float32)
    full[where] = values
    return full


def _label(parts: dict[str, np.ndarray]) -> np.ndarray:
    labels = (parts["brain"] > 0.5).astype(np.uint8)
    for value, name in enumerate(STRUCTURES, start=2):
        labels[parts[name] > 0.5] = value
    return labels


def _volumes(parts: dict[str, np.ndarray], voxel_ml: float) -> dict[str, float]:
    """Measured volumes (ml): sums of fractions, so they do not depend on the voxel size."""
    columns = {"ventricle_ml": "ventricles", "brain_ml": "brain", "icv_ml": "intracranial"}
    columns |= {f"hippocampus_{side}_ml": f"hippocampus_{side}" for side in "lr"}
    return {column: float(parts[name].sum(dtype=np.float64)) * voxel_ml for column, name in columns.items()}


def _describe(
    subject: Subject, state: State, amplitudes: dict[str, float], acquisition: Acquisition
) -> dict[str, float | int | str]:
    row: dict[str, float | int | str] = {
        "age": state.age,
        "sex": subject.sex,
        "site": subject.site,
        "converter": int(subject.converter),
    }
    row |= {"stage": state.stage, "stage_rate": subject.stage_rate, "brainage_gap": subject.brainage_gap}
    row |= {"ventricle_target_ml": state.ventricle_ml, "hippocampus_target_ml": state.hippocampus_ml}
    row |= {"cortical_loss": state.cortical_loss, "caps": state.caps}
    row |= {f"amp_{name}": value for name, value in amplitudes.items()}
    row |= {f"rotation_{axis}": value for axis, value in zip("xyz", acquisition.rotation, strict=True)}
    row |= {f"shift_{axis}": value for axis, value in zip("xyz", acquisition.shift, strict=True)}
    return row | {"bias": acquisition.site.bias, "noise": acquisition.noise}
