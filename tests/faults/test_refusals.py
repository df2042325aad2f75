"""What a training refuses, in one sentence: other settings or data, a second process, a third attempt."""

import errno
import json
import os
import signal
import socket

import pandas as pd
import pytest
import torch
from tiny import STAGES, assert_same_model, copied, ended, in_a_child, start_held, train
from toy import ToyStage, training

from ldae.cli import main
from ldae.core.errors import Interrupted, UserError
from ldae.core.files import write_json
from ldae.training.loop import train as loop
from ldae.training.safety.interruption import REQUEST
from ldae.training.safety.lock import RunLock
from ldae.training.stages.diffusion import DiffusionStage


def stopped(cohort, stage, out, **changes):
    """A training that was asked to stop after its first step."""
    arguments = cohort.arguments(stage, out, **changes)
    child = start_held(stage, arguments, 1)
    os.kill(child, signal.SIGTERM)
    assert ended(child) == 75
    return arguments


@pytest.fixture(scope="module")
def interrupted(cohort, tmp_path_factory):
    """Every stage, stopped early."""
    folder = tmp_path_factory.mktemp("interrupted")
    for stage in STAGES:
        stopped(cohort, stage, folder / stage)
    return folder


def test_a_changed_setting_is_named_with_both_values(cohort, interrupted, tmp_path):
    out = copied(interrupted / "diffusion", tmp_path / "out")
    with pytest.raises(UserError, match=r"settings\.training\.learning_rate = 0\.001, now it is 0\.002.*ldae fresh"):
        train("diffusion", cohort.arguments("diffusion", out, training={"learning_rate": 2e-3}))


def test_a_bumped_revision_is_named(cohort, interrupted, tmp_path):
    out = copied(interrupted / "diffusion", tmp_path / "out")
    with pytest.raises(UserError, match=r"settings\.training\.revision = 1, now it is 2"):
        train("diffusion", cohort.arguments("diffusion", out, training={"revision": 2}))


def test_changed_splits_are_named(cohort, interrupted, tmp_path):
    out = copied(interrupted / "diffusion", tmp_path / "out")
    splits = pd.read_csv(cohort.folder / "splits.tsv", sep="\t")
    splits.loc[0, "split"] = "test"
    splits.to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    arguments = cohort.arguments("diffusion", out) | {"splits": str(tmp_path / "splits.tsv")}
    with pytest.raises(UserError, match=r"2 left out \(sub-0_ses-M000 and 1 more\).*ldae fresh"):
        train("diffusion", arguments)


def test_a_changed_store_is_named(cohort, interrupted, tmp_path):
    out, volumes = (
        copied(interrupted / "autoencoder", tmp_path / "out"),
        copied(cohort.folder / "volumes", tmp_path / "v"),
    )
    meta = json.loads((volumes / "store.json").read_text())
    write_json(volumes / "store.json", meta | {"scans": ["other", *meta["scans"][1:]]})
    arguments = cohort.arguments("autoencoder", out) | {"volumes": str(volumes)}
    with pytest.raises(UserError, match=r"1 changed \(sub-0_ses-M000\).*ldae fresh"):
        train("autoencoder", arguments)
    write_json(volumes / "store.json", meta | {"transform": "syn"})
    with pytest.raises(UserError, match=r"inputs\.grid = \w+, now it is \w+"):
        train("autoencoder", arguments)


def test_a_changed_autoencoder_is_named(cohort, interrupted, tmp_path):
    """Stage 2 through its latents; stage 3 refuses the other autoencoder before it looks at its checkpoints."""
    out, latents = (
        copied(interrupted / "diffusion", tmp_path / "out"),
        copied(cohort.folder / "latents", tmp_path / "z"),
    )
    meta = json.loads((latents / "store.json").read_text())
    write_json(latents / "store.json", meta | {"autoencoder": "another"})
    arguments = cohort.arguments("diffusion", out) | {"latents": str(latents)}
    with pytest.raises(UserError, match=r"inputs\.autoencoder = \w+, now it is another"):
        train("diffusion", arguments)
    out = copied(interrupted / "representation", tmp_path / "three")
    arguments = cohort.arguments("representation", out) | {"latents": str(latents)}
    with pytest.raises(UserError, match=r"made by another autoencoder: another found, \w+ expected"):
        train("representation", arguments)


def test_fresh_starts_over_and_keeps_the_old_folder_aside(cohort, interrupted, tmp_path, capsys):
    out = copied(interrupted / "diffusion", tmp_path / "diffusion")
    saved = sorted(path.name for path in (out / "checkpoints").glob("step-*"))
    assert main(["fresh", str(out)]) == 0
    assert "diffusion.aside-1" in capsys.readouterr().out
    assert not out.exists()
    assert sorted(path.name for path in (tmp_path / "diffusion.aside-1/checkpoints").glob("step-*")) == saved
    train("diffusion", cohort.arguments("diffusion", out))
    assert_same_model(out, cohort.folder / "train/diffusion")
    assert main(["fresh", str(out)]) == 0 and (tmp_path / "diffusion.aside-2/model.safetensors").exists()
    assert main(["fresh", str(tmp_path)]) == 1 and "holds no training" in capsys.readouterr().err


def test_a_second_process_is_refused_and_named(cohort, tmp_path):
    arguments = cohort.arguments("diffusion", tmp_path)
    child = start_held("diffusion", arguments, 3)
    os.kill(child, signal.SIGSTOP)
    try:
        with pytest.raises(UserError, match=rf"Process {child} on {socket.gethostname()} trains in"):
            train("diffusion", arguments)
        with pytest.raises(UserError, match=f"Process {child} on"):
            main_fresh(tmp_path)
    finally:
        os.kill(child, signal.SIGCONT)
        tmp_path.with_name(f"{tmp_path.name}-hold.json").unlink()
    assert ended(child) == 0
    assert_same_model(tmp_path, cohort.folder / "train/diffusion")


def main_fresh(folder):
    from ldae.training.safety.start_over import set_aside

    set_aside(folder)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, caplog):
    child = in_a_child(lambda: (RunLock(tmp_path).__enter__(), os.kill(os.getpid(), signal.SIGKILL)))
    assert ended(child) == -signal.SIGKILL
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == child
    with caplog.at_level("INFO", logger="ldae"), RunLock(tmp_path):
        assert f"process {child} on {socket.gethostname()}, which is gone" in caplog.text


@pytest.mark.parametrize(
    ("host", "alive", "refused"), [("here", False, False), ("here", True, True), ("far", False, True)]
)
def test_without_kernel_locks_the_file_s_words_count(tmp_path, monkeypatch, host, alive, refused):
    def unsupported(descriptor, operation):
        raise OSError(95, "Operation not supported")

    gone = in_a_child(lambda: None)
    ended(gone)
    owner = {"pid": os.getpid() if alive else gone, "host": socket.gethostname() if host == "here" else "far"}
    write_json(tmp_path / ".lock", owner)
    monkeypatch.setattr("fcntl.flock", unsupported)
    if refused:
        with pytest.raises(UserError, match=f"Process {owner['pid']} on {owner['host']}"), RunLock(tmp_path):
            pass
    else:
        with RunLock(tmp_path):
            pass


def crash_at(step):
    def on_step(now):
        if now == step:
            raise ZeroDivisionError("a bug")

    return on_step


def faults(folder):
    """Of every attempt whether it counts as a fault of the training's own, and why it ended."""
    attempts = json.loads((folder / "attempts.json").read_text())["attempts"]
    return [(attempt["fault"], attempt["reason"]) for attempt in attempts]


def test_the_third_attempt_at_the_same_step_is_refused_before_any_step_and_one_command_lifts_it(tmp_path, capsys):
    checkpoints = tmp_path / "toy/checkpoints"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            loop(ToyStage(on_step=crash_at(6)), training(), 1, checkpoints, {})
    message = r"2 attempts .* ended after step 6 \(ZeroDivisionError: a bug\); a third would too.*`ldae retry .*toy`"
    third = ToyStage()
    with pytest.raises(UserError, match=message):
        loop(third, training(), 1, checkpoints, {})
    assert third.seen == []
    assert main(["retry", str(tmp_path / "toy")]) == 0
    assert "forgotten; the next snakemake run goes on from its last checkpoint (step 6)" in capsys.readouterr().out
    assert main(["retry", str(tmp_path / "toy")]) == 0
    assert "no fault of its own is noted" in capsys.readouterr().out
    assert loop(third, training(), 1, checkpoints, {}).step == 12
    assert len(third.seen) == 2 * (12 - 6)  # the six steps before the fault were saved
    assert main(["retry", str(tmp_path)]) == 1 and "holds no training" in capsys.readouterr().err


def test_retry_says_what_is_true_of_a_training_that_is_finished_or_has_saved_nothing(tmp_path, capsys):
    (tmp_path / "done").mkdir()
    (tmp_path / "done/model.json").write_text("{}")
    assert main(["retry", str(tmp_path / "done")]) == 0
    assert "finished, there is nothing to try again" in capsys.readouterr().out
    (tmp_path / "new/checkpoints").mkdir(parents=True)
    assert main(["retry", str(tmp_path / "new")]) == 0
    assert "no fault of its own is noted, so nothing held it up; the next snakemake run begins it at step 0" in (
        capsys.readouterr().out
    )


def test_attempts_that_get_further_or_of_another_shape_are_not_refused(tmp_path):
    with pytest.raises(ZeroDivisionError):
        loop(ToyStage(on_step=crash_at(6)), training(), 1, tmp_path, {})
    for _ in range(2):  # pre-empted after a step more each time
        with pytest.raises(Interrupted):
            loop(ToyStage(on_step=lambda step: (tmp_path / REQUEST).touch()), training(), 1, tmp_path, {})
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            loop(ToyStage(on_step=crash_at(8)), training(), 1, tmp_path, {})
    with pytest.raises(UserError, match="2 attempts"):
        loop(ToyStage(), training(), 1, tmp_path, {})
    assert loop(ToyStage(), training(micro_batch=1), 1, tmp_path, {}).step == 12


def full_disk():
    raise OSError(errno.ENOSPC, "No space left on device")


def io_error():
    raise OSError(errno.EIO, "Input/output error")


def gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 10.62 GiB.")


def interrupted_by_hand():
    raise KeyboardInterrupt


NOT_ITS_OWN = [
    *(lambda number=number: os.kill(os.getpid(), number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)),
    *(full_disk, io_error, gpu_memory, interrupted_by_hand),
]


@pytest.mark.parametrize("end", NOT_ITS_OWN, ids=["SIGKILL", "SIGTERM", "SIGINT", "ENOSPC", "EIO", "OOM", "Ctrl-C"])
def test_ends_that_are_not_the_training_s_own_never_count(tmp_path, end):
    """Three attempts end at the same validation; the fourth does what is left."""
    for attempt in range(3):
        stage = ToyStage()
        stage.validate = lambda product: end() or {"score": 0.0}
        status = ended(in_a_child(lambda stage=stage: loop(stage, training(steps=20), 1, tmp_path, {})))
        assert status in (1, 75, -signal.SIGKILL), attempt
    assert len(faults(tmp_path)) == 3 and not any(fault for fault, _ in faults(tmp_path)), faults(tmp_path)
    assert loop(ToyStage(), training(steps=20), 1, tmp_path, {}).step == 20


def test_a_library_that_crashes_counts(tmp_path):
    """SIGSEGV is no one's order: the trace that it leaves is the reason."""
    for _ in range(2):
        stage = ToyStage(on_step=lambda step: step == 6 and os.kill(os.getpid(), signal.SIGSEGV))
        assert ended(in_a_child(lambda stage=stage: loop(stage, training(), 1, tmp_path, {}))) == -signal.SIGSEGV
    with pytest.raises(UserError, match=r"2 attempts .* after step 6 \(Fatal Python error: Segmentation fault\)"):
        loop(ToyStage(), training(), 1, tmp_path, {})


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), torch.OutOfMemoryError("CUDA out of memory. 1 GiB")])
def test_an_error_at_the_validation_saves_the_step_first(tmp_path, error):
    """The next run validates before its first step; the outcome is that of a run without a fault."""
    whole = loop(ToyStage(selection="score"), training(), 1, tmp_path / "whole", {})
    broken, rest = ToyStage(selection="score"), ToyStage(selection="score")
    validate, broken.validate = broken.validate, lambda product: broken_at_8(product)

    def broken_at_8(product):
        if len(broken.seen) == 2 * 8:
            raise error
        return validate(product)

    with pytest.raises((UserError, ZeroDivisionError), match=r"out of GPU memory after step 8.*step 8 is whole|a bug"):
        loop(broken, training(), 1, tmp_path / "parts", {})
    outcome = loop(rest, training(), 1, tmp_path / "parts", {})
    assert len(rest.seen) == 2 * (12 - 8)
    assert (outcome.history, outcome.step) == (whole.history, whole.step)
    assert all(torch.equal(outcome.weights[name], whole.weights[name]) for name in whole.weights)
    live = [json.loads(line)["step"] for line in (tmp_path / "parts/live.jsonl").read_text().splitlines()]
    assert live == list(range(1, 13))


def test_an_error_while_the_networks_change_saves_nothing_half_done(tmp_path):
    """Between the two optimizers: the last checkpoint is what counts."""

    class Breaking(ToyStage):
        def learning_rate(self, network, default):
            if network == "other" and len(self.seen) == 2 * 6:
                raise ZeroDivisionError("a bug")
            return super().learning_rate(network, default)

    with pytest.raises(ZeroDivisionError):
        loop(Breaking(), training(), 1, tmp_path, {})
    assert sorted(path.name for path in tmp_path.glob("step-*.json")) == ["step-00000004.json"]


def test_a_stop_that_comes_while_a_training_starts_costs_no_step(tmp_path):
    (tmp_path / REQUEST).touch()  # as the launcher of several processes does at Ctrl-C
    stage = ToyStage()
    with pytest.raises(Interrupted, match="a stop received; none of its 12 steps was done"):
        loop(stage, training(), 1, tmp_path, {})
    assert stage.seen == []


def test_a_job_is_refused_before_its_networks_are_built(cohort, tmp_path, monkeypatch):
    arguments = cohort.arguments("diffusion", tmp_path)

    def broken(stage, draws, share):
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as changed:
        changed.setattr(DiffusionStage, "backward", broken)
        for _ in range(2):
            assert ended(in_a_child(lambda: train("diffusion", arguments))) == 1
    monkeypatch.setattr("ldae.training.run.train_diffusion", None)
    with pytest.raises(UserError, match=r"2 attempts .* after step 0 \(ZeroDivisionError: a bug\)"):
        train("diffusion", arguments)
