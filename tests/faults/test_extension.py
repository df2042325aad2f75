"""A finished training whose steps were raised goes on, and ends as one that had them from the start."""

import json
import os
import shutil
import signal
import stat

import pytest
import torch
from results_folder import FIRST, Results
from safetensors.torch import load_file
from tiny import copied, ended, in_a_child, start_held, train
from tiny_workflow import RESULTS, make_workflow

from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_rows, sha256_file
from ldae.core.lineage import MADE_FROM
from ldae.training.planning import unmet
from ldae.training.trainer import learning_rate_factor

FEW, MORE, MOST = 3, 7, 9  # steps; validations after every second one, so that FEW ends between two of them


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Results:
    """Every training with few steps."""
    results = Results(tmp_path_factory.mktemp("extension") / "results")
    results.pack(FIRST)
    results.train(steps=FEW)
    return results


@pytest.fixture
def results(finished, tmp_path) -> Results:
    return Results(copied(finished.folder, tmp_path / "results"))


def in_one_go(results: Results, folder, stage: str, steps: int = MORE, **training) -> Results:
    """The same training with all its steps from the start, after the same models."""
    whole = Results(copied(results.folder, folder))
    shutil.rmtree(whole.model(stage))
    whole.train(stage, steps=steps, **training)
    return whole


def assert_same_training(one: Results, other: Results, stage: str) -> None:
    """Equal weights, metrics and best step."""
    weights, expected = (load_file(results.model(stage) / "model.safetensors") for results in (one, other))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    metrics, expected = ((results.model(stage) / "metrics.jsonl").read_text() for results in (one, other))
    assert metrics == expected
    described, expected = (read_json(results.model(stage) / "model.json") for results in (one, other))
    assert {name: value for name, value in described.items() if name != "extended"} == expected


@pytest.mark.parametrize("stage", MADE_FROM)
def test_some_steps_and_then_the_others_are_all_in_one_go(results, tmp_path, stage):
    whole = in_one_go(results, tmp_path / "whole", stage)
    before = sha256_file(results.model(stage) / "model.safetensors")
    results.train(stage, steps=MORE)
    assert_same_training(results, whole, stage)
    [aside] = (results.model(stage) / "replaced").iterdir()
    assert sha256_file(aside / "model.safetensors") == before
    [entry] = read_json(results.model(stage) / "model.json")["extended"]
    assert (entry["at_step"], entry["to_step"]) == (FEW, MORE)
    assert before.startswith(entry["from_model"]) and entry["configuration"] != entry["configuration_before"]
    assert entry["schedule"].startswith("constant: ") and "the same weights" in entry["schedule"]
    assert not list((results.model(stage) / "checkpoints").glob("step-*"))


def test_extended_twice_and_back_the_first_model_is_there(results, tmp_path, monkeypatch):
    whole = in_one_go(results, tmp_path / "whole", "autoencoder", MOST)
    first = (results.model("autoencoder") / "model.json").read_bytes()
    for steps in (MORE, MOST):
        results.train("autoencoder", steps=steps)
    assert_same_training(results, whole, "autoencoder")
    extended = read_json(results.model("autoencoder") / "model.json")["extended"]
    assert [(entry["at_step"], entry["to_step"]) for entry in extended] == [(FEW, MORE), (MORE, MOST)]
    live = [row["step"] for row in read_rows(results.model("autoencoder") / "checkpoints/live.jsonl")]
    assert live == list(range(1, MOST + 1))
    monkeypatch.setattr("ldae.training.assignment.train", None)
    results.train("autoencoder", steps=FEW)
    assert (results.model("autoencoder") / "model.json").read_bytes() == first
    results.train("autoencoder", steps=MOST)
    assert_same_training(results, whole, "autoencoder")


def test_an_extension_that_was_killed_and_one_that_was_asked_to_stop_are_continued(results, tmp_path):
    whole = in_one_go(results, tmp_path / "whole", "diffusion", 20)
    arguments = results.arguments("diffusion", steps=20)
    for name in ("model.safetensors", "model.json", "metrics.jsonl"):  # as Snakemake does
        (results.model("diffusion") / name).unlink()
    child = start_held("diffusion", arguments, 5, room=1)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    child = start_held("diffusion", arguments, 9, attempt=2)
    os.kill(child, signal.SIGTERM)
    assert ended(child) == 75
    (results.model("diffusion").parent / "diffusion-hold.json").unlink()
    shutil.rmtree(results.model("diffusion") / "checkpoints/delivered/last")  # it has begun: nothing reads it any more
    train("diffusion", arguments)
    assert_same_training(results, whole, "diffusion")


def test_killed_between_the_delivery_and_its_tidying_it_is_delivered_again_and_extended(results, tmp_path, monkeypatch):
    whole = in_one_go(results, tmp_path / "whole", "dae")
    shutil.rmtree(results.model("dae"))

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr("ldae.training.assignment.Assignment.tidy", die)
        assert ended(in_a_child(lambda: results.train("dae", steps=FEW))) == -signal.SIGKILL
    assert list((results.model("dae") / "checkpoints").glob("step-*"))
    results.train("dae", steps=FEW)
    assert not list((results.model("dae") / "checkpoints").glob("step-*"))
    results.train("dae", steps=MORE)
    assert_same_training(results, whole, "dae")


def test_a_cosine_goes_on_with_the_longer_one_and_says_so(results, tmp_path):
    shutil.rmtree(results.model("dae"))
    results.train("dae", steps=FEW, schedule="cosine")
    whole = in_one_go(results, tmp_path / "whole", "dae", schedule="cosine")
    rates = []

    def noted(settings, step):
        rates.append(learning_rate_factor(settings, step))
        return rates[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ldae.training.trainer.learning_rate_factor", noted)
        results.train("dae", steps=MORE, schedule="cosine")
    expected = [0.5 * (1 + torch.tensor(torch.pi * step / MORE).cos().item()) for step in range(FEW, MORE)]
    assert rates == pytest.approx(expected, abs=1e-6)
    [entry] = read_json(results.model("dae") / "model.json")["extended"]
    assert entry["schedule"].startswith("cosine: ") and "not the weights of all steps in one go" in entry["schedule"]
    assert results.weights()["dae"] != whole.weights()["dae"]


def test_fewer_steps_and_a_lost_state_are_one_sentence_each(results, monkeypatch):
    monkeypatch.setattr("ldae.training.assignment.train", None)
    before = results.weights()["dae"]
    with pytest.raises(UserError) as fewer:
        results.train("dae", steps=2)
    assert str(fewer.value).startswith("dae: training.steps is 2, and 3 steps are done") and "ldae fresh" in str(
        fewer.value
    )
    state = next((results.model("dae") / "checkpoints/delivered/last").glob("*.safetensors"))
    content = state.read_bytes()
    state.write_bytes(content[:-10])
    with pytest.raises(UserError, match=r"dae: .*, from which it would go on, is damaged: .*ldae fresh"):
        results.train("dae", steps=MORE)
    shutil.rmtree(state.parent)
    with pytest.raises(UserError) as lost:
        results.train("dae", steps=MORE)
    assert "the last state of that training is not in" in str(lost.value) and "ldae fresh" in str(lost.value)
    for sentence in (fewer, lost):
        assert str(sentence.value).count(". ") == 0
    results.train("dae", steps=FEW)
    assert results.weights()["dae"] == before


def test_no_state_is_kept_where_that_was_asked_for(results):
    shutil.rmtree(results.model("dae"))
    arguments = results.arguments("dae", steps=FEW)
    train("dae", arguments | {"launch": arguments["launch"] | {"keep_last_state": False}})
    assert not (results.model("dae") / "checkpoints/delivered/last").exists()
    with pytest.raises(UserError, match="the last state of that training is not in"):
        results.train("dae", steps=MORE)


def test_it_goes_on_with_the_scans_that_it_has_read(results, tmp_path, caplog):
    whole = in_one_go(results, tmp_path / "whole", "dae")
    results.pack(FIRST | {"sub-1b": "train"})
    results.train("dae", steps=MORE)
    assert "goes on with its own scans; since then 2 added" in caplog.text
    assert_same_training(results, whole, "dae")


def test_with_another_image_of_a_scan_it_is_refused(results, monkeypatch):
    monkeypatch.setattr("ldae.training.assignment.train", None)
    results.pack(FIRST, changed="sub-0_ses-M012")
    with pytest.raises(UserError, match=r"dae: the training of 3 steps cannot go on to 7.*1 changed \(sub-0_ses-M012"):
        results.train("dae", steps=MORE)
    assert not list((results.model("dae") / "checkpoints").glob("step-*"))


def test_with_another_setting_it_is_another_training_from_the_start(results, tmp_path):
    whole = in_one_go(results, tmp_path / "whole", "dae", learning_rate=2e-3)
    results.train("dae", steps=MORE, learning_rate=2e-3)
    assert_same_training(results, whole, "dae")
    assert "extended" not in read_json(results.model("dae") / "model.json")


def test_planning_says_the_same_sentences(results, tmp_path):
    """With the settings that were trained as the configuration; nothing is said where a job would train anew."""
    trained = {stage: read_json(results.model(stage) / "model.json")["settings"] for stage in MADE_FROM}
    method = {name: read_json(results.model(name) / "model.json")["method"] for name in ("diffusion", "representation")}
    overlay = {
        "seed": 1,
        "results_dir": str(results.folder),
        "phantom": None,
        "raw": {"images": str(tmp_path), "tables": str(tmp_path)},
        "method": {"posterior": "sample"} | method["representation"],
    } | {stage: trained[stage] for stage in ("autoencoder", "diffusion", "representation", "dae")}
    for stage in ("supervised_ad", "supervised_age"):  # the trainings here choose their step so, unless they are told
        overlay[stage] = {"selection": "validation", "training": trained[stage]["training"]}

    def planned(**steps: int) -> list[str]:
        sections = json.loads(json.dumps(overlay))
        for stage, count in steps.items():
            sections[stage]["training"]["steps"] = count
        (tmp_path / "overlay.yaml").write_text(json.dumps(sections))
        config = load_config("config/config.yaml", "config/small_networks.yaml", tmp_path / "overlay.yaml")
        return [sentence for sentence in unmet(config, {}) if "training.steps" in sentence]

    assert planned() == []
    assert planned(autoencoder=MORE) == [] and planned(supervised_age=MORE) == []
    said = {}
    for stage in MADE_FROM:
        [said[stage]] = planned(**{stage: 2})
        with pytest.raises(UserError) as refused:
            results.train(stage, steps=2)
        assert str(refused.value) == said[stage]
        results.train(stage, steps=FEW)  # delivered again
    assert planned(autoencoder=MORE, diffusion=2, representation=2) == []  # trained anew on another autoencoder
    shutil.rmtree(results.model("diffusion") / "checkpoints/delivered/last")
    [sentence] = planned(diffusion=MORE)
    with pytest.raises(UserError) as refused:
        results.train("diffusion", steps=MORE)
    assert str(refused.value) == sentence


@pytest.mark.slow
def test_under_snakemake_more_steps_are_one_command_and_fewer_are_refused(tmp_path):
    """The real workflow: the training is planned again, and whatever was asked of it is done with the others."""
    workflow = make_workflow(tmp_path)

    def ask(steps: int, *arguments: str) -> int:
        settings = json.loads((tmp_path / "tiny.json").read_text())
        settings["autoencoder"]["training"] |= {"steps": steps, "validate_every": 2}
        (tmp_path / "tiny.json").write_text(json.dumps(settings))
        (tmp_path / "snakemake.log").unlink(missing_ok=True)
        return workflow.start("train_autoencoder", *arguments).wait()

    assert ask(FEW) == 0, workflow.output()
    modes = {name: stat.S_IMODE((tmp_path / RESULTS / name).stat().st_mode) for name in ("train", "store")}
    assert modes["train"] == 0o700 != modes["store"]  # the store was there before
    assert ask(FEW, "--dry-run") == 0 and "Nothing to be done" in workflow.output()
    assert ask(2) == 1 and "Error: autoencoder: training.steps is 2, and 3 steps are done" in workflow.output()
    assert ask(MORE) == 0, workflow.output()
    log = (tmp_path / RESULTS / "logs/train_autoencoder.log").read_text()
    assert "autoencoder: goes on from step 3 to 7" in log and "continued from step 3 of 7" in log
    extended = load_file(workflow.train("autoencoder") / "model.safetensors")
    shutil.move(workflow.train("autoencoder"), tmp_path / "aside")
    assert ask(MORE) == 0, workflow.output()
    whole = load_file(workflow.train("autoencoder") / "model.safetensors")
    assert whole.keys() == extended.keys() and all(torch.equal(whole[name], extended[name]) for name in whole)
