"""What the training loop costs beside the model, and what a checkpoint costs: ``make bench-training``.

A network whose step takes about 100 ms is trained by the real loop, with everything it does: keyed order and noise,
average, finiteness, records, checkpoints in the background. Model time is what is spent inside
the stage's backward pass and validation, clipping, the optimizer and the average; the loop's share is the rest of the
time from the first step to the last. Start and end (files, the last write) happen once and stand beside it. All is
measured in one run. Ends with one JSON line.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from ldae.config import Launch, Training
from ldae.training import records, trainer
from ldae.training.loop import train
from ldae.training.safety import checkpoint
from ldae.training.stages.stage import Stage

STEP = 0.1  # seconds


class Timed:
    """Adds up the seconds spent in some functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def clear(self) -> None:
        for table in (self.seconds, self.first, self.last):
            table.clear()

    def __call__(self, name: str, function):
        def measured(*arguments, **more):
            started = time.perf_counter()
            self.first.setdefault(name, started)
            try:
                return function(*arguments, **more)
            finally:
                self.last[name] = time.perf_counter()
                self.seconds[name] = self.seconds.get(name, 0.0) + self.last[name] - started

        return measured


class Convolutions(Stage):
    """3D convolutions and a wide layer (2 M parameters); ``repeats`` backward passes make a step."""

    name, scans = "bench", 100

    def __init__(self, repeats: int) -> None:
        torch.manual_seed(0)
        self.product = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv3d(8, 1, 3, padding=1))
        self.product.append(nn.Flatten()).append(nn.Linear(16**3, 512))
        self.networks, self.repeats = {"network": self.product}, repeats

    def backward(self, draws, share):
        for _ in range(self.repeats):
            loss = self.product(torch.ones(len(draws), 1, 16, 16, 16)).square().mean()
            (share / self.repeats * loss).backward()
        return {"loss": loss.detach()}

    def validate(self, product):
        return {"loss": float(product(torch.ones(1, 1, 16, 16, 16)).square().mean())}


def run(timed: "Timed", repeats: int, steps: int, interval: int) -> float:
    """Train; returns the seconds of the whole run."""
    stage = Convolutions(repeats)
    stage.backward, stage.validate = timed("backward", stage.backward), timed("validate", stage.validate)
    settings = Training(steps=steps, batch=1, micro_batch=1, learning_rate=1e-5, ema_decay=0.9, validate_every=interval)
    timed.clear()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train(stage, settings, 1, Path(folder), {}, Launch())
        return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--interval", type=int, default=50, help="steps between checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(1)
    timed = Timed()
    trainer.Trainer._clip = timed("clip", trainer.Trainer._clip)
    trainer.Trainer._update = timed("update", trainer.Trainer._update)
    trainer.Trainer.advance = timed("step", trainer.Trainer.advance)
    records.Records.step = timed("records", records.Records.step)
    checkpoint.CheckpointFolder.save = timed("checkpoint", checkpoint.CheckpointFolder.save)
    checkpoint.CheckpointFolder._write = timed("write", checkpoint.CheckpointFolder._write)
    run(timed, 1, 2, 2)  # what is imported once
    run(timed, 1, 10, 10)
    once, rest = timed.seconds["backward"] / 10, (timed.seconds["clip"] + timed.seconds["update"]) / 10
    total = run(timed, max(1, round((STEP - rest) / once)), options.steps, options.interval)
    spent, loop = timed.seconds, timed.last["records"] - timed.first["step"]
    model = sum(spent[name] for name in ("backward", "validate", "clip", "update"))
    parameters = sum(parameter.numel() for parameter in Convolutions(1).product.parameters())
    result = {
        "steps": options.steps,
        "step_ms": round(1000 * spent["step"] / options.steps, 1),
        "loop_minus_model_percent": round(100 * (loop - model) / model, 2),
        "start_and_end_s": round(total - loop, 2),
        "checkpoint_mb": round(parameters * 4 * 4 / 1e6, 1),  # weights, two moments, average
        "checkpoint_interval_s": round(loop / (options.steps // options.interval), 2),
        "checkpoint_stall_percent": round(100 * spent["checkpoint"] / loop, 3),
        "checkpoint_write_percent": round(100 * spent["write"] / loop, 3),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
