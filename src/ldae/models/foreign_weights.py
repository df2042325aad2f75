"""Weights that others saved: safetensors, or PyTorch's own format through its restricted unpickler alone."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.models.weights import load_weights

UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, UnicodeDecodeError)


def read_foreign(path: str | Path) -> Any:
    """What a file of weights holds, tensors on the CPU. No code in it is ever run.

    Raises:
        UserError: the file is missing, is no such file, or holds anything besides tensors and plain values.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_weights(path)
    if not path.is_file():
        raise UserError(f"The weights {path} do not exist.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except UNREADABLE as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{path} is refused: it is not a file of tensors and plain values alone, and nothing else is opened, since "
            f"a pickle can run any code ({reason[0][:200]}). Ask its author for safetensors or a plain state dict."
        ) from None


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """All named tensors of a file; those of a Lightning checkpoint lie under ``state_dict``.

    Raises:
        UserError: as :func:`read_foreign`, or there are none.
    """
    content = read_foreign(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors (a state dict).")
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise UserError(f"{path} holds no named tensors (a state dict).")
    return state


def read_tensor(path: str | Path) -> Tensor:
    """A file with one tensor.

    Raises:
        UserError: as :func:`read_foreign`, or it holds something else.
    """
    content = read_foreign(path)
    if isinstance(content, dict) and len(content) == 1:
        (content,) = content.values()
    if not isinstance(content, Tensor):
        raise UserError(f"{path} holds a {type(content).__name__}, not one tensor.")
    return content


def network_in(state: dict[str, Tensor], anchor: str, path: str | Path) -> dict[str, Tensor]:
    """The tensors of one network in a file that may hold several, under their own names.

    A training checkpoint has a prefix for each network, and one for its moving average, which is preferred.

    Args:
        anchor: a name that the network, and no other in the file, has.

    Raises:
        UserError: the network is not there, or several times without one being an average.
    """
    prefixes = sorted({name.removesuffix(anchor) for name in state if name.endswith(anchor)})
    averages = [prefix for prefix in prefixes if "ema" in prefix.lower()]
    if not prefixes:
        some = next(iter(state))
        raise UserError(f"{path} does not hold this network: no tensor is called {anchor} (the first is {some}).")
    chosen = averages or prefixes
    if len(chosen) > 1:
        raise UserError(f"{path} holds this network {len(chosen)} times ({', '.join(chosen)}); keep one.")
    prefix = chosen[0]
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
