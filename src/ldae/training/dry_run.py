"""Networks of any size without memory: forward and backward passes on fake tensors, their bytes and operations counted.

Fake tensors have a shape and a type and no values (``torch._subclasses.FakeTensorMode``), so the paper's networks run
on a laptop in seconds. What is kept for the backward pass is counted on a fake GPU, where autocast has the GPU's rules;
the backward pass itself runs on the fake CPU, since autograd asks a real driver for a GPU's stream.
"""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

Network = Callable[[], nn.Module]
Forward = Callable[[Any, int], Tensor]  # (what Network makes, scans) -> loss
"""(network, scans) -> a scalar to differentiate."""


class LiveBytes(TorchDispatchMode):
    """Bytes of all tensors made inside it that are still alive, and their peak; and values of the largest of them."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.largest = 0
        self._known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.numel())
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known[storage] = size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size


@dataclass(frozen=True)
class Passes:
    """Operations (2 per multiplication and addition) of the forward pass alone, and of both; peak bytes of both, and
    values of the largest tensor."""

    forward: int
    both: int
    peak: int
    largest: int


def saved_bytes(network: Network, forward: Forward, scans: int, half: bool = True) -> int:
    """Bytes alive after a forward pass on a GPU: what the backward pass needs, and autocast's copies of the weights."""
    module = without_weights(network)
    with FakeTensorMode(allow_non_fake_inputs=True), gpu_autocast(half), uncompiled(), uncollected():
        module = module.to_empty(device="cuda").train()
        with torch.device("cuda"), LiveBytes() as live:
            loss = forward(module, scans)
            bytes_alive = live.live
    del loss
    return bytes_alive


def passes(network: Network, forward: Forward, scans: int = 1, half: bool = True) -> Passes:
    """One forward and one backward pass."""
    module = without_weights(network)
    with FakeTensorMode(allow_non_fake_inputs=True), uncompiled(), uncollected():
        module = module.to_empty(device="cpu").train()
        counter = FlopCounterMode(display=False)
        with counter, LiveBytes() as live:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                loss = forward(module, scans)
            first = counter.get_total_flops()
            if loss.requires_grad:
                loss.backward()
            return Passes(first, counter.get_total_flops(), live.peak, live.largest)


@dataclass(frozen=True)
class Use:
    """A forward pass without gradients: peak bytes beside the weights, and values of the largest tensor."""

    peak: int
    largest: int


def used(network: Network, forward: Callable[[Any, int], object], scans: int, half: bool) -> Use:
    """One forward pass of a network in evaluation mode on a GPU, without gradients."""
    module = without_weights(network)
    with FakeTensorMode(allow_non_fake_inputs=True), gpu_autocast(half), uncompiled(), uncollected(), torch.no_grad():
        module = module.to_empty(device="cuda").eval()
        with torch.device("cuda"), LiveBytes() as live:
            forward(module, scans)
        return Use(live.peak, live.largest)


def without_weights(network: Network) -> nn.Module:
    """The network with shapes alone."""
    with torch.device("meta"):
        return network()


def uncompiled():
    """Compiled functions as they are written: a kernel that a compiler would make has no operations to count."""
    return torch.compiler.set_stance("force_eager")


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection: checkpointed blocks lie in cycles, and a peak that depends on when Python finds them is no
    count. What is counted is the most that can be alive. What lies in cycles from before is in no count either."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def gpu_autocast(enabled: bool) -> Iterator[None]:
    """bf16 autocast of a GPU that need not be there (``torch.autocast`` would switch itself off)."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", enabled)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
