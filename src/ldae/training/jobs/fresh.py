"""Starting a training over, with the old one kept aside."""

from pathlib import Path

from ldae.errors import UserError
from ldae.training.jobs.lock import RunLock


def set_aside(folder: Path) -> Path:
    """Rename the folder of a training (``results/train/autoencoder`` -> ``autoencoder.aside-1``).

    Its declared outputs are gone then, so the workflow plans that training, from step 0.

    Returns:
        the new name.

    Raises:
        UserError: it is no such folder, or a process trains in it.
    """
    folder = Path(folder)
    if not any((folder / name).exists() for name in ("checkpoints", "model.json")):
        raise UserError(f"{folder} holds no training; give a folder like results/train/autoencoder.")
    with RunLock(folder / "checkpoints"):
        count = 1
        while (aside := folder.with_name(f"{folder.name}.aside-{count}")).exists():
            count += 1
        folder.rename(aside)
    return aside
