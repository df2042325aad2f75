"""Starting a training from a job: here when it has one GPU or none, by torchrun when it has more.

torchrun ends with status 1 whatever its processes did, and passes no SIGUSR1 on. So the processes write how they ended
to a file, the launcher turns a signal into the file ``stop`` that the first process looks for after every step, and
torchrun itself ignores the signals of the scheduler and the terminal. The processes that torchrun starts are this
module, too: ``python -m ldae.training.launch JOB.json``.
"""

import ctypes
import inspect
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, get_type_hints

from pydantic import BaseModel

from ldae import config
from ldae.core.errors import Interrupted, MachineError, UserError
from ldae.core.files import read_json, write_json, write_text
from ldae.core.job_resources import Processes
from ldae.inference.device import require_gpus
from ldae.inference.model_folder import CHECKPOINTS
from ldae.training import run
from ldae.training.distributed import join
from ldae.training.records import attempts_of
from ldae.training.safety.interruption import REQUEST, SIGNALS, StopFlag, stop_signals

logger = logging.getLogger("ldae")
PORTS = range(29400, 30400)  # of the first node; a job's processes meet on the one its number says
DEAF = {"TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGQUIT", "PET_SIGNALS_TO_HANDLE": "SIGQUIT"}  # to all but this one
PATIENT = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "600"}  # seconds for a save before torchrun kills its processes
SAID: dict[str, type[Exception]] = {kind.__name__: kind for kind in (Interrupted, MachineError, UserError)}
REFUSED = ("MachineError", "UserError")
GRACE = 10.0  # seconds the other processes leave the first one to say what was wrong


def launch(task: str, resources: Mapping[str, Any], log: str | Path, **arguments: Any) -> None:
    """Run one training of :mod:`ldae.training.run`.

    Args:
        task: name of the function.
        resources: the job's; ``gpu`` and ``nodes`` are read.
        log: the job's log file.
        arguments: those of the function, as plain values.

    Raises:
        Interrupted: it was asked to stop and has saved.
        UserError: what the training says.
        MachineError: what the machine lacks.
        RuntimeError: a process died.
    """
    processes, folder = Processes.of(resources), Path(arguments["out"]) / CHECKPOINTS
    settings = config.Training.model_validate(arguments["settings"]["training"])
    require_gpus(processes.per_node)  # before anything slow
    attempts_of(folder, settings, processes.total).refuse_repeats()
    (folder / REQUEST).unlink(missing_ok=True)  # it was for an earlier attempt
    if processes.total == 1:
        with StopFlag():
            call(task, arguments)
        return
    folder.mkdir(parents=True, exist_ok=True)
    shared = None if processes.nodes == 1 else folder  # a place that all processes see
    with tempfile.TemporaryDirectory(prefix=".launch-", dir=shared) as scratch:
        job, result = Path(scratch) / "job.json", Path(scratch) / "result.json"
        write_json(job, {"task": task, "arguments": arguments, "log": str(Path(log).resolve()), "result": str(result)})
        # On several nodes SLURM signals every torchrun by itself: those pass SIGTERM on, and wait for the save.
        variables = PATIENT | (DEAF if processes.nodes == 1 else {})
        status = _wait(torchrun(processes, job), variables, folder / REQUEST)
        outcome = read_json(result) if result.is_file() else {}
    if kind := SAID.get(outcome.get("end", "")):
        raise kind(outcome["message"])
    if status or outcome.get("end") != "done":
        raise RuntimeError(f"A process of {task} died (torchrun ended with status {status}); its last words are above.")


def call(task: str, arguments: Mapping[str, Any]) -> None:
    """Call a training with plain values: paths and settings sections become what its signature asks for."""
    function = getattr(run, task)
    hints = get_type_hints(function)
    values = {name: _typed(hints[name], value) for name, value in arguments.items()}
    inspect.signature(function).bind(**values)
    function(**values)


def torchrun(processes: Processes, job: Path) -> list[str]:
    """The command that starts all processes."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes.per_node}"]
    work = ["-m", "ldae.training.launch", str(job.resolve())]
    if processes.nodes == 1:
        return [*command, "--standalone", *work]
    head = os.environ.get("LDAE_HEAD_NODE") or _first_node()
    number = os.environ.get("SLURM_JOB_ID", "0")
    port = PORTS[int(number) % len(PORTS)]  # two jobs may share a first node
    meeting = [f"--nnodes={processes.nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={head}:{port}"]
    srun = ["srun", f"--nodes={processes.nodes}", f"--ntasks={processes.nodes}", "--ntasks-per-node=1"]
    return [*srun, *command, *meeting, f"--rdzv-id={number}", *work]


def _first_node() -> str:
    job = os.environ.get("SLURM_JOB_ID")  # all that Snakemake's SLURM plugin leaves of SLURM's variables
    if not job:
        raise UserError("nodes > 1, but this is no SLURM job: set LDAE_HEAD_NODE to the name of the first node.")
    nodes = _answer("squeue", "--noheader", f"--jobs={job}", "--format=%N")
    return _answer("scontrol", "show", "hostnames", nodes).split()[0]


def _answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _wait(command: list[str], variables: dict[str, str], request: Path) -> int:
    """Run torchrun to its end, with the first of the signals turned into the stop request."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:  # a second signal can come while the first one's request is being written
            asked = True
            write_text(request, signal.Signals(number).name)

    earlier = {number: signal.signal(number, ask) for number in stop_signals()}
    group = (
        None if command[0] == sys.executable else 0
    )  # srun ends its job at a second Ctrl-C: the terminal's are not for it
    try:
        return subprocess.Popen(
            command, env=os.environ | variables, preexec_fn=_ignore_and_follow, process_group=group
        ).wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _ignore_and_follow() -> None:
    """In torchrun, before it starts: the signals are not for it, and it dies with the launcher."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    die_with_parent()


def die_with_parent() -> None:
    """Linux: SIGKILL for this process when its parent ends, so that a killed job leaves no process behind."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _typed(hint: Any, value: Any) -> Any:
    if hint is Path:
        return Path(value)
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return hint.model_validate(value)
    return value


def main(path: str) -> int:
    """Do the job; the first process writes how it ended."""
    die_with_parent()
    job = read_json(path)
    with StopFlag():
        world = join()
        _start_logging(job["log"], world.first, world.rank)
        logging.getLogger("ldae").info("%d processes", world.size)
        result = {"end": "done"}
        try:
            call(job["task"], job["arguments"])
        except (Interrupted, UserError) as error:
            result = {"end": type(error).__name__, "message": str(error)}
        if world.first:
            write_json(Path(job["result"]), result)
        elif result["end"] in REFUSED:
            time.sleep(GRACE)
    return int(result["end"] in REFUSED)


def _start_logging(path: str, first: bool, rank: int) -> None:
    """The first process goes on in the job's log; the others say only what is wrong."""
    logger = logging.getLogger("ldae")
    logger.setLevel(logging.INFO if first else logging.WARNING)
    handlers = [logging.StreamHandler(sys.stderr)] + ([logging.FileHandler(path, mode="a")] if first else [])
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s" if first else f"process {rank}: %(message)s"))
        logger.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
