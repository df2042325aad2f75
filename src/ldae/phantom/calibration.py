"""From wanted volumes to amplitudes of the velocity bases, by look-up tables measured on the template."""

from dataclasses import dataclass

import numpy as np

from ldae.phantom.deformation import exponential, roi_volume_ml

VENTRICLE_AMPLITUDES = np.array([-1.2, -0.6, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.5])
HIPPOCAMPUS_AMPLITUDES = np.array([-0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.3, 1.8])


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
