"""Scans that come or go after a training: nothing is trained or replaced unasked, and nothing old is lost."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from results_folder import FIRST, Results
from tiny import copied, ended, in_a_child, train, wait_for_step

from ldae.cli import main
from ldae.config import Method, Sampling
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file
from ldae.core.lineage import MADE_FROM, read_chain
from ldae.core.store import open_store, write_store
from ldae.inference.pipeline import LDAE
from ldae.studies.common.inputs import read_inputs

DELIVERED = ("model.safetensors", "model.json", "metrics.jsonl", "scans.tsv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Results:
    results = Results(tmp_path_factory.mktemp("grown") / "results")
    results.pack(FIRST)
    results.train()
    return results


@pytest.fixture
def results(finished, tmp_path) -> Results:
    return Results(copied(finished.folder, tmp_path / "results"))


@pytest.fixture
def no_step(monkeypatch):
    """Trainings may be asked for, but none may do a step."""

    def refuse(*arguments):
        raise AssertionError("a training was started")

    monkeypatch.setattr("ldae.training.assignment.train", refuse)


def test_a_new_test_scan_costs_no_step_of_any_training(results, no_step):
    before, latents = results.weights(), open_store(results.store("latents"))
    old = np.array(latents.data)
    results.pack(FIRST | {"sub-1b": "test"})  # between the others: every later scan has another place
    results.train()
    assert results.weights() == before and results.unseen() == []
    now = open_store(results.store("latents"))
    kept = now.index["participant_id"] != "sub-1b"
    np.testing.assert_array_equal(now.data[kept], old)
    assert now.meta["scale_factor"] == latents.meta["scale_factor"]


def test_a_label_of_a_test_scan_is_nothing_to_a_training(results, no_step):
    before, store = results.weights(), open_store(results.store("volumes"))
    index = store.index.assign(age=store.index["age"].where(store.index["participant_id"] != "sub-3", 1.0))
    facts = {name: store.meta[name] for name in ("affine", "spacing_mm")}
    write_store(store.path, np.array(store.data), index, dtype="uint8", **facts)
    results.train("supervised_age", "supervised_ad")
    assert results.weights() == before and results.unseen() == []


def test_a_new_training_scan_leaves_the_models_until_they_are_asked_for(results, monkeypatch, caplog, capsys):
    before = {stage: {name: (results.model(stage) / name).read_bytes() for name in DELIVERED} for stage in MADE_FROM}
    digests = results.weights()
    results.pack(FIRST | {"sub-1b": "train"})
    with monkeypatch.context() as patch:
        patch.setattr("ldae.training.assignment.train", None)
        results.train()
    assert "dae: the model stays, although its scans changed: 2 added (sub-1b_ses-M000 and 1 more)" in caplog.text
    assert {s: {name: (results.model(s) / name).read_bytes() for name in DELIVERED} for s in MADE_FROM} == before
    assert len(results.unseen()) == len(MADE_FROM)
    assert "autoencoder" in results.unseen()[0] and "has not seen 2 of the 8 training" in results.unseen()[0]
    results.encode()  # the kept models on the grown store
    inputs = read_inputs(results.folder / "store", results.folder / "manifest/splits.tsv")
    assert inputs.code("y_sem", inputs.rows("train")).shape[0] == 6
    assert main(["refit", str(results.folder), "autoencoder"]) == 0
    assert "autoencoder: kept as" in capsys.readouterr().out
    results.train("autoencoder", "diffusion", "representation")
    read_chain(results.folder / "train", MADE_FROM)
    for stage in ("autoencoder", "diffusion", "representation"):
        aside = list((results.model(stage) / "replaced").iterdir())
        assert [sha256_file(folder / "model.safetensors") for folder in aside] == [digests[stage]]
        assert sha256_file(results.model(stage) / "model.safetensors") != digests[stage]
    assert [sentence.split()[3] for sentence in results.unseen()] == ["dae", "supervised_ad", "supervised_age"]
    assert main(["refit", str(results.folder), "autoencoder"]) == 0
    assert "has seen every scan" in capsys.readouterr().out
    assert main(["refit", str(results.folder), "unet"]) == 1 and "no training 'unet'" in capsys.readouterr().err


def test_refit_when_changed_trains_and_keeps_the_old_model_aside(results):
    before = results.weights()["dae"]
    results.pack(FIRST | {"sub-1b": "train"})
    results.train("dae", refit="when_changed")
    aside = list((results.model("dae") / "replaced").iterdir())
    assert [sha256_file(folder / "model.safetensors") for folder in aside] == [before]
    assert before.startswith(aside[0].name) and results.weights()["dae"] != before


def test_a_changed_setting_asks_for_another_model_and_changed_back_the_old_one_is_there(results, monkeypatch):
    before = results.weights()["dae"]
    results.train("dae", learning_rate=2e-3)
    other = results.weights()["dae"]
    assert other != before
    monkeypatch.setattr("ldae.training.assignment.train", None)
    for rate, weights in ((1e-3, before), (2e-3, other), (1e-3, before)):
        results.train("dae", learning_rate=rate)
        assert results.weights()["dae"] == weights


def test_an_upgrade_that_brings_a_setting_trains_nothing(results, no_step):
    before = results.weights()["dae"]
    described = results.model("dae") / "checkpoints/delivered/model.json"
    note = described.with_name("delivery.json")
    for path in (described, note):  # as a version without this setting has written them
        content = read_json(path)
        identity = content.get("identity", content)
        del identity["settings"]["dropout"]
        path.write_text(json.dumps(content))
    content = read_json(note)
    content["sha256"]["model.json"] = sha256_file(described)
    note.write_text(json.dumps(content))
    results.train("dae")
    assert results.weights()["dae"] == before


def test_a_model_of_other_scans_is_neither_kept_nor_replaced(results, no_step):
    results.pack({f"sub-9{i}": split for i, split in enumerate(FIRST.values())})
    with pytest.raises(UserError, match=r"none of the 6 scans .* as it was.*ldae refit \S+results autoencoder"):
        results.train("autoencoder")
    assert (results.model("autoencoder") / "checkpoints/delivered/model.safetensors").is_file()


def test_a_training_subject_in_the_test_split_is_refused(results, no_step):
    results.pack(FIRST | {"sub-0": "test"})
    with pytest.raises(UserError, match=r"trained on sub-0, now in the test split.*ldae refit"):
        results.train("supervised_ad")


@pytest.fixture(scope="module")
def begun(finished, tmp_path_factory) -> Results:
    """A first training that was stopped after its first step."""
    results = Results(copied(finished.folder, tmp_path_factory.mktemp("begun") / "results"))
    shutil.rmtree(results.model("autoencoder"))
    child = in_a_child(lambda: train("autoencoder", results.arguments("autoencoder", steps=40)))
    assert wait_for_step(child, results.model("autoencoder"), 1)
    os.kill(child, signal.SIGTERM)
    assert ended(child) == 75
    return results


def test_a_training_that_was_begun_goes_on_with_its_own_scans(begun, tmp_path, caplog):
    whole, grown = (Results(copied(begun.folder, tmp_path / name)) for name in ("whole", "grown"))
    whole.train("autoencoder", steps=40)
    grown.pack(FIRST | {"sub-1b": "train"})
    grown.train("autoencoder", steps=40)
    assert "goes on with its own scans; since then 2 added" in caplog.text and "ldae fresh" in caplog.text
    assert grown.weights()["autoencoder"] == whole.weights()["autoencoder"]


def test_a_training_that_was_begun_names_the_scans_that_changed(begun, tmp_path):
    results = Results(copied(begun.folder, tmp_path / "results"))
    results.pack(FIRST, changed="sub-1_ses-M012")
    with pytest.raises(UserError, match=r"autoencoder: its scans changed .*: 1 changed \(sub-1_ses-M012\).*ldae fresh"):
        results.train("autoencoder", steps=40)
    results.pack(FIRST | {"sub-1b": "train"})
    with pytest.raises(UserError, match=r"2 added .*ldae fresh"):
        results.train("autoencoder", steps=40, refit="when_changed")


def test_imported_or_older_models_say_nothing_of_their_scans(results):
    (results.model("dae") / "scans.tsv").unlink()
    results.pack(FIRST | {"sub-1b": "train"})
    assert not any("of dae" in sentence for sentence in results.unseen())
    assert LDAE.load(results.folder / "train", Method(), Sampling(steps=2)).digest
