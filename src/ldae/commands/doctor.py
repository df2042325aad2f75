"""``ldae doctor``: what of this machine the workflow needs, and whether a configuration fits it.

On a cluster it tells most where the jobs will run: ``srun --partition=gpu --gres=gpu:1 .venv/bin/ldae doctor ...``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ldae.commands import OVERLAID
from ldae.core.own_gpus import DEVICE

if TYPE_CHECKING:
    from ldae.config import Config
    from ldae.training.memory import Need
    from ldae.training.rule_memory import RuleNeed

GIB = 2**30
NETWORKED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "fuse")
LIMITS = ("memory.max", "memory.limit_in_bytes")  # of a control group, version 2 and 1


@dataclass(frozen=True)
class Finding:
    """One line of the page.

    Attributes:
        what: of the machine or of the configuration.
        found: in words.
        wrong: what will not work, and what to do; none: all is well.
    """

    what: str
    found: str
    wrong: str | None = None


def add(commands) -> None:
    command = commands.add_parser(
        "doctor",
        help="what this machine has of all that the workflow needs, and what of a configuration will not fit",
        description="Exit status: 0, or 1 where something will not work. On a cluster run it as a job, on a node with "
        "a GPU (docs/cluster.md).",
    )
    command.add_argument("--config", type=Path, nargs="+", default=[], metavar="FILE", help=OVERLAID)
    command.add_argument("--json", action="store_true", help="for machines")
    command.set_defaults(run=run)


def run(options: Namespace) -> int:
    from ldae.config import load_config

    config = load_config(*options.config) if options.config else None
    if config is not None:
        os.environ[DEVICE] = os.environ.get(DEVICE) or config.launch.device  # as the workflow does
    found = list(findings(config))
    if options.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            print(f"{'!' if finding.wrong else ' '} {finding.what:14} {finding.found}")
            if finding.wrong:
                print(f"  {'':14} {finding.wrong}")
    return int(any(finding.wrong for finding in found))


def findings(config: Config | None) -> Iterator[Finding]:
    """Of this machine, then of the configuration on it."""
    results = Path() if config is None else config.results_dir
    for look in (gpu, driver, pytorch, nccl, cores, memory, lambda: disk(results), dcm2niix, slurm):
        yield look()
    if config is not None:
        yield from room(config)
        yield from weights(config)
        yield from memory_of_gpu(config)


def gpu() -> Finding:
    """The GPUs that PyTorch can use, by name and memory."""
    from ldae.core.errors import MachineError
    from ldae.inference.device import pick_device
    from ldae.inference.gpu import cards

    try:
        device = pick_device()
    except MachineError as error:
        return Finding("GPU", "none that can be used", str(error))
    if device.type == "cpu":
        return Finding(
            "GPU", "none: networks are computed on the CPU (of a cluster, ask a node with one: docs/cluster.md)"
        )
    return Finding("GPU", ", ".join(f"{name} ({memory:.0f} GiB)" for name, memory in cards()))


def driver() -> Finding:
    """The NVIDIA driver, the CUDA that it reaches, and what PyTorch needs."""
    from ldae.inference import gpu as given

    reached, version, built = given.driver_cuda(), given.driver(), given.torch_cuda()
    words = "none" if reached is None else f"{version or 'of unknown version'}, up to CUDA {given.dotted(reached)}"
    needed = "" if built is None else f" (PyTorch needs {given.DRIVERS.get(built[0], 'a newer one')} or newer)"
    return Finding("driver", words + needed)


def pytorch() -> Finding:
    """Its version, and the CUDA that it was built with."""
    from ldae.inference.gpu import torch_words

    return Finding("PyTorch", torch_words())


def nccl() -> Finding:
    """The library by which several GPUs talk; two packages that bring it overwrite each other's file."""
    from importlib.metadata import distributions

    from ldae.inference.gpu import nccl as loaded

    names = sorted({str(d.metadata["Name"]) for d in distributions() if "nccl" in str(d.metadata["Name"]).lower()})
    wrong = f"{' and '.join(names)} own one file: run `make setup`" if len(names) > 1 else None
    return Finding("NCCL", loaded(), wrong)


def cores() -> Finding:
    """Those that this process may use."""
    return Finding("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}")


def memory() -> Finding:
    """Of the machine, or what its control group (a job's limit) allows."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min([total, *_group_limits()])
    job = "" if limit == total else f", of which this job may use {limit / GIB:.0f}"
    return Finding("memory", f"{total / GIB:.0f} GiB{job}")


def _group_limits() -> Iterator[int]:
    """Bytes that the control groups of this process, and those above them, allow."""
    group = Path("/proc/self/cgroup")
    for line in group.read_text().splitlines() if group.is_file() else []:
        _, controller, place = line.split(":", 2)
        own = Path("/sys/fs/cgroup") / controller.removeprefix("name=") / place.lstrip("/")
        for folder in (own, *own.parents):
            for limit in (folder / name for name in LIMITS):
                if limit.is_file() and (text := limit.read_text().strip()).isdigit():
                    yield int(text)


def disk(results: Path) -> Finding:
    """What is free where the results go, and the kind of file system."""
    folder = next(path for path in (results.resolve(), *results.resolve().parents) if path.is_dir())
    free, kind = shutil.disk_usage(folder).free, file_system(folder)
    shared = ", shared by a network" if kind.startswith(NETWORKED) else ""
    wrong = None if os.access(folder, os.W_OK) else f"{folder} cannot be written to: choose another results_dir"
    return Finding("disk", f"{free / GIB:.0f} GiB free in {folder} ({kind}{shared})", wrong)


def room(config: Config) -> Iterator[Finding]:
    """Whether the disk holds the checkpoints of the trainings that are still to be done."""
    from ldae.training.memory import STAGES, checkpoint_bytes
    from ldae.training.planning import no_room, to_train

    waiting = to_train(config)
    if sizes := {make.__name__: checkpoint_bytes(make(config)) for make in STAGES if make.__name__ in waiting}:
        wrong = no_room(config, sizes)
        yield Finding("checkpoints", f"of {len(sizes)} trainings", wrong)


def file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The type of the file system that a folder lies on, as the kernel names it."""
    best, kind = -1, "unknown"
    for line in mounts.read_text().splitlines() if mounts.is_file() else []:
        place, name = line.split()[1:3]
        place = place.replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= best:
            best, kind = len(place), name
    return kind


def dcm2niix() -> Finding:
    """The converter that Clinica calls."""
    command = shutil.which("dcm2niix", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if command is None:
        return Finding("dcm2niix", "none", "raw DICOM cannot be converted: run `make setup`")
    words = subprocess.run([command, "--version"], capture_output=True, text=True).stdout.split()
    return Finding("dcm2niix", next((word for word in words[::-1] if word.startswith("v")), "of unknown version"))


def slurm() -> Finding:
    """SLURM's version, and the job that this is."""
    command = shutil.which("sinfo")
    if command is None:
        return Finding("SLURM", "none on this machine")
    version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout.strip()
    job = os.environ.get("SLURM_JOB_ID")
    return Finding("SLURM", f"{version or 'of unknown version'}, {f'job {job}' if job else 'outside a job'}")


def weights(config: Config) -> Iterator[Finding]:
    """The files of weights that the configuration names, each with its digest."""
    from ldae.core.files import sha256_file
    from ldae.training.planning import given_weights

    for key, path, digest, _ in given_weights(config):
        if path is None:
            yield Finding("weights", f"{key}: none given")
        elif path.is_dir():
            yield Finding("weights", f"{key}: {path}", "this is a folder: give the safetensors file")
        elif not path.is_file():
            yield Finding("weights", f"{key}: {path}", "the file does not exist")
        elif digest is not None and sha256_file(path) != digest.lower():
            yield Finding("weights", f"{key}: {path}", "its sha256 is another one: fetch it again, or correct it")
        else:
            yield Finding("weights", f"{key}: {path}")


def memory_of_gpu(config: Config) -> Iterator[Finding]:
    """Whether every rule with a network fits the smallest GPU here; without a GPU there is nothing to fit."""
    from ldae.inference.gpu import cards

    usable = cards()
    if not usable:
        yield Finding("trainings", "no GPU here to fit them to (`ldae memory` counts what each needs)")
        return
    from ldae.studies.common.image_metrics import ssim_brain
    from ldae.training.memory import needs
    from ldae.training.rule_memory import rule_needs

    trained = [need for need in needs(config) if need.stage in config.trained]
    yield from fitting(trained, rule_needs(config, ssim_brain), min(room for _, room in usable))


def fitting(trainings: Sequence[Need], rules: Sequence[RuleNeed], room: float) -> Iterator[Finding]:
    """What a GPU of so many GiB holds of what was counted: every training, the largest of the rules after them, and
    each that does not fit."""
    for need in trainings:
        words = f"{need.stage}: {need.total:.1f} of {room:.1f} GiB with micro_batch {need.micro_batch}"
        largest = need.largest(room)
        advice = f"set micro_batch {largest}" if largest else "no micro_batch fits: a larger GPU is needed"
        fits = need.fits(need.micro_batch, room)
        yield Finding("trainings", words, None if fits else f"{advice} (config/gpu_*gb.yaml)")
    most = max(rules, key=lambda need: need.total)
    for rule in rules:
        wrong = None if rule.fits(room) else "set evaluation.volumes to 1, or evaluation.batch lower"
        if wrong or rule is most:
            words = f"{rule.rule}: {rule.total:.1f} of {room:.1f} GiB, {rule.largest_pass} of {rule.at_once} at once"
            yield Finding("evaluation", words, wrong)
