"""Workers side by side are as many as the job's memory holds, by the size in the headers."""

import logging
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from snakemake.iocontainers import ResourceList

from ldae.preprocessing.memory import MAIN_MB, expected_mb, memory_of, voxels_of, workers_that_fit


@pytest.fixture
def images(tmp_path):
    """Two images of 8 and 1 million voxels, and files that say nothing."""
    for name, side in (("large.nii.gz", 200), ("small.nii", 100)):
        nib.save(nib.Nifti1Image(np.zeros((side,) * 3, np.uint8), np.eye(4)), tmp_path / name)
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    return [tmp_path / name for name in ("small.nii", "large.nii.gz", "broken.nii.gz", "missing.nii")]


def test_voxels_are_those_of_the_header(images):
    assert [voxels_of(image) for image in images] == [10**6, 8 * 10**6, 0, 0]


@pytest.mark.parametrize("kind", ["correct_bias_field", "deepbet", "template", "hd-bet", "register_mni"])
def test_as_many_workers_as_the_largest_image_lets_fit(kind, images, caplog):
    needed = expected_mb(kind, 8 * 10**6)
    assert needed > expected_mb(kind, 10**6) > 0
    assert workers_that_fit(kind, images, 4, None) == 4
    assert workers_that_fit(kind, images, 4, MAIN_MB + 4 * needed + 1) == 4
    assert workers_that_fit(kind, images, 4, MAIN_MB + 4 * needed - 1) == 3
    assert workers_that_fit(kind, images, 2, MAIN_MB + 4 * needed) == 2
    with caplog.at_level(logging.WARNING, logger="ldae"):
        assert workers_that_fit(kind, images, 4, needed) == 1
    assert "raise mem_mb" in caplog.text
    assert workers_that_fit(kind, [], 3, 10**6) == 3


@pytest.mark.parametrize(
    ("rule", "kind"),
    [("correct_bias_field", "correct_bias_field"), ("extract_brain", "deepbet"), ("register_mni", "register_mni")],
)
def test_a_cluster_job_holds_its_workers_with_40_million_voxels_each(rule, kind):
    profile = (Path(__file__).parents[3] / "profiles/slurm/config.yaml").read_text()
    memory, workers = (
        int(re.search(rf"^  {rule}: {before}(\d+)", profile, re.MULTILINE)[1]) for before in (r"\{mem_mb: ", "")
    )
    assert memory >= MAIN_MB + workers * expected_mb(kind, 40 * 10**6)


def test_an_estimate_from_averages_needs_less_for_each_voxel():
    few, most, more = (expected_mb("correct_bias_field", voxels * 10**6) for voxels in (0, 20, 40))
    assert more - most < (most - few) / 2


def test_the_memory_of_a_job_is_what_its_resources_say():
    assert memory_of(ResourceList(fromdict={"mem_mb": 8000})) == 8000
    assert memory_of(ResourceList(fromdict={"runtime": 20})) is None
    assert memory_of({"mem_mb": "<TBD>"}) is None
