"""What the loop needs to know of a stage."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from ldae.core.keyed import Draw

EXAMPLES = 4  # validation scans in a picture


class Stage(ABC):
    """A training stage: networks, data, one loss, one validation.

    Attributes:
        name: ``autoencoder``, ``diffusion``, ``representation``, or that of a baseline.
        networks: trained networks by name; each gets an optimizer of its own.
        product: the network that the stage is for; averaged, validated and written.
        scans: number of training scans.
        selection: validation metric (larger is better) whose best step is written; none: the last step.
        scan_names: names of the training scans, for messages.
        averaged_twice: beginnings of the names of parameters whose average is updated twice as often.
    """

    name: str
    networks: dict[str, nn.Module]
    product: nn.Module
    scans: int
    selection: str | None = None
    scan_names: Sequence[str] | None = None
    averaged_twice: tuple[str, ...] = ()

    def learning_rate(self, network: str, default: float) -> float:
        """Peak learning rate of one network."""
        return default

    @abstractmethod
    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """Losses of one micro-batch, with gradients added to the networks.

        Args:
            share: micro-batch / effective batch, the weight of these scans' mean loss.

        Returns:
            detached scalars to report, not multiplied by ``share``.
        """

    @abstractmethod
    def validate(self, product: nn.Module) -> dict[str, float]:
        """Metrics of ``product`` (or its average) on the validation scans, with fixed random numbers."""

    def examples(self, product: nn.Module) -> Tensor | None:
        """A few validation scans for a picture: (scans, columns, X, Y, Z) in [0, 1]; none: no picture."""
        return None

    def names(self, scans: Sequence[int]) -> list[str]:
        """Names of some training scans, or their numbers where no names are known."""
        return [str(scan) if self.scan_names is None else self.scan_names[scan] for scan in scans]
