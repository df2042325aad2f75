"""`ldae export-model` and `ldae verify-model`: whole, alone, and without a trace of a scan."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.cli import main
from ldae.core.errors import UserError
from ldae.core.files import read_json, write_json, write_text
from ldae.inference.model import LDAE
from ldae.preprocessing.registration_template import locate
from ldae.studies.samples.gate import write_gate

STAGES = ("autoencoder", "diffusion", "representation")


@pytest.fixture
def run(results, tmp_path) -> Path:
    """A copy of what is exported of a results folder."""
    for part in ("model", "train", "manifest", "paper"):
        shutil.copytree(results / part, tmp_path / "results" / part)
    return tmp_path / "results"


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    return shutil.copytree(exported, tmp_path / "model")


def test_the_folder_is_whole_and_names_nobody(results, exported, capsys):
    assert main(["verify-model", str(exported)]) == 0
    assert capsys.readouterr().out.strip().endswith(", whole")
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert files == {f"{stage}/model.{form}" for stage in STAGES for form in ("json", "safetensors")} | {
        *("config.json", "probes.json", "reference.json", "reference.safetensors"),
        *("README.md", "LICENSE", "SHA256SUMS"),
    }
    text = "".join(path.read_text() for path in exported.rglob("*") if path.suffix in (".json", ".md"))
    assert str(results.parent) not in text and "sub-" not in text
    assert "Of the tests." in text and "**unknown**; nobody looked" in text


def neighbours(copies: int, spread: float = 0.02) -> pd.DataFrame:
    """Ratios of 60 samples, of which some are copies, of 30 held-out scans, and of 30 training scans."""
    generator = np.random.default_rng(0)
    ratios = {
        "unconditional": [*generator.normal(0.3, 0.02, copies), *generator.normal(0.95, spread, 60 - copies)],
        "held_out": generator.normal(0.96, spread, 30),
        "copied_training": generator.normal(0.3, spread, 30),
    }
    return pd.concat([pd.DataFrame({"kind": kind, "ratio": values}) for kind, values in ratios.items()])


GATES = {
    "unknown, nobody looked": lambda folder, stages: None,
    "failed, 2 of 60 samples": lambda folder, stages: write_gate(folder, neighbours(2), stages),
    "cannot be told apart": lambda folder, stages: write_gate(folder, neighbours(0, spread=0.5), stages),
    "is of another model": lambda folder, stages: write_gate(folder, neighbours(0), stages | {"diffusion": "other"}),
}


@pytest.mark.parametrize("said", GATES)
def test_a_gate_that_was_not_passed_stops_it_or_stands_in_the_card(run, tmp_path, capsys, said):
    GATES[said](run / "evaluate/samples", read_json(run / "model/config.json")["stages"])
    assert main(["export-model", str(run), str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert said in error and "--i-know" in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
    assert main(["export-model", str(run), str(tmp_path / "out"), "--i-know"]) == 0
    card = (tmp_path / "out/README.md").read_text()
    assert "(`--i-know`)" in card and said.split(",")[-1].strip() in card


def test_a_gate_that_was_passed_needs_nobody_to_know(run, tmp_path):
    write_gate(run / "evaluate/samples", neighbours(0), read_json(run / "model/config.json")["stages"])
    assert main(["export-model", str(run), str(tmp_path / "out")]) == 0
    card = (tmp_path / "out/README.md").read_text()
    assert "**passed**" in card and "More than 4.9 % of copies" in card and "--i-know" not in card


def test_what_is_there_stays(results, tmp_path, capsys):
    write_text(tmp_path / "mine.txt", "mine")
    assert main(["export-model", str(results), str(tmp_path), "--i-know"]) == 1
    assert "is there already and stays" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("word", ["sub-20", "I1003", "002_S_0295"])
def test_an_identifier_stops_it(run, tmp_path, capsys, word):
    write_text(run / "paper/MODEL_CARD.md", f"# Card\n\nThanks to {word}.\n")
    assert main(["export-model", str(run), str(tmp_path / "out"), "--i-know"]) == 1
    assert f"names '{word}'" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_paths_of_this_machine_stay_here(run, tmp_path):
    """A template of the user's goes with the model; a backbone that the training began with is forgotten."""
    template = Path(shutil.copy(locate(None, None)[0], tmp_path / "my_template.nii.gz"))
    recipe, description = read_json(run / "model/config.json"), read_json(run / "train/representation/model.json")
    recipe["preprocessing"]["registration"]["template"] = str(template)
    write_json(run / "model/config.json", recipe)
    description["settings"]["backbone_weights"] = str(tmp_path / "imagenet.safetensors")
    write_json(run / "train/representation/model.json", description)
    assert main(["export-model", str(run), str(tmp_path / "out"), "--i-know"]) == 0
    assert not [path for path in (tmp_path / "out").rglob("*.json") if str(tmp_path) in path.read_text()]
    template.unlink()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert LDAE.load(moved).facts.recipe.preprocessing.registration.template == str(moved / "template.nii.gz")


DAMAGE = {
    "is not the file that was exported": lambda folder: write_text(folder / "README.md", "another card"),
    "probes.json is missing": lambda folder: (folder / "probes.json").unlink(),
    "is not part of the model": lambda folder: write_text(folder / "extra.json", "{}"),
    "SHA256SUMS is missing": lambda folder: (folder / "SHA256SUMS").unlink(),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_folder_is_one_sentence(copy, capsys, said):
    DAMAGE[said](copy)
    assert main(["verify-model", str(copy)]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_weights_that_were_exchanged_are_refused(copy):
    weights = copy / "representation/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match="digest"):
        LDAE.load(copy)


def test_a_run_that_is_not_finished_is_refused(run, tmp_path, capsys):
    (run / "paper/MODEL_CARD.md").unlink()
    assert main(["export-model", str(run), str(tmp_path / "out"), "--i-know"]) == 1
    assert "holds no finished run" in capsys.readouterr().err
