"""Several trainings: an interval over subjects and trainings that covers, and runs that cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, sem, t

from ldae.cli import main
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json, write_text
from ldae.report.trainings import both, compare_trainings, for_the_terminal, range_of
from ldae.studies.registry import STUDIES, headline

KEYS = ("auc_ad_test", "ae_ssim_w11_brain")


def test_without_luck_it_is_the_interval_over_subjects() -> None:
    low, high, between, share = both(np.full(3, 0.8), np.full(3, 0.05))
    assert (low, high) == pytest.approx(norm.interval(0.95, 0.8, 0.05)) and (between, share) == pytest.approx(
        (0, 0), abs=1e-12
    )


def test_without_subjects_it_is_students_interval_over_trainings() -> None:
    values = np.array([0.7, 0.75, 0.86, 0.8])
    low, high, between, share = both(values, np.zeros(4))
    assert (low, high) == pytest.approx(t.interval(0.95, 3, values.mean(), sem(values)))
    assert between == pytest.approx(values.std(ddof=1)) and share == 1


@pytest.mark.parametrize("trainings", [2, 3, 6])
@pytest.mark.parametrize("luck", [0.1, 1.0, 3.0])
def test_the_interval_covers_subjects_and_trainings(trainings: int, luck: float) -> None:
    """A number is truth + one error of the subjects, which all trainings share, + an error of each training."""
    rng, held = np.random.default_rng(trainings), 0
    for _ in range(1000):
        values = rng.normal() + luck * rng.normal(size=trainings)
        low, high, *_ = both(values, np.ones(trainings))
        held += low <= 0 <= high
    assert held / 1000 > 0.93


def result(folder: Path, auc: float, digest: str, split: str = "test", steps: int = 10) -> Path:
    """What a finished run leaves, as far as trainings are compared."""
    estimate = {"low": auc - 0.1, "high": auc + 0.1, "n_subjects": 30}
    numbers = {KEYS[0]: {"value": auc} | estimate, KEYS[1]: {"value": 0.9, "low": 0.88, "high": 0.92, "n_subjects": 30}}
    write_json(folder / "paper/headline.json", numbers | {"age_mae_cv": {"value": None, "reason": "no ages"}})
    write_text(folder / "manifest/splits.tsv", f"participant_id\tsplit\nsub-1\t{split}\n")
    described = {"digest": digest, "settings": {"training": {"steps": steps}}}
    write_json(folder / "train/diffusion/model.json", described)
    return folder


def test_every_number_that_all_have_stands_once_and_the_luckiest_first(tmp_path: Path) -> None:
    runs = [result(tmp_path / name, auc, name) for name, auc in (("a", 0.7), ("b", 0.8), ("c", 0.9))]
    table = compare_trainings(runs).set_index("metric")
    assert list(table.index) == list(KEYS)
    lucky, steady = table.loc[KEYS[0]], table.loc[KEYS[1]]
    error = 0.1 / norm.ppf(0.975)
    assert lucky["mean"] == pytest.approx(0.8) and lucky["sd_between"] == pytest.approx(0.1)
    assert lucky["share_between"] == pytest.approx(0.01 / (0.01 + error**2))
    assert (lucky["lowest"], lucky["highest"], lucky["subjects"]) == (0.7, 0.9, 30)
    assert lucky["note"] == "fewer than 5 trainings"
    assert steady["share_between"] == pytest.approx(0, abs=1e-12) and (steady["low"], steady["high"]) == pytest.approx(
        (0.88, 0.92)
    )


def test_no_interval_leaves_the_range_of_its_metric(tmp_path: Path) -> None:
    """Two trainings that differ much say next to nothing, and an AUC stays one."""
    runs = [result(tmp_path / name, auc, name) for name, auc in (("a", 0.6), ("b", 0.8))]
    lucky = compare_trainings(runs).set_index("metric").loc[KEYS[0]]
    assert (lucky["low"], lucky["high"]) == (0, 1)
    differences = [number for number in headline(STUDIES) if "-" in number.method]
    assert differences and all(range_of(number) == (-np.inf, np.inf) for number in differences)


def test_the_command_prints_and_writes(tmp_path: Path, capsys) -> None:
    runs = [str(result(tmp_path / name, auc, name)) for name, auc in (("a", 0.7), ("b", 0.8))]
    assert main(["trainings", *runs, "--out", str(tmp_path / "table")]) == 0
    assert "Headline numbers of several trainings" in capsys.readouterr().out
    assert list(read_tsv(tmp_path / "table.tsv")["metric"]) == list(KEYS)


def test_runs_that_cannot_be_compared_are_one_sentence(tmp_path: Path) -> None:
    one = result(tmp_path / "one", 0.8, "one")
    with pytest.raises(UserError, match="two trainings or more"):
        compare_trainings([one])
    with pytest.raises(UserError, match="other splits than"):
        compare_trainings([one, result(tmp_path / "split", 0.8, "split", split="train")])
    with pytest.raises(UserError, match="other settings of diffusion"):
        compare_trainings([one, result(tmp_path / "steps", 0.8, "steps", steps=20)])
    with pytest.raises(UserError, match="hold the same weights"):
        compare_trainings([one, result(tmp_path / "same", 0.8, "one")])
    with pytest.raises(UserError, match="holds no finished run"):
        compare_trainings([one, tmp_path / "nothing"])
    other = result(tmp_path / "other", 0.8, "other")
    (other / "train/diffusion/model.json").rename(other / "train/model.json")
    with pytest.raises(UserError, match="holds no trained network"):
        compare_trainings([one, other])


def changed(folder: Path, **of: object) -> Path:
    """With other fields of the first number."""
    numbers = read_json(folder / "paper/headline.json")
    write_json(folder / "paper/headline.json", numbers | {KEYS[0]: numbers[KEYS[0]] | of})
    return folder


def test_a_number_that_only_some_runs_have_is_named_and_not_averaged(tmp_path: Path) -> None:
    one, other = (result(tmp_path / name, 0.8, name) for name in "ab")
    changed(other, value=None, low=None, high=None)
    table = compare_trainings([one, other])
    assert list(table["metric"]) == [KEYS[1], KEYS[0]] and "n/a in some" in table["note"][1]
    assert table["trainings"][1] == 1 and np.isnan(table["mean"][1])
    assert for_the_terminal(table).row_count == 2
    write_json(other / "paper/headline.json", {})
    with pytest.raises(UserError, match="in common"):
        compare_trainings([one, other])


def test_ranges_are_those_of_the_metrics() -> None:
    ranges = {number.key: range_of(number) for number in headline(STUDIES)}
    assert ranges["age_mae_test"] == (0, np.inf)
    assert ranges["auc_ad_test"] == (0, 1) and ranges["mcc_ad_test"] == (-1, 1)
    assert ranges["calibration_slope_ad_test"] == (-np.inf, np.inf)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 1.7, "high": 1.8},
        {"value": -3, "low": -4},
        {"value": True},
        {"high": None},
        {"low": 0.9, "high": 0.7},
        {"n_subjects": "many"},
        {"n_subjects": -4},
        {"n_subjects": 3.7},
    ],
    ids=str,
)
def test_an_impossible_number_is_one_sentence(tmp_path: Path, fields: dict) -> None:
    one, other = (result(tmp_path / name, 0.8, name) for name in "ab")
    with pytest.raises(UserError, match="run the workflow again"):
        compare_trainings([one, changed(other, **fields)])


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"digest": "x"}', '{"settings": {}}'])
def test_a_damaged_description_is_one_sentence(tmp_path: Path, content: str) -> None:
    one, other = (result(tmp_path / name, 0.8, name) for name in "ab")
    write_text(other / "train/diffusion/model.json", content)
    with pytest.raises(UserError, match="what was trained and how"):
        compare_trainings([one, other])


@pytest.mark.parametrize("content", ["[]", "{", json.dumps({KEYS[0]: {"value": "x", "low": 0, "high": 1}})])
def test_a_damaged_headline_is_one_sentence(tmp_path: Path, content: str) -> None:
    one, other = (result(tmp_path / name, 0.8, name) for name in "ab")
    write_text(other / "paper/headline.json", content)
    with pytest.raises(UserError):
        compare_trainings([one, other])
