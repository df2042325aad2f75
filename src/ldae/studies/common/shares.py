"""A long study on several GPUs of one node: a process for each, which share its pieces, then the study itself.

The processes are forked before anything has touched a GPU; what they make are files
(:mod:`ldae.studies.common.pieces`), so nothing but how each ended is handed back. Batches are those of one process, so
the results are, too.
"""

import logging
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from typing import Any

from ldae.core.errors import AGAIN, KILLED, MORE_MEMORY, MachineError, UserError, fault_of_the_machine
from ldae.core.job_resources import ONE_NODE
from ldae.core.runtime import end_with_parent, starting_deaf_processes

logger = logging.getLogger("ldae")


@dataclass(frozen=True)
class Share:
    """This process makes pieces ``own``, ``own + of``, ``own + 2 of`` and so on.

    Attributes:
        own: from 0.
        of: processes.
    """

    own: int
    of: int


Study = Callable[[Share | None], None]


def in_shares(study: Study, resources: Mapping[str, Any]) -> None:
    """Call ``study`` in a process for each GPU of the job, with its share of the pieces, and then here with none: it
    finds all pieces and makes the tables. With one GPU or without: here alone.

    Args:
        study: has not imported torch yet; where it is given a share it ends when that is made.
        resources: the job's; ``gpu`` is read.

    Raises:
        UserError: what one of the processes says; GPUs of several nodes.
        MachineError: what the machine lacks; a process was killed.
        RuntimeError: a process failed; its traceback is in the log.
    """
    processes = max(1, int(resources.get("gpu", 1)))
    if processes > 1:
        if int(resources.get("nodes", 1)) > 1:
            raise UserError(ONE_NODE)
        logger.info("%d processes", processes)
        _all(study, processes)
    study(None)


def _all(study: Study, processes: int) -> None:
    """Every share; where one process fails, the others are ended."""
    context, waiting = get_context("fork"), {}
    try:
        with starting_deaf_processes():
            for own in range(processes):
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_serve, args=(study, Share(own, processes), theirs), daemon=True)
                process.start()
                theirs.close()
                waiting[ours] = process
        while waiting:
            for pipe in connection.wait(list(waiting)):
                assert isinstance(pipe, connection.Connection)
                failed = _end(pipe, waiting[pipe])
                del waiting[pipe]
                if failed is not None:
                    raise failed
    finally:
        for process in waiting.values():
            process.kill()
            process.join()


def _end(pipe: connection.Connection, process: BaseProcess) -> Exception | None:
    """What was wrong, by its own words or by how it ended; its GPU is free afterwards."""
    said, spoken = None, True
    try:
        said = pipe.recv()
    except EOFError:
        spoken = False
    process.join()
    if spoken:
        return said
    code = process.exitcode or 0
    if -code in KILLED:
        return MachineError(f"A process of this study was killed by {_name(code)}: {MORE_MEMORY}; {AGAIN}.")
    return RuntimeError(f"A process of this study died ({_name(code)}); its last words are above.")


def _name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def take_gpu(processes: int) -> None:
    """Of so many processes this one computes on the GPU that LOCAL_RANK says, where there are any.

    Raises:
        MachineError: there are fewer GPUs than processes, or one was given and cannot be used.
    """
    import torch

    from ldae.inference.device import pick_device, require_gpus

    require_gpus(processes)
    if (device := pick_device()).type == "cuda":
        torch.cuda.set_device(device)


def _serve(study: Study, share: Share, pipe: connection.Connection) -> None:
    end_with_parent()
    os.environ["LOCAL_RANK"] = str(share.own)  # its GPU
    if share.own:
        logger.setLevel(logging.WARNING)  # the first says what all would say
    said: Exception | None = None
    try:
        take_gpu(share.of)
        study(share)
    except UserError as error:
        said = error
    except Exception as error:
        if sentence := fault_of_the_machine(error):
            said = MachineError(f"{sentence}.")
        else:
            logger.error("process %d: %s", share.own, traceback.format_exc())
            said = RuntimeError(f"Process {share.own} of this study failed; its last words are above.")
    pipe.send(said)
