"""Which device computes, and in which precision."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from ldae.core.runtime import THREADS


def pick_device() -> torch.device:
    """The first GPU when there is one; of several processes each takes its own."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes with one CPU thread, whatever the process has, so that a training or an encoding gives the same
    bytes everywhere; a decorator, too."""
    earlier = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(earlier)


def device_name(device: torch.device) -> str:
    """What people call it: the GPU's name, or that of the processor with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(errors="replace").splitlines() if cpu.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads()
    return f"{names[0] if names else 'CPU'} ({threads} thread{'s' if threads > 1 else ''})"


def precision_context(precision: str, device: torch.device) -> AbstractContextManager:
    """``bf16``: autocast with float32 master weights, no loss scaler; ``fp32``: nothing."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
