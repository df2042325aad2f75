"""Where the parts of a trained model lie: in a folder of its own (``ldae export-model``), or in a results folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.files import sha256_file

STAGES = ("autoencoder", "diffusion", "representation")  # each starts from the one before it
FACTS = ("config.json", "probes.json", "reference.json", "reference.safetensors")
WEIGHTS = ("model.safetensors", "model.json")


SUMS = "SHA256SUMS"  # of an exported folder


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


def stated_sums(text: str) -> dict[str, str]:
    """Name -> sha256 of the text of SHA256SUMS."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def require_unchanged(folder: Path) -> None:
    """What an exported folder says of preprocessing, probes and reference is what was exported; the networks' weights,
    which are large, name themselves (model.json). A results folder has no list to compare with.

    Raises:
        UserError: a file was changed, or the list is missing or lacks one.
    """
    described, weights = places(folder)
    if described != weights:
        return
    sums = described / SUMS
    if not sums.is_file():
        raise UserError(f"{sums} is missing: {folder} is not the whole model; copy or export it again.")
    stated = stated_sums(sums.read_text(encoding="utf-8"))
    for path in parts(folder):
        name = path.relative_to(described).as_posix()
        if path.suffix == ".safetensors" and name not in FACTS:
            continue
        if stated.get(name) != sha256_file(path):
            raise UserError(f"{path} is not the file that was exported: copy or export the model again.")


def places(folder: Path) -> tuple[Path, Path]:
    """Where recipe, probes and reference of a model lie, and where its networks.

    Args:
        folder: an exported one, a results folder, or ``model`` in one.

    Raises:
        UserError: it is none of them.
    """
    if (folder / "config.json").is_file():
        alone = folder.name == "model" and not any((folder / stage).exists() for stage in STAGES)
        train = folder.parent / "train"
        return (folder, train) if alone and train.is_dir() else (folder, folder)
    if (folder / "model" / "config.json").is_file():
        return folder / "model", folder / "train"
    if (folder / "train").is_dir():
        raise UserError(f"{folder / 'model/config.json'} is missing: run the workflow's rule describe_model first.")
    raise UserError(f"{folder} is neither a folder that `ldae export-model` wrote nor a results folder.")


def run_of(folder: Path) -> Path | None:
    """The results folder of the run that trained a model; none of an exported one."""
    _, weights = places(folder)
    return weights.parent if weights.name == "train" and weights != folder else None


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
