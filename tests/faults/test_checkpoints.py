"""Faults of the disk: a kill inside a write, a full disk, damaged and lost checkpoints."""

import os
import resource
import signal
import time

import pytest
import safetensors.torch
import torch
from tiny import ended, in_a_child, killed_at
from toy import ToyStage, training

from ldae.core.errors import MachineError, UserError
from ldae.core.files import read_json
from ldae.training.loop import train
from ldae.training.safety.checkpoint import CheckpointFolder

KILL = 9  # step: checkpoints of 4 and 8 are there


def run(folder, **stage):
    stage = ToyStage(**stage)
    outcome = train(stage, training(), 1, folder, {"a": 1})
    return outcome, len(stage.seen) // 2  # two micro-batches a step


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))[0]


@pytest.fixture
def crashed(tmp_path):
    """A run that was killed in step 10, with checkpoints of steps 4 and 8."""
    killed_at(KILL, 8, tmp_path, lambda on_step: run(tmp_path, on_step=on_step))
    assert sorted(path.name for path in tmp_path.glob("step-*.json")) == ["step-00000004.json", "step-00000008.json"]
    return tmp_path


def assert_same(outcome, whole):
    assert outcome.history == whole.history
    assert all(torch.equal(outcome.weights[name], whole.weights[name]) for name in whole.weights)


@pytest.mark.parametrize("moment", ["inside the tensors", "before the description"])
def test_a_kill_inside_a_write(tmp_path, whole, monkeypatch, caplog, moment):
    save, writes = safetensors.torch.save_file, []

    def killed(tensors, path):
        save(tensors, path)
        writes.append(path)
        if len(writes) == 2:  # of step 8
            if moment == "inside the tensors":
                os.truncate(path, os.path.getsize(path) // 2)  # noqa: PTH202
            else:
                os.replace(path, path.with_name("step-00000008.safetensors"))
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(safetensors.torch, "save_file", killed)
    assert ended(in_a_child(lambda: run(tmp_path))) == -signal.SIGKILL
    monkeypatch.undo()
    with caplog.at_level("INFO", logger="ldae"):
        outcome, steps = run(tmp_path)
    assert steps == 8 and "continued from step 4 of 12" in caplog.text
    assert_same(outcome, whole)
    assert not list(tmp_path.glob(".tmp-*"))


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("limit", [100, 3000], ids=["everything fails", "only the tensors fail"])
def test_a_full_disk_stops_with_one_sentence_and_the_run_continues_later(tmp_path, whole, capfd, limit):
    def fill(step):
        if step == 5:
            until(lambda: read_json(tmp_path / "attempts.json")["saved"] == 4)  # it is written in the background
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def work():
        try:
            run(tmp_path, on_step=fill)
        except UserError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            os.write(2, f"Error: {error}".encode())
            os._exit(1)

    assert ended(in_a_child(work)) == 1
    message = capfd.readouterr().err
    assert "make room" in message and "step 4" in message and "Traceback" not in message
    outcome, steps = run(tmp_path)
    assert steps == 8
    assert_same(outcome, whole)


def test_a_flipped_byte_in_the_newest(crashed, whole, caplog):
    newest = crashed / "step-00000008.safetensors"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with caplog.at_level("INFO", logger="ldae"):
        outcome, steps = run(crashed)
    assert steps == 8
    assert "step-00000008.safetensors is damaged" in caplog.text
    assert "continued from step 4 of 12 (step 8 was saved, too)" in caplog.text
    assert_same(outcome, whole)


@pytest.mark.parametrize("suffixes", [("safetensors",), ("json",), ("safetensors", "json")], ids="+".join)
def test_a_deleted_newest(crashed, whole, caplog, suffixes):
    for suffix in suffixes:
        (crashed / f"step-00000008.{suffix}").unlink()
    with caplog.at_level("INFO", logger="ldae"):
        outcome, steps = run(crashed)
    assert steps == 8 and "continued from step 4 of 12 (step 8 was saved, too)" in caplog.text
    assert_same(outcome, whole)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_a_newest_that_the_disk_does_not_give_is_no_damaged_one(crashed, whole, suffix):
    newest, kept = crashed / f"step-00000008.{suffix}", crashed / "kept"
    newest.rename(kept)
    newest.symlink_to("/proc/self/mem")  # reading it is an input/output error
    with pytest.raises(MachineError, match=r"Input/output error .*step-00000008.*then run the same command again"):
        run(crashed)
    kept.rename(newest)
    outcome, steps = run(crashed)
    assert steps == 4  # of 12: step 8 was not put aside
    assert_same(outcome, whole)


def test_all_damaged_is_refused_and_not_a_start_from_0(crashed):
    for path in crashed.glob("step-*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"All checkpoints in .* are damaged: .*ldae fresh"):
        run(crashed)


def test_all_deleted_is_refused_and_not_a_start_from_0(crashed):
    for path in crashed.glob("step-*"):
        path.unlink()
    with pytest.raises(UserError, match=r"step 8 was saved .* no checkpoint is there any more"):
        run(crashed)


def test_an_empty_description_falls_back(crashed, whole):
    """A file system that lost the last blocks in a power cut."""
    (crashed / "step-00000008.json").write_text("null")
    outcome, steps = run(crashed)
    assert steps == 8
    assert_same(outcome, whole)


def test_a_large_state_in_the_host_s_memory_is_written_without_a_copy(tmp_path, whole, monkeypatch):
    save, written = safetensors.torch.save_file, {}

    def seen(tensors, path):
        written.update({name: tensor.data_ptr() for name, tensor in tensors.items()})
        save(tensors, path)

    monkeypatch.setattr(safetensors.torch, "save_file", seen)
    monkeypatch.setattr(CheckpointFolder, "COPIED_BYTES", 15)
    folder, state = CheckpointFolder(tmp_path / "a", {"a": 1}), {"small": torch.zeros(3), "large": torch.ones(4)}
    folder.save(1, {"small": state["small"]}, {})
    folder.wait()
    assert written.pop("small") != state["small"].data_ptr()
    folder.save(2, state, {})
    assert written == {name: tensor.data_ptr() for name, tensor in state.items()}
    assert torch.equal(folder.newest().tensors["large"], state["large"])  # whole without a wait
    assert_same(run(tmp_path / "b")[0], whole)
