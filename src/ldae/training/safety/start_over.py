"""Starting a training or a cohort over, with the old one kept aside; letting a training try again that is refused."""

from contextlib import ExitStack
from pathlib import Path

from ldae.cohort.identity import MEMORY
from ldae.config import OWN_FOLDERS
from ldae.core.errors import UserError
from ldae.training.safety.attempts import Attempts
from ldae.training.safety.lock import RunLock


def set_aside(folder: Path) -> Path:
    """Rename the folder of a training (``results/train/autoencoder`` -> ``autoencoder.aside-1``).

    Its declared outputs are gone then, so the workflow plans that training, from step 0.

    Returns:
        the new name.

    Raises:
        UserError: it is no such folder, or a process trains in it.
    """
    folder = _of_a_training(folder)
    with RunLock(folder / "checkpoints"):
        count = 1
        while (aside := folder.with_name(f"{folder.name}.aside-{count}")).exists():
            count += 1
        folder.rename(aside)
    return aside


def forget_faults(folder: Path) -> str:
    """The faults of a training's attempts so far count no more; its checkpoints stay.

    Returns:
        what that means for the training, in a sentence.

    Raises:
        UserError: it is no such folder, or a process trains in it.
    """
    folder = _of_a_training(folder)
    with RunLock(folder / "checkpoints"):
        attempts = Attempts(folder / "checkpoints", shape="")
        if not attempts.path.is_file() and (folder / "model.json").is_file():
            return f"{folder}: this training is finished, there is nothing to try again."
        forgiven, step = attempts.forgive(), attempts.saved_step()
    said = "its faults are forgotten" if forgiven else "no fault of its own is noted, so nothing held it up"
    goes_on = f"goes on from its last checkpoint (step {step})" if step else "begins it at step 0"
    return f"{folder}: {said}; the next snakemake run {goes_on}."


def _of_a_training(folder: Path) -> Path:
    folder = Path(folder)
    if not any((folder / name).exists() for name in ("checkpoints", "model.json")):
        raise UserError(f"{folder} holds no training; give a folder like results/train/autoencoder.")
    return folder


def set_cohort_aside(results: Path) -> Path:
    """Move all that the workflow wrote into a results folder to ``results/aside-1`` (``-2``, ...) within it.

    Only folders that the workflow writes are moved, and nothing is deleted: ``results_dir: results/aside-1`` goes on
    with them.

    Returns:
        the folder they are in now.

    Raises:
        UserError: the folder holds no results, a process trains in it, or Snakemake is at work.
    """
    results = Path(results)
    own = [results / name for name in (*OWN_FOLDERS, MEMORY) if (results / name).exists()]
    if not own:
        raise UserError(f"{results} holds no results; give the results_dir of a configuration.")
    if any(Path(".snakemake/locks").glob("*")):
        raise UserError("Snakemake is at work here, or was killed: let it end, or run `ldae unlock`, then try again.")
    count = 1
    while (aside := results / f"aside-{count}").exists():
        count += 1
    with ExitStack() as stack:
        for checkpoints in sorted(results.glob("train/*/checkpoints")):
            stack.enter_context(RunLock(checkpoints))
        aside.mkdir()
        for path in own:
            path.rename(aside / path.name)
    return aside
