"""The processes that share one training.

Each process takes its part of the positions of every effective batch; gradients are summed once per step, after the
last micro-batch. (PyTorch's DistributedDataParallel would overlap that sum with the last backward pass, but wants every
forward pass to go through it, which encode, decode and two networks with one loss do not.)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ldae.inference.device import pick_device

BUCKET = 2**24  # numbers per sum
PATIENCE = timedelta(hours=2)  # the others wait while the first process validates


class PeerLost(RuntimeError):
    """Another process of the training is gone; why, it may have said itself."""


@dataclass(frozen=True)
class World:
    """This process among those of the training; one process alone needs no set-up."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> "World":
        """Of this process: rank and size of the process group, or a world of one."""
        return cls(dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else cls()

    @property
    def first(self) -> bool:
        """The process that validates, reports and writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return bool(self.largest(int(flag)))

    def largest(self, value: int) -> int:
        """The largest of the processes' numbers."""
        if self.size == 1:
            return value
        shared = torch.tensor(value)
        with _together():
            dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Sum over the processes, in place."""
        if self.size > 1:
            for bucket in _buckets(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                with _together():
                    dist.all_reduce(flat)
                parts = flat.split([tensor.numel() for tensor in bucket])
                for tensor, part in zip(bucket, parts, strict=True):
                    tensor.copy_(part.view_as(tensor))

    def average_statistics(self, modules: Sequence[nn.Module]) -> None:
        """Batch normalisation: the mean over the processes of the modules' running statistics."""
        if self.size > 1:
            statistics = [module.get_buffer(name) for module in modules for name in ("running_mean", "running_var")]
            self.sum(statistics)
            for value in statistics:
                value.div_(self.size)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            with _together():
                dist.barrier()


def join() -> World:
    """Enter the processes torchrun has started (its environment variables say which is which)."""
    device = pick_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    return World.current()


def batch_norms(network: nn.Module) -> list[nn.Module]:
    """Modules with running statistics."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(f"another process of the training is gone ({(str(error).splitlines() or [''])[0]})") from None


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one type in groups of about ``BUCKET`` numbers."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and (bucket[0].dtype != tensor.dtype or sum(t.numel() for t in bucket) + tensor.numel() > BUCKET):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
