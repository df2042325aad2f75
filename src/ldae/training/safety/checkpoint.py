"""Checkpoints: tensors as safetensors, the rest as JSON, the newest two kept.

A checkpoint is complete when its JSON is there, since that is written last; the JSON carries the digest of the
tensors. A newest one that is damaged is left out with a warning, and the one before it is used. Writing goes on in the
background while training does: the loop waits only for the copy in memory. Large states that lie in the host's memory
already, those of a training without a GPU, are written as they stand: a copy would take as much memory again.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn, optim

from ldae.core.errors import MachineError, UserError, is_machine_error, sentence_of
from ldae.core.files import atomic_path, read_json, sha256_file, write_json
from ldae.training.extension import flatten, of_another

logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Checkpoint:
    """A training after ``step`` steps: tensors by name, and the rest as plain values."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        folder: where they lie; made when the first one is saved.
        fingerprint: what the training depends on (settings, data digests, revision), flat or nested.
        keep: how many to keep.
        on_saved: called with the step when a checkpoint is whole on disk (by the writing thread).
    """

    COPIED_BYTES = 1 << 30  # of a state in the host's memory; a larger one is written without a copy

    def __init__(
        self,
        folder: Path,
        fingerprint: dict[str, Any],
        keep: int = 2,
        on_saved: Callable[[int], None] | None = None,
    ):
        self.folder, self.keep, self.on_saved = Path(folder), keep, on_saved
        self.fingerprint = flatten(fingerprint)
        self._writer: threading.Thread | None = None
        self._failure: Exception | None = None
        self.seconds = 0.0  # the longest write so far, from the copy to the last rename

    def save(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Copy the tensors, and write them in the background; waits for the write before this one.

        A state of more than ``COPIED_BYTES`` in the host's memory is written at once, without a copy.

        Raises:
            UserError: the write before this one failed.
        """
        self.wait()
        size = sum(tensor.nbytes for tensor in tensors.values() if tensor.device.type == "cpu")
        if size > self.COPIED_BYTES:
            self._write_or_fail(
                step, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, state
            )
            return
        copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        self._writer = threading.Thread(target=self._write_or_fail, args=(step, copies, state))
        self._writer.start()

    def wait(self) -> None:
        """Until the last save is whole on disk.

        Raises:
            UserError: it could not be written.
        """
        self.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise UserError(
                f"{self.folder}: the checkpoint could not be written ({failure}): make room; {self.whole()}."
            ) from failure

    def join(self) -> None:
        """Until the writing thread has ended, well or not."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None

    def whole(self) -> str:
        """Which checkpoint a later run will continue from, for messages."""
        steps = self._steps()
        return (
            f"that of step {steps[-1]} is whole, the same command continues from it" if steps else "there is none yet"
        )

    def newest_step(self) -> int:
        """Step of the newest checkpoint, whole or not; 0 where there is none."""
        return max(self._steps(), default=0)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; none when there is none.

        Raises:
            UserError: it belongs to other settings, data or code (the message names the differences), or there are
                checkpoints and all are damaged.
            MachineError: one cannot be read now (a broken or absent disk); that does not make it a damaged one.
        """
        steps = self._steps()
        for step in reversed(steps):
            checkpoint = self._read(step)
            if checkpoint is not None:
                for damaged in steps[steps.index(step) + 1 :]:
                    self._put_aside(damaged)
                return checkpoint
        if steps:
            raise UserError(
                f"All checkpoints in {self.folder} are damaged: put a good copy back, or start over with "
                f"`ldae fresh {self.folder.parent}`."
            )
        return None

    def at(self, step: int) -> Checkpoint:
        """The checkpoint of one step, which the first process has found whole.

        Raises:
            UserError: this process does not see it whole.
            MachineError: it cannot be read now.
        """
        checkpoint = self._read(step)
        if checkpoint is None:
            raise UserError(f"{self._tensors(step)} cannot be read by every process; run the same command again.")
        return checkpoint

    def clear(self) -> None:
        """Remove the checkpoints of this training (it is finished and its model written); those of another stay."""
        for step in self._steps():
            if read_json(self._tensors(step).with_suffix(".json")).get("fingerprint") == self.fingerprint:
                self._remove(step)

    def files(self, step: int) -> list[Path]:
        """The tensors of one step, and what describes them; empty where it was not saved."""
        path = self._tensors(step)
        return [path, path.with_suffix(".json")] if path.with_suffix(".json").is_file() else []

    def clean(self) -> None:
        """Remove what a kill has left half-written; only for the process that holds the lock."""
        whole = set(self._steps())
        for path in self.folder.glob(".tmp-*"):
            path.unlink()
        for path in self.folder.glob("step-*.safetensors"):
            if int(path.stem.removeprefix("step-")) not in whole:
                path.unlink()

    def _write_or_fail(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            self._write(step, tensors, state)
        except Exception as error:
            self._failure = error
        self.seconds = max(self.seconds, time.monotonic() - started)

    def _write(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write whole, then drop the oldest."""
        from safetensors.torch import save_file

        path = self._tensors(step)
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
            digest = sha256_file(temporary)
        description = {"step": step, "sha256": digest, "fingerprint": self.fingerprint, "state": state}
        write_json(path.with_suffix(".json"), description)
        if self.on_saved is not None:
            self.on_saved(step)
        for old in self._steps()[: -self.keep]:
            self._remove(old)

    def _read(self, step: int) -> Checkpoint | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._tensors(step)
        try:
            description = read_json(path.with_suffix(".json"))
            if sha256_file(path) != description["sha256"]:
                raise SafetensorError("its digest does not match")
            saved, state = description["fingerprint"], description["state"]
            tensors = load_file(path)
        except (OSError, UserError, KeyError, TypeError, UnicodeDecodeError, SafetensorError) as error:
            if is_machine_error(error) or isinstance(error, PermissionError):
                raise MachineError(f"{sentence_of(error, path)}.") from error
            logger.warning("%s is damaged (%s); the checkpoint before it is used.", path, error)
            return None
        self._compare(saved)
        return Checkpoint(step, tensors, state)

    def _compare(self, saved: dict[str, Any]) -> None:
        if sentence := of_another(self.folder, saved, self.fingerprint):
            raise UserError(sentence)

    def _steps(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.json"))

    def _tensors(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.safetensors"

    def _put_aside(self, step: int) -> None:
        """A damaged checkpoint must not count among those that are kept."""
        path = self._tensors(step)
        for name in (path.with_suffix(".json"), path):
            if name.exists():
                name.replace(name.with_name(f"damaged-{name.name}"))

    def _remove(self, step: int) -> None:
        path = self._tensors(step)
        path.with_suffix(".json").unlink()  # first: without it the checkpoint does not exist
        path.unlink(missing_ok=True)


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as ``prefix.name``."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of :func:`prefixed`."""
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def moments(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """``{"3.exp_avg": ...}`` for every parameter of an optimizer."""
    tensors: dict[str, Tensor] = {}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= prefixed(str(index), values)
    return tensors


def load_moments(optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the result of :func:`moments` back."""
    nested: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, moment = name.split(".", 1)
        nested.setdefault(int(index), {})[moment] = tensor
    state = optimizer.state_dict()
    state["state"] = nested
    optimizer.load_state_dict(state)


class Statistics:
    """The running statistics of some modules as they were, to be put back after a step that does not count."""

    def __init__(self, modules: list[nn.Module]):
        self._saved = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]

    def restore(self) -> None:
        """Put the saved values back, in place."""
        for buffer, value in self._saved:
            buffer.copy_(value)
