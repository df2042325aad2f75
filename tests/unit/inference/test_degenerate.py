"""Models that came out degenerate are said in a sentence, and healthy ones are not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.core.store import write_store
from ldae.inference.degenerate import (
    collapsed_latents,
    constant_codes,
    degenerate_sentences,
    discriminator_at_chance,
    skipped_steps,
)
from ldae.inference.discriminant import Plane, discriminant_axes
from ldae.inference.probe import Probe
from ldae.studies.common.linear_probes import fit_with_penalty
from ldae.studies.probes.discriminant_plane import lda_projection

LABELS = np.array(["CN", "MCI", "AD"] * 20)
SUBJECTS = np.array([f"sub-{number:02d}" for number in range(60)])
SCANS = pd.DataFrame({"participant_id": SUBJECTS, "session_id": "ses-M000", "diagnosis": LABELS})
SCANS["split"] = np.where(np.arange(60) < 40, "train", "test")


def history(*losses: float | None) -> list[dict]:
    return [{"step": 100 * (place + 1), "skipped": 0, "discriminator": loss} for place, loss in enumerate(losses)]


def healthy() -> np.ndarray:
    codes = np.random.default_rng(0).normal(size=(60, 5))
    codes[:, 1] += 3 * (LABELS == "AD")
    codes[:, 4] += 3 * (LABELS == "MCI")
    return codes


@pytest.mark.parametrize(
    ("losses", "first"),
    [
        ((0.31, 0.25, 0.251, 0.249), 0), ((0.1, 0.2, 0.25, 0.252, 0.26), 200), ((0.1, 0.2, 0.25, 0.252), None),
        ((0.25, 0.25, 0.25, 0.1), None), ((0.25, 0.25), None), ((None, None, None, None), None), ((), None),
    ],
)  # fmt: skip
def test_a_discriminator_at_chance_for_hundreds_of_steps(losses: tuple, first: int | None) -> None:
    """Before it has learned anything its loss is above chance, which counts, too."""
    rows = history(*losses)
    found = discriminator_at_chance(rows)
    assert (found is None) == (first is None)
    if found:
        assert f"from step {first} to {rows[-1]['step']} the discriminator" in found
        assert f"loss was {losses[-1]:.3f}" in found and "adversarial_weight: 0" in found


def test_steps_that_were_left_out_are_counted() -> None:
    rows = history(0.1, 0.1)
    assert skipped_steps("diffusion", rows) is None
    assert skipped_steps("diffusion", []) is None
    rows[0]["skipped"], rows[1]["skipped"] = 1, 2
    assert skipped_steps("diffusion", rows).startswith("diffusion: 3 of 200 steps were left out")
    rows[1]["skipped"] = 1
    assert skipped_steps("diffusion", rows) is None  # 1 %


@pytest.mark.parametrize(
    ("share", "scale", "word"),
    [
        (0.2, 1.1, None), (2e-4, 1.1, None), (None, 1.1, None), (0.0, 3.3e6, "collapsed"), (1e-6, 1.0, "collapsed"),
        (0.2, 3.3e6, "3e-07"), (None, 3.3e6, "scale factor"),
    ],
)  # fmt: skip
def test_latents_that_say_nothing_of_their_scan(share: float | None, scale: float, word: str | None) -> None:
    found = collapsed_latents({"scale_factor": scale, "between_scans": share})
    assert found is None if word is None else word in found


def test_codes_that_are_the_same_for_everybody() -> None:
    codes, rng = healthy(), np.random.default_rng(1)
    assert constant_codes(codes) is None
    same = np.repeat(codes[:1], 60, axis=0)
    assert "y_sem is the same for every scan" in constant_codes(same)
    rounded = same.astype(np.float32) * (1 + 1e-7 * rng.standard_normal(same.shape)).astype(np.float32)
    assert "collapsed" in constant_codes(rounded)
    assert "collapsed" in constant_codes(np.zeros((60, 5)))
    codes[:, 2] = 0.3
    assert constant_codes(codes).startswith("1 of the 5 numbers of y_sem")
    assert constant_codes(codes[:1]) is None
    codes[7] = np.nan
    assert constant_codes(codes).startswith("1 of the 5 numbers")


def test_a_component_that_never_varies_has_no_weight_in_the_plane() -> None:
    codes = healthy()
    codes[:, 2] = 0.3
    axes, rest = discriminant_axes(codes, LABELS), np.delete(codes, 2, axis=1)
    assert axes.shape == (5, 2) and (axes[2] == 0).all()
    np.testing.assert_allclose(np.delete(axes, 2, axis=0), discriminant_axes(rest, LABELS))
    here, there = lda_projection(SCANS, codes), lda_projection(SCANS, rest)
    np.testing.assert_allclose(here["axis_ad_cn"], there["axis_ad_cn"])


def test_codes_that_are_the_same_span_no_plane() -> None:
    same = np.repeat(healthy()[:1], 60, axis=0)
    assert discriminant_axes(same, LABELS).shape == (5, 0)
    assert lda_projection(SCANS, same)[["axis_1", "axis_2", "axis_ad_cn"]].isna().all(axis=None)
    assert Plane.of(same, LABELS, np.arange(60) < 40, SUBJECTS) is None


def test_a_code_that_is_no_number_is_left_out_of_the_plane() -> None:
    codes = healthy()
    codes[[3, 45]] = np.nan
    rest = np.delete(np.arange(60), [3, 45])
    table = lda_projection(SCANS, codes)
    expected = lda_projection(SCANS.iloc[rest].reset_index(drop=True), codes[rest])
    pd.testing.assert_frame_equal(table, expected)
    plane, training = Plane.of(codes, LABELS, np.arange(60) < 40, SUBJECTS), np.arange(60) < 40
    np.testing.assert_allclose(plane.axes, Plane.of(codes[rest], LABELS[rest], training[rest], SUBJECTS[rest]).axes)


def test_a_probe_of_equal_codes_is_flat() -> None:
    chosen = LABELS != "MCI"
    target = (LABELS[chosen] == "AD").astype(float)
    probes = [
        fit_with_penalty("ad", codes[chosen], target, SUBJECTS[chosen], LABELS[chosen], 0)
        for codes in (healthy(), np.repeat(healthy()[:1], 60, axis=0))
    ]
    assert [probe.flat for probe in probes] == [False, True]
    assert replace(probes[0], weight=np.zeros(5)).flat
    assert not Probe.from_json(probes[0].as_json()).flat


def test_the_report_hears_of_every_part(tmp_path: Path) -> None:
    train, store = tmp_path / "train", tmp_path / "store"
    assert degenerate_sentences(train, store) == []
    rows = history(0.25, 0.25, 0.25)
    for stage, table in (("autoencoder", rows), ("diffusion", [{"step": 10, "skipped": 5, "loss": 0.1}])):
        (train / stage).mkdir(parents=True)
        (train / stage / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))
    keys = SCANS[["participant_id", "session_id"]]
    write_store(store / "latents", np.zeros((60, 2, 1)), keys, scale_factor=3.3e6, between_scans=0.0)
    write_store(store / "codes/y_sem", np.ones((60, 5)), keys)
    found = degenerate_sentences(train, store)
    assert [sentence.split(":")[0] for sentence in found] == [
        "Stage 1",
        "diffusion",
        "Stage 1 has collapsed",
        "The semantic encoder has collapsed",
    ]
    assert not any(name in sentence for name in ("sub-", "ses-", str(tmp_path)) for sentence in found)
