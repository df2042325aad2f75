"""The published weights at the paper's size, from fabricated files: imported and loaded in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ldae import config
from ldae.networks import reference_names as names
from ldae.networks.autoencoder import build_autoencoder
from ldae.networks.gradient_estimator import GradientEstimator, build_shift_branch
from ldae.networks.semantic_encoder import build_semantic_encoder, sinusoidal_positions
from ldae.networks.unet import UNet

PAPER = Path(__file__).parents[3] / "config" / "config.yaml"
GIB = 2**30
# GiB that a process may hold. An import holds a file and what is written of it; a loaded chain its float32 weights
# (3.5), beside those of one file.
BUDGET = {"import": 5.5, "load": 7.0}
MEASURED = """
import json, resource, sys
{work}
print(json.dumps({{"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}} | found))
"""
IMPORT = """
from ldae import cli
assert cli.main(sys.argv[1:]) == 0
found = {}
"""
LOAD = """
from pathlib import Path
from ldae.config import Method, Sampling
from ldae.inference.pipeline import LDAE
ldae = LDAE.load(Path(sys.argv[1]), Method(), Sampling(steps=1))
parts = (ldae.autoencoder, ldae.encoder, ldae.estimator)
found = {"millions": [round(sum(p.numel() for p in part.parameters()) / 1e6, 2) for part in parts],
         "values": sorted({float(p.flatten()[0]) for part in parts for p in part.parameters()})}
"""


def measured(work: str, *arguments: str) -> dict:
    """What a process of its own found, with the most memory it held."""
    command = [sys.executable, "-c", MEASURED.format(work=work), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def written(path: Path, state: dict, prefix: str, kind: torch.dtype, kept: dict) -> Path:
    """A checkpoint with tensors of these shapes, all of one value but those that are kept."""
    tensors = {
        prefix + name: torch.full(value.shape, 0.25, dtype=kind) if name not in kept else kept[name].to(kind)
        for name, value in state.items()
    }
    torch.save({"state_dict": tensors}, path)
    return path


@pytest.fixture(params=[torch.float32, torch.float16], ids=["fp32", "half"])
def files(request, tmp_path):
    """The four files as the authors' trainings would leave them, under their names."""
    settings = config.load_config(PAPER)
    with torch.device("meta"):
        diffusion = settings.diffusion.model_copy(update={"resample": "in_plane"})
        autoencoder, trunk = build_autoencoder(settings.autoencoder), UNet(diffusion, 3)
        shift = build_shift_branch(diffusion, 3, settings.representation.dimension, trunk)
        estimator, encoder = GradientEstimator(trunk, shift), build_semantic_encoder(settings.representation)
    slices, width = settings.preprocessing.conform.shape[2], settings.representation.dimension
    positions = {names.POSITIONS: sinusoidal_positions(slices, width, torch.device("cpu"))[None]}
    states = {
        "autoencoder": (names.to_reference(autoencoder.net.state_dict(), names.autoencoder_names(autoencoder)), ""),
        "unet": (names.to_reference(trunk.state_dict(), names.unet_names(trunk)), "ema_unet."),
        "encoder": (
            names.encoder_to_reference(encoder.state_dict(), names.encoder_names(encoder), slices),
            "ema_encoder.",
        ),
        "estimator": (names.to_reference(estimator.state_dict(), names.estimator_names(estimator)), "ema_decoder."),
    }
    made = {
        name: written(tmp_path / f"{name}.ckpt", state, prefix, request.param, positions)
        for name, (state, prefix) in states.items()
    }
    yield made
    for path in tmp_path.rglob("*"):  # 10 GB, three of which pytest would keep
        if path.is_file():
            path.unlink()


@pytest.mark.slow
def test_the_papers_files_are_imported_and_loaded_in_little_memory(files, tmp_path):
    calls = {
        "alone": ["--unet", str(files["unet"])],
        "chain": [text for name in ("autoencoder", "encoder", "estimator") for text in (f"--{name}", str(files[name]))],
    }
    peaks = {}
    for out, given in calls.items():
        call = ["import-weights", "--config", str(PAPER), "--out", str(tmp_path / out), *given]
        peaks[out] = measured(IMPORT, *call)["peak"] / GIB
    loaded = measured(LOAD, str(tmp_path / "chain"))
    print(peaks, loaded["peak"] / GIB)
    assert loaded["millions"] == [13.77, 53.59, 865.34]  # the paper: 14 M, and 920 M of the other two
    assert loaded["values"] == [0.25]
    assert max(peaks.values()) < BUDGET["import"]
    assert loaded["peak"] / GIB < BUDGET["load"]
