"""One of the processes that torchrun starts: ``python -m ldae.training.worker JOB.json``."""

import logging
import sys
import time
from pathlib import Path

from ldae.core.errors import Interrupted, UserError
from ldae.core.files import read_json, write_json
from ldae.training.distributed import join
from ldae.training.launch import call, die_with_parent
from ldae.training.safety.interruption import StopFlag

GRACE = 10.0  # seconds the other processes leave the first one to say what was wrong


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
        elif result["end"] == UserError.__name__:
            time.sleep(GRACE)
    return int(result["end"] == UserError.__name__)


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
