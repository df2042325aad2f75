"""What a training would refuse at its start is refused when a run is planned."""

import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yte
from safetensors.numpy import save_file

from ldae.config import load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file, write_json
from ldae.core.job_resources import Processes
from ldae.studies.common.image_metrics import ssim_brain
from ldae.training.checkpoint_space import checkpoints_at_once
from ldae.training.memory import STAGES, autoencoder, checkpoint_bytes
from ldae.training.planning import (
    COUNTS_KEPT,
    TRAININGS,
    Counts,
    no_room,
    require_runnable,
    to_train,
    too_large,
    unmet,
)
from ldae.training.timm_names import unknown

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
PRESETS = [None, *sorted(CONFIG.glob("gpu_*gb.yaml"))]
SMALL = [CONFIG / "config.yaml", CONFIG / "small_networks.yaml"]


def profile(name):
    """Resources of the trainings in a profile."""
    content = yte.process_yaml((ROOT / "profiles" / name / "config.yaml").read_text(), require_use_yte=True)
    asked = content.get("set-resources", {})
    return {f"train_{stage}": asked.get(f"train_{stage}", {}) for stage in TRAININGS}


def with_results(config, folder):
    return config.model_copy(update={"results_dir": folder})


def sectioned(config, name, **more):
    return config.model_copy(update={name: getattr(config, name).model_copy(update=more)})


def test_the_trainings_are_those_that_are_counted():
    assert tuple(make.__name__ for make in STAGES) == TRAININGS


@pytest.mark.parametrize("name", ["local", "slurm"])
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem if path else "paper")
def test_every_preset_can_be_shared_by_the_processes_of_every_profile(preset, name, tmp_path):
    config = with_results(load_config(CONFIG / "config.yaml", *([preset] if preset else [])), tmp_path)
    assert to_train(config) == set(TRAININGS)
    require_runnable(config, profile(name))
    if preset:
        assert f"gpu_{config.compute.memory_gb}gb" == preset.stem


def test_a_batch_that_two_processes_cannot_share_is_one_sentence_as_the_training_says_it(tmp_path):
    config = with_results(load_config(CONFIG / "config.yaml"), tmp_path)
    training = config.diffusion.training.model_copy(update={"micro_batch": 128})
    config = sectioned(config, "diffusion", training=training)
    require_runnable(config, {"train_diffusion": {"gpu": 1}})
    with pytest.raises(UserError) as refused:
        require_runnable(config, {"train_diffusion": {"gpu": 2}})
    assert str(refused.value) == f"train_diffusion: {training.not_shared(2)}."
    assert "batch 128 cannot be shared by 2 processes with micro_batch 128" in str(refused.value)
    assert Processes.of({"gpu": 4, "nodes": 2}) == Processes(2, 2)


def test_a_backbone_that_timm_does_not_have_is_named_before_the_stages_that_come_first(tmp_path):
    """Asked of timm itself: every model that it lists is found in its text, with and without the name of weights."""
    import timm

    assert not any(unknown(name) for name in timm.list_models()[::60] + timm.list_pretrained()[::60])
    assert all(map(unknown, ("convnext", "convnext_smal", "nets.resnet", "url", "forward")))
    assert unknown("convnext_small.fb_in22").endswith(
        "has no weights fb_in22 of convnext_small; did you mean fb_in22k or fb_in1k?"
    )
    assert unknown("convnext_small.bogus").endswith("has no weights bogus of convnext_small: leave .bogus out.")
    config = with_results(load_config(*SMALL), tmp_path)
    config = sectioned(config, "representation", backbone="convnext_smal")
    (sentence,) = unmet(config, {})
    assert sentence.startswith("representation.backbone: timm ")
    assert "has no model convnext_smal; did you mean convnext_small " in sentence
    with pytest.raises(UserError, match="convnext_smal"):
        require_runnable(config, {}, lambda: pytest.fail("nothing has to be counted to say so"))


def test_jobs_that_slurm_would_start_without_a_gpu_are_refused(tmp_path, monkeypatch):
    """Unless networks are to be computed on the CPU; a site may ask for GPUs in other ways; no SLURM, no question."""
    config = with_results(load_config(*SMALL), tmp_path)
    monkeypatch.delenv("LDAE_DEVICE", raising=False)
    without, gpu = {"slurm_partition": "cpu"}, {"slurm_partition": "gpu", "gpu": 1}
    require_runnable(config, {"train_dae": gpu, "encode_codes": {"slurm_partition": "gpu", "gres": "gpu:1"}})
    require_runnable(config, {"train_dae": {}, "encode_codes": {"gpu": 2}})
    with pytest.raises(UserError, match=r"^encode_codes: SLURM would start such a job without a GPU"):
        require_runnable(config, {"train_dae": gpu, "encode_codes": without})
    with pytest.raises(UserError, match=r"^encode_codes and 1 more: "):
        require_runnable(config, {"train_dae": gpu, "encode_codes": without, "eval_solvers": without})
    require_runnable(sectioned(config, "launch", device="cpu"), {"encode_codes": without})
    monkeypatch.setenv("LDAE_DEVICE", "cpu")
    require_runnable(config, {"encode_codes": without})


def test_weights_that_are_missing_or_others_are_named_with_their_key(tmp_path):
    weights, absent = tmp_path / "squeezenet.safetensors", tmp_path / "absent.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, weights)
    config = with_results(load_config(*SMALL), tmp_path / "results")
    config = sectioned(config, "autoencoder", perceptual_weights=weights, perceptual_sha256="0" * 64)
    config = sectioned(config, "representation", backbone_weights=absent)
    config = sectioned(config, "evaluation", lpips_weights=weights, lpips_sha256=sha256_file(weights).upper())
    found = list(unmet(config, {}))
    assert len(found) == 2 and all(sentence.count(". ") == 0 for sentence in found)
    assert found[0].startswith(f"autoencoder.perceptual_weights: The weights {weights} have sha256")
    assert found[1] == (
        f"representation.backbone_weights: The weights {absent} do not exist; give the path of a safetensors file."
    )


def test_weights_that_are_no_whole_safetensors_file_are_named_before_anything_runs(tmp_path):
    """A pickle, nothing, a file that is cut off, one without tensors; its tensors are not read."""
    whole = tmp_path / "whole.safetensors"
    save_file({"a": np.zeros(2, np.float32)}, whole)
    broken = {
        "pickle": pickle.dumps({"a": 1}),
        "empty": b"",
        "cut_off": whole.read_bytes()[:-1],
        "of_another": b"PK\x03\x04" + bytes(100),
        "no_tensors": struct.pack("<Q", 2) + b"{}",
    }
    config = with_results(load_config(*SMALL), tmp_path / "results")
    assert not list(unmet(sectioned(config, "evaluation", lpips_weights=whole), {}))
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        (sentence,) = unmet(sectioned(config, "evaluation", lpips_weights=tmp_path / name), {})
        said = f"evaluation.lpips_weights: {tmp_path / name} is not a whole safetensors file ("
        assert sentence.startswith(said) and sentence.endswith("; fetch it again, or convert it (ldae import-weights).")


def test_what_is_trained_already_or_imported_needs_nothing(tmp_path):
    config = with_results(load_config(*SMALL), tmp_path)
    missing = tmp_path / "absent.safetensors"
    config = sectioned(config, "autoencoder", pretrained=missing)
    folder = tmp_path / "train" / "autoencoder"
    assert len(list(unmet(config, {"train_autoencoder": 3}))) == 2
    write_json(folder / "model.json", {"settings": config.section("autoencoder")})
    assert not list(unmet(config, {"train_autoencoder": 3}))
    write_json(folder / "model.json", {"settings": config.section("autoencoder") | {"kl_weight": 1.0}})
    assert len(list(unmet(config, {"train_autoencoder": 3}))) == 2
    write_json(folder / "model.json", {"settings": {}, "imported": {"a.pt": "0" * 64}})
    assert not list(unmet(config, {"train_autoencoder": 3}))


COUNTED = Counts(
    {
        "diffusion": {"gib": 30.25, "fits": False, "largest": 16, "checkpoint": 10**9},
        "dae": {"gib": 20.0, "fits": False, "largest": 0, "checkpoint": 2 * 10**9},
        "autoencoder": {"gib": 12.0, "fits": True, "largest": 1, "checkpoint": 10**9},
    },
    {"eval_samples": {"gib": 33.0, "fits": False}, "encode_codes": {"gib": 9.0, "fits": True}},
)


def test_what_does_not_fit_the_gpu_or_the_disk_is_one_sentence_each(tmp_path):
    config = with_results(load_config(CONFIG / "config.yaml", CONFIG / "gpu_16gb.yaml"), tmp_path / "not" / "there")
    assert list(too_large(config, COUNTED)) == [
        "train_diffusion: micro_batch 16 needs 30.2 GiB of a GPU of 16 GB (counted); "
        "set diffusion.training.micro_batch to 16.",
        "train_dae: micro_batch 1 needs 20.0 GiB of a GPU of 16 GB (counted); no micro_batch fits.",
        "eval_samples: it needs 33.0 GiB of a GPU of 16 GB (counted); set evaluation.volumes to 1, or evaluation.batch "
        "lower.",
    ]
    free = shutil.disk_usage(tmp_path).free
    enormous = {"autoencoder": COUNTED.trainings["autoencoder"] | {"checkpoint": free}}
    (sentence,) = too_large(config, Counts(enormous, {}))
    assert sentence.startswith(f"{config.results_dir}: the trainings keep up to {3 * free / 1e9:.0f} GB of checkpoints")
    assert no_room(config, {"autoencoder": free // 4}) is None and no_room(config, {"autoencoder": free // 2})


def test_checkpoints_at_once_are_those_of_one_stage_and_of_every_baseline():
    sizes = {"autoencoder": 1, "diffusion": 10, "representation": 9, "dae": 100}
    assert checkpoints_at_once(sizes, last_states=False) == 300 + 3 * 10
    assert checkpoints_at_once(sizes, last_states=True) == 300 + 1 + 10 + 3 * 9
    assert checkpoints_at_once({"dae": 100}, last_states=True) == 300


def test_a_count_that_is_kept_is_read_and_belongs_to_one_configuration(tmp_path):
    kept, config = tmp_path / "memory.json", load_config(CONFIG / "config.yaml", CONFIG / "gpu_16gb.yaml")
    write_json(kept, {Counts.key(config): vars(COUNTED)})
    assert Counts.of(config, pytest.fail, kept) == COUNTED  # nothing is imported for a count
    assert Counts.key(sectioned(config, "evaluation", volumes=8)) != Counts.key(config)
    assert Counts.key(with_results(config, tmp_path)) == Counts.key(config)
    unkept = config.model_copy(update={"launch": config.launch.model_copy(update={"keep_last_state": False})})
    assert Counts.key(unkept) == Counts.key(config)


def test_counts_of_earlier_configurations_stay(tmp_path, monkeypatch):
    """One who goes to and fro between two presets counts twice, not at every turn."""
    kept, config = tmp_path / "memory.json", load_config(CONFIG / "config.yaml", CONFIG / "gpu_16gb.yaml")
    monkeypatch.setattr("ldae.training.planning.count", lambda config, metric: vars(COUNTED))
    write_json(kept, {f"configuration {number}": vars(COUNTED) for number in range(COUNTS_KEPT)})
    Counts.of(config, lambda: None, kept)
    found = read_json(kept)
    assert len(found) == COUNTS_KEPT and Counts.key(config) in found and "configuration 9" in found


def test_a_checkpoint_holds_weights_moments_average_and_best():
    stage = autoencoder(load_config(*SMALL))
    assert checkpoint_bytes(stage) == 12 * stage.trained + 4 * stage.averaged  # no average; the best weights


@pytest.mark.slow
def test_small_networks_fit_and_a_volume_too_many_is_found(tmp_path):
    """The count itself, on the networks that it takes least time for."""
    config = with_results(load_config(*SMALL), tmp_path)
    config = config.model_copy(update={"compute": config.compute.model_copy(update={"memory_gb": 16})})
    require_runnable(config, {}, lambda: ssim_brain, tmp_path / "memory.json")
    config = sectioned(config, "evaluation", volumes=100_000)
    with pytest.raises(UserError, match=r"eval_samples: it needs .* set evaluation.volumes to 1"):
        require_runnable(config, {}, lambda: ssim_brain, tmp_path / "memory.json")


def test_planning_needs_no_torch():
    code = "import sys, ldae.training.planning; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("there", [True, False])
def test_tensorboard_that_is_not_installed_is_said_before_the_first_training(there, tmp_path, monkeypatch):
    monkeypatch.setattr("ldae.training.planning.find_spec", lambda name: object() if there else None)
    config = with_results(load_config(*SMALL), tmp_path)
    assert not list(unmet(config, {}))
    config = config.model_copy(update={"launch": config.launch.model_copy(update={"tensorboard": True})})
    said = ["launch.tensorboard: TensorBoard is not installed: `pip install tensorboard`, or turn it off."]
    assert list(unmet(config, {})) == ([] if there else said)
