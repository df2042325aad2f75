"""One training loop for every stage, in plain PyTorch.

Progress is one integer, the number of optimizer steps done. Data order, noise, timesteps and learning rates are pure
functions of (seed, stage, step, position in the effective batch), so a run that was killed and continued ends with
the same bytes as one that was not.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldae import config
from ldae.errors import Interrupted, UserError
from ldae.training.checkpoint import Checkpoint, CheckpointFolder
from ldae.training.ema import moving_average
from ldae.training.interruption import StopFlag
from ldae.training.keyed import key, scan_at
from ldae.training.reporting import Reporter
from ldae.training.stage import Draw, Stage
from ldae.training.walltime import Walltime

logger = logging.getLogger("ldae")
LAUNCH = config.Launch()


@dataclass(frozen=True)
class Outcome:
    """A finished training: the weights to write, the step they come from, and one metrics row per validation."""

    weights: dict[str, Tensor]
    step: int
    history: list[dict[str, Any]]


def train(
    stage: Stage,
    settings: config.Training,
    seed: int,
    folder: Path,
    fingerprint: dict[str, Any],
    launch: config.Launch = LAUNCH,
) -> Outcome:
    """Train a stage to its last step, continuing from its newest checkpoint.

    Raises:
        Interrupted: SIGTERM or SIGUSR1 came, or the job's time limit is near; the state is saved.
        UserError: the checkpoints belong to another training, or the loss is not finite any more.
    """
    checkpoints = CheckpointFolder(folder, fingerprint)
    trainer = Trainer(stage, settings, seed)
    newest = checkpoints.newest()
    if newest is not None:
        trainer.load(newest)
        logger.info("%s: continued from step %d of %d", stage.name, trainer.step, settings.steps)
    walltime = Walltime(launch.stop_margin_seconds)
    with StopFlag() as stop, Reporter(stage.name, trainer.step, settings.steps, folder / "live.jsonl") as reporter:
        while trainer.step < settings.steps:
            with timed(walltime, "step"):
                losses = trainer.advance()
            metrics: dict[str, float] = {}
            if due := trainer.step % settings.validate_every == 0 or trainer.step == settings.steps:
                with timed(walltime, "validation"):
                    metrics = trainer.validate()
            reason = stop.signal_name or ("the end of the job's time limit is near" if walltime else None)
            if due or reason:
                with timed(walltime, "save"):
                    checkpoints.save(trainer.step, *trainer.state())
            reporter.step(trainer.step, losses, metrics)
            if reason and trainer.step < settings.steps:
                raise Interrupted(
                    f"{stage.name}: {reason}; saved after step {trainer.step} of {settings.steps}. "
                    "The same command continues."
                )
    return trainer.outcome()


@contextmanager
def timed(walltime: Walltime, kind: str) -> Iterator[None]:
    """Tell the time limit how long the block took."""
    started = time.monotonic()
    yield
    walltime.observe(kind, time.monotonic() - started)


def learning_rate_factor(settings: config.Training, step: int) -> float:
    """Linear warm-up, then constant or half a cosine to zero at the last step."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "constant":
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


class Trainer:
    """The state of one training and the two things done with it: one more step, one validation."""

    def __init__(self, stage: Stage, settings: config.Training, seed: int):
        self.stage, self.settings, self.seed = stage, settings, seed
        self.step = 0
        self.average = moving_average(stage.product, settings.ema_decay)
        self.optimizers = {name: self._optimizer(name) for name in sorted(stage.networks)}
        self.sums: dict[str, float] = {}
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_step, self.best_score = 0, -math.inf

    def _optimizer(self, name: str) -> torch.optim.Optimizer:
        rate = self.stage.learning_rate(name, self.settings.learning_rate)
        parameters = [p for p in self.stage.networks[name].parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=self.settings.weight_decay)

    def advance(self) -> dict[str, float]:
        """One optimizer step on one effective batch; returns its mean losses."""
        settings, stage = self.settings, self.stage
        for name, network in stage.networks.items():
            network.train()
            self.optimizers[name].zero_grad(set_to_none=True)
        share = settings.micro_batch / settings.batch
        losses: dict[str, Tensor] = {}
        for first in range(0, settings.batch, settings.micro_batch):
            draws = [self._draw(position) for position in range(first, first + settings.micro_batch)]
            torch.manual_seed(key(self.seed, stage.name, "dropout", self.step, first))
            for name, value in stage.backward(draws, share).items():
                losses[name] = losses.get(name, 0) + share * value
        factor = learning_rate_factor(settings, self.step)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], settings.clip_norm)
                group["lr"] = factor * stage.learning_rate(name, settings.learning_rate)
            optimizer.step()
        if self.average is not None:
            self.average.update_parameters(stage.product)
        self.step += 1
        return self._record(losses)

    def _draw(self, position: int) -> Draw:
        settings, name = self.settings, self.stage.name
        scan = scan_at(self.seed, name, self.stage.scans, self.step, position, settings.batch)
        return Draw(scan, (self.seed, name, self.step, position))

    def _record(self, losses: dict[str, Tensor]) -> dict[str, float]:
        values = {name: float(value) for name, value in losses.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{self.stage.name}: {name} is {value} at step {self.step}; lower training.learning_rate."
                )
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.sums["steps"] = self.sums.get("steps", 0.0) + 1
        return values

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Validate the product (its average, where there is one), add a metrics row, remember the best weights."""
        product = self.stage.product if self.average is None else self.average.module
        product.eval()
        metrics = {f"validation_{name}": value for name, value in self.stage.validate(product).items()}
        steps = self.sums.pop("steps", 1.0)
        means = {name: value / steps for name, value in self.sums.items()}
        self.sums = {}
        self.history.append({"step": self.step} | means | metrics)
        if self.stage.selection is not None:
            score = metrics[f"validation_{self.stage.selection}"]
            if score > self.best_score:
                self.best_score, self.best_step, self.best = score, self.step, _copied(product.state_dict())
        return metrics

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything a continued run needs: tensors, and the rest as plain numbers."""
        tensors: dict[str, Tensor] = {}
        for name, network in self.stage.networks.items():
            tensors |= _prefixed(f"network.{name}", network.state_dict())
            for index, moments in self.optimizers[name].state_dict()["state"].items():
                tensors |= _prefixed(f"optimizer.{name}.{index}", moments)
        if self.average is not None:
            tensors |= _prefixed("average", self.average.state_dict())
        if self.best is not None:
            tensors |= _prefixed("best", self.best)
        score = self.best_score if math.isfinite(self.best_score) else None
        rest = {"sums": self.sums, "history": self.history, "best_step": self.best_step, "best_score": score}
        return tensors, rest

    def load(self, checkpoint: Checkpoint) -> None:
        """Put a saved state back."""
        self.step, saved = checkpoint.step, checkpoint.state
        self.sums, self.history, self.best_step = saved["sums"], saved["history"], saved["best_step"]
        self.best_score = -math.inf if saved["best_score"] is None else saved["best_score"]
        for name, network in self.stage.networks.items():
            network.load_state_dict(_under(f"network.{name}", checkpoint.tensors))
            state = self.optimizers[name].state_dict()
            state["state"] = _nested(_under(f"optimizer.{name}", checkpoint.tensors))
            self.optimizers[name].load_state_dict(state)
        if self.average is not None:
            self.average.load_state_dict(_under("average", checkpoint.tensors))
        self.best = _under("best", checkpoint.tensors) or None

    def outcome(self) -> Outcome:
        if self.best is not None:
            return Outcome(self.best, self.best_step, self.history)
        product = self.stage.product if self.average is None else self.average.module
        return Outcome(_copied(product.state_dict()), self.step, self.history)


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _nested(moments: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """``{"3.exp_avg": ...}`` -> ``{3: {"exp_avg": ...}}``, as the optimizer keeps them."""
    nested: dict[int, dict[str, Tensor]] = {}
    for name, tensor in moments.items():
        index, moment = name.split(".", 1)
        nested.setdefault(int(index), {})[moment] = tensor
    return nested
