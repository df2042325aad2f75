"""What each stage needs of a GPU's memory: a part that stays (weights, gradients, optimizer, average) and one per scan.

The part per scan is a difference between two numbers of scans on fake tensors, so nothing is allocated.
"""

from dataclasses import dataclass

from ldae.config import Config
from ldae.training.memory.dry_run import passes, saved_bytes
from ldae.training.memory.forward_passes import STAGES, Stage

GIB = 2**30
SLOPE = (16, 32)  # scans; so many that gradients of weights, which come one by one, do not set the peak
WORKSPACE = 1.5  # GiB of context, cuDNN workspaces and fragmentation
USABLE = 39.4 / 40  # GiB of every GB on the label that a program gets (A100-40)


@dataclass(frozen=True)
class Need:
    """GiB of a stage: ``state`` stays, ``per_scan`` is kept of each scan of a micro-batch for the backward pass,
    ``working`` is what the backward pass takes on top of it per scan."""

    stage: str
    state: float
    per_scan: float
    working: float
    micro_batch: int
    batch: int

    @property
    def total(self) -> float:
        """GiB with the configured micro-batch."""
        return self.at(self.micro_batch)

    def at(self, scans: int) -> float:
        """GiB with micro-batches of this many scans, the CUDA context's workspace included."""
        return self.state + WORKSPACE + scans * (self.per_scan + self.working)

    def largest(self, memory: float) -> int:
        """The largest micro-batch that fits into ``memory`` GiB and divides the effective batch; 0: none does."""
        return max((n for n in range(1, self.batch + 1) if self.batch % n == 0 and self.at(n) <= memory), default=0)


def needs(config: Config) -> list[Need]:
    """The need of every stage of a configuration."""
    return [need(make(config)) for make in STAGES]


def need(stage: Stage) -> Need:
    """Measured at two micro-batches on fake tensors: what grows with the scans, and what does not."""
    half = stage.training.precision == "bf16"
    kept = [saved_bytes(stage.network, stage.forward, scans, half) for scans in SLOPE]
    peaks = [passes(stage.network, stage.forward, scans, half).peak for scans in SLOPE]
    per_scan, at_peak = ((many - few) / (SLOPE[1] - SLOPE[0]) / GIB for few, many in (kept, peaks))
    training = stage.training
    return Need(
        stage.name,
        state_bytes(stage) / GIB,
        per_scan,
        max(0.0, at_peak - per_scan),
        training.micro_batch,
        training.batch,
    )


def state_bytes(stage: Stage) -> int:
    """Master weights, gradients and Adam's two moments in float32, the average, autocast's copies, frozen weights."""
    half = stage.training.precision == "bf16"
    average = 4 * stage.averaged if stage.training.ema_decay else 0
    stored_half = half and stage.training.compute.half_trunk
    return (4 + 4 + 8 + 2 * half) * stage.trained + average + (2 if stored_half else 4) * stage.frozen
