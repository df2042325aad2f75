"""Weights that were imported before there are any data: the whole chain runs on them and says what they have seen."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml
from chain import ROOT, SMOKE

from ldae.cli import main
from ldae.core.files import read_tsv
from ldae.studies.registry import STUDIES, figures, tables

CONFIGS = ("config", "small_networks", "demo", "smoke")
GRID = {"shape": [48, 56, 48], "spacing_mm": 3.5, "centre_mm": [0, -17, 5]}
NETWORKS = {  # of the published form, as small as the test's: no prior, nothing but attention pooling in the encoder
    "preprocessing": {"conform": GRID},
    "autoencoder": {"patch": 1, "channels": [8, 8], "res_blocks": 1, "norm_groups": 4, "zero_init": False},
    "diffusion": {"channels": 8, "multipliers": [1, 2], "norm_groups": 4, "prior": "none"},
    "representation": {"backbone": "convnext_atto", "dimension": 320, "slice_step": 8, "code_norm": "layer"},
}
FILES = {"--autoencoder": "autoencoder.pth", "--encoder": "encoder.ckpt", "--estimator": "estimator.ckpt"}
STAGES = ("autoencoder", "diffusion", "representation")


def published(folder: Path):
    """The published files in small, by the helper of the unit tests."""
    spec = importlib.util.spec_from_file_location("published", ROOT / "tests/unit/inference/published.py")
    helper = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helper)
    helper.write_published(folder, *(ROOT / f"config/{name}.yaml" for name in CONFIGS), networks=NETWORKS)


@pytest.fixture(scope="module")
def chain(tmp_path_factory, copy):
    """A finished run whose three stages were imported before anything else was there."""
    workflow = copy(tmp_path_factory.mktemp("imported"))
    weights = workflow.folder / "weights"
    weights.mkdir()
    published(weights)
    (workflow.folder / "networks.json").write_text(json.dumps(NETWORKS))
    configs = [*(str(workflow.folder / f"config/{name}.yaml") for name in CONFIGS), str(weights / "small.yaml")]
    given = [word for option, name in FILES.items() for word in (option, str(weights / name))]
    place = ["--spacing-mm", "3.5", "--centre-mm", "0", "-17", "5", "--axes", "RAS"]
    results = workflow.folder / "results/smoke"
    assert main(["import-weights", "--config", *configs, "--out", str(results / "train"), *given, *place]) == 0
    before = {stage: (results / f"train/{stage}/model.safetensors").read_bytes() for stage in STAGES}
    run = workflow.run(*SMOKE, "networks.json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert before == {stage: (results / f"train/{stage}/model.safetensors").read_bytes() for stage in STAGES}
    return workflow


def shown(workflow) -> dict[str, str]:
    """The text of everything of test scans that the run shows, by name."""
    paper = workflow.folder / "results/smoke/paper"
    studies = [study for study in STUDIES if study.on_test_scans]
    found = {item.name: (paper / f"figures/{item.name}.tsv").read_text() for item in figures(studies)}
    found |= {item.name: (paper / f"tables/{item.name}.tsv").read_text() for item in tables(studies)}
    return found | {name: (paper / name).read_text() for name in ("headline.json", "MODEL_CARD.md", "report.html")}


@pytest.mark.slow
def test_every_table_figure_and_card_says_that_the_numbers_are_contaminated_until_the_list_is_given(chain):
    results = chain.folder / "results/smoke"
    assert all("imported" in json.loads((results / f"train/{stage}/model.json").read_text()) for stage in STAGES)
    assert [name for name, text in shown(chain).items() if "contaminated" not in text.lower()] == []
    assert "contaminated" not in (results / "paper/tables/cohort.tsv").read_text()  # no number of the networks
    assert "contaminated" in (results / "public/MODEL_CARD.md").read_text().lower()
    model = chain.folder / "model"
    assert main(["export-model", str(results), str(model), "--i-know"]) == 0
    assert "Contaminated" in (model / "README.md").read_text()

    splits = read_tsv(results / "manifest/splits.tsv").set_index("participant_id")["split"]
    train = [name for name, split in splits.items() if split != "test"]
    (chain.folder / "seen.txt").write_text("\n".join(train))
    overlay = {"imported": {"training_subjects": "seen.txt"}}
    (chain.folder / "seen.json").write_text(yaml.safe_dump(overlay))
    run = chain.run(*SMOKE, "networks.json", "seen.json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert [name for name, text in shown(chain).items() if "contaminated" in text.lower()] == []
    again = read_tsv(results / "manifest/splits.tsv").set_index("participant_id")["split"]
    assert again.to_dict() == splits.to_dict()
