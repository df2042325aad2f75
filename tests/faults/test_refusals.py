"""What a training refuses, in one sentence: other settings or data, a second process, a third attempt."""

import json
import os
import signal
import socket
import time

import pandas as pd
import pytest
from tiny import STAGES, assert_same_model, copied, ended, in_a_child, train, wait_for_step
from toy import ToyStage, training

from ldae.cli import main
from ldae.errors import Interrupted, UserError
from ldae.files import write_json
from ldae.training.jobs.interruption import REQUEST
from ldae.training.jobs.lock import RunLock
from ldae.training.loop import train as loop


def stopped(cohort, stage, out, **changes):
    """A training that was asked to stop after its first step."""
    arguments = cohort.arguments(stage, out, **changes)
    child = in_a_child(lambda: train(stage, arguments))
    assert wait_for_step(child, out, 1)
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
    with pytest.raises(UserError, match=r"inputs\.splits = \w+, now it is \w+"):
        train("diffusion", arguments)


def test_a_changed_store_is_named(cohort, interrupted, tmp_path):
    out, volumes = (
        copied(interrupted / "autoencoder", tmp_path / "out"),
        copied(cohort.folder / "volumes", tmp_path / "v"),
    )
    write_json(volumes / "store.json", json.loads((volumes / "store.json").read_text()) | {"digest": "other"})
    arguments = cohort.arguments("autoencoder", out) | {"volumes": str(volumes)}
    with pytest.raises(UserError, match=r"inputs\.volumes = \w+, now it is other"):
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
    with pytest.raises(UserError, match="another autoencoder: digest another found"):
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
    child = in_a_child(lambda: train("diffusion", arguments))
    assert wait_for_step(child, tmp_path, 3)
    os.kill(child, signal.SIGSTOP)
    try:
        with pytest.raises(UserError, match=rf"Process {child} on {socket.gethostname()} trains in"):
            train("diffusion", arguments)
        with pytest.raises(UserError, match=f"Process {child} on"):
            main_fresh(tmp_path)
    finally:
        os.kill(child, signal.SIGCONT)
    assert ended(child) == 0
    assert_same_model(tmp_path, cohort.folder / "train/diffusion")


def main_fresh(folder):
    from ldae.training.jobs.fresh import set_aside

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


def crash(step):
    if step == 6:
        raise ZeroDivisionError("a bug")


def test_the_third_attempt_at_the_same_step_is_refused_within_seconds(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            loop(ToyStage(on_step=crash), training(), 1, tmp_path, {})
    started = time.monotonic()
    message = r"2 attempts .* ended after step 6 \(ZeroDivisionError: a bug\); a third would too.*attempts\.json"
    with pytest.raises(UserError, match=message):
        loop(ToyStage(on_step=crash), training(), 1, tmp_path, {})
    assert time.monotonic() - started < 1
    (tmp_path / "attempts.json").unlink()
    assert loop(ToyStage(), training(), 1, tmp_path, {}).step == 12


def test_attempts_that_get_further_or_of_another_shape_are_not_refused(tmp_path):
    with pytest.raises(ZeroDivisionError):
        loop(ToyStage(on_step=crash), training(), 1, tmp_path, {})
    for _ in range(2):  # pre-empted after a step more each time
        with pytest.raises(Interrupted):
            loop(ToyStage(on_step=lambda step: (tmp_path / REQUEST).touch()), training(), 1, tmp_path, {})
    with pytest.raises(ZeroDivisionError):
        loop(ToyStage(on_step=crash), training(), 1, tmp_path, {})
    with pytest.raises(UserError, match="2 attempts"):
        loop(ToyStage(), training(), 1, tmp_path, {})
    assert loop(ToyStage(), training(micro_batch=1), 1, tmp_path, {}).step == 12


def test_a_job_is_refused_before_its_networks_are_built(cohort, tmp_path, monkeypatch):
    arguments = cohort.arguments("diffusion", tmp_path)
    for attempt in (1, 2):
        child = in_a_child(lambda: train("diffusion", arguments))
        assert wait_for_step(child, tmp_path, 2, attempt)
        os.kill(child, signal.SIGKILL)
        ended(child)
        (tmp_path / "checkpoints/progress").write_text(f"{attempt} 2\n")  # both killed after step 2
    monkeypatch.setattr("ldae.training.run.train_diffusion", None)
    with pytest.raises(UserError, match=r"2 attempts .* after step 2 \(killed without a word\)"):
        train("diffusion", arguments)
