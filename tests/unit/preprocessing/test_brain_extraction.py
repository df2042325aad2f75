import hashlib
import sys
import tempfile

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from pydantic import ValidationError

from ldae.config import BrainExtraction
from ldae.core.errors import QuarantinedScan, UserError
from ldae.preprocessing.antspy import to_ants
from ldae.preprocessing.brain_extraction import extract_brain, identity
from ldae.preprocessing.extraction.ants_template import tissue_classes
from ldae.preprocessing.extraction.external import synthstrip

FAST = BrainExtraction(second_stage=False)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def extracted(head):
    return extract_brain(head, FAST)


def test_the_brain_is_found_on_the_grid_of_the_scan(head, true_mask, extracted):
    mask, metrics = extracted.mask, extracted.metrics
    assert mask.get_data_dtype() == np.uint8
    assert mask.shape == head.shape
    assert np.array_equal(mask.affine, head.affine)
    assert dice(mask.get_fdata() > 0, true_mask) > 0.93
    assert metrics["brain_ml"] == pytest.approx(np.asarray(mask.dataobj).sum() * 27 / 1000)


@pytest.mark.parametrize("axes", ["LAS", "PIR"])
def test_a_turned_scan_gets_the_same_mask_turned(axes, head, extracted):
    turn = ornt_transform(io_orientation(head.affine), axcodes2ornt(axes))
    turned = extract_brain(head.as_reoriented(turn), FAST).mask
    expected = extracted.mask.as_reoriented(turn)
    assert np.array_equal(turned.affine, expected.affine)
    assert np.array_equal(np.asarray(turned.dataobj), np.asarray(expected.dataobj))


def test_a_head_of_half_the_size_is_not_a_brain(head):
    affine = head.affine @ np.diag([0.5, 0.5, 0.5, 1])
    with pytest.raises(QuarantinedScan, match=r"found \d+ ml, not a brain"):
        extract_brain(nib.Nifti1Image(head.get_fdata(dtype=np.float32), affine), FAST)


def test_weights_are_those_the_package_carries():
    assert identity(FAST).endswith("de8ee7c69654d0dd")


def test_a_soft_mask_is_the_probability(head, extracted):
    soft = extract_brain(head, FAST.model_copy(update={"mask": "soft"}))
    values = soft.probability.get_fdata()
    assert extracted.probability is None
    assert values.min() >= 0 and values.max() <= 1 and ((values > 0.05) & (values < 0.95)).any()
    assert dice(values > 0.5, extracted.mask.get_fdata() > 0) > 0.98


def test_a_stripped_scan_keeps_what_it_has(brain, extracted):
    empty = nib.Nifti1Image(np.where(brain.get_fdata() >= 20, brain.get_fdata(), 0).astype(np.float32), brain.affine)
    found = extract_brain(empty, FAST)
    assert found.metrics["stripped"] == 1 and extracted.metrics["stripped"] == 0
    assert dice(found.mask.get_fdata() > 0, brain.get_fdata() >= 20) > 0.99


def test_atropos_finds_the_same_classes_every_time_and_leaves_no_file(tmp_path, monkeypatch):
    """In noise every voxel depends on the order in which its neighbours were visited."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    noise = np.random.default_rng(0).normal(100, 30, (24, 24, 24)).astype(np.float32)
    image, region = (to_ants(nib.Nifti1Image(data, np.eye(4))) for data in (noise, np.ones_like(noise)))
    first, *others = (tissue_classes(image, region) for _ in range(4))
    assert set(np.unique(first)) == {1, 2, 3}
    assert all(np.array_equal(first, other) for other in others)
    assert not list(tmp_path.iterdir()) and tempfile.gettempdir() == str(tmp_path)


def test_the_template_backend_needs_no_network_and_cuts_nothing_away(head, true_mask):
    """Without its last voxel towards the fluid a mask lacks 6 % of this brain."""
    turn = ornt_transform(io_orientation(head.affine), axcodes2ornt("PIR"))
    found = extract_brain(head.as_reoriented(turn), BrainExtraction(backend="template"))
    mask = nib.as_closest_canonical(found.mask).get_fdata() > 0
    assert dice(mask, true_mask) > 0.96
    assert (true_mask & ~mask).sum() < 0.01 * true_mask.sum()


@pytest.mark.parametrize("backend", ["antspynet", "hd-bet", "synthstrip"])
def test_a_backend_that_is_not_installed_is_named(backend, head, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=rf"{backend}, which is not installed \(pip install"):
        extract_brain(head, BrainExtraction(backend=backend))


COMMAND = """#!{python}
import sys
import nibabel as nib
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert arguments["--model"].endswith("weights.pt")
scan = nib.load(arguments["-i"])
nib.save(nib.Nifti1Image((scan.get_fdata() >= 20).astype("uint8"), scan.affine * {factor}), arguments["-m"])
"""


def install(folder, factor: int) -> None:
    """A program that speaks SynthStrip's command line."""
    program = folder / "nipreps-synthstrip"
    program.write_text(COMMAND.format(python=sys.executable, factor=factor))
    program.chmod(0o755)
    (folder / "weights.pt").write_bytes(b"weights")


def test_a_command_is_given_the_scan_and_the_checked_weights(brain, monkeypatch, tmp_path):
    install(tmp_path, 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = BrainExtraction(backend="synthstrip", weights=tmp_path / "weights.pt")
    found = synthstrip(brain, settings)
    assert np.array_equal(found > 0, brain.get_fdata() >= 20)
    assert identity(settings) == hashlib.sha256(b"weights").hexdigest()[:16]
    with pytest.raises(UserError, match="do not have the sha256"):
        synthstrip(brain, settings.model_copy(update={"weights_sha256": "0" * 64}))
    with pytest.raises(UserError, match="do not exist"):
        synthstrip(brain, settings.model_copy(update={"weights": tmp_path / "none.pt"}))
    install(tmp_path, 2)
    with pytest.raises(QuarantinedScan, match="another grid"):
        synthstrip(brain, settings)


@pytest.mark.parametrize("options", [{"weights": "x.pt"}, {"backend": "template", "mask": "soft"}])
def test_settings_that_a_backend_ignores_are_refused(options):
    with pytest.raises(ValidationError, match=r"weights are read|needs a probability"):
        BrainExtraction(**options)
