"""What an edit changed: where it should (ventricles, hippocampal region) and where it should not (everywhere else).

The volumes do not follow brightness or contrast (both ends of the scale come from the image itself), so an edit that
merely darkens the image changes no volume; and it shows in what is measured outside the two regions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ldae.studies.common.anatomy.hippocampus import hippocampus_region, hippocampus_region_ml
from ldae.studies.common.anatomy.ventricles import Grid, brain_ml, ventricle_ml
from ldae.studies.common.image_metrics import ssim_brain

VOLUMES = ("ventricle_ml", "hippocampus_region_ml", "brain_ml")


@dataclass(frozen=True)
class Ruler:
    """Measures edited volumes on one grid; SSIM is computed on ``device`` (none: the CPU)."""

    grid: Grid
    device: torch.device | None = None

    @cached_property
    def region(self) -> np.ndarray:
        """(X, Y, Z) the hippocampal region."""
        return hippocampus_region(self.grid)

    def outside(self, scan: np.ndarray) -> np.ndarray:
        """(X, Y, Z) the brain of a scan without the periventricular box and the hippocampal region."""
        elsewhere = (scan > 0) & ~self.region
        elsewhere[self.grid.box()] = False
        return elsewhere

    def volumes(self, volume: np.ndarray, scan: np.ndarray) -> dict[str, float]:
        """Volumes (ml) in an edited volume, by the estimators that real scans are measured with."""
        return {
            "ventricle_ml": ventricle_ml(volume, self.grid),
            "hippocampus_region_ml": hippocampus_region_ml(volume, self.grid, self.region),
            "brain_ml": brain_ml(volume, scan > 0, self.grid),
        }

    def ssim_outside(self, first: np.ndarray, second: np.ndarray, scan: np.ndarray) -> np.ndarray:
        """(B,) SSIM (window 11) of two batches (B, X, Y, Z) in the brains of ``scan`` outside both regions."""
        places = np.stack([self.outside(own) for own in scan])
        arrays = (np.ascontiguousarray(array, dtype=np.float32)[:, None] for array in (first, second))
        pair = [torch.from_numpy(array).to(self.device) for array in arrays]
        mask = torch.from_numpy(places[:, None]).to(self.device)
        return ssim_brain(*pair, mask=mask).double().cpu().numpy()

    def intensity_change(self, before: np.ndarray, after: np.ndarray, scan: np.ndarray) -> float:
        """Relative change of the mean intensity outside both regions: -0.3 for an edit that darkens all by 30 %."""
        elsewhere = self.outside(scan)
        if not elsewhere.any():
            return float("nan")
        mean = float(before[elsewhere].mean(dtype=np.float64))
        return float(after[elsewhere].mean(dtype=np.float64)) / mean - 1 if mean else float("nan")

    def measure(
        self, scans: np.ndarray, rebuilt: np.ndarray, unmoved: np.ndarray, edited: np.ndarray
    ) -> list[dict[str, float]]:
        """One row per edit.

        Args:
            scans, rebuilt, unmoved, edited: (B, X, Y, Z) the scan, its reconstruction by the autoencoder, the decoding
                of its unmoved code, and that of the moved one.

        Returns:
            ``ssim_w11_outside``: edited against unmoved. ``ssim_w11_outside_scan``: edited against the scan.
            ``ssim_w11_outside_ae_gap``: how far that is from the autoencoder's against the scan (absolute).
        """
        against_unmoved = self.ssim_outside(unmoved, edited, scans)
        against_scan = self.ssim_outside(scans, edited, scans)
        ceiling = self.ssim_outside(scans, rebuilt, scans)
        return [
            {
                "ssim_w11_outside": against_unmoved[i],
                "ssim_w11_outside_scan": against_scan[i],
                "ssim_w11_outside_ae_gap": abs(against_scan[i] - ceiling[i]),
                "intensity_outside_change": self.intensity_change(unmoved[i], edited[i], scans[i]),
            }
            | self.volumes(edited[i], scans[i])
            for i in range(len(edited))
        ]
