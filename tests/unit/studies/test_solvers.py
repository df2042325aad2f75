"""Quality against cost: every solver once, fewer steps are worse in the toy, and the moments of x_T are reported."""

from pathlib import Path

import pytest

from ldae.config import Evaluation, Sampling
from ldae.core.files import read_tsv
from ldae.studies.reconstruction.solvers import METHODS, solvers
from ldae.studies.reconstruction.table import solver_table


def test_every_solver_once_cheapest_first() -> None:
    settings = Evaluation(
        sampling=Sampling(steps=100), solvers=[Sampling(steps=100), Sampling(solver="dpmpp_2m", steps=20)]
    )
    assert [(s.solver, s.steps) for s in solvers(settings)] == [("dpmpp_2m", 20), ("ddim", 100)]


def test_fewer_steps_are_worse_and_noise_does_not_depend_on_the_inversion(evaluated: Path) -> None:
    summary = read_tsv(evaluated / "solvers" / "summary.tsv")
    error = summary[summary["metric"] == "mse"].set_index(["method", "solver", "steps"])["value"]
    assert error["ldae_encoded", "ddim", 5] == pytest.approx(4 * error["ldae_encoded", "ddim", 10], rel=1e-3)
    assert error["ldae_encoded", "ddim", 20] < 1e-10  # the main one, whose inversion is exact
    assert error["ldae_noise", "ddim", 5] == error["ldae_noise", "ddim", 20]
    assert set(summary["metric"]) >= {"x_T_mean", "x_T_std", "x_T_kurtosis", "ssim_w11_brain"}


def test_the_table_has_one_row_per_method_and_solver(evaluated: Path) -> None:
    table = solver_table(read_tsv(evaluated / "solvers" / "summary.tsv"))
    assert not table.duplicated(["method", "solver", "steps"]).any()
    ours = table[table["subjects"] > 0]
    assert len(ours) == 4 * len(METHODS) and ours["mse"].str.contains(r"\[").all()


def test_the_papers_settings_that_were_not_run_stand_there_without_a_number_of_ours(evaluated: Path) -> None:
    table = solver_table(read_tsv(evaluated / "solvers" / "summary.tsv"))
    others = table[table["subjects"] == 0]
    assert set(others["steps"]) == {50, 100} and others["ssim_w3_paper"].isna().all()
    assert others["ssim_w3_paper_published"].notna().all()
    published = table[table["solver"] != "ddim"].filter(like="_published")
    assert published.isna().all(axis=None)
