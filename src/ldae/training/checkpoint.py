"""Checkpoints: tensors as safetensors, the rest as JSON, the newest two kept.

A checkpoint is complete when its JSON is there, since that is written last; the JSON carries the digest of the
tensors. A newest one that is damaged is left out with a warning, and the one before it is used.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ldae.errors import UserError
from ldae.files import atomic_path, read_json, sha256_file, write_json

logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Checkpoint:
    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        folder: where they lie; made when the first one is saved.
        fingerprint: what the training depends on (settings, data digests, revision), flat or nested.
        keep: how many to keep.
    """

    def __init__(self, folder: Path, fingerprint: dict[str, Any], keep: int = 2):
        self.folder, self.keep = Path(folder), keep
        self.fingerprint = flatten(fingerprint)

    def save(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write whole, then drop the oldest."""
        from safetensors.torch import save_file

        path = self._tensors(step)
        with atomic_path(path) as temporary:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        description = {"step": step, "sha256": sha256_file(path), "fingerprint": self.fingerprint, "state": state}
        write_json(path.with_suffix(".json"), description)
        for old in self._steps()[: -self.keep]:
            self._remove(old)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; none when there is none.

        Raises:
            UserError: it belongs to other settings, data or code; the message names the first difference.
        """
        for step in reversed(self._steps()):
            checkpoint = self._read(step)
            if checkpoint is not None:
                return checkpoint
        return None

    def clear(self) -> None:
        """Remove all checkpoints (the training is finished and its model written)."""
        for step in self._steps():
            self._remove(step)

    def _read(self, step: int) -> Checkpoint | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._tensors(step)
        try:
            description = read_json(path.with_suffix(".json"))
            if sha256_file(path) != description["sha256"]:
                raise SafetensorError("its digest does not match")
            self._compare(description["fingerprint"])
            return Checkpoint(description["step"], load_file(path), description["state"])
        except _Mismatch as error:
            raise UserError(str(error)) from None
        except (OSError, UserError, KeyError, SafetensorError) as error:
            logger.warning("%s is damaged (%s); the checkpoint before it is used.", path, error)
            return None

    def _compare(self, saved: dict[str, Any]) -> None:
        for name in sorted(saved.keys() | self.fingerprint.keys()):
            then, now = saved.get(name), self.fingerprint.get(name)
            if then != now:
                raise _Mismatch(
                    f"The checkpoints in {self.folder} were made with {name} = {then}, now it is {now}: "
                    f"put it back to continue that training, or delete the folder to start a new one."
                )

    def _steps(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("step-")) for path in self.folder.glob("step-*.json"))

    def _tensors(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.safetensors"

    def _remove(self, step: int) -> None:
        path = self._tensors(step)
        path.with_suffix(".json").unlink()  # first: without it the checkpoint does not exist
        path.unlink(missing_ok=True)


class _Mismatch(Exception):
    """A checkpoint of another training."""


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
