"""What every process of the workflow does first and last: threads, logging, errors a person can read."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ldae.errors import Interrupted, UserError, is_machine_error
from ldae.machine import fault_of_the_machine

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def limit_threads(threads: int) -> None:
    """Call before numpy, torch or ants is imported: they read these variables once.

    Idle OpenMP threads sleep instead of spinning: spinning made two threads ten times slower than one on a busy
    two-core machine. ANTs is bit-reproducible only with one thread and a fixed seed.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    os.environ["ANTS_RANDOM_SEED"] = "1"


class LogFile(logging.FileHandler):
    """A log on a full disk loses lines; the job goes on, and stderr has them."""

    def handleError(self, record: logging.LogRecord) -> None:
        return


def start_logging(path: str | Path) -> None:
    """The logger ``ldae`` writes ``path`` and repeats every line on stderr."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("ldae")
    logger.setLevel(logging.INFO)
    for handler in (LogFile(path, mode="w"), logging.StreamHandler(sys.stderr)):
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


@contextmanager
def running(log: str | Path, threads: int = 1) -> Iterator[None]:
    """Run one job of the workflow. A :class:`UserError` ends it with its sentence and exit status 1,
    an :class:`Interrupted` training with exit status 75 (try again), an error of the machine (a full disk, no memory)
    with a sentence that names it, anything else with its traceback."""
    limit_threads(threads)
    logger = logging.getLogger("ldae")
    try:
        start_logging(log)
        yield
    except Interrupted as error:
        logger.warning("%s", error)
        sys.exit(Interrupted.exit_status)
    except UserError as error:
        logger.error("Error: %s", error)
        sys.exit(1)
    except Exception as error:  # the job ends here either way; its log must say why
        machine = fault_of_the_machine(error) if is_machine_error(error) else None
        logger.error("%s", f"Error: {machine}." if machine else traceback.format_exc())
        sys.exit(1)
