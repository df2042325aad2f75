"""GPUs of a job's own: two jobs of one person on one machine never compute on the same GPU.

Snakemake counts how many GPUs its jobs have (profiles/local) and knows nothing of which. Here each job takes as many as
its resource ``gpu`` says, by a lock on a file for each GPU, and waits while others have them: also those of a second
Snakemake. A lock ends with its process, however that ends.
"""

import ctypes
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DEVICE = "LDAE_DEVICE"  # launch.device, for every process of the workflow; set by hand it goes before it
VISIBLE = "CUDA_VISIBLE_DEVICES"
LOOK_EVERY = 2.0  # seconds between two tries
_HELD: list[int] = []  # open files: closed by the end of the process, when its memory on the GPU is free, too


def visible() -> list[str]:
    """UUIDs of the GPUs that CUDA shows to this process, in its order; none without a driver.

    A process of its own asks the driver: one that has been asked reads CUDA_VISIBLE_DEVICES no more, and its forks
    cannot use a GPU.
    """
    asked = subprocess.run([sys.executable, "-S", "-E", __file__], capture_output=True, text=True)
    return asked.stdout.split()


def take(
    resources: Mapping[str, Any], wait: Callable[[str], None], found: Callable[[], Sequence[str]] = visible
) -> list[str]:
    """Give this process GPUs of its own, by CUDA_VISIBLE_DEVICES; it must not have touched one before.

    Args:
        resources: the job's; ``gpu`` of one node is read, 1 where it is missing; with 0 nothing is taken.
        wait: is told once, in a sentence, that others have them.
        found: the GPUs that this process can see.

    Returns:
        Their UUIDs; none where there are no GPUs, or fewer than wanted (the job says so itself).
    """
    wanted = int(resources.get("gpu", 1)) // max(1, int(resources.get("nodes", 1)))
    if wanted < 1 or os.environ.get(DEVICE) == "cpu" or len(seen := found()) < wanted:
        return []
    folder, told = Path(tempfile.gettempdir()) / f"ldae-gpus-{os.getuid()}", False
    folder.mkdir(mode=0o700, exist_ok=True)
    while not (own := _lock(folder, seen, wanted)):
        if not told:
            wait(f"Waiting for {wanted} of {len(seen)} GPUs: other jobs have them (locks in {folder}).")
            told = True
        time.sleep(LOOK_EVERY)
    if len(own) < len(seen):
        named = os.environ.get(VISIBLE, "").split(",")  # as the person or the scheduler calls them
        names = dict(zip(seen, named if len(named) == len(seen) else seen, strict=True))
        os.environ[VISIBLE] = ",".join(names[name] for name in own)
    return own


def _lock(folder: Path, seen: Sequence[str], wanted: int) -> list[str]:
    """All that are wanted, or none: two jobs that each wait for the other's second GPU would wait for ever."""
    held: dict[str, int] = {}
    turn = os.open(folder, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)  # one job tries at a time: none sees what another only tries to hold
    for name in seen:
        if len(held) < wanted:
            file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held[name] = file
            except BlockingIOError:
                os.close(file)
    own = list(held) if len(held) == wanted else []
    if own:
        _HELD.extend(held.values())
    else:
        for file in held.values():
            os.close(file)
    os.close(turn)
    return own


def ask_driver() -> list[str]:
    """UUIDs as CUDA_VISIBLE_DEVICES takes them; a driver without them has numbers."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        number, device, identity = ctypes.c_int(), ctypes.c_int(), (ctypes.c_ubyte * 16)()
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number)):
            return []
    except (OSError, AttributeError):
        return []
    names = []
    for place in range(number.value):
        try:
            driver.cuDeviceGet(ctypes.byref(device), place)
            failed = driver.cuDeviceGetUuid(identity, device)
        except AttributeError:
            failed = 1
        figures = bytes(identity).hex()
        parts = (figures[:8], figures[8:12], figures[12:16], figures[16:20], figures[20:])
        names.append(str(place) if failed else "GPU-" + "-".join(parts))
    return names


if __name__ == "__main__":
    print("\n".join(ask_driver()))
