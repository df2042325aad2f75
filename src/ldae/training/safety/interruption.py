"""Stopping on request: a signal of the scheduler or the terminal, or a file, raises a flag; the loop saves and leaves.

Ctrl-C reaches every process of the terminal at once: Snakemake waits for its jobs then, and a second one changes
nothing here. A connection that breaks sends SIGHUP.
"""

import signal
import threading
from pathlib import Path
from types import FrameType

SCHEDULER = (signal.SIGTERM, signal.SIGUSR1)
TERMINAL = (signal.SIGINT, signal.SIGHUP)
SIGNALS = (*SCHEDULER, *TERMINAL)
REQUEST = "stop"  # a file of this name in the checkpoint folder asks for the same


def stop_signals() -> list[signal.Signals]:
    """Those that ask this process to stop; not those of the terminal that it was told to ignore (``nohup``, ``&``)."""
    return [*SCHEDULER, *(number for number in TERMINAL if signal.getsignal(number) is not signal.SIG_IGN)]


class StopFlag:
    """Knows whether one of these signals came. As a context manager it puts the earlier handlers back at the end.

    A flag entered inside another one is that other one: the job raises it from its start, the loop reads it.
    Handlers can only be set in the main thread; elsewhere the flag just stays down.
    """

    _outer: "StopFlag | None" = None

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._earlier: dict[signal.Signals, object] = {}

    def reason(self, folder: Path) -> str | None:
        """Why to stop; none: go on.

        Args:
            folder: where a file named ``stop`` asks for it (a launcher of several processes puts it there).
        """
        if self.signal_name is not None:
            return f"{self.signal_name} received"
        try:
            return f"{(folder / REQUEST).read_text().strip() or 'a stop'} received"
        except OSError:
            return None

    def __enter__(self) -> "StopFlag":
        if StopFlag._outer is not None:
            return StopFlag._outer
        if threading.current_thread() is threading.main_thread():
            StopFlag._outer = self
            self._earlier = {number: signal.signal(number, self._raise_flag) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        if StopFlag._outer is self:
            StopFlag._outer = None

    def _raise_flag(self, number: int, frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
