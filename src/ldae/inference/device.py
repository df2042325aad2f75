"""Which device computes, and in which precision."""

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from ldae.core.errors import MachineError
from ldae.core.runtime import THREADS
from ldae.inference import gpu


def pick_device() -> torch.device:
    """The first GPU when there is one; of several processes each takes its own. ``launch.device: cpu`` takes none.

    Raises:
        MachineError: a GPU was given to this process, and cannot be used.
    """
    if gpu.wish() == "cpu":
        return torch.device("cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what PyTorch warns of is said below, where it matters
        usable = torch.cuda.is_available()
    if usable:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False  # PyTorch's own, said here
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if reason := gpu.given():
        raise MachineError(
            f"A GPU was given here ({reason}) and cannot be used: {gpu.unusable()}. Mend that, or set launch.device: "
            "cpu to compute without it."
        )
    return torch.device("cpu")


def require_gpus(processes: int) -> None:
    """Every process of a training on this node has a GPU of its own, or all work on the CPU.

    Raises:
        MachineError: there are fewer GPUs than processes, or one was given and cannot be used.
    """
    if pick_device().type == "cuda" and (found := torch.cuda.device_count()) < processes:
        raise MachineError(
            f"{processes} GPUs are asked for on this node and {found} can be used (CUDA_VISIBLE_DEVICES="
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}): ask the scheduler for as many as the rule's "
            "resource gpu says."
        )


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


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Float32 convolutions in float32, not in TF32 (10 bits of mantissa), on GPUs that have it; a decorator, too.

    For metrics: TF32 moves an SSIM in its third digit.
    """
    earlier = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = earlier


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Only algorithms that give the same bytes at every run, where PyTorch and cuDNN have them; it warns of the others.

    On a CPU with one thread everything is so already.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # NVIDIA, cuBLAS: reproducible over several streams
    earlier = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    chosen = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(earlier[0], warn_only=earlier[1])
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = chosen


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
