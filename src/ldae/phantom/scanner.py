"""What the scanner adds: tissue contrast, pose, intensity inhomogeneity, noise, gain. Eight sites."""

from dataclasses import dataclass, replace

import numpy as np

from ldae.config import Scanner
from ldae.core.keyed import stream
from ldae.phantom.population import State

ROTATION_SD = (4.0, 2.5, 3.0)  # degrees about x, y, z
SHIFT_SD = (3.0, 5.0, 5.0)  # mm
T1_NODES = np.array(
    [0, 40, 66, 105, 140, 165, 195, 224, 255], np.float32
)  # template T1: fluid at 66, grey 165, white 224


@dataclass(frozen=True)
class Site:
    """``zoom`` multiplies the nominal voxel; ``fluid`` and ``grey`` are signals relative to white matter = 1; ``noise``
    is the Rician sigma on that scale; the inhomogeneity spans exp(-bias)...exp(+bias)."""

    zoom: tuple[float, float, float]
    fluid: float
    grey: float
    noise: float
    bias: float
    gamma: float
    gain: float


SITE_SCANNERS = (
    Site((1.00, 1.00, 1.00), 0.20, 0.66, 0.018, 0.12, 1.00, 900),
    Site((1.00, 1.00, 1.10), 0.24, 0.70, 0.022, 0.20, 0.95, 420),
    Site((0.96, 0.96, 1.15), 0.18, 0.63, 0.026, 0.26, 1.05, 1500),
    Site((1.02, 1.00, 1.00), 0.22, 0.68, 0.020, 0.16, 1.00, 640),
    Site((1.00, 0.98, 1.10), 0.26, 0.71, 0.028, 0.30, 0.92, 300),
    Site((1.00, 1.00, 1.00), 0.17, 0.64, 0.016, 0.10, 1.08, 2100),
    Site((0.97, 0.97, 1.00), 0.21, 0.67, 0.024, 0.22, 0.97, 750),
    Site((1.00, 1.02, 1.05), 0.23, 0.65, 0.020, 0.18, 1.03, 1100),
)


@dataclass(frozen=True)
class Acquisition:
    """One session at one site; :func:`ideal` is a session without nuisances."""

    site: Site
    fluid: float
    grey: float
    rotation: tuple[float, float, float]  # degrees
    shift: tuple[float, float, float]  # mm
    zoom: tuple[float, float, float]
    gamma: float
    gain: float
    scalp: float  # relative brightness of everything outside the skull
    noise: float
    bias: tuple[float, ...]  # ten polynomial coefficients; empty = none


def draw_acquisition(seed: int, rid: int, session: str, site_number: int, age: float) -> Acquisition:
    """Draw one session from its key. Grey matter brightens by 0.0007 a year."""
    site = SITE_SCANNERS[site_number]
    random = stream(seed, "scan", rid, session)
    pattern = stream(seed, "site", site_number).normal(0, 1, 10)  # the coil's pattern, the same in all sessions
    return Acquisition(
        site=site,
        fluid=site.fluid + float(random.normal(0, 0.012)),
        grey=site.grey + float(random.normal(0, 0.012)) + 0.0007 * (age - 72),
        rotation=tuple(random.normal(0, ROTATION_SD).tolist()),
        shift=tuple(random.normal(0, SHIFT_SD).tolist()),
        zoom=site.zoom,
        gamma=site.gamma * float(np.exp(random.normal(0, 0.03))),
        gain=site.gain * float(np.exp(random.normal(0, 0.08))),
        scalp=1 + 0.12 * float(random.normal()),
        noise=site.noise * float(np.exp(random.normal(0, 0.15))),
        bias=tuple((pattern + 0.35 * random.normal(0, 1, 10)).tolist()),
    )


def other_scanner(acquisition: Acquisition, scanner: Scanner) -> Acquisition:
    """The same session on a scanner of another make: grey matter's signal, noise and inhomogeneity differ."""
    return replace(
        acquisition,
        grey=acquisition.grey + scanner.contrast,
        noise=acquisition.noise * scanner.noise,
        site=replace(acquisition.site, bias=acquisition.site.bias * scanner.bias),
    )


def ideal(site_number: int) -> Acquisition:
    """No pose, anisotropy, gamma, inhomogeneity or noise: the clean twin, with the site's contrast and gain."""
    site, none = SITE_SCANNERS[site_number], (0.0, 0.0, 0.0)
    return Acquisition(site, site.fluid, site.grey, none, none, (1.0, 1.0, 1.0), 1.0, site.gain, 1.0, 0.0, ())


def rotation_matrix(degrees: tuple[float, float, float]) -> np.ndarray:
    """R = R_x R_y R_z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def tissue_signal(
    t1: np.ndarray, sulci: np.ndarray, caps: np.ndarray, acquisition: Acquisition, state: State
) -> np.ndarray:
    """Signal of the brain (white matter = 1) from template T1 (0...255) and the two weights (0...1).

    A piecewise-linear contrast curve, fluid by partial volume where the cortex thins, and darker caps.
    """
    fluid, grey = acquisition.fluid, acquisition.grey

    def between(fraction: float) -> float:
        return fluid + (grey - fluid) * fraction

    curve = [0.5 * fluid, 0.9 * fluid, fluid, between(0.28), between(0.68), grey, grey + 0.55 * (1 - grey), 1.0, 1.06]
    table = np.interp(np.arange(256), T1_NODES, curve).astype(np.float32)
    lower = np.minimum(t1.astype(np.int32), 254)
    signal = table[lower] + (t1 - lower) * (table[lower + 1] - table[lower])  # the curve, at 1/256 of its range
    thinning = np.float32(np.clip((state.cortical_loss + 0.02) * 3.0, 0, 0.9))
    signal += thinning * sulci * np.minimum(np.float32(fluid) - signal, 0)
    signal -= np.float32(0.30 * state.caps) * caps
    return signal


def inhomogeneity(shape: tuple[int, ...], inside: np.ndarray, acquisition: Acquisition) -> np.ndarray:
    """exp of a cubic polynomial whose central 95 % inside the head spans -bias...+bias (2 x bias in all).

    1 everywhere for an acquisition without coefficients.
    """
    if not acquisition.bias:
        return np.ones(shape, np.float32)
    x, y, z = (
        np.linspace(-1, 1, size, dtype=np.float32).reshape([-1 if i == j else 1 for j in range(3)])
        for i, size in enumerate(shape)
    )
    c = np.array(acquisition.bias, np.float32)
    field = c[0] * x + c[1] * y + c[2] * z + 0.8 * (c[3] * x**2 + c[4] * y**2 + c[5] * z**2)
    field = field + 0.6 * (c[6] * x * y + c[7] * y * z + c[8] * x * z) + 0.5 * c[9] * z**3
    values = field[inside]
    low, high = np.percentile(values[::8], (2.5, 97.5))
    return np.exp(np.float32(2 * acquisition.site.bias) * (field - values.mean()) / np.float32(high - low))


def rician(image: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    """Magnitude of the image plus complex Gaussian noise."""
    noise = random.standard_normal((2, *image.shape), dtype=np.float32) * np.float32(sigma)
    return np.sqrt((image + noise[0]) ** 2 + noise[1] ** 2)
