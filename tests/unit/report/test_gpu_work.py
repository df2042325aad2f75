"""`ldae plan`: counted work and disk space, against what was counted by others and what a training really writes."""

import json
from pathlib import Path

import bench_gpu
import pandas as pd
import pytest
import torch

from ldae.cli import main
from ldae.config import load_config
from ldae.core.files import write_tsv
from ldae.report.gpu_work import SHARED, Cohort
from ldae.training import memory
from ldae.training.trainer import Trainer

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "config" / "config.yaml"
SMALL = [PAPER, *(ROOT / "config" / f"{name}.yaml" for name in ("small_networks", "demo", "smoke"))]


def planned(capsys, *arguments) -> dict:
    assert main(["plan", "--json", "--config", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_paper_s_cohort_costs_what_was_counted_apart(capsys):
    """Another count of the same networks (rounded; 210 test subjects, 2,000 triplets): 3,740 PFLOP in all."""
    rules = planned(capsys, PAPER, "--share", "0.2")["rules"]
    evaluation = {name: rule for name, rule in rules.items() if not name.startswith("train_")}
    edits = evaluation.pop("eval_counterfactual")["pflop"]  # of 100 subjects 22 walks, of 2,000 triplets 4
    assert edits == pytest.approx(rules["eval_interpolation"]["pflop"] * 100 * 22 / (2000 * 4), rel=0.1)
    forecasts = evaluation.pop("eval_forecasting")["pflop"]  # of 200 next visits 5 walks from one visit, 7 from two
    assert forecasts == pytest.approx(rules["eval_interpolation"]["pflop"] * 200 * 12 / (2000 * 4), rel=0.1)
    assert sum(rule["pflop"] for rule in evaluation.values()) == pytest.approx(3740, rel=0.02)
    assert rules["eval_solvers"]["hours"] == pytest.approx(10.8, abs=0.1)
    assert rules["train_dae"]["hours"] == pytest.approx(2.5 * 66.6, rel=0.01)


def test_hours_of_the_clock_are_fewer_where_a_job_uses_its_gpus(capsys):
    """Those of trainings and of the studies whose adapter shares its work."""
    adapters = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py") if "in_shares" in path.read_text()}
    assert adapters == set(SHARED)
    rules = planned(capsys, PAPER, "--gpus", "4")["rules"]
    faster = {name for name, rule in rules.items() if rule["clock_hours"] == pytest.approx(rule["hours"] / 4)}
    assert faster == {*SHARED, *(name for name in rules if name.startswith("train_"))}
    assert all(rule["clock_hours"] == rule["hours"] for name, rule in rules.items() if name not in faster)
    assert main(["plan", "--config", str(PAPER), "--gpus", "0"]) == 1
    assert "--gpus 0: a job has one GPU at least." in capsys.readouterr().err


def test_scans_of_the_results_are_counted_where_they_are_split(tmp_path):
    visits = {"a": 4, "b": 3, "c": 1, "d": 2}
    rows = [(name, "included") for name, count in visits.items() for _ in range(count)] + [("a", "excluded")]
    write_tsv(tmp_path / "manifest" / "scans.tsv", pd.DataFrame(rows, columns=["participant_id", "status"]))
    split = pd.DataFrame({"participant_id": list(visits), "split": ["test", "test", "train", "validation"]})
    write_tsv(tmp_path / "manifest" / "splits.tsv", split)
    assert Cohort.found(tmp_path) == Cohort(10, 4, 7, 2, 4 + 1)
    assert Cohort.found(tmp_path / "nowhere") is None


def test_checkpoints_are_no_larger_than_counted(tmp_path):
    (tmp_path / "paper.yaml").write_text("diffusion: {prior: none}\n")  # the demo's prior is no part of the count
    settings = load_config(*SMALL, tmp_path / "paper.yaml")
    stages = bench_gpu.Stages(settings, tmp_path, torch.device("cpu"))
    for make in memory.STAGES:
        name = make.__name__
        trainer = Trainer(stages.make(name), stages.training(name), 1)
        trainer.advance()
        trainer.validate()
        written = sum(tensor.numel() * tensor.element_size() for tensor in trainer.state()[0].values())
        counted = memory.checkpoint_bytes(make(settings))
        assert written <= 1.05 * counted and counted <= 1.6 * written, name


def test_a_share_above_the_peak_is_refused(capsys):
    assert main(["plan", "--config", str(PAPER), "--share", "2"]) == 1
    assert "--share 2.0" in capsys.readouterr().err


def test_encoding_and_evaluation_in_bf16_take_half_the_hours(capsys, tmp_path):
    (tmp_path / "half.yaml").write_text("evaluation: {precision: bf16}\n")
    exact, half = (planned(capsys, PAPER, *more)["rules"] for more in ((), (tmp_path / "half.yaml",)))
    for name, rule in exact.items():
        assert half[name]["pflop"] == rule["pflop"]
        assert half[name]["hours"] == pytest.approx(rule["hours"] / (1 if name.startswith("train_") else 2)), name


def test_a_batch_that_so_many_gpus_cannot_share_is_said(capsys):
    preset = str(ROOT / "config" / "gpu_80gb.yaml")
    assert main(["plan", "--config", str(ROOT / "config" / "config.yaml"), preset, "--gpus", "4"]) == 0
    said = capsys.readouterr().out
    assert "train_diffusion cannot have 4 GPUs as it is: batch 128 cannot be shared by 4 processes with" in said
    assert "set micro_batch 32, or use fewer GPUs." in said and "train_representation cannot" not in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("--scans 0", "at least one scan is planned for"),
        ("--scans 10 --subjects 0", "a scan has a subject"),
        ("--subjects -3", "a scan has a subject"),
        ("--subjects 20000", "there are 10,340 scans, give --scans, too"),
    ],
)
def test_numbers_of_scans_that_cannot_be_are_one_sentence(asked, said, capsys):
    assert main(["plan", "--config", str(ROOT / "config" / "config.yaml"), *asked.split()]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error
