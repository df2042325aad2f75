"""Whether a GPU was given to this process, and why PyTorch cannot use it.

A driver too old for PyTorch's CUDA, or a container without one, looks to PyTorch like a machine without a GPU. A job
that was given one would then compute on the CPU for days and say nothing.
"""

import ctypes
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import torch

from ldae.core.errors import UserError
from ldae.core.own_gpus import DEVICE

WISHES = ("auto", "gpu", "cpu")
GIVEN_BY = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
HIDDEN = ("", "-1", "NoDevFiles", "none")  # how a person, or a scheduler, hides every GPU
DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580"}
"""Oldest Linux driver by CUDA's major version (NVIDIA, CUDA Toolkit Release Notes, "Minor Version Compatibility")."""
VERSION_FILE = Path("/proc/driver/nvidia/version")


def wish() -> str:
    """``launch.device``: ``auto``, the GPU that there is; ``gpu``, nothing but a GPU; ``cpu``, none.

    Raises:
        UserError: the variable LDAE_DEVICE, which goes before the configuration, says something else.
    """
    value = os.environ.get(DEVICE) or "auto"
    if value not in WISHES:
        raise UserError(f"{DEVICE}={value}: it is one of {', '.join(WISHES)}.")
    return value


def given() -> str | None:
    """What says that this process was given a GPU, or None. One that is hidden (``CUDA_VISIBLE_DEVICES=``) is none."""
    if wish() == "gpu":
        return "launch.device: gpu"
    for name in GIVEN_BY:
        value = os.environ.get(name)
        if value is not None:
            return None if value.strip() in HIDDEN else f"{name}={value}"
    if names := listed():
        return f"nvidia-smi finds {names[0]}"
    return f"the driver finds {count}" if (count := driver_count()) else None


def listed() -> list[str]:
    """Names of the GPUs that nvidia-smi lists; none where it is missing or fails."""
    return _asked("name")


def driver() -> str | None:
    """Version of the NVIDIA driver of this machine, such as ``580.65.06``; None: not known."""
    for version in _asked("driver_version"):
        return version
    words = VERSION_FILE.read_text(errors="replace").split() if VERSION_FILE.is_file() else []
    return next((word for word in words if word.count(".") in (1, 2) and word.replace(".", "").isdigit()), None)


def driver_cuda() -> tuple[int, int] | None:
    """Newest CUDA of the driver, such as (12, 4); None: there is no driver."""
    version = _asked_of_driver("cuDriverGetVersion")
    return None if version is None else (version // 1000, version % 1000 // 10)


def driver_count() -> int:
    """GPUs that the driver shows to this process."""
    return _asked_of_driver("cuDeviceGetCount") or 0


def _asked_of_driver(name: str) -> int | None:
    """The number that a function of the CUDA driver writes to its one argument; None: no driver, or it failed."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        number, function = ctypes.c_int(), getattr(library, name)
    except (OSError, AttributeError):
        return None
    library.cuInit(0)  # where there is no GPU it fails, and the version can be had all the same
    return None if function(ctypes.byref(number)) else number.value


def torch_cuda() -> tuple[int, int] | None:
    """The CUDA that PyTorch was built with; None: it was built without."""
    if torch.version.cuda is None:
        return None
    major, minor = torch.version.cuda.split(".")[:2]
    return int(major), int(minor)


def cards() -> list[tuple[str, float]]:
    """Name and GiB of the GPUs that PyTorch can use."""
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [(card.name, card.total_memory / 2**30) for card in found]


def torch_words() -> str:
    """PyTorch's version, and the CUDA that it was built with."""
    return f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}"


def nccl() -> str:
    """Version of the NCCL that PyTorch has loaded."""
    there = torch.distributed.is_available() and torch.distributed.is_nccl_available()
    return ".".join(map(str, torch.cuda.nccl.version())) if there else "none"


def unusable() -> str:
    """Why PyTorch finds no GPU: the driver found, and the one needed, in words without a full stop."""
    built, found, version = torch_cuda(), driver_cuda(), driver()
    if built is None:
        return f"this PyTorch ({torch.__version__}) was built without CUDA: install what requirements.lock names"
    needed = f"PyTorch {torch.__version__} needs driver {DRIVERS.get(built[0], 'of CUDA ' + dotted(built))} or newer"
    if found is None and version is None:
        return f"no NVIDIA driver is found here (libcuda.so.1); {needed}"
    name = f"driver {version}" if version else "the driver"
    if found is None:
        return f"{name} is installed, its libcuda.so.1 is not found; {needed}"
    if found[0] < built[0]:
        return f"{name} found here reaches CUDA {dotted(found)}; {needed} (CUDA {dotted(built)})"
    return f"{name} (CUDA {dotted(found)}) would do, but {_own_words()}"


def dotted(version: tuple[int, int]) -> str:
    """(12, 4) -> 12.4."""
    return ".".join(map(str, version))


def _own_words() -> str:
    """What PyTorch says of a GPU that it cannot start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return f"PyTorch says: {str(error).strip().splitlines()[0].rstrip('.')}"
    return "PyTorch lists no GPU"


def _asked(field: str) -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        answer = subprocess.run(
            [command, f"--query-gpu={field}", "--format=csv,noheader"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()] if answer.returncode == 0 else []
