"""Stopping on request: the scheduler's warning signals set a flag, the loop saves and leaves."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopFlag:
    """True after SIGTERM or SIGUSR1. As a context manager it puts the earlier handlers back at the end.

    Handlers can only be set in the main thread; elsewhere the flag just stays down.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._earlier: dict[signal.Signals, object] = {}

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def __enter__(self) -> "StopFlag":
        if threading.current_thread() is threading.main_thread():
            self._earlier = {number: signal.signal(number, self._raise_flag) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _raise_flag(self, number: int, frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
