"""Trainings that wait at a step, so that a test can do something to them there, however fast the machine is.

A file says where: ``{"stage": ..., "step": ..., "seconds": ...}``. A training of that stage (of any, without one) that
has done so many steps waits before the next one as long as the file is there and no signal has come; ``seconds`` is how
long every step is put off. The file is read before every step, so a test may move the place or release the training.

In a test's own process :func:`hold_here`; in a copy of the workflow :func:`hold_jobs`. torchrun starts this file in the
place of the worker.
"""

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

HOLD = "hold.json"
WAITS = ".waits"  # of a file that stands beside it from the first wait on: the step is under way
NAME = "LDAE_TEST_HOLD"  # environment: another path for it


def write_hold(path: Path, step: int, **more) -> Path:
    """Where a training is to wait from now on."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"step": step} | more))
    return temporary.replace(path)


def hold_here(path: Path) -> None:
    """Trainings of this process, which is the test's own child, do what the file says."""
    from ldae.training.trainer import Trainer

    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)  # a byte for every signal that Python handles
    advance = Trainer.advance

    def held(trainer):
        started = time.monotonic()
        while (wanted := _wanted(path)) and wanted.get("stage") in (None, trainer.stage.name):
            early = time.monotonic() - started < wanted.get("seconds", 0)
            signalled = bool(select.select([read], [], [], 0)[0])
            if signalled or (not early and trainer.step < wanted["step"]):
                break
            path.with_suffix(WAITS).touch()
            time.sleep(0.005)
        return advance(trainer)

    Trainer.advance = held


def hold_jobs(folder: Path) -> Path:
    """The adapters of a copy of the workflow do what ``folder``/hold.json says; its path."""
    line = "    from ldae.training.launch import launch\n"
    here = str(Path(__file__).parent)
    mine = f"    import sys\n\n    sys.path.append({here!r})\n    import held\n\n    held.install()\n"
    for adapter in (folder / "workflow/scripts").glob("train_*.py"):
        text = adapter.read_text()
        assert text.count(line) == 1, adapter
        adapter.write_text(text.replace(line, mine + line))
    return folder / HOLD


def install() -> None:
    """In a job: here, and in the processes that it starts by torchrun."""
    from ldae.training import launch

    torchrun = launch.torchrun

    def with_this_file(processes, job):
        command = torchrun(processes, job)
        place = command.index("ldae.training.launch")
        return [*command[: place - 1], str(Path(__file__).resolve()), *command[place + 1 :]]

    launch.torchrun = with_this_file
    hold_here(_path())


def _path() -> Path:
    return Path(os.environ.get(NAME, HOLD)).resolve()


def _wanted(path: Path) -> dict | None:
    with suppress(FileNotFoundError):
        return json.loads(path.read_text())
    return None


if __name__ == "__main__":
    from ldae.training.launch import main

    hold_here(_path())
    sys.exit(main(sys.argv[1]))
