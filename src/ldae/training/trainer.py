"""The state of one training, and the two things done with it: one more step, one validation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ldae import config
from ldae.core.errors import MachineError, UserError
from ldae.core.keyed import Draw, scan_at, seed_layers
from ldae.inference.model_folder import Outcome
from ldae.training.distributed import World, batch_norms
from ldae.training.safety.checkpoint import Checkpoint, Statistics, copied, load_moments, moments, prefixed, under
from ldae.training.stages.stage import Stage


@dataclass(frozen=True)
class Step:
    """What one optimizer step did.

    Attributes:
        losses: means over the effective batch.
        skipped: a loss or a gradient was not finite, so nothing was updated.
    """

    losses: dict[str, float]
    skipped: bool


class Trainer:
    """Networks, optimizers, average, best weights and metrics of one training.

    Everything in it is a function of the number of steps done, whatever happened in between.
    """

    def __init__(self, stage: Stage, settings: config.Training, seed: int, world: World | None = None):
        self.stage, self.settings, self.seed = stage, settings, seed
        self.world = world or World.current()
        self.step = self.skipped_in_a_row = 0
        self._begun: Statistics | None = None  # what the step under way has changed so far
        self._updating = False
        self.micro_batch = settings.micro_batch
        self.average = moving_average(stage.product, settings.ema_decay, settings.ema_updates, stage.averaged_twice)
        self.optimizers = {name: self._optimizer(name) for name in sorted(stage.networks)}
        self._batch_norms = [module for network in stage.networks.values() for module in batch_norms(network)]
        self.sums: dict[str, float] = {}
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_step, self.best_score = 0, -math.inf
        self.extended: list[dict[str, Any]] = []  # how often its steps were raised after it had finished
        self._unscheduled: tuple[dict[str, Any], dict[str, Tensor] | None] | None = None
        if reason := settings.not_shared(self.world.size):
            raise UserError(f"{stage.name}: {reason}.")

    def _optimizer(self, name: str) -> torch.optim.Optimizer:
        rate = self.stage.learning_rate(name, self.settings.learning_rate)
        parameters = [p for p in self.stage.networks[name].parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=self.settings.weight_decay)

    def advance(self) -> Step:
        """One optimizer step on one effective batch.

        Raises:
            MachineError: the GPU's memory does not hold even half the micro-batch.
        """
        networks, statistics = self.stage.networks.values(), Statistics(self._batch_norms)
        self._begun = statistics
        while (losses := self._gradients()) is None:
            statistics.restore()
            self._halve_micro_batch()
        self.world.sum([gradient for network in networks for gradient in _gradients_of(network)])
        self.world.sum([*losses.values()])
        norms = self._clip()
        names, values = [*losses], torch.stack([*losses.values(), *norms]).tolist()  # the one wait for the GPU
        skipped = not all(math.isfinite(value) for value in values)
        if skipped:
            statistics.restore()
        else:
            self._updating = True
            self._update()
            self._updating = False
        self._begun = None
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        self.step += 1
        result = Step(dict(zip(names, values[: len(names)], strict=True)), skipped)
        self._record(result)
        return result

    def batch(self, step: int) -> list[str]:
        """Names of the training scans of the effective batch after ``step`` steps, in order."""
        seed, name, scans, batch = self.seed, self.stage.name, self.stage.scans, self.settings.batch
        return self.stage.names([scan_at(seed, name, scans, step, position, batch) for position in range(batch)])

    def _gradients(self) -> dict[str, Tensor] | None:
        """Mean losses of this process's part of the batch, with their gradients in the networks; none: out of memory
        in some process."""
        for name, network in self.stage.networks.items():
            if not network.training:  # after a validation
                network.train()
            self.optimizers[name].zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        out_of_memory = False
        try:
            for first in self._micro_batches():
                draws = [self._draw(position) for position in range(first, first + self.micro_batch)]
                seed_layers(self.seed, self.stage.name, "dropout", self.step, first)
                share = self.micro_batch / self.settings.batch
                for name, value in self.stage.backward(draws, share).items():
                    losses[name] = losses.get(name, 0) + share * value
        except torch.OutOfMemoryError:
            out_of_memory = True
        return None if self.world.any(out_of_memory) else losses

    def _micro_batches(self) -> Iterator[int]:
        """First position of each micro-batch of this process."""
        part = self.settings.batch // self.world.size
        yield from range(self.world.rank * part, (self.world.rank + 1) * part, self.micro_batch)

    def _halve_micro_batch(self) -> None:
        configured = self.settings.micro_batch
        if self.micro_batch != configured or configured % 2:
            raise MachineError(
                f"{self.stage.name}: out of GPU memory with micro-batches of {self.micro_batch}; set a smaller "
                "training.micro_batch (the effective batch stays) or use a larger GPU."
            )
        self.micro_batch = configured // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _clip(self) -> list[Tensor]:
        """Clip the gradients of each network; returns their norms before."""
        return [
            torch.nn.utils.clip_grad_norm_(group["params"], self.settings.clip_norm)
            for optimizer in self.optimizers.values()
            for group in optimizer.param_groups
        ]

    def _update(self) -> None:
        """Optimizers and average."""
        factor = learning_rate_factor(self.settings, self.step)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = factor * self.stage.learning_rate(name, self.settings.learning_rate)
            optimizer.step()
        self.world.average_statistics(self._batch_norms)
        if self.average is not None:
            self.average.update_parameters(self.stage.product)

    def _draw(self, position: int) -> Draw:
        settings, name = self.settings, self.stage.name
        scan = scan_at(self.seed, name, self.stage.scans, self.step, position, settings.batch)
        return Draw(scan, (self.seed, name, self.step, position))

    def _record(self, step: Step) -> None:
        kind = "skipped" if step.skipped else "steps"
        self.sums[kind] = self.sums.get(kind, 0.0) + 1
        if not step.skipped:
            for name, value in step.losses.items():
                self.sums[name] = self.sums.get(name, 0.0) + value

    @property
    def evaluated(self) -> torch.nn.Module:
        """What is validated and written: the product, or its average where there is one."""
        return self.stage.product if self.average is None else self.average.module

    @torch.no_grad()
    def validate(self) -> dict[str, float | None]:
        """Validate, add a metrics row, remember the best weights."""
        product = self.evaluated
        product.eval()
        metrics = {f"validation_{name}": _finite(value) for name, value in self.stage.validate(product).items()}
        if self.step % self.settings.validate_every:  # only since it is the last step: a longer training has none here
            before = {"sums": dict(self.sums), "best_step": self.best_step, "best_score": _finite(self.best_score)}
            self._unscheduled = before, self.best
        sums, self.sums = self.sums, {}
        steps, skipped = sums.pop("steps", 0.0), sums.pop("skipped", 0.0)
        means = {name: value / steps for name, value in sums.items()}
        self.history.append({"step": self.step, "skipped": int(skipped)} | means | metrics)
        if self.stage.selection is not None:
            score = metrics[f"validation_{self.stage.selection}"]
            if score is not None and score > self.best_score:
                self.best_score, self.best_step, self.best = score, self.step, copied(product.state_dict())
        return metrics

    def due(self) -> bool:
        """Whether this step is one of those that end with a validation."""
        settings = self.settings
        return self.step > 0 and (self.step % settings.validate_every == 0 or self.step == settings.steps)

    @property
    def validated(self) -> bool:
        """Whether the validation after this step has been done."""
        return bool(self.history) and self.history[-1]["step"] == self.step

    def rewind(self) -> bool:
        """After an error: go back to the last whole step; false where the networks were being changed."""
        if self._begun is not None and not self._updating:
            self._begun.restore()
            self._begun = None
        return not self._updating

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything a continued run needs: tensors, and the rest as plain numbers."""
        tensors: dict[str, Tensor] = {}
        for name, network in self.stage.networks.items():
            tensors |= prefixed(f"network.{name}", network.state_dict())
            tensors |= prefixed(f"optimizer.{name}", moments(self.optimizers[name]))
        if self.average is not None:
            tensors |= prefixed("average", self.average.state_dict())
        if self.best is not None:
            tensors |= prefixed("best", self.best)
        unscheduled = None
        if self._unscheduled is not None:
            before, best = self._unscheduled
            unscheduled = before | {"replaced_best": best is not self.best}
            if best is not None and best is not self.best:
                tensors |= prefixed("earlier_best", best)
        return tensors, {
            "sums": dict(self.sums),
            "history": list(self.history),
            "best_step": self.best_step,
            "best_score": _finite(self.best_score),
            "skipped_in_a_row": self.skipped_in_a_row,
            "micro_batch": {"configured": self.settings.micro_batch, "used": self.micro_batch},
            "extended": list(self.extended),
            "unscheduled": unscheduled,
        }

    def load(self, checkpoint: Checkpoint) -> None:
        """Put a saved state back."""
        self.step, saved = checkpoint.step, checkpoint.state
        self.sums, self.history, self.best_step = saved["sums"], saved["history"], saved["best_step"]
        self.best_score = -math.inf if saved["best_score"] is None else saved["best_score"]
        self.skipped_in_a_row = saved["skipped_in_a_row"]
        if saved["micro_batch"]["configured"] == self.settings.micro_batch:
            self.micro_batch = saved["micro_batch"]["used"]
        for name, network in self.stage.networks.items():
            network.load_state_dict(under(f"network.{name}", checkpoint.tensors))
            load_moments(self.optimizers[name], under(f"optimizer.{name}", checkpoint.tensors))
        if self.average is not None:
            self.average.load_state_dict(under("average", checkpoint.tensors))
        self.best = (under("best", checkpoint.tensors) or None) if self.world.first else None
        self.extended = saved.get("extended", [])
        if (unscheduled := saved.get("unscheduled")) and self.step < self.settings.steps:
            self._forget_last_validation(unscheduled, checkpoint)

    def _forget_last_validation(self, before: dict[str, Any], checkpoint: Checkpoint) -> None:
        """The training went on: the validation that it had because it ended there is one that it would not have had."""
        self.history = self.history[:-1]
        self.sums, self.best_step = before["sums"], before["best_step"]
        self.best_score = -math.inf if before["best_score"] is None else before["best_score"]
        if before["replaced_best"] and self.world.first:
            self.best = under("earlier_best", checkpoint.tensors) or None

    def outcome(self) -> Outcome:
        """The best weights by the stage's selection; without one, those of the last step."""
        if self.best is not None:
            return Outcome(self.best, self.best_step, self.history, self.extended)
        return Outcome(copied(self.evaluated.state_dict()), self.step, self.history, self.extended)


def learning_rate_factor(settings: config.Training, step: int) -> float:
    """Linear warm-up, then constant or half a cosine to zero at the last step."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "constant":
        return warm
    return warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


def _gradients_of(network: torch.nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def _finite(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None


class DoubledAverage(AveragedModel):
    """An average whose parameters below some names are updated twice at every update."""

    def __init__(self, module: nn.Module, decay: float, twice: tuple[str, ...]):
        super().__init__(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.decay, self.twice = decay, twice

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """e <- d e + (1 - d) p; below the chosen names a second time."""
        super().update_parameters(model)
        pairs = zip(self.module.named_parameters(), model.parameters(), strict=True)
        chosen = [(own, other.detach()) for (name, own), other in pairs if name.startswith(self.twice)]
        torch._foreach_lerp_([own for own, _ in chosen], [other for _, other in chosen], 1 - self.decay)


def moving_average(
    module: nn.Module, decay: float, updates: int = 1, twice: tuple[str, ...] = ()
) -> AveragedModel | None:
    """An average of ``module``'s parameters, to be updated once per optimizer step: e <- d e + (1 - d) p.

    The first update copies the parameters. Decay 0 means no average. ``module`` must hold trained weights only.

    Args:
        updates: per optimizer step. Several with the same parameters are one with d = decay^updates.
        twice: beginnings of the names of parameters that are updated twice as often (``method.mode: authors_code``).
    """
    if not decay:
        return None
    decay = decay**updates
    average = DoubledAverage(module, decay, twice) if twice else _average(module, decay)
    return average.requires_grad_(False)


def _average(module: nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
