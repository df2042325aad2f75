"""Scans side by side, each in a worker process: a crash of a native library costs one worker, never the shard.

``concurrent.futures`` gives up its whole pool when one worker dies and does not say how it died; here every worker
has its own pipe, so the scan and the signal are known. Workers are forked from a server that has imported the heavy
libraries and nothing else, so that a worker costs milliseconds and shares the libraries' memory.
"""

import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import connection, forkserver, get_context, set_forkserver_preload
from pathlib import Path
from typing import Any

from ldae.core.errors import (
    AGAIN,
    KILLED,
    MORE_MEMORY,
    MachineError,
    QuarantinedScan,
    UserError,
    blaming_the_machine,
    require_own,
)
from ldae.core.runtime import end_with_parent, limit_threads, starting_deaf_processes
from ldae.preprocessing.resource_use import Meter, Outcome


def run_isolated(
    work: Callable[[Any], Any],
    items: Sequence[Any],
    workers: int,
    items_per_worker: int,
    preload: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> Iterator[tuple[int, Outcome]]:
    """Yield (position, outcome) of every item, in the order in which they end.

    An item whose process died is tried once more, alone, after all others; if its process dies again the item is
    quarantined with the signal as its reason. A worker is replaced after ``items_per_worker`` items.

    Args:
        work: a module-level function or a partial of one; it must be importable by a new process.
        preload: modules that the server imports once (without effect when this process has a server already).
        folders: where ``work`` writes; they are looked at when it fails.

    Raises:
        UserError: ``work`` raised it (a wrong configuration concerns every item, not one).
        MachineError: what failed is the machine, or two items in a row, one at a time, had their process killed.
    """
    limit_threads(1)  # the server and its workers inherit the environment
    set_forkserver_preload(list(preload))
    with starting_deaf_processes():
        forkserver.ensure_running()
    guarded = partial(_guarded, work, tuple(folders))
    died: deque[tuple[int, Any]] = deque()
    killed = False
    for position, outcome in _run(guarded, deque(enumerate(items)), workers, items_per_worker):
        if isinstance(outcome, int):
            died.append((position, items[position]))
            killed = workers == 1 and stop_if_killed(outcome, killed)
        else:
            killed = False
            yield position, outcome
    killed = False
    for position, outcome in _run(guarded, died, 1, 1):
        if isinstance(outcome, int):
            killed = stop_if_killed(outcome, killed)
            yield position, Outcome(reason=f"its process died twice: {name_of_end(outcome)}")
        else:
            killed = False
            yield position, outcome


def stop_if_killed(exit_code: int, before: bool) -> bool:
    """Whether a process was killed from outside.

    Args:
        before: the process of the item before was, too.

    Raises:
        MachineError: both were, so it is neither item's fault.
    """
    killed = -exit_code in KILLED
    if killed and before:
        raise MachineError(
            f"Two processes in a row, with one scan each, were killed by {signal.Signals(-exit_code).name}: "
            f"{MORE_MEMORY}, and look for a full disk; {AGAIN}."
        )
    return killed


def name_of_end(exit_code: int) -> str:
    """-11 -> ``SIGSEGV``, -9 -> ``SIGKILL (too little memory?)``, 1 -> ``exit status 1``."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name} (too little memory?)" if name == "SIGKILL" else name


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
            assert self.process.exitcode is not None  # joined
            return self.process.exitcode

    def stop(self) -> None:
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        self.process.kill()
        self.stop()


def _serve(work: Callable[[Any], Any], pipe: connection.Connection) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, lambda *_: None)  # not ignored: programs started from here shall end by Ctrl-C
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(work, item))


def _guarded(work: Callable[[Any], Any], folders: tuple[Path, ...], item: Any) -> Any:
    with blaming_the_machine(*folders):
        try:
            return work(item)
        except QuarantinedScan as broken:
            require_own(str(broken))
            raise


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
