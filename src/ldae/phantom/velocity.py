"""Velocity fields that grow one structure at the cost of its neighbours, inside a rigid skull.

Each basis is v = grad(phi), where phi solves the Poisson equation lap(phi) = f in the intracranial space with zero
flux through its border (Neumann). f is the wanted local volume change: +1 in what grows, negative in what it
displaces, zero in total. The skull therefore never moves and the intracranial volume is constant.
"""

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import cg

from ldae.phantom.grid import CONTROL_MM, CONTROL_SHAPE, ORIGIN, axes, smooth, to_control
from ldae.phantom.structures import Template, brain_box, sulcal_fluid

BASES = ("ventricle_l", "ventricle_r", "hippocampus_l", "hippocampus_r", "cortex")
BELOW_BRAIN_MM = -45.0  # cortex changes only above this height


def intracranial_domain(brain: np.ndarray, intracranial: np.ndarray) -> np.ndarray:
    """Control nodes (bool) inside the skull, the largest connected piece."""
    inside = to_control(np.maximum(intracranial, brain)) > 0.45
    pieces, _ = ndimage.label(inside)
    return pieces == np.bincount(pieces[pieces > 0]).argmax()


def velocity_bases(
    template: Template,
    ventricle: np.ndarray,
    hippocampus: np.ndarray,
    intracranial: np.ndarray,
    distance: np.ndarray,
    domain: np.ndarray,
) -> dict[str, np.ndarray]:
    """The five fields (3, *CONTROL_SHAPE), mm per unit amplitude; ``distance`` is in mm from the ventricles."""
    sources = _ventricle_sources(template, ventricle, distance, domain)
    sources |= _hippocampus_sources(template, hippocampus, domain)
    sources["cortex"] = _cortex_source(template, ventricle, hippocampus, intracranial, domain)
    laplacian = _laplacian(domain)
    return {name: _solve(sources[name], domain, laplacian) for name in BASES}


def _left_right() -> tuple[np.ndarray, np.ndarray]:
    left = 1 / (1 + np.exp(axes(CONTROL_SHAPE, ORIGIN, CONTROL_MM)[0] / 1.5))
    return left, 1 - left


def _ventricle_seed(ventricle: np.ndarray) -> np.ndarray:
    cross = ndimage.generate_binary_structure(3, 1)
    return np.clip(smooth(ndimage.grey_dilation(to_control(ventricle), footprint=cross), 0.6), 0, 1)


def _ventricle_sources(
    template: Template, ventricle: np.ndarray, distance: np.ndarray, domain: np.ndarray
) -> dict[str, np.ndarray]:
    """One ventricle grows; white matter near it (weight exp(-d / 18 mm)) gives way."""
    grey, white = to_control(template.grey) / 255, to_control(template.white) / 255
    far = to_control(distance)
    above = axes(CONTROL_SHAPE, ORIGIN, CONTROL_MM)[2] > -30
    seed = _ventricle_seed(ventricle)
    sources = {}
    for name, side in zip(("ventricle_l", "ventricle_r"), _left_right(), strict=True):
        gain = seed * side
        loss = (white + 0.35 * grey) * np.exp(-far / 18.0) * np.clip(far / 4.0 - 0.75, 0, 1) * (0.15 + side) * above
        sources[name] = gain - loss * gain[domain].sum() / loss[domain].sum()
    return sources


def _hippocampus_sources(template: Template, hippocampus: np.ndarray, domain: np.ndarray) -> dict[str, np.ndarray]:
    """A hippocampus shrinks; the fluid beside it fills the room."""
    box = brain_box(hippocampus, margin=30)
    distance = ndimage.distance_transform_edt(~hippocampus[box])
    filler = 0.9 * template.csf[box] / 255 + 0.1 * template.white[box] / 255
    near = np.zeros(hippocampus.shape, np.float32)
    near[box] = np.exp(-((distance / 7.0) ** 2)) * filler * (~hippocampus & template.brain)[box]
    near, whole = to_control(near), to_control(smooth(hippocampus, 0.5))
    sources = {}
    for name, side in zip(("hippocampus_l", "hippocampus_r"), _left_right(), strict=True):
        loss, gain = whole * side, near * side
        sources[name] = gain * loss[domain].sum() / gain[domain].sum() - loss
    return sources


def _cortex_source(
    template: Template, ventricle: np.ndarray, hippocampus: np.ndarray, intracranial: np.ndarray, domain: np.ndarray
) -> np.ndarray:
    """Grey matter shrinks, more in the temporal lobes; sulcal fluid grows."""
    _, y, z = axes(CONTROL_SHAPE, ORIGIN, CONTROL_MM)
    fine_z = axes(template.brain.shape, ORIGIN, 1.0)[2]
    outer = (intracranial > 0.5) & ~template.brain & (fine_z > -40)
    fluid = np.clip(to_control(sulcal_fluid(template, ventricle)) + 0.6 * to_control(outer), 0, 1)
    temporal = np.clip(1 - np.abs(z + 15) / 35, 0, 1) * (y > -60) * (y < 20)
    weight = (z > BELOW_BRAIN_MM) * (0.7 + 0.6 * temporal)
    gain = fluid * (1 - _ventricle_seed(ventricle)) * weight
    tissue = (to_control(template.grey) + 0.25 * to_control(template.white)) / 255
    loss = tissue * (1 - to_control(smooth(hippocampus, 0.5))) * weight
    return gain * loss[domain].sum() / gain[domain].sum() - loss


def _laplacian(domain: np.ndarray) -> csr_matrix:
    """Graph Laplacian of the domain's nodes: the 7-point stencil with no flux through the border."""
    index = np.full(domain.shape, -1)
    index[domain] = np.arange(domain.sum())
    rows, columns = [], []
    for axis in range(3):
        line = np.moveaxis(index, axis, 0)
        here, there = line[:-1].ravel(), line[1:].ravel()
        both = (here >= 0) & (there >= 0)
        rows.append(here[both])
        columns.append(there[both])
    ends = np.concatenate(rows), np.concatenate(columns)
    size = int(domain.sum())
    links = coo_matrix((np.ones(len(ends[0])), ends), shape=(size, size)).tocsr()
    links = links + links.T
    degree = np.asarray(links.sum(axis=1)).ravel()
    return (diags(degree + 1e-7) - links).tocsr()  # the shift fixes the free constant of phi


def _solve(source: np.ndarray, domain: np.ndarray, laplacian: csr_matrix) -> np.ndarray:
    """v = grad(phi) at the nodes, face-centred differences averaged, lightly smoothed."""
    balanced = source[domain] - source[domain].mean()
    preconditioner = diags(1 / np.maximum(laplacian.diagonal(), 1))
    solution, _ = cg(laplacian, -balanced * CONTROL_MM**2, rtol=1e-5, maxiter=2000, M=preconditioner)
    potential = np.zeros(domain.shape)
    potential[domain] = solution
    field = np.zeros((3, *domain.shape), np.float32)
    for axis in range(3):
        phi, component = np.moveaxis(potential, axis, 0), np.moveaxis(field[axis], axis, 0)
        inside = np.moveaxis(domain, axis, 0)
        flux = np.where(inside[:-1] & inside[1:], phi[1:] - phi[:-1], 0) / CONTROL_MM
        component[:-1] += 0.5 * flux
        component[1:] += 0.5 * flux
    return np.stack([smooth(component * domain, 0.5) for component in field])
