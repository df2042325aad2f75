"""A direction of the semantic code that means nothing: the control of edits."""

import numpy as np

from ldae.core.keyed import study_stream
from ldae.inference.probe import Probe, unit


def random_direction(probe: Probe, seed: int, scan_id: str) -> np.ndarray:
    """A unit vector at right angles to the probe, fixed by (seed, scan); the probe itself in one dimension."""
    vector = study_stream(seed, "random direction", scan_id).standard_normal(len(probe.weight))
    along = unit(probe.weight)
    across = vector - (vector @ along) * along
    length = np.linalg.norm(across)
    return across / length if length > 1e-9 else along
