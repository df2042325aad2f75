"""Starts that a training would refuse are said when a run is planned: checkpoints of another, weights that have seen
test subjects, descriptions that describe nothing, and resources that mean no number of GPUs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_tsv
from ldae.core.job_resources import Processes, asks_for_gpu, no_number
from ldae.core.lineage import MADE_FROM
from ldae.training.extension import flatten, settings_of, start_digest
from ldae.training.planning import require_runnable, unmet
from ldae.training.selection import chosen_by

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("LDAE_DEVICE", raising=False)
    given = load_config(CONFIG / "config.yaml", CONFIG / "small_networks.yaml")
    return given.model_copy(update={"results_dir": tmp_path / "results"})


def trained(config, stage, **training):
    section = getattr(config, stage)
    return config.model_copy(
        update={stage: section.model_copy(update={"training": section.training.model_copy(update=training)})}
    )


def interrupted(config, stage):
    """A checkpoint as a training of this configuration leaves it; returns its tensors."""
    tensors = config.results_dir / "train" / stage / "checkpoints" / "step-00000023.safetensors"
    tensors.parent.mkdir(parents=True)
    save_file({"a": np.zeros(1)}, tensors)
    settings = settings_of(config, stage).model_dump(mode="json")
    for name in ("micro_batch", "compute", "refit", "deterministic", "init_from", "init_seen_test"):
        del settings["training"][name]
    method = config.method_of(f"train_{stage}") if stage in ("diffusion", "representation") else {}
    method |= chosen_by(getattr(config, stage).selection) if stage.startswith("supervised") else {}
    known = {"settings": settings, "seed": config.seed, "method": method, "inputs": {"train": "1", "grid": "2"}}
    write_json(tensors.with_suffix(".json"), {"step": 23, "sha256": "", "fingerprint": flatten(known), "state": {}})
    return tensors


@pytest.mark.parametrize("stage", MADE_FROM)
def test_an_interrupted_training_under_other_settings_is_refused_when_planned(config, stage):
    tensors = interrupted(config, stage)
    assert not list(unmet(config, {}))
    assert not list(unmet(trained(config, stage, refit="when_changed"), {}))  # computes nothing else
    (sentence,) = unmet(trained(config, stage, learning_rate=0.0625), {})
    was = getattr(config, stage).training.learning_rate
    assert sentence.startswith(
        f"{stage}: the checkpoints in {tensors.parent} were made with settings.training.learning_rate = {was}, now it "
        "is 0.0625: put it back"
    )
    (sentence,) = unmet(config.model_copy(update={"seed": 7}), {})
    assert f"seed = {config.seed}, now it is 7: " in sentence
    tensors.write_bytes(b"")  # no checkpoint that a training would continue from
    assert not list(unmet(config.model_copy(update={"seed": 7}), {}))


def source(folder, config, subjects=("sub-1", "sub-2")):
    """A model of another run."""
    folder.mkdir(parents=True)
    save_file({"a": np.zeros(1)}, folder / "model.safetensors")
    write_json(folder / "model.json", {"stage": "dae", "settings": config.section("dae"), "digest": "0123456789abcdef"})
    write_tsv(folder / "scans.tsv", pd.DataFrame({"participant_id": subjects}))
    return folder


def dealt(config, **splits):
    table = pd.DataFrame({"participant_id": [f"sub-{name[1:]}" for name in splits], "split": list(splits.values())})
    for name in ("splits.tsv", "splits_ledger.tsv"):
        write_tsv(config.results_dir / "manifest" / name, table)


def test_weights_that_have_seen_a_test_subject_are_refused_once_it_is_known_who_is_tested(config, tmp_path):
    warm = trained(config, "dae", init_from=source(tmp_path / "source", config))
    assert not list(unmet(warm, {}))
    dealt(config, s1="train", s3="test")
    assert not list(unmet(warm, {}))
    dealt(config, s1="test", s2="train", s3="test")
    (sentence,) = unmet(warm, {})
    assert sentence.startswith(
        "dae.training.init_from: the weights 0123456789abcdef were trained on 1 of the test subjects (sub-1): "
    )
    assert not list(unmet(trained(warm, "dae", init_seen_test="allow"), {}))
    (tmp_path / "list.txt").write_text("sub-1\n")  # it is dealt again then, and never to the test split
    given = warm.imported.model_copy(update={"training_subjects": tmp_path / "list.txt"})
    assert not list(unmet(warm.model_copy(update={"imported": given, "source": "bids"}), {}))


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("model.json", lambda path: write_json(path, []), "does not describe a model"),
        ("model.json", lambda path: write_json(path, {"stage": "dae", "digest": "0"}), "does not describe a model"),
        ("model.safetensors", lambda path: path.write_bytes(b""), "is not a whole safetensors file"),
        ("scans.tsv", lambda path: path.write_text("subject\nsub-1\n"), "has no column participant_id"),
    ],
)
def test_a_source_that_is_no_model_is_one_sentence(config, tmp_path, name, write, said):
    folder = source(tmp_path / "source", config)
    write(folder / name)
    (sentence,) = unmet(trained(config, "dae", init_from=folder), {})
    assert f"{folder / name} {said}" in sentence
    assert start_digest(trained(config, "dae", init_from=folder), "dae") == "absent"


def test_resources_that_mean_no_number_of_gpus_are_refused(config):
    refused = {
        "gpu is two: give a whole number": {"gpu": "two"},
        "gpu is -1: give a whole number": {"gpu": -1},
        "gpu is 1.5: give a whole number": {"gpu": 1.5},
        "nodes is 0: give 1 at least, or leave it out": {"nodes": 0},
        "gpu=3, which counts those of the whole job, cannot be shared evenly by nodes=2": {"gpu": 3, "nodes": 2},
    }
    for reason, asked in refused.items():
        assert no_number(asked) == reason
        with pytest.raises(UserError) as caught:
            require_runnable(config, {"train_dae": asked})
        assert str(caught.value).startswith(f"train_dae: {reason}, in its resources ")
    assert no_number({"gpu": "4", "nodes": 2}) is None and Processes.of({"gpu": "4", "nodes": 2}) == Processes(2, 2)


def test_a_study_on_several_nodes_is_refused_as_the_study_would(config):
    shared = trained(config, "diffusion", micro_batch=1)
    require_runnable(shared, {"eval_solvers": {"gpu": 4}, "train_diffusion": {"gpu": 4, "nodes": 2}})
    with pytest.raises(UserError, match=r"^eval_solvers: A study shares its work among the GPUs of one node: "):
        require_runnable(config, {"eval_solvers": {"gpu": 4, "nodes": 2}})


def test_words_to_slurm_that_are_not_about_gpus_ask_for_none(config):
    for words in ("--gres=gpu:1", "--gpus-per-node=2", "--qos=long -G 1", "--tres-per-task=gres/gpu:1"):
        assert asks_for_gpu({"slurm_extra": words})
    for asked in ({"slurm_extra": "--constraint=fast"}, {"gpu": 0}, {}):
        assert not asks_for_gpu(asked)
        with pytest.raises(UserError, match="without a GPU"):
            require_runnable(config, {"train_dae": {"slurm_partition": "gpu"} | asked})
