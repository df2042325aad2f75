"""Who may enter a results folder: names, scans and codes of people lie in it, and aggregates in one folder of it.

Modes of files follow the umask; the folders are what keeps others out. Folders that are there keep the mode they have.
"""

import grp
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ldae.config import Config
from ldae.core.errors import UserError

PUBLIC = "public"  # what may leave the machine: as the umask has it
ALONE, GROUP = 0o700, 0o2770  # new files of a group's folder belong to the group
THROUGH = 0o011  # of the results folder itself: to public, for those who know its name; nobody lists it


def require_place(config: Config) -> None:
    """Raises:
    UserError: the results folder is not there and cannot be made.
    """
    results = config.results_dir.resolve()
    above = next(path for path in (results, *results.parents) if os.path.lexists(path))
    if not above.is_dir():
        raise UserError(f"results_dir: {above} is no folder; choose another place for {config.results_dir}.")
    if above != results and not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"results_dir: {above} cannot be written to; choose another place for {config.results_dir}.")


def require_group(config: Config) -> None:
    """Raises:
    UserError: the group of ``results_group`` is not there, or not the user's.
    """
    if config.results_group is None or config.phantom is not None:
        return
    number = _number(config.results_group)
    if os.geteuid() and number not in {os.getegid(), *os.getgroups()}:
        raise UserError(
            f"results_group: you do not belong to the group {config.results_group}; ask for it, or give one of those "
            "that `id -Gn` lists."
        )


def make_private(config: Config, paths: Iterable[str | Path] = ()) -> None:
    """Make the results folder of a cohort, and the folders in it that are to be written, for their owner or a group.

    What is there keeps its mode. A phantom is nobody: its results follow the umask.

    Args:
        paths: files that will be written; the first folder of each below the results folder is made.
    """
    results = config.results_dir
    if config.phantom is not None:
        return
    group = None if config.results_group is None else _number(config.results_group)
    mode = ALONE if group is None else GROUP
    results.parent.mkdir(parents=True, exist_ok=True)
    _make(results, mode | THROUGH, group)
    inside = (Path(path).relative_to(results).parts for path in paths if Path(path).is_relative_to(results))
    for name in sorted({parts[0] for parts in inside if len(parts) > 1} - {PUBLIC}):
        _make(results / name, mode, group)


def keep_from_others(path: Path) -> None:
    """A file that lies in the results folder itself: not for those whom that folder is not open to."""
    folder, own = (stat.S_IMODE(place.stat().st_mode) for place in (path.parent, path))
    closed = 0 if folder & 0o004 else 0o007
    closed |= 0 if folder & 0o040 else 0o070
    if own & closed:
        path.chmod(own & ~closed)


def _make(folder: Path, mode: int, group: int | None) -> None:
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        return
    if group is not None:
        os.chown(folder, -1, group)
    folder.chmod(mode)


def _number(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):  # a name that no group can have, such as one with NUL
        raise UserError(f"results_group: there is no group {group} on this machine; `id -Gn` lists yours.") from None
