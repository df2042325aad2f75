"""What every process of the workflow does first and last: threads, logging, errors a person can read."""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any

from ldae.core import own_gpus
from ldae.core.errors import Interrupted, UserError, fault_of_the_machine, is_machine_error

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


THREADS = 1  # of every computation: the order of sums, and so the last bits of a result, depend on the number


def limit_threads(threads: int = THREADS) -> None:
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
        """Called in the handler of a failed write: the line is lost here, and nothing is raised."""
        return


def start_logging(path: str | Path) -> None:
    """The logger ``ldae`` writes ``path`` and repeats every line on stderr."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("ldae")
    logger.setLevel(logging.INFO)
    for handler in (LogFile(path, mode="w"), logging.StreamHandler(sys.stderr)):
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


STOPPED = "Stopped by Ctrl-C. What was finished is kept; the same command does the rest."
STOPPED_STATUS = 130  # 128 + SIGINT, as shells count


@contextmanager
def running(
    log: str | Path,
    read: Iterable[str | Path] = (),
    made: Iterable[str | Path] = (),
    gpus: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Run one job of the workflow, with one thread, however many cores it was given.

    A job that computes with networks hands in its resources as ``gpus``, and computes on GPUs that no other job has
    (:mod:`ldae.core.own_gpus`).

    What it reads has to be what other jobs wrote, and what it wrote is recorded (:mod:`ldae.core.checksums`).

    A :class:`UserError` ends it with its sentence and exit status 1, an :class:`Interrupted` training with exit status
    75 (try again), Ctrl-C with a sentence and 130, an error of the machine (a full disk, no memory) with a sentence
    that names it, anything else with its traceback.
    """
    limit_threads()
    logger = logging.getLogger("ldae")
    with interruptible():
        try:
            start_logging(log)
            if gpus is not None:
                own_gpus.take(gpus, logger.info)
            with _checked(log, read, made):
                yield
        except Interrupted as error:
            logger.warning("%s", error)
            sys.exit(Interrupted.exit_status)
        except KeyboardInterrupt:
            logger.warning(STOPPED)
            sys.exit(STOPPED_STATUS)
        except UserError as error:
            logger.error("Error: %s", error)
            sys.exit(1)
        except Exception as error:  # the job ends here either way; its log must say why
            machine = fault_of_the_machine(error) if is_machine_error(error) else None
            logger.error("%s", f"Error: {machine}." if machine else traceback.format_exc())
            sys.exit(1)


@contextmanager
def _checked(log: str | Path, read: Iterable[str | Path], made: Iterable[str | Path]) -> Iterator[None]:
    from ldae.core import checksums, files  # here: they bring numpy, which has to find the number of threads

    checksums.require_recorded(log, read)
    with files.noting_writes() as written:
        yield
    checksums.record(log, made, written)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt once; a second one would only disturb the cleaning up, and is ignored.

    Where it is ignored already (a job in the background) it stays so.
    """
    if not _may_handle_interrupts():
        yield
        return
    earlier = signal.signal(signal.SIGINT, _raise_once)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _raise_once:
            signal.signal(signal.SIGINT, earlier)


def _raise_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _may_handle_interrupts() -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@contextmanager
def starting_deaf_processes() -> Iterator[None]:
    """Processes started in the block never see Ctrl-C: the terminal sends it to all, but this one answers for them.

    Here it is held back until the end of the block.
    """
    resource_tracker.ensure_running()  # it takes SIGINT out of the mask when it starts
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def end_with_parent() -> None:
    """A worker whose parent was killed must not go on writing beside the next attempt: called in it, first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)
