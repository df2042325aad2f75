"""The cached anatomy: read back unchanged, replaced when it is old, refused when it is something else."""

from dataclasses import fields

import numpy as np
import pytest

from ldae.core.errors import UserError
from ldae.phantom import anatomy as module


def test_cache_returns_what_was_built(anatomy, tmp_path):
    module._write(tmp_path / "a.npz", anatomy)
    again = module.load_anatomy(tmp_path / "a.npz")
    for field in fields(anatomy):
        if field.name != "calibration":
            assert np.array_equal(getattr(again, field.name), getattr(anatomy, field.name)), field.name
    assert np.array_equal(again.calibration.ventricles_ml, anatomy.calibration.ventricles_ml)


def test_cache_bytes_are_reproducible(anatomy, tmp_path):
    for name in "ab":
        module._write(tmp_path / f"{name}.npz", anatomy)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_another_version_is_rebuilt(anatomy, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VERSION", module.VERSION - 1)
    module._write(tmp_path / "a.npz", anatomy)
    monkeypatch.undo()
    monkeypatch.setattr(module, "build_anatomy", lambda: anatomy)
    assert module.load_anatomy(tmp_path / "a.npz") is anatomy
    assert module._read(tmp_path / "a.npz") is not None


def test_a_foreign_file_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", t1=np.zeros(3))
    with pytest.raises(UserError, match=r"a\.npz is not an anatomy"):
        module.load_anatomy(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("text")
    with pytest.raises(UserError, match="delete it"):
        module.load_anatomy(tmp_path / "b.npz")


def test_channels_agree_with_each_other(anatomy):
    """The brain fills most of the skull; structures lie in it; the head begins where the skull's inside ends."""
    brain, inside = anatomy.brain > 127, anatomy.intracranial > 127
    assert 0.8 < brain.sum() / inside.sum() < 1
    assert (inside & brain).sum() > 0.999 * brain.sum()
    for name in ("ventricles", "hippocampus_l", "hippocampus_r"):
        assert brain[getattr(anatomy, name) > 127].mean() > 0.999
    assert anatomy.head[0].max() == 0 and anatomy.head.max() > 180
