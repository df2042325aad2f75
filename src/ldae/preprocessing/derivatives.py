"""Where the preprocessed files of a scan lie, and the sidecar that says how each was made (BIDS derivatives)."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ldae.core.files import atomic_path, read_json, sha256_file, write_json
from ldae.core.folders import alone_in


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan below the derivatives folder.

    Attributes:
        root: results/derivatives/ldae-preproc.
    """

    root: Path
    participant_id: str
    session_id: str

    @property
    def stem(self) -> str:
        """``sub-X_ses-Y``, with which every file name of the scan begins."""
        return f"{self.participant_id}_{self.session_id}"

    @property
    def anat(self) -> Path:
        """Folder of the scan's images."""
        return self.root / self.participant_id / self.session_id / "anat"

    @property
    def corrected(self) -> Path:
        """The scan after N4, on its own grid."""
        return self.anat / f"{self.stem}_desc-n4_T1w.nii.gz"

    @property
    def mask(self) -> Path:
        """Brain mask on the scan's own grid."""
        return self.anat / f"{self.stem}_desc-brain_mask.nii.gz"

    def volume(self, space: str, spacing_mm: float) -> Path:
        """The volume that is packed: brain alone, on the configured grid, in [0, 1]."""
        return self.anat / f"{self.stem}_space-{space}_res-{resolution(spacing_mm)}_desc-preproc_T1w.nii.gz"

    def template_mask(self, space: str, spacing_mm: float) -> Path:
        """Brain mask on the grid of the volume."""
        return self.anat / f"{self.stem}_space-{space}_res-{resolution(spacing_mm)}_desc-brain_mask.nii.gz"

    def transform(self, space: str) -> Path:
        """The affine as text: 4x4, R-A-S mm of the scan -> R-A-S mm of the template."""
        return self.anat / f"{self.stem}_from-T1w_to-{space}_mode-image_xfm.txt"

    def warp(self, space: str) -> Path:
        """Displacement field of SyN."""
        return self.anat / f"{self.stem}_from-T1w_to-{space}_mode-image_warp.nii.gz"

    @property
    def probability(self) -> Path:
        """Probability of brain on the scan's own grid, where it is kept."""
        return self.anat / f"{self.stem}_desc-brain_probseg.nii.gz"

    def jacobian(self, space: str) -> Path:
        """Log of the Jacobian determinant of SyN's field, where it is kept."""
        return self.anat / f"{self.stem}_space-{space}_desc-logjacobian_T1w.nii.gz"

    @property
    def scratch(self) -> Path:
        """Folder of one attempt; what a killed one left is removed before the next."""
        return self.anat / f".tmp-{os.getpid()}-{self.stem}"

    @property
    def picture(self) -> Path:
        """The picture for quality control."""
        return self.root / self.participant_id / "figures" / f"{self.stem}_desc-qc_T1w.png"


def resolution(spacing_mm: float) -> str:
    """1.5 -> 1p5, as BIDS file names write it."""
    return f"{spacing_mm:g}".replace(".", "p")


def sidecar(product: Path) -> Path:
    """The JSON file beside a product that says how it was made."""
    return product.with_name(product.name.removesuffix(".nii.gz") + ".json")


def save_image(path: Path, image: nib.Nifti1Image, dtype: str) -> None:
    """Write a NIfTI whole or not at all; int16 is scaled to the data's range, uint8 is stored as it is."""
    whole = dtype == "uint8"
    data = np.asanyarray(image.dataobj).astype(dtype) if whole else image.get_fdata(dtype="float32")
    stored = nib.Nifti1Image(data, image.affine)
    stored.header.set_data_dtype(dtype)
    stored.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(stored, temporary)


def recorded(product: Path, key: str) -> dict[str, Any] | None:
    """The sidecar of ``product`` if it was made from the same input with the same parameters, else None."""
    if not product.is_file() or not sidecar(product).is_file():
        return None
    record = read_json(sidecar(product))
    return record if record.get("key") == key and record.get("sha256") == sha256_file(product) else None


def write_sidecar(product: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Written after the product: a product with a fitting sidecar is complete. Returns what was written."""
    record = record | {"size": product.stat().st_size}
    write_json(sidecar(product), record)
    return record


@contextmanager
def alone_with(files: ScanFiles) -> Iterator[bool]:
    """Wait until no other process works on the scan. False: the file system has no locks of folders (NFS)."""
    files.anat.mkdir(parents=True, exist_ok=True)
    with alone_in(files.anat) as locked:
        yield locked


def remove_leftovers(files: ScanFiles) -> None:
    """Temporary files and folders of a process that was killed."""
    for folder in (files.anat, files.picture.parent):
        for leftover in [*folder.glob(f".tmp-*-{files.stem}"), *folder.glob(f".tmp-*-{files.stem}_*")]:
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
