"""Where the parts of a trained model lie: in a folder of its own (``ldae export-model``), or in a results folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldae.core.errors import UserError

STAGES = ("autoencoder", "diffusion", "representation")
FACTS = ("config.json", "probes.json", "reference.json", "reference.safetensors")
WEIGHTS = ("model.safetensors", "model.json")


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """What a half-copied or edited file makes fail while a model is read is said in one sentence.

    Raises:
        UserError: a file lacks what it has to hold.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"The model {folder} is damaged ({said}): copy or export it again.") from error


def places(folder: Path) -> tuple[Path, Path]:
    """Where recipe, probes and reference of a model lie, and where its networks.

    Args:
        folder: an exported one, or a results folder.

    Raises:
        UserError: it is neither.
    """
    if (folder / "config.json").is_file():
        return folder, folder
    if (folder / "model" / "config.json").is_file():
        return folder / "model", folder / "train"
    if (folder / "train").is_dir():
        raise UserError(f"{folder / 'model/config.json'} is missing: run the workflow's rule describe_model first.")
    raise UserError(f"{folder} is neither a folder that `ldae export-model` wrote nor a results folder.")


def parts(folder: Path) -> list[Path]:
    """Every file that a model is made of.

    Raises:
        UserError: one is missing, or the folder is no model.
    """
    described, weights = places(folder)
    found = [described / name for name in FACTS] + [weights / stage / name for stage in STAGES for name in WEIGHTS]
    for path in found:
        if not path.is_file():
            raise UserError(f"{path} is missing: {folder} is not the whole model; copy or export it again.")
    return found
