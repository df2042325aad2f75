"""What no two heads share, and no template has: ``phantom.variety: rich``.

Folds: a warp of small scale, the same at all visits. Focal atrophy: at three places of the cortex, drawn for every
subject, the sulci widen with the disease; how far tells of the stage, where tells nothing. Lesions: small dark spots at
random places of the white matter, more of them with age and disease (as the caps). Contrast: each site's grey matter
and fluid have a signal of their own, beyond what a plain cohort's sites differ by.
"""

from dataclasses import dataclass, replace

import numpy as np

from ldae.core.keyed import stream
from ldae.phantom.anatomy import Anatomy
from ldae.phantom.grid import MIN_JACOBIAN, folds, jacobian_determinant, subject_shape
from ldae.phantom.population import State
from ldae.phantom.scanner import Acquisition

FOCI, FOCUS_MM = 3, (8.0, 14.0)  # places of atrophy; standard deviation of each
FOCUS, FOCUS_SD = (0.10, 0.55), 0.15  # share of the sulci's signal that is lost: at stage 0, per stage; its residual
LESIONS, LESION_MM = 24, (2.0, 5.0)  # places; each shows from a level of the caps on, drawn from 0...1; radius
DARKENING = 0.35  # of a lesion, white matter = 1
CORTEX, WHITE_T1 = 128, (195.0, 224.0)  # least sulcal weight; template T1 from where on tissue is white, and wholly so
GREY_SD, FLUID_SD = 0.03, 0.02  # between sites


@dataclass(frozen=True)
class Marks:
    """Places (number, 3) in voxels of the template, with sizes in mm; ``depth`` is a focus's own share of atrophy,
    ``onset`` the level of the caps from which on a lesion shows."""

    foci: np.ndarray
    focus_mm: np.ndarray
    depth: np.ndarray
    lesions: np.ndarray
    lesion_mm: np.ndarray
    onset: np.ndarray

    def focal(self, points: np.ndarray, state: State) -> np.ndarray:
        """(n,) share of the sulci's signal that focal atrophy takes at points (3, n) of the template, 0...1."""
        lost = np.zeros(points.shape[1], np.float32)
        for place, size, depth in zip(self.foci, self.focus_mm, self.strength(state), strict=True):
            squares = ((points - place[:, None]) ** 2).sum(axis=0)
            np.maximum(lost, depth * np.exp(-squares / (2 * size**2)), out=lost)
        return lost

    def strength(self, state: State) -> np.ndarray:
        """(foci,) share that is lost in the middle of each focus."""
        return np.clip(FOCUS[0] + FOCUS[1] * state.stage + self.depth, 0, 1).astype(np.float32)

    def lesion(self, points: np.ndarray, state: State) -> np.ndarray:
        """(n,) fraction of lesion at points (3, n) of the template, where there is white matter."""
        inside = np.zeros(points.shape[1], np.float32)
        shown = self.onset < state.caps
        for place, radius in zip(self.lesions[shown], self.lesion_mm[shown], strict=True):
            distance = np.sqrt(((points - place[:, None]) ** 2).sum(axis=0))
            np.maximum(inside, np.clip(radius + 0.5 - distance, 0, 1), out=inside)
        return inside


def draw_marks(anatomy: Anatomy, seed: int, rid: int) -> Marks:
    """Draw a subject's places and sizes from (seed, roster number) alone."""
    random = stream(seed, "marks", rid)
    cortex = np.flatnonzero(anatomy.sulci > CORTEX)
    white = np.flatnonzero((anatomy.t1 >= WHITE_T1[1]) & (anatomy.brain == 255))

    def places(choice: np.ndarray, count: int) -> np.ndarray:
        return np.stack(np.unravel_index(random.choice(choice, count), anatomy.t1.shape), axis=1).astype(np.float32)

    return Marks(
        foci=places(cortex, FOCI),
        focus_mm=random.uniform(*FOCUS_MM, FOCI).astype(np.float32),
        depth=random.normal(0, FOCUS_SD, FOCI),
        lesions=places(white, LESIONS),
        lesion_mm=random.uniform(*LESION_MM, LESIONS).astype(np.float32),
        onset=random.uniform(0, 1, LESIONS),
    )


def marked(
    signal: np.ndarray, t1: np.ndarray, sulci: np.ndarray, fluid: float, focal: np.ndarray, lesion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signal of the brain with focal atrophy and lesions, and the fraction of lesion in each point.

    Args:
        signal: white matter = 1, without either.
        t1: template T1, 0...255.
        sulci: weight of the sulci, 0...1.
        focal, lesion: of :class:`Marks`.
    """
    white = np.clip((t1 - WHITE_T1[0]) / (WHITE_T1[1] - WHITE_T1[0]), 0, 1)
    spots = (lesion * white).astype(np.float32)
    widened = signal + focal * sulci * np.minimum(np.float32(fluid) - signal, 0)
    return widened - np.float32(DARKENING) * spots, spots


def folded_shape(seed: int, rid: int, torque_mm: float = 0.0) -> np.ndarray:
    """:func:`ldae.phantom.grid.subject_shape` with folds of the subject's own, shrunk until nothing folds over."""
    shape, own = subject_shape(seed, rid, torque_mm), folds(stream(seed, "folds of the cortex", rid))
    for _ in range(8):
        if jacobian_determinant(shape + own).min() > MIN_JACOBIAN / 2:
            break
        own *= np.float32(0.8)
    return shape + own


def varied(acquisition: Acquisition, seed: int, site_number: int) -> Acquisition:
    """The same session where each site has a contrast of its own."""
    random = stream(seed, "contrast", site_number)
    grey, fluid = random.normal(0, GREY_SD), random.normal(0, FLUID_SD)
    return replace(acquisition, grey=acquisition.grey + float(grey), fluid=acquisition.fluid + float(fluid))
