"""Checking given volumes holds one volume at a time."""

import tracemalloc

import nibabel as nib
import numpy as np
import pandas as pd

from ldae.config import Conform
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.given_volumes import check_volumes


def test_no_volume_is_kept_for_its_middle_slice(tmp_path):
    settings = Conform(shape=(48, 56, 48), spacing_mm=3.5, centre_mm=(0, -17, 5))
    volume = np.zeros(settings.shape, np.uint8)
    volume[10:30, 10:30, 10:40] = np.arange(20 * 20 * 30, dtype=np.uint8).reshape(20, 20, 30)
    nib.save(nib.Nifti1Image(volume, grid_affine(settings)), tmp_path / "a.nii")

    def peak(count):
        scans = pd.DataFrame(
            [
                {"participant_id": f"sub-{i:03d}", "session_id": "ses-M000", "status": "included", "t1w": "a.nii"}
                for i in range(count)
            ]
        )
        tracemalloc.start()
        check_volumes(scans, tmp_path, settings, False, 0.1, tmp_path / "qc.tsv", tmp_path / "mosaic.png")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(10), peak(110)
    whole = 4 * volume.size
    assert many - few < 100 * whole / 4  # a slice is a 48th of a volume; statistics need some more
