"""Scans side by side, each in a worker process: a crash of a native library costs one worker, never the shard.

``concurrent.futures`` gives up its whole pool when one worker dies and does not say how it died; here every worker
has its own pipe, so the scan and the signal are known. Workers are forked from a server that has imported the heavy
libraries and nothing else, so that a worker costs milliseconds and shares the libraries' memory.
"""

import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process, set_forkserver_preload
from typing import Any

from ldae.errors import QuarantinedScan, UserError
from ldae.preprocessing.spent import Meter
from ldae.runtime import limit_threads


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        value: what ``work`` returned; None when the item was quarantined.
        reason: why it was quarantined, in one line; empty otherwise.
        details: the traceback of an error that nobody foresaw, for the log.
        seconds, cpu_seconds: of this item alone.
        peak_mb: largest resident memory of the worker while it had the item (MB).
    """

    value: Any = None
    reason: str = ""
    details: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0


def run_isolated(
    work: Callable[[Any], Any], items: Sequence[Any], workers: int, items_per_worker: int, preload: Sequence[str] = ()
) -> Iterator[tuple[int, Outcome]]:
    """Yield (position, outcome) of every item, in the order in which they end.

    An item whose process died is tried once more, alone, after all others; if its process dies again the item is
    quarantined with the signal as its reason. A worker is replaced after ``items_per_worker`` items.

    Args:
        work: a module-level function or a partial of one; it must be importable by a new process.
        preload: modules that the server imports once (without effect when this process has a server already).

    Raises:
        UserError: ``work`` raised it (a wrong configuration concerns every item, not one).
    """
    limit_threads(1)  # the server and its workers inherit the environment
    set_forkserver_preload(list(preload))
    died = deque()
    for position, outcome in _run(work, deque(enumerate(items)), workers, items_per_worker):
        if isinstance(outcome, int):
            died.append((position, items[position]))
        else:
            yield position, outcome
    for position, outcome in _run(work, died, 1, 1):
        if isinstance(outcome, int):
            yield position, Outcome(reason=f"its process died twice: {name_of_end(outcome)}")
        else:
            yield position, outcome


def name_of_end(exit_code: int) -> str:
    """-11 -> ``SIGSEGV``, -9 -> ``SIGKILL (out of memory?)``, 1 -> ``exit status 1``."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def _run(
    work: Callable[[Any], Any], queue: deque[tuple[int, Any]], workers: int, items_per_worker: int
) -> Iterator[tuple[int, Outcome | int]]:
    """Yield an outcome, or the exit code of the process that died, for every item of the queue."""
    team: list[_Worker] = []
    try:
        while queue or team:
            while queue and len(team) < workers:
                team.append(_Worker(work, items_per_worker))
                team[-1].give(queue.popleft())
            ready = connection.wait([worker.pipe for worker in team])
            for worker in [worker for worker in team if worker.pipe in ready]:
                answer = worker.take()
                if isinstance(answer, UserError):
                    raise answer
                position = worker.position
                if queue and worker.can_go_on:
                    worker.give(queue.popleft())
                else:
                    worker.stop()
                    team.remove(worker)
                yield position, answer
    finally:
        for worker in team:
            worker.kill()


class _Worker:
    """A process that works on one item at a time."""

    def __init__(self, work: Callable[[Any], Any], items: int) -> None:
        context = get_context("forkserver")  # not fork: the caller may have threads
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.items_left = items
        self.position = -1

    @property
    def can_go_on(self) -> bool:
        return self.items_left > 0

    def give(self, numbered: tuple[int, Any]) -> None:
        self.position, item = numbered
        self.items_left -= 1
        with suppress(OSError):  # it died while idle: take() will say how
            self.pipe.send(item)

    def take(self) -> Outcome | UserError | int:
        """Its answer, or its exit code."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.items_left = 0
            self.process.join()
            return int(self.process.exitcode)

    def stop(self) -> None:
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        self.process.kill()
        self.stop()


def _serve(work: Callable[[Any], Any], pipe: connection.Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(work, item))


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on writing beside the next attempt."""
    parent_process().join()
    os._exit(1)


def _attempt(work: Callable[[Any], Any], item: Any) -> Outcome | UserError:
    meter = Meter()
    value, reason, details = None, "", ""
    try:
        value = work(item)
    except QuarantinedScan as error:
        reason = str(error)
    except UserError as error:
        return error
    except Exception as error:  # one scan that a library refuses; too many of them stop the shard
        lines = str(error).strip().splitlines()
        native = isinstance(error, RuntimeError) and lines  # how ITK and torch report a scan they refuse
        reason = lines[-1].strip() if native else f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
        details = traceback.format_exc()
    return Outcome(value, reason, details, **meter.spent())
