"""Planted copies of training scans are counted, each one; what nobody can tell is not called passed."""

import numpy as np
import pandas as pd
import pytest

from ldae.core.errors import UserError
from ldae.core.files import write_text
from ldae.studies.samples.gate import highest_share, look_for_copies, read_gate
from ldae.studies.samples.neighbours import nearest

SHAPE = (2, 4, 5, 4)
STAGES = {"autoencoder": "a"}


def drawn(generator: np.random.Generator, count: int) -> np.ndarray:
    """Latents of different subjects: what all brains share, and what each has of its own."""
    return (np.random.default_rng(0).normal(size=SHAPE) + generator.normal(size=(count, *SHAPE))).astype(np.float32)


def neighbours(planted: int, blur: float, swapped: int = 0) -> pd.DataFrame:
    """60 samples of which some are training scans with a little noise, 30 held-out scans, 30 copies.

    Args:
        blur: standard deviation of what the way through the autoencoder adds.
        swapped: held-out scans that come back as a training scan.
    """
    generator = np.random.default_rng(1)
    training, subjects = drawn(generator, 80), np.array([f"sub-{i // 2}" for i in range(80)])
    kinds = {"unconditional": drawn(generator, 60), "held_out": drawn(generator, 30), "copied_training": training[:30]}
    kinds["unconditional"][:planted] = training[40 : 40 + planted]
    kinds["held_out"][:swapped] = training[60 : 60 + swapped]
    parts = []
    for kind, z in kinds.items():
        seen = z + blur * generator.normal(size=z.shape).astype(np.float32)
        parts.append(nearest(seen, training, subjects).assign(kind=kind))
    return pd.concat(parts)


@pytest.mark.parametrize("planted", [0, 1, 3, 40])
def test_every_planted_copy_is_counted(planted):
    found = look_for_copies(neighbours(planted, 0.2), STAGES)
    assert (found["copied_samples"], found["copied_reconstructions"]) == (planted, 0)
    assert found["verdict"] == ("failed" if planted else "passed") and found["stages"] == STAGES
    assert found["sentence"].startswith(f"{planted} of 60 samples and 0 of 30 reconstructions")


def test_a_decoder_that_gives_training_scans_back_fails():
    found = look_for_copies(neighbours(0, 0.2, swapped=1), STAGES)
    assert found["verdict"] == "failed" and found["copied_reconstructions"] == 1


def test_what_cannot_be_told_apart_is_unknown():
    found = look_for_copies(neighbours(0, 5.0), STAGES)
    assert found["verdict"] == "unknown" and "cannot be told apart" in found["sentence"]
    few = neighbours(0, 0.2)
    for kind in ("held_out", "copied_training"):
        part = pd.concat([few[few["kind"] != kind], few[few["kind"] == kind][:4]])
        assert look_for_copies(part, STAGES)["verdict"] == "unknown"
    assert look_for_copies(few[few["kind"] != "unconditional"], STAGES)["verdict"] == "unknown"
    assert look_for_copies(few.assign(ratio=np.nan), STAGES)["verdict"] == "unknown"  # one training subject


@pytest.mark.parametrize("content", ["{", "[]", '{"verdict": "passed"}', '{"verdict": "passed", "stages": 1}'])
def test_a_damaged_verdict_is_one_sentence(tmp_path, content):
    write_text(tmp_path / "evaluate/samples/copies.json", content)
    with pytest.raises(UserError, match=r"is not (what eval_samples wrote|valid JSON)"):
        read_gate(tmp_path, STAGES)


def test_the_share_that_is_excluded_is_exact():
    """No copy among n: (1 - p)^n = 0.05; all copies: nothing is excluded."""
    for count in (6, 32, 500):
        assert (1 - highest_share(0, count)) ** count == pytest.approx(0.05)
    assert highest_share(7, 7) == 1
