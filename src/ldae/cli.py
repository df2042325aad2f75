"""``ldae``: what a person does outside the workflow. Each command is a module of :mod:`ldae.commands`."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ldae import __version__
from ldae.core.errors import UserError, fault_of_the_machine, is_machine_error
from ldae.core.runtime import STOPPED, STOPPED_STATUS, interruptible

COMMANDS = (
    "doctor",
    "preflight",
    "inventory",
    "phantom",
    "preprocess",
    "apply",
    "params",
    "memory",
    "plan",
    "check-precision",
    "import-weights",
    "run",
    "status",
    "summary",
    "trainings",
    "verify",
    "unlock",
    "fresh",
    "retry",
    "refit",
    "export-csv",
    "export-model",
    "verify-model",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a :class:`UserError` becomes one line on stderr and exit status 1, Ctrl-C another and 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that a terminal cannot show never end a command
            stream.reconfigure(errors="backslashreplace")
    with interruptible():
        try:
            options = parse(sys.argv[1:] if arguments is None else arguments)
            status = options.run(options)
            sys.stdout.flush()  # here, where it is known what an error of it means
            return status
        except BrokenPipeError:  # who read the output, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except UserError as error:
            print(f"ldae: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"ldae: {STOPPED}", file=sys.stderr)
            return STOPPED_STATUS
        except Exception as error:
            if not is_machine_error(error):
                raise
            print(f"ldae: {fault_of_the_machine(error)}.", file=sys.stderr)
            return 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command; ``flags`` is what stands behind ``--``, which ``ldae run`` hands on to Snakemake.

    Raises:
        UserError: a path is one that no file can have.
    """
    given, flags = list(arguments), []
    if given[:1] == ["run"] and "--" in given:
        end = given.index("--")
        given, flags = given[:end], given[end + 1 :]
    options = parser().parse_args(given, argparse.Namespace(flags=flags))
    for name, value in vars(options).items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                require_usable(name, path)
    return options


def require_usable(name: str, path: Path) -> None:
    """Refuse a path that can be none, such as one with the ``~`` that a shell leaves in quotes."""
    from ldae.config.section import require_whole

    try:
        require_whole(name, path)
    except ValueError as error:
        raise UserError(f"{error}.") from None


def parser() -> argparse.ArgumentParser:
    """The command line: every command of :data:`COMMANDS` adds its own arguments."""
    top = argparse.ArgumentParser(prog="ldae", description="Latent diffusion autoencoders of brain MRI, from raw ADNI.")
    top.add_argument("--version", action="version", version=f"ldae {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"ldae.commands.{name.replace('-', '_')}").add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
