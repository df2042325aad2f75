"""The true counterfactual: the stage that a step along the probe stands for, its volumes, and its picture."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ldae.config import BiasField, Conform
from ldae.core.errors import UserError
from ldae.inference.probe import Probe
from ldae.phantom.population import VENTRICLE_MAX_ML
from ldae.phantom.visit_schedule import plan_cohort
from ldae.studies.common.anatomy import Grid, ventricle_ml
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.true_twins import Twins, matched
from ldae.studies.manipulation.counterfactual import Counterfactuals
from ldae.studies.reliability.travel import conformed

SEED, SHAPE, SPACING = 11, (32, 38, 32), 5.0
LOGITS = {"AD": 2.0, "CN": -2.0, "MCI": 0.0}


class Coded(Inputs):
    """The code of a scan is the logit of its diagnosis."""

    def code(self, name, rows):
        return np.array([[LOGITS[self.scans.loc[row, "diagnosis"]]] for row in rows], dtype=np.float32)


@pytest.fixture(scope="module")
def truth(settings, anatomy, anatomy_file) -> Counterfactuals:
    rows = [
        (plan.subject.participant_id, f"ses-{visit.session}", plan.diagnosis(visit), plan.subject, visit)
        for plan in plan_cohort(settings, SEED)
        for visit in plan.visits
    ]
    scans = pd.DataFrame(
        {
            "participant_id": [row[0] for row in rows],
            "session_id": [row[1] for row in rows],
            "diagnosis": [row[2] for row in rows],
            "split": "train",
            "truth_stage": [row[3].stage_at(row[4].elapsed_years) for row in rows],
            "truth_ventricle_ml_mni": 40.0,
            "determinant": 1.4,
        }
    )
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = np.array([0, -17, 5]) - SPACING * (np.array(SHAPE) - 1) / 2
    head = np.full(SHAPE, 0.8, dtype=np.float32)
    head[SHAPE[0] // 2] = 0.2  # both ends of the scale of intensities lie near the ventricles
    store = SimpleNamespace(meta={"affine": affine.tolist()}, volumes=lambda row: head)
    inputs = Coded(None, store, scans, Grid.of(SHAPE, affine))
    probe = Probe(np.zeros(1), np.ones(1), np.ones(1), 0.0, 1.0)
    return Counterfactuals(probe, Twins(inputs, settings, SEED, anatomy_file))


@pytest.fixture(scope="module")
def healthy(truth) -> int:
    """Row of a scan with CN."""
    return int(truth.inputs.scans.index[truth.inputs.scans["diagnosis"] == "CN"][0])


def test_a_logit_stands_for_the_stage_that_it_parts_among_training_subjects(truth, healthy):
    mean = truth.inputs.scans.groupby("diagnosis")["truth_stage"].mean()
    assert truth.stage_per_logit == pytest.approx((mean["AD"] - mean["CN"]) / 4)
    own = truth.inputs.scans.loc[healthy, "truth_stage"]
    assert truth.stage(healthy, 0) == own
    assert truth.stage(healthy, 1) == pytest.approx(own + truth.stage_per_logit)
    assert truth.stage(healthy, 1000) == truth.inputs.scans["truth_stage"].max()


def test_a_noisy_logit_stands_for_the_stage_that_it_lets_expect(truth, monkeypatch):
    """The regression, not the ratio of the differences of the group means, which takes noise for disease."""
    scans = truth.inputs.scans
    rng = np.random.default_rng(0)
    noisy = {row: LOGITS[scans.loc[row, "diagnosis"]] + 2 * rng.standard_normal() for row in scans.index}
    monkeypatch.setattr(Coded, "code", lambda self, name, rows: np.array([[noisy[row]] for row in rows]))
    own = scans[scans["diagnosis"].isin(["AD", "CN"])]
    logit = np.array([noisy[row] for row in own.index])
    again = dataclasses.replace(truth)
    assert again.stage_per_logit == pytest.approx(np.polyfit(logit, own["truth_stage"], 1)[0])
    patient = (own["diagnosis"] == "AD").to_numpy()
    gap = own["truth_stage"][patient].mean() - own["truth_stage"][~patient].mean()
    assert again.stage_per_logit < gap / (logit[patient].mean() - logit[~patient].mean())


def test_ventricles_follow_the_formula_of_the_population(truth):
    checked = 0
    for row in truth.inputs.scans.index:
        assert truth.ventricle_change(row, 0) == pytest.approx(0, abs=1e-9)
        for logits in (-1.5, 1.5):
            stage = truth.stage(row, logits)
            if truth.twins.state(row, stage).ventricle_ml < 0.8 * VENTRICLE_MAX_ML:
                moved = stage - truth.inputs.scans.loc[row, "truth_stage"]
                assert truth.ventricle_change(row, logits) == pytest.approx(40 * np.expm1(0.36 * moved), abs=1e-9)
                checked += 1
    assert checked >= 4


def test_the_picture_is_the_same_head_with_other_ventricles(truth, healthy):
    (before, small), (after, large) = (truth.picture(healthy, logits) for logits in (0.0, 4.0))
    np.testing.assert_array_equal(after, truth.picture(healthy, 4.0)[0])
    assert large > 1.1 * small
    box = truth.inputs.grid.box()
    assert ventricle_ml(after, truth.inputs.grid) > ventricle_ml(before, truth.inputs.grid)
    changed = np.abs(after - before)
    assert changed[box].mean() > 3 * changed.mean()  # what changed lies about the ventricles


def test_intensities_are_stretched_between_their_ends():
    np.testing.assert_allclose(matched(np.array([1.0, 2.0, 3.0]), (1, 3), (0.2, 0.8)), [0.2, 0.5, 0.8])


def test_a_scan_of_another_phantom_is_refused(truth):
    scans = truth.inputs.scans.assign(participant_id="sub-ADNI999S9999")
    inputs = Coded(None, truth.inputs.volumes, scans, truth.inputs.grid)
    other = Counterfactuals(truth.probe, Twins(inputs, truth.twins.settings, SEED, truth.twins.anatomy_path))
    with pytest.raises(UserError, match="make_phantom"):
        other.ventricle_change(0, 1.0)


def test_a_head_that_travels_stays_the_same_head(truth, healthy):
    """On its own scanner again it differs by noise and session, elsewhere by more; its true volumes not at all."""
    twins, fit = truth.twins, BiasField(fit="own", shrink_factor=8, iterations=[20])
    conform = Conform(shape=SHAPE, spacing_mm=SPACING, interpolation="linear", intensity="robust")
    head = twins.displacement(healthy)
    sessions = ((0, "T1R1"), (0, "T1R2"), (4, "T5R1"))
    trips = [twins.travelled(healthy, site, session, head) for site, session in sessions]
    here, again, elsewhere = (conformed(scan, twins.inputs, fit, conform) for scan in trips)
    assert here.shape == SHAPE and here.min() == 0 and here.max() <= 1
    inside = here > 0
    alike = np.corrcoef([volume[inside] for volume in (here, again, elsewhere)])[0]
    assert 1 > alike[1] > alike[2] > 0.7
    for name in ("ventricle_ml", "hippocampus_l_ml", "icv_ml"):
        assert trips[2].truth[name] == pytest.approx(trips[0].truth[name], rel=0.05)
