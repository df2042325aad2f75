"""The learning curve: configurations that the workflow takes, and a table of the runs that are there."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import yaml
from result_files import estimates

from ldae.config import load_config
from ldae.core.files import read_tsv, write_tsv

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def curve():
    spec = importlib.util.spec_from_file_location("learning_curve", ROOT / "benchmarks/learning_curve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("training", [50, 400])
def test_a_run_has_as_many_training_subjects_as_asked(curve, tmp_path: Path, training: int) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump(curve.configuration(training, "rich", Path("results/learning_curve/1"))))
    below = [ROOT / name for name in ("config/config.yaml", *curve.BELOW)]
    config = load_config(*below, overlay)
    assert config.phantom is not None and config.phantom.variety == "rich"
    dealt = sum(config.phantom.subjects.values()) * (1 - config.splits.test_fraction)
    assert dealt * (1 - config.splits.validation_fraction) == pytest.approx(training, abs=1)
    assert config.representation.training.steps == load_config(*below).representation.training.steps


def write_run(folder: Path, training: int, ours: float) -> None:
    names = [f"sub-{number}" for number in range(training + 3)]
    splits = ["train"] * training + ["test"] * 3
    write_tsv(folder / "manifest/splits.tsv", pd.DataFrame({"participant_id": names, "split": splits}))
    metrics = ("auc_ad_cv", "auc_ad_test")
    methods = {"ldae": ours, "pca_voxels": 0.8, "pca_voxels_once": 0.7, "untrained_encoder": 0.5, "oracle": 0.9}
    found = {(name, metric): value for metric in metrics for name, value in methods.items()}
    write_tsv(folder / "evaluate/probes/summary.tsv", estimates(found, subjects=24))
    gaps = {(f"ldae-{name}", metric): ours - methods[name] for metric in metrics for name in list(methods)[1:3]}
    write_tsv(folder / "evaluate/probes/differences.tsv", estimates(gaps, subjects=24))


def test_the_table_has_the_runs_that_are_there_by_their_size(curve, tmp_path: Path) -> None:
    assert curve.table(tmp_path).empty
    for number, ours in ((100, 0.85), (50, 0.75)):
        write_run(tmp_path / str(number), number - 1, ours)
    table = curve.table(tmp_path)
    assert table["training subjects"].tolist() == [49, 99] and table.shape[1] == 1 + 2 * 7
    assert table["ldae auc_ad_test"].tolist() == ["0.750 [0.700, 0.800]", "0.850 [0.800, 0.900]"]
    assert [float(cell.split()[0]) for cell in table["ldae - pca_voxels auc_ad_cv"]] == [-0.05, 0.05]
    curve.picture(tmp_path)
    drawn = read_tsv(tmp_path / "learning_curve.tsv").set_index(["method", "metric", "training_subjects"])["value"]
    assert drawn[("ldae", "auc_ad_test", 99)] == 0.85 and len(drawn) == 2 * 2 * 5
