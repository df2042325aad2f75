"""Eight scans of four subjects, and each stage with networks that take 40 steps in a second or two."""

import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from held import hold_here, write_hold

from ldae.core.files import read_json, sha256_file
from ldae.core.store import write_store

STEPS = 40
SIZE = (32, 32, 16)
TRAINING = {
    "steps": STEPS,
    "batch": 2,
    "micro_batch": 1,
    "learning_rate": 1e-3,
    "precision": "fp32",
    "validate_every": 8,
}
SETTINGS = {
    "autoencoder": {
        "patch": 2,
        "channels": [4, 4],
        "latent_channels": 2,
        "res_blocks": 1,
        "norm_groups": 2,
        "discriminator": {"channels": 4, "layers": 1},
        "training": TRAINING,
    },
    "diffusion": {
        "channels": 4,
        "multipliers": [1, 2],
        "res_blocks": 1,
        "attention_factors": [2],
        "norm_groups": 2,
        "training": TRAINING | {"ema_decay": 0.9},
    },
    "representation": {
        "backbone": "test_convnext",
        "dimension": 8,
        "heads": 2,
        "slice_step": 4,
        "drop_path": 0.1,
        "training": TRAINING | {"ema_decay": 0.9, "validate_every": 20},
    },
}
STAGES = tuple(SETTINGS)
METHOD = {  # what the rules hand over of the method section
    "diffusion": {"posterior": "sample"},
    "representation": {
        "posterior": "sample",
        "validation_reference": "original",
        "clamp_z0": False,
        "shift_at_sampling": "sqrt",
    },
}
DELIVERED = ("model.safetensors", "model.json", "metrics.jsonl")


@dataclass(frozen=True)
class Cohort:
    """Where the stores, splits and trained chain of the tiny cohort lie."""

    folder: Path

    def arguments(self, stage: str, out: Path, **changes) -> dict:
        """Arguments of a stage's training as plain values, as an adapter gives them."""
        folder = self.folder
        paths = {
            "autoencoder": {"volumes": folder / "volumes"},
            "diffusion": {"latents": folder / "latents"},
            "representation": {
                "volumes": folder / "volumes",
                "latents": folder / "latents",
                "autoencoder": folder / "train/autoencoder",
                "diffusion": folder / "train/diffusion",
            },
        }[stage]
        values = {name: str(path) for name, path in (paths | {"splits": folder / "splits.tsv", "out": out}).items()}
        settings = SETTINGS[stage] | {"training": SETTINGS[stage]["training"] | changes.pop("training", {})}
        if stage != "autoencoder":
            values["method"] = METHOD[stage]
        return values | {"settings": settings, "seed": 1, "launch": {"pictures_every": 0}} | changes


def make_cohort(folder: Path) -> Cohort:
    """Stores and splits, and stages 1 to 3 trained on them without a break (the reference of all comparisons)."""
    from ldae.inference.latents import encode_latents

    write_volumes(folder / "volumes")
    write_splits(folder / "splits.tsv")
    cohort = Cohort(folder)
    for stage in STAGES:
        train(stage, cohort.arguments(stage, folder / "train" / stage))
        if stage == "autoencoder":
            encode_latents(folder / "volumes", folder / "train/autoencoder", folder / "splits.tsv", folder / "latents")
    return cohort


def write_volumes(folder: Path) -> None:
    rng = np.random.default_rng(0)
    volumes = (rng.random((8, *SIZE)) * 255).astype(np.uint8)
    names = [f"sub-{i // 2}" for i in range(8)]
    index = pd.DataFrame({"participant_id": names, "session_id": [f"ses-M{i % 2:03d}" for i in range(8)]})
    write_store(folder, volumes, index, dtype="uint8")


def write_splits(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    splits = ["train", "train", "validation", "test"]
    pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(4)], "split": splits}).to_csv(
        path, sep="\t", index=False
    )


def train(stage: str, arguments: dict, resources: dict | None = None, log: Path = Path("unused.log")) -> None:
    from ldae.training.launch import launch

    launch(f"train_{stage}", resources or {}, log, **arguments)


def in_a_child(work: Callable[[], None], hold: Path | None = None) -> int:
    """Fork and work there; returns the child's process number. Its status is 0, 75 (interrupted) or 1.

    Args:
        hold: the file that says where its trainings wait (:mod:`held`).
    """
    from ldae.core.errors import Interrupted

    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if hold is not None:
            hold_here(hold)
        work()
        status = 0
    except Interrupted:
        status = 75
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(child: int) -> int:
    """Exit status; minus the signal if one ended it."""
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def killed_at(step: int, saved: int, folder: Path, work: Callable[[Callable[[int], None]], None]) -> None:
    """SIGKILL a training in its step ``step`` + 1, when the checkpoint of ``saved`` is on disk.

    Args:
        work: trains in ``folder``, and calls its argument with the number of steps done at the start of every step.
    """

    def on_step(now: int) -> None:
        if now == step:
            while read_json(folder / "attempts.json")["saved"] < saved:  # it is written in the background
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(in_a_child(lambda: work(on_step))) == -signal.SIGKILL


def progress(out: Path) -> tuple[int, int]:
    """Number of the attempt and its steps done, as the run itself says."""
    from ldae.training.safety.attempts import read_progress

    return read_progress(out / "checkpoints/progress") or (0, 0)


def wait_for_step(child: int, out: Path, step: int, attempt: int = 1) -> bool:
    """Until the child, which makes this attempt, has done ``step`` steps; false if it ended before."""
    while True:
        number, done = progress(out)
        if number >= attempt and done >= step:
            return True
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        time.sleep(0.001)


def start_held(stage: str, arguments: dict, step: int, attempt: int = 1, room: int = 0) -> int:
    """A training in a child that has done ``step`` steps and waits at ``step`` + ``room``; its process number."""
    out = Path(arguments["out"])
    hold = write_hold(out.with_name(f"{out.name}-hold.json"), step + room)
    child = in_a_child(lambda: train(stage, arguments), hold)
    assert wait_for_step(child, out, step, attempt)
    return child


def assert_same_model(out: Path, reference: Path) -> None:
    """Byte-identical deliveries."""
    for name in DELIVERED:
        assert sha256_file(out / name) == sha256_file(reference / name), f"{out / name} differs from {reference / name}"


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))
