"""Weights that others saved: safetensors, or PyTorch's own format through its restricted unpickler alone."""

import logging
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldae.core.errors import UserError, is_machine_error
from ldae.networks.weights import load_weights

UNREADABLE = (
    *(
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
    ),
    UnicodeDecodeError,
)
AVERAGES = {"ema", "shadow", "average", "averaged", "averages", "avg", "swa"}  # words for a moving average in a name
RAW = {"online", "current", "raw"}  # and for the weights beside it
TRAINING_STATE = {"optimizer", "optim", "scheduler", "schedulers", "callbacks", "loops", "scaler", "averaging"}
# Packages whose objects a training leaves beside its weights (settings, scores, records). They are not weights, so
# they are not made: an inert object stands in their place.
LEFT_OUT = ("monai", "lightning", "pytorch_lightning", "omegaconf", "numpy", "_codecs", "typing")
LEFT_OUT_NAMES = ("argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath")
META_TENSOR = "monai.data.meta_tensor.MetaTensor"
logger = logging.getLogger("ldae")


class Inert:
    """In place of an object that is left out: takes any arguments and state, and does nothing with them."""

    def __new__(cls, *_args: object, **_named: object) -> "Inert":
        return object.__new__(cls)

    def __init__(self, *_args: object, **_named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class Bare(Tensor):
    """In place of MONAI's MetaTensor: its values, without what it knows beside them."""

    def __setstate__(self, state: object) -> None:
        pass


def read_foreign(path: str | Path) -> Any:
    """What a file of weights holds, tensors on the CPU. No code in it is ever run.

    Objects of the packages that trainings use (``LEFT_OUT``) are left out; every other object is a reason to refuse.

    Raises:
        UserError: the file is missing, is no such file, or holds anything besides tensors, plain values and those.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_weights(path)
    if not path.is_file():
        raise UserError(f"The weights {path} do not exist.")
    try:
        whole = zipfile.is_zipfile(path)
        unknown = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)) if whole else []
        if strange := [name for name in unknown if not _left_out(name)]:
            raise UserError(_refusal(path, f"it asks for {', '.join(strange[:3])}"))
        stand_ins: list[Any] = [(Bare if name == META_TENSOR else Inert, name) for name in unknown]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=whole)
    except UNREADABLE as error:
        if isinstance(error, OSError) and is_machine_error(error):
            raise
        raise UserError(_refusal(path, _reason(error))) from None


def _left_out(name: str) -> bool:
    return name.split(".")[0] in LEFT_OUT or name in LEFT_OUT_NAMES


def _reason(error: Exception) -> str:
    """Why PyTorch refused a file; its message begins with advice."""
    for pattern in (r"GLOBAL (\S+)", r"WeightsUnpickler error: (.+)", r"(\S.*)"):
        if found := re.search(pattern, str(error)):
            return found[1][:200]
    return type(error).__name__


def _refusal(path: Path, reason: str) -> str:
    return (
        f"{path} is refused: it is not a file of tensors and plain values alone, and nothing else is opened, since "
        f"a pickle can run any code ({reason}). Ask its author for safetensors or a plain state dict."
    )


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a file that holds one set of them, wherever it lies; of several the moving average.

    Raises:
        UserError: as :func:`read_foreign`, or there is none, or there are several.
    """
    parts = _parts(path)
    prefix = _preferred(list(parts), f"{path} holds several sets of tensors")
    _say(path, len(parts[prefix]), prefix, list(parts))
    return parts[prefix]


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


def read_network(path: str | Path, anchor: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of one network in a file that may hold several, under their own names, and the prefix they had.

    A training checkpoint has a prefix for each network, and one for its moving average, which is preferred.

    Args:
        anchor: a name that the network, and no other in the file, has.

    Raises:
        UserError: as :func:`read_foreign`, or the network is not there, or several times without one being an average.
    """
    state = {prefix + name: value for prefix, part in _parts(path).items() for name, value in part.items()}
    prefixes = sorted({name.removesuffix(anchor) for name in state if f".{name}".endswith(f".{anchor}")})
    if not prefixes:
        some = next(iter(state))
        raise UserError(f"{path} does not hold this network: no tensor is called {anchor} (the first is {some}).")
    prefix = _preferred(prefixes, f"{path} holds this network {len(prefixes)} times")
    network = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    _say(path, len(network), prefix, prefixes)
    return network, prefix


def _parts(path: str | Path) -> dict[str, dict[str, Tensor]]:
    """Every dictionary of a file that holds tensors, by the names that lead to it, each followed by a dot.

    The state of optimizers and the like is left out, but for averages that are kept there.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    content = read_foreign(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors (a state dict).")
    for prefix, part in _dictionaries(content, "", set()):
        if tensors := {str(name): _plain(value) for name, value in part.items() if isinstance(value, Tensor)}:
            parts[prefix] = parts.get(prefix, {}) | tensors
    if not parts:
        raise UserError(f"{path} holds no named tensors (a state dict).")
    kept = {prefix for prefix in parts if not _words(prefix) & TRAINING_STATE or _words(prefix) & AVERAGES}
    return {prefix: part for prefix, part in parts.items() if prefix in kept or not kept}


def _dictionaries(content: dict, prefix: str, seen: set[int]) -> Iterator[tuple[str, dict]]:
    """A dictionary and those in it, each once: one that holds itself ends here."""
    if id(content) not in seen:
        seen.add(id(content))
        yield prefix, content
        for name, value in content.items():
            if isinstance(value, dict):
                yield from _dictionaries(value, f"{prefix}{name}.", seen)


def _plain(tensor: Tensor) -> Tensor:
    return tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor).detach()


def _words(prefix: str) -> set[str]:
    """Whole parts of a name: ``semantic_unet.`` has no ``ema`` in it."""
    return set(re.split(r"[^a-z0-9]+", prefix.lower()))


def _preferred(prefixes: list[str], what: str) -> str:
    """Of several the one that is an average; else the one that is not said to be raw.

    Raises:
        UserError: that leaves several.
    """
    kept = [prefix for prefix in prefixes if not _words(prefix) & RAW] or prefixes
    chosen = [prefix for prefix in kept if _words(prefix) & AVERAGES] or kept
    if len(chosen) > 1:
        raise UserError(f"{what} ({', '.join(chosen)}); keep one.")
    return chosen[0]


def _say(path: str | Path, count: int, chosen: str, all_of_them: list[str]) -> None:
    others = [prefix or "no prefix" for prefix in all_of_them if prefix != chosen]
    average = ", a moving average" if _words(chosen) & AVERAGES else ""
    beside = f"; also there, not used: {', '.join(others)}" if others else ""
    logger.info("%s: %d tensors under %s%s%s", path, count, chosen or "no prefix", average, beside)
