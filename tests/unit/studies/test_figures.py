"""Every figure: drawn from tiny results, the same bytes twice, and words where there is nothing to draw."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_files import SCANS, estimates

from ldae.config import load_config
from ldae.core.files import read_tsv, write_tsv
from ldae.core.store import open_store
from ldae.report.identifiers import NOBODY
from ldae.report.leaving_drawings import fault_of_amount, fault_of_drawing
from ldae.studies.arena.figure import figure_arena
from ldae.studies.calibration.figure import figure_calibration, figure_subgroups
from ldae.studies.cohort.figure import figure_cohort, figure_qc
from ldae.studies.common.inputs import write_volumes
from ldae.studies.conversion.figure import figure_conversion
from ldae.studies.counterfactual.figure import figure_counterfactual
from ldae.studies.forecasting.figure import figure_forecasting
from ldae.studies.interpolation.figure import figure_8_interpolation, figure_9_interpolation_examples
from ldae.studies.manipulation.figure import figure_6_manipulation
from ldae.studies.manipulation.figure_dose_response import figure_7_dose_response
from ldae.studies.method.figure import figure_1_method, figure_2_encoder, scheme, short
from ldae.studies.probes.figure import figure_confounds, figure_label_efficiency, figure_probes
from ldae.studies.probes.figure_lda import figure_5_lda
from ldae.studies.reconstruction.figure import (
    figure_3_autoencoder,
    figure_reconstruction_examples,
    figure_reconstruction_methods,
)
from ldae.studies.reconstruction.figure_solvers import figure_solvers
from ldae.studies.registry import STUDIES, figures, public
from ldae.studies.reliability.figure import figure_reliability
from ldae.studies.samples.figure import figure_4_variation, figure_samples, figure_samples_nearest
from ldae.studies.training_curves.figure import figure_training, out_of_scale, read_metrics

PARTS = scheme(load_config(Path(__file__).parents[3] / "config/config.yaml"))
STAGES = ("autoencoder", "diffusion", "representation")
FIGURES: dict[str, Callable[[Path, Path], None]] = {
    "figure_1_method": lambda r, stem: figure_1_method(PARTS, 1000, True, stem),
    "figure_2_encoder": lambda r, stem: figure_2_encoder(PARTS, "convnext_small", "layer", stem),
    "figure_cohort": lambda r, stem: figure_cohort(
        r / "manifest/flow.tsv", r / "manifest/scans.tsv", r / "manifest/splits.tsv", stem
    ),
    "figure_training": lambda r, stem: figure_training({s: r / f"train/{s}/metrics.jsonl" for s in STAGES}, stem),
    "figure_3_autoencoder": lambda r, stem: figure_3_autoencoder(r / "evaluate/reconstruction/examples", stem),
    "figure_reconstruction_examples": lambda r, stem: figure_reconstruction_examples(
        r / "evaluate/reconstruction/examples", stem
    ),
    "figure_reconstruction_methods": lambda r, stem: figure_reconstruction_methods(
        r / "evaluate/reconstruction/summary.tsv", r / "evaluate/reconstruction/ventricles.tsv", stem
    ),
    "figure_solvers": lambda r, stem: figure_solvers(r / "evaluate/solvers/summary.tsv", stem),
    "figure_samples": lambda r, stem: figure_samples(
        r / "evaluate/samples/distances.tsv", r / "evaluate/samples/curves.tsv", stem
    ),
    "figure_samples_nearest": lambda r, stem: figure_samples_nearest(r / "evaluate/samples/examples", stem),
    "figure_4_variation": lambda r, stem: figure_4_variation(
        r / "evaluate/variation/samples", r / "evaluate/variation/std", r / "evaluate/variation/scans.tsv", stem
    ),
    "figure_5_lda": lambda r, stem: figure_5_lda(r / "evaluate/probes/lda.tsv", stem),
    "figure_6_manipulation": lambda r, stem: figure_6_manipulation(r / "evaluate/manipulation/examples", stem),
    "figure_7_dose_response": lambda r, stem: figure_7_dose_response(
        *(r / f"evaluate/manipulation/{name}.tsv" for name in ("scans", "doses", "summary")), stem
    ),
    "figure_8_interpolation": lambda r, stem: figure_8_interpolation(
        r / "evaluate/interpolation/summary.tsv", r / "evaluate/interpolation/by_group.tsv", stem
    ),
    "figure_9_interpolation_examples": lambda r, stem: figure_9_interpolation_examples(
        r / "evaluate/interpolation/examples", stem
    ),
    "figure_label_efficiency": lambda r, stem: figure_label_efficiency(
        r / "evaluate/probe_checks/label_efficiency.tsv", stem
    ),
    "figure_confounds": lambda r, stem: figure_confounds(r / "evaluate/probe_checks/confounds.tsv", stem),
    "figure_qc": lambda r, stem: figure_qc(r / "manifest/qc_mosaic.png", r / "manifest/qc.tsv", stem),
    "figure_arena": lambda r, stem: figure_arena(r / "evaluate/arena/ranks.tsv", stem),
    "figure_calibration": lambda r, stem: figure_calibration(
        *(r / f"evaluate/calibration/{name}.tsv" for name in ("curves", "decisions")), stem
    ),
    "figure_conversion": lambda r, stem: figure_conversion(
        *(r / f"evaluate/conversion/{name}.tsv" for name in ("summary", "thirds")), stem
    ),
    "figure_subgroups": lambda r, stem: figure_subgroups(r / "evaluate/calibration/subgroups.tsv", stem),
    "figure_counterfactual": lambda r, stem: figure_counterfactual(r / "evaluate/counterfactual/summary.tsv", stem),
    "figure_reliability": lambda r, stem: figure_reliability(r / "evaluate/reliability/summary.tsv", stem),
    "figure_forecasting": lambda r, stem: figure_forecasting(
        *(r / f"evaluate/forecasting/{name}.tsv" for name in ("one_visit", "two_visits", "by_group")), stem
    ),
    "figure_probes": lambda r, stem: figure_probes(r / "evaluate/probes/summary.tsv", stem),
}


def test_every_figure_of_the_studies_is_drawn_here_or_in_a_test_of_its_own() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    missing = {figure.name for figure in figures(STUDIES)} - FIGURES.keys()
    assert not {name for name in missing if f"{name}(" not in tests}


@pytest.mark.parametrize("name", sorted(FIGURES.keys() & set(public(figures(STUDIES)))))
def test_a_public_figure_has_the_form_of_what_may_leave(name: str, results: Path, tmp_path: Path) -> None:
    """Whatever matplotlib draws for a study: an element that the last look does not know stops the public bundle."""
    FIGURES[name](results, tmp_path / name)
    drawing = (tmp_path / f"{name}.svg").read_text()
    assert fault_of_drawing(drawing, NOBODY) is None
    assert fault_of_amount(drawing, len(read_tsv(tmp_path / f"{name}.tsv"))) is None


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_in_three_forms_and_is_byte_identical_on_a_second_run(
    name: str, results: Path, tmp_path: Path
) -> None:
    FIGURES[name](results, tmp_path / "first" / name)
    FIGURES[name](results, tmp_path / "second" / name)
    for suffix in (".svg", ".png", ".tsv"):
        first = (tmp_path / "first" / f"{name}{suffix}").read_bytes()
        assert first == (tmp_path / "second" / f"{name}{suffix}").read_bytes()
    assert (tmp_path / "first" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "reason" not in read_tsv(tmp_path / "first" / f"{name}.tsv").columns


def test_a_scan_that_a_method_has_not_decoded_stays_empty_there(results: Path, tmp_path: Path) -> None:
    """As the voxel-space baseline where ``evaluation.dae_scans`` is less than what is shown."""
    store = open_store(results / "evaluate/reconstruction/examples")
    last, method = store.index["participant_id"].iloc[-1], "mean_volume"
    rest = store.index[(store.index["participant_id"] != last) | (store.index["method"] != method)]
    write_volumes(tmp_path / "examples", [store.volumes(int(row)) for row in rest.index], rest.to_dict("records"))
    figure_reconstruction_examples(tmp_path / "examples", tmp_path / "figure")
    shown = read_tsv(tmp_path / "figure.tsv")
    assert len(shown) == len(rest) - 2  # all but the scans themselves
    assert not ((shown["participant_id"] == last) & (shown["method"] == method)).any()


def test_the_scheme_names_the_papers_shapes_and_counts(tmp_path: Path) -> None:
    table = PARTS.set_index("part")
    assert table["shape"].dropna().to_dict() == {
        "volume": "1 × 128 × 160 × 128",
        "latent": "3 × 16 × 20 × 16",
        "code": "768",
        "slices": "128 × 128 × 160",
        "features": "128 × 768",
        "projected": "128 × 768",
        "heads": "8",
    }
    assert table.loc["gradient_estimator", ["parameters", "trainable"]].tolist() == [865_339_142, 378_411_779]
    parts = table.loc[["encoder_backbone", "encoder_projection", "encoder_pooling"], "parameters"].sum()
    assert parts == table.loc["semantic_encoder", "parameters"] == 53_588_065
    assert [short(count) for count in (999, 11_573, 505_304, 4_136_449, 486_927_363)] == [
        "999",
        "11.6 k",
        "505 k",
        "4.14 M",
        "487 M",
    ]


def nothing(columns: str, path: Path) -> Path:
    write_tsv(path, pd.DataFrame(columns=columns.split()))
    return path


def reason_of(stem: Path) -> str:
    assert Path(f"{stem}.svg").stat().st_size > 1000
    return read_tsv(f"{stem}.tsv")["reason"].iloc[0]


def test_a_study_without_examples_says_why(tmp_path: Path) -> None:
    figure_9_interpolation_examples(tmp_path / "absent", tmp_path / "nine")
    figure_6_manipulation(tmp_path / "absent", tmp_path / "six")
    figure_4_variation(tmp_path / "absent", tmp_path / "absent", tmp_path / "absent.tsv", tmp_path / "four")
    figure_3_autoencoder(tmp_path / "absent", tmp_path / "three")
    assert "three visits" in reason_of(tmp_path / "nine")
    assert "AD and CN" in reason_of(tmp_path / "six")
    assert "sampled repeatedly" in reason_of(tmp_path / "four")
    assert "reconstructed" in reason_of(tmp_path / "three")


def test_an_estimate_that_is_not_available_brings_its_own_reason(tmp_path: Path) -> None:
    why = "no test subject has three visits"
    summary, gaps = tmp_path / "summary.tsv", tmp_path / "gaps.tsv"
    write_tsv(summary, estimates({("ldae", "ssim_w11_brain"): np.nan}, note=why))
    write_tsv(gaps, estimates({("ldae", "mse"): np.nan}, note=why).assign(gap_months=12))
    figure_8_interpolation(summary, gaps, tmp_path / "eight")
    assert why in reason_of(tmp_path / "eight")
    write_tsv(summary, estimates({("ldae", "auc_ad_cv"): np.nan}, note="one class only"))
    figure_probes(summary, tmp_path / "probes")
    assert "one class only" in reason_of(tmp_path / "probes")


def test_empty_tables_give_words_and_not_an_error(tmp_path: Path) -> None:
    lda = nothing("participant_id session_id diagnosis split axis_1 axis_2 axis_ad_cn", tmp_path / "lda.tsv")
    figure_5_lda(lda, tmp_path / "five")
    scans = nothing(
        "participant_id session_id diagnosis direction calibration target_probability alpha ventricle_ml_change",
        tmp_path / "s.tsv",
    )
    doses = nothing("direction calibration group dose measure value low high n_subjects note", tmp_path / "doses.tsv")
    summary = nothing("method metric value low high n_subjects n_rows redrawn note", tmp_path / "summary.tsv")
    figure_7_dose_response(scans, doses, summary, tmp_path / "seven")
    assert "at least two diagnoses" in reason_of(tmp_path / "five")
    assert "not computed" in reason_of(tmp_path / "seven")


def test_one_discriminant_axis_and_few_scans_are_enough(tmp_path: Path) -> None:
    rows = [(*SCANS[0], "train", -1.0, np.nan, -1.0), (*SCANS[1], "test", 1.0, np.nan, 1.0)]
    columns = ["participant_id", "session_id", "diagnosis", "split", "axis_1", "axis_2", "axis_ad_cn"]
    write_tsv(tmp_path / "lda.tsv", pd.DataFrame(rows, columns=columns))
    figure_5_lda(tmp_path / "lda.tsv", tmp_path / "five")
    assert len(read_tsv(tmp_path / "five.tsv")) == 2


def test_a_cohort_without_labels_and_times_is_drawn(results, tmp_path):
    scans = read_tsv(results / "manifest/scans.tsv").assign(diagnosis=None, months=None)
    write_tsv(tmp_path / "scans.tsv", scans)
    figure_cohort(
        results / "manifest/flow.tsv", tmp_path / "scans.tsv", results / "manifest/splits.tsv", tmp_path / "figure"
    )
    drawn = (tmp_path / "figure.svg").read_text()
    assert "unknown" in drawn and "months since baseline" in drawn


def test_the_figure_of_stage_1_shows_every_loss_and_no_bookkeeping(tmp_path: Path) -> None:
    losses = {"l1": 0.03, "kl": 4e4, "perceptual": 0.2, "adversarial": 0.26, "discriminator": 0.24}
    rows = [{"step": step, "skipped": 0, "validation_l1": 0.04, "validation_ssim": 0.8} | losses for step in (10, 20)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    figure_training({"autoencoder": tmp_path / "metrics.jsonl"}, tmp_path / "training")
    drawn = (tmp_path / "training.svg").read_text()
    names = ("L1", "KL, right axis", "perceptual", "adversarial", "discriminator", "SSIM")
    assert all(f"<!-- {name} -->" in drawn for name in names)
    assert "skipped" not in drawn
    table = read_metrics(tmp_path / "metrics.jsonl")
    assert out_of_scale(table, [*losses]) == {"kl"} and not out_of_scale(table, ["l1", "perceptual", "adversarial"])
    assert not out_of_scale(table, ["kl"])
