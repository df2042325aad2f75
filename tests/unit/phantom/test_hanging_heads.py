"""A head that hangs far forwards: the network loses a part of its brain, and finds it in the head turned upright."""

import nibabel as nib
import numpy as np
from odd_scans import phantom
from tilted_heads import pose_of, tilted

from ldae.config import BrainExtraction
from ldae.preprocessing.brain_extraction import BACKENDS, extract_brain

FORWARDS = -45  # degrees
FAST = BrainExtraction(second_stage=False)


def dice(mask: np.ndarray, brain: np.ndarray) -> float:
    return 2 * (mask & brain).sum() / (mask.sum() + brain.sum())


def test_a_brain_that_the_network_loses_is_found_with_the_head_turned(anatomy, monkeypatch):
    scan, network, found = phantom(anatomy, 1, voxel_mm=3.0), BACKENDS["deepbet"], []

    def noted(image: nib.Nifti1Image, settings: BrainExtraction) -> np.ndarray:
        found.append(network(image, settings))
        return found[-1]

    monkeypatch.setitem(BACKENDS, "deepbet", noted)
    head, labels = (nib.Nifti1Image(part.astype(np.float32), scan.affine) for part in (scan.image, scan.labels > 0))
    pose = pose_of(head, FORWARDS)
    hanging, brain = tilted(head, pose), tilted(labels, pose).get_fdata() > 0.5
    mask = extract_brain(hanging, FAST).mask.get_fdata() > 0
    assert dice(found[0] > 0.5, brain) < 0.85 < 0.93 < dice(mask, brain)
    assert len(found) == 2
