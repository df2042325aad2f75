"""The script of the first day on a GPU runs where there is none, so that it runs the first time somebody has one."""

import json
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import gpu_day
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
CONFIGS = [str(ROOT / "config" / f"{name}.yaml") for name in ("config", "small_networks", "demo")]
IMAGE = ("torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", "PyYAML")  # as docs/performance.md has it
QUICK = ["--timesteps", "2", "--scale", "0.05", "--steps", "1", "--seconds", "0"]


def ran(out: Path, *arguments: str, overlay: str = "") -> dict:
    mine = out.with_suffix(".yaml")
    mine.write_text(overlay or "{}")
    assert gpu_day.main(["--out", str(out), "--config", *CONFIGS, str(mine), *QUICK, *arguments]) == 0
    return json.loads(out.read_text())


def test_parts_are_kept_as_they_are_made_and_made_again_one_by_one(tmp_path):
    out = tmp_path / "day.json"
    first = ran(out, "--parts", "doctor", "conv", overlay="diffusion: {prior: none}")
    assert first["doctor"]["matmul_tflops"] > 0 and first["doctor"]["findings"][0]["what"] == "GPU"
    rows = first["conv"]
    assert len({(row["shape"], row["type"], row["order"], row["benchmark"]) for row in rows}) == len(rows)
    assert {row["order"] for row in rows} == {"NCDHW", "NDHWC"} and all(row["tflops"] > 0 for row in rows)
    again = ran(out, "--parts", "samplers", overlay="diffusion: {prior: none}")
    assert again["conv"] == rows
    found = {(row["solver"], row["batch"]) for row in again["samplers"]}
    assert found == {("ddim", 1), ("ddim", 8), ("dpmpp_2m", 1), ("dpmpp_2m", 8), ("decode", 1)}
    assert all(row["seconds"] > 0 for row in again["samplers"])


def test_a_part_that_fails_says_so_and_the_others_are_kept(tmp_path):
    out, absent = tmp_path / "day.json", str(tmp_path / "none.npz")
    arguments = ["--out", str(out), "--config", *CONFIGS, *QUICK, "--parts", "brains", "doctor", "--volumes", absent]
    assert gpu_day.main(arguments) == 1
    found = json.loads(out.read_text())
    assert "none.npz" in found["brains"]["failed"] and "matmul_tflops" in found["doctor"]


def with_requirements(*names: str) -> dict[str, Distribution]:
    """What comes with these packages, by name."""
    found, waiting = {}, list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                continue  # of another system
            needed = [Requirement(text) for text in found[name].requires or []]
            waiting += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize(
    "parts", [("doctor", "samplers"), pytest.param(("trainings", "resume", "brains"), marks=pytest.mark.slow)]
)
def test_what_is_carried_is_enough_for_an_image_with_pytorch(tmp_path, parts):
    """In a process that sees the image's packages, those of the list, and the repository's folders: nothing else."""
    carried = (ROOT / "benchmarks/gpu_day_carry.txt").read_text().split()
    image, packages = with_requirements(*IMAGE), tmp_path / "packages"
    packages.mkdir()
    for one in (*image.values(), *map(distribution, carried)):
        for top in {file.parts[0] for file in one.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(one.locate_file(top))
    assert not {canonicalize_name(name) for name in carried} & set(image)  # none for nothing
    folders = [str(packages), str(ROOT / "src"), str(ROOT / "benchmarks")]
    (tmp_path / "plain.yaml").write_text("diffusion: {prior: none}\n")
    np.savez(tmp_path / "brains.npz", volumes=np.zeros((9, 48, 56, 48), dtype=np.uint8))
    arguments = ["--out", str(tmp_path / "day.json"), "--config", *CONFIGS, str(tmp_path / "plain.yaml"), *QUICK]
    arguments += ["--volumes", str(tmp_path / "brains.npz"), "--minutes", "60", "--reserve", "1e9", "--parts", *parts]
    program = f"import sys; sys.path[:0] = {folders}; import gpu_day; sys.exit(gpu_day.main({arguments}))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "day.json").read_text()
    assert set(parts) <= set(json.loads((tmp_path / "day.json").read_text()))


@pytest.mark.slow
def test_the_trainings_parts_on_a_cpu(tmp_path):
    """Every training, kills and the brains; on a CPU all runs give the same bytes, asked for or not."""
    volumes = tmp_path / "brains.npz"
    np.savez(volumes, volumes=np.random.default_rng(0).integers(0, 256, (9, 48, 56, 48), dtype=np.uint8))
    more = ["--volumes", str(volumes), "--minutes", "60", "--reserve", "1e9"]
    found = ran(tmp_path / "day.json", "--parts", "trainings", "resume", "brains", *more)
    assert set(found["trainings"]) == set(gpu_day.bench_gpu.NAMES)
    assert all(row["scans_per_second"] > 0 and row["counted_gib"] > 1.5 for row in found["trainings"].values())
    assert len(found["resume"]) == 6
    assert all(row["two_runs_equal"] and row["stopped_and_whole_equal"] for row in found["resume"])
    assert found["brains"]["steps"] == 1 and 0 < found["brains"]["mean_volume_ssim"] < 1
