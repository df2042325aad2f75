"""Starting a training over, with the old one kept aside; letting one try again that is refused."""

from pathlib import Path

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


def forget_faults(folder: Path) -> None:
    """The faults of a training's attempts so far count no more; its checkpoints stay.

    Raises:
        UserError: it is no such folder, or a process trains in it.
    """
    folder = _of_a_training(folder)
    with RunLock(folder / "checkpoints"):
        Attempts(folder / "checkpoints", shape="").forgive()


def _of_a_training(folder: Path) -> Path:
    folder = Path(folder)
    if not any((folder / name).exists() for name in ("checkpoints", "model.json")):
        raise UserError(f"{folder} holds no training; give a folder like results/train/autoencoder.")
    return folder
