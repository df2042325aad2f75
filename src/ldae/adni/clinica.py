"""One run of the real Clinica converter, and what can be learnt from a run whether it ended well or not.

Measured behaviour of Clinica 0.12.0 that this module answers to: exit status 0 says nothing about single images; one
subject with an empty EXAMDATE ends the run of all; a series that dcm2niix splits ends the run after every image was
converted; a visit without a usable image is left out silently.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ldae.core.errors import KILLED, UserError, blaming_the_machine, require_sound
from ldae.core.keys import participant_id

OLDEST_DCM2NIIX = "v1.0.20240202"


@dataclass(frozen=True)
class ClinicaRun:
    """``bids``: what it wrote; ``listed``: the images it chose (t1_paths.tsv); ``error``: its last line if it died,
    ``killed``: from outside."""

    bids: Path
    listed: pd.DataFrame
    error: str | None
    killed: bool = False


def environment() -> dict[str, str]:
    """PATH starts with the folder of this Python, so Clinica finds the dcm2niix of the same environment.

    ``NO_ET`` keeps the libraries below Clinica from asking the network for newer versions.
    """
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}", "NO_ET": "1"}


def clinica_command() -> str:
    """The ``clinica`` beside this Python.

    Raises:
        UserError: it is not installed there.
    """
    command = Path(sys.executable).with_name("clinica")
    if not command.is_file():
        raise UserError(f"Clinica is not installed beside {sys.executable}: install the locked requirements there.")
    return str(command)


def centred(image: Path, out: Path) -> Path:
    """Rewrite what dcm2niix made of an image of ADNI as Clinica's converter leaves it: axes R-A-S, the origin in the
    middle, and voxels scaled anew to the type of the file."""
    from clinica.iotools.data_handling import center_nifti_origin

    return Path(center_nifti_origin(image, out))


def dcm2niix_version() -> str | None:
    """Version of the dcm2niix that Clinica would call (``v1.0.20240202``), or None where there is none."""
    try:
        done = subprocess.run(["dcm2niix", "--version"], env=environment(), capture_output=True, text=True)
    except FileNotFoundError:
        return None
    found = re.search(r"v\d+\.\d+\.\d{8}", done.stdout + done.stderr)
    return found.group() if found else None


def last_error(output: str) -> str:
    """The line a person would read first: the last one of Clinica's output, without colours and time stamps."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in output.splitlines()]
    lines = [re.sub(r"^\d{4}-\d\d-\d\d [\d:,]+:[A-Z]+:", "", line) for line in lines if line]
    return lines[-1] if lines else "no output"


def without_folders(message: str, *folders: Path) -> str:
    """``message`` with paths relative to ``folders``: a reason is the same wherever the data lie."""
    for folder in folders:
        message = message.replace(f"{folder.resolve()}{os.sep}", "")
    return message


def run_clinica(images: Path, tables: Path, subjects: list[str], folder: Path, log: Path) -> ClinicaRun:
    """Convert the T1w images of ``subjects`` (PTIDs) into ``folder``/bids; Clinica's output is appended to ``log``.

    Clinica runs in ``folder``, where it may leave its stray files (pypeline.log).

    The run counts as failed only if products are missing that a whole run would have written: Clinica writes a
    subject's sessions.tsv after the images of all subjects, so a run that has them and died later lost nothing needed
    here (scans.tsv is written from ``listed``).

    Raises:
        UserError: Clinica is not installed.
        MachineError: the run failed, and its output or its disk says why.
    """
    bids, subject_list = folder / "bids", folder / "subjects.txt"
    folder.mkdir(parents=True, exist_ok=True)
    subject_list.write_text("".join(f"{subject}\n" for subject in subjects), encoding="utf-8")
    options = ["-m", "T1", "-np", "1", "-sl", str(subject_list.resolve())]
    folders = [str(path.resolve()) for path in (images, tables, bids)]
    command = [clinica_command(), "convert", "adni-to-bids", *options, *folders]
    done = subprocess.run(command, env=environment(), cwd=folder, capture_output=True, text=True, errors="replace")
    error = without_folders(last_error(done.stdout + done.stderr), images, tables, bids)
    with blaming_the_machine(log.parent), open(log, "a", encoding="utf-8") as handle:
        handle.write(f"$ clinica {' '.join(command[1:])}\n{done.stdout}{done.stderr}exit status {done.returncode}\n")
    killed = -done.returncode in KILLED
    listing = bids / "conversion_info" / "v0" / "t1_paths.tsv"
    if not listing.is_file():
        require_sound(done.stdout + done.stderr, folder)
        return ClinicaRun(bids, pd.DataFrame(), error, killed)
    listed = pd.read_csv(listing, sep="\t", dtype=str, keep_default_na=False)
    with_image = {participant_id(subject) for subject in listed.loc[listed["Path"] != "", "Subject_ID"]}
    whole = all((bids / name / f"{name}_sessions.tsv").is_file() for name in with_image)
    participants = (bids / "participants.tsv").is_file() or not with_image
    if whole and participants:
        return ClinicaRun(bids, listed, None)
    require_sound(done.stdout + done.stderr, folder)
    return ClinicaRun(bids, listed, error, killed)


def session_id(viscode: str) -> str:
    """``bl`` -> ``ses-M000``, ``m06`` -> ``ses-M006`` (Clinica's names)."""
    months = 0 if viscode == "bl" else int(viscode.lower().removeprefix("m"))
    return f"ses-M{months:03d}"
