"""Curves for TensorBoard, written on this machine only."""

from pathlib import Path

from ldae.core.errors import UserError


class Curves:
    """Scalars by step.

    Args:
        folder: of the event files.
        step: steps done; what an earlier attempt wrote after it is hidden.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "launch.tensorboard is on, but TensorBoard is not installed: `pip install tensorboard`, or turn it off."
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, step: int, values: dict[str, float | None]) -> None:
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()
