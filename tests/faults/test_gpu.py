"""A GPU that was given and cannot be used: the driver is older than PyTorch's CUDA.

`libcuda.c` is compiled and loaded by PyTorch and by us: a driver as programs see it, with the version of 2024.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GIVEN = r"A GPU was given here \({}\) and cannot be used: the driver.* found here reaches CUDA 12\.4; "
NEEDED = r"PyTorch \S+ needs driver [\d.]+ or newer \(CUDA \d+\.\d+\)\. Mend that, or set launch\.device: cpu"


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory):
    """Folder of the library."""
    folder = tmp_path_factory.mktemp("driver")
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(HERE / "libcuda.c")]
    subprocess.run(command, check=True)
    return folder


def python(folder: Path, code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a program on a machine with that driver; the variables of a scheduler are those given."""
    hidden = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "LDAE_DEVICE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"LD_LIBRARY_PATH": str(folder)} | variables
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE)


PICK = """
import os
from ldae.core.errors import UserError
from ldae.inference.device import pick_device
for case in ("", "CUDA_VISIBLE_DEVICES=0", "SLURM_JOB_GPUS=3", "LDAE_DEVICE=gpu", "LDAE_DEVICE=cpu",
             "CUDA_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES=-1", "LDAE_DEVICE=tpu"):
    name, _, value = case.partition("=")
    for variable in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "LDAE_DEVICE"):
        os.environ.pop(variable, None)
    if name:
        os.environ[name] = value
    try:
        print(f"{case}|{pick_device()}")
    except UserError as error:
        print(f"{case}|{error}")
"""


def test_a_driver_that_is_too_old_is_one_sentence_where_a_gpu_was_given(old_driver):
    result = python(old_driver, PICK)
    said = dict(line.split("|", 1) for line in result.stdout.splitlines())
    assert len(said) == 8, result.stderr
    reasons = {
        "": "(nvidia-smi finds .*|the driver finds 2)",
        "CUDA_VISIBLE_DEVICES=0": "CUDA_VISIBLE_DEVICES=0",
        "SLURM_JOB_GPUS=3": "SLURM_JOB_GPUS=3",
        "LDAE_DEVICE=gpu": "launch.device: gpu",
    }
    for case, reason in reasons.items():
        assert re.match(GIVEN.format(reason) + NEEDED, said[case]), said[case]
    for case in ("LDAE_DEVICE=cpu", "CUDA_VISIBLE_DEVICES=", "CUDA_VISIBLE_DEVICES=-1"):
        assert said[case] == "cpu"
    assert said["LDAE_DEVICE=tpu"] == "LDAE_DEVICE=tpu: it is one of auto, gpu, cpu."


def test_the_gpus_that_the_driver_shows_are_named_so_that_a_job_can_have_one_for_itself(old_driver):
    result = python(old_driver, "from ldae.core.own_gpus import visible; print(*visible())")
    first, second = result.stdout.split()
    assert first == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert second == "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f"


def test_a_job_of_the_workflow_takes_one_of_them(old_driver, tmp_path):
    code = """
import os, sys
from ldae.core.runtime import running
with running(sys.argv[1] + "/log", gpus={"gpu": 1}):
    print(os.environ["CUDA_VISIBLE_DEVICES"])
"""
    result = python(old_driver, code, str(tmp_path), TMPDIR=str(tmp_path))
    assert result.stdout.strip() == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", result.stderr


TRAIN = """
import sys
from pathlib import Path
from ldae.core.runtime import running
with running(sys.argv[1] + "/log"):
    from ldae.training.launch import launch
    import tiny
    settings = tiny.SETTINGS["autoencoder"]
    launch("train_autoencoder", {"gpu": int(sys.argv[2])}, sys.argv[1] + "/log", volumes="none", splits="none",
           out=sys.argv[1] + "/model", settings=settings, seed=1)
"""


@pytest.mark.parametrize("gpus", [1, 2])
def test_such_a_training_ends_before_it_begins(old_driver, tmp_path, gpus):
    result = python(old_driver, TRAIN, str(tmp_path), str(gpus), CUDA_VISIBLE_DEVICES="0,1")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr and "Error: A GPU was given here" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log"]  # nothing was tried, and no attempt is counted


def test_doctor_says_the_same(old_driver):
    code = "import sys; from ldae.cli import main; sys.exit(main(['doctor']))"
    result = python(old_driver, code, CUDA_VISIBLE_DEVICES="0")
    assert result.returncode == 1 and "! GPU            none that can be used" in result.stdout
    assert "up to CUDA 12.4" in result.stdout
