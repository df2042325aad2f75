"""Jobs of one machine share its GPUs: each has its own, and waits while there is none."""

import os
import subprocess
import sys

import pytest

from ldae.core import own_gpus

JOB = """
import os, sys
from ldae.core import own_gpus
own_gpus.LOOK_EVERY = 0.01
own = own_gpus.take(eval(sys.argv[1]), lambda sentence: print(sentence, flush=True), lambda: sys.argv[2:])
print("has", *own, "sees", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts a job that takes GPUs and keeps them until it ends."""
    jobs = []

    def job(resources: dict, *gpus: str, **variables: str) -> subprocess.Popen:
        hidden = (own_gpus.VISIBLE, own_gpus.DEVICE)
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"TMPDIR": str(tmp_path)} | variables
        command = [sys.executable, "-c", JOB, repr(resources), *gpus]
        pipe = subprocess.PIPE
        jobs.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True))
        return jobs[-1]

    yield job
    for process in jobs:
        process.kill()
        process.communicate()


def said(job: subprocess.Popen) -> str:
    return job.stdout.readline().strip()


def test_the_second_job_waits_for_the_only_gpu_until_the_first_is_killed(start, tmp_path):
    first = start({"gpu": 1}, "GPU-a")
    assert said(first) == "has GPU-a sees None"
    second = start({}, "GPU-a")  # a job whose row is lost: one GPU
    assert said(second) == (
        f"Waiting for 1 of 1 GPUs: other jobs have them (locks in {tmp_path}/ldae-gpus-{os.getuid()})."
    )
    assert second.poll() is None
    first.kill()
    assert said(second) == "has GPU-a sees None"


def test_two_jobs_have_two_gpus_and_one_that_wants_both_holds_none_while_it_waits(start):
    two = ("GPU-a", "GPU-b")
    first = start({"gpu": 1}, *two)
    assert said(first) == "has GPU-a sees GPU-a"
    both = start({"gpu": 2}, *two)
    assert said(both).startswith("Waiting for 2 of 2 GPUs")
    second = start({"gpu": 1}, *two)
    assert said(second) == "has GPU-b sees GPU-b"
    first.kill()
    second.kill()
    assert said(both) == "has GPU-a GPU-b sees None"


def test_a_gpu_is_called_as_the_person_or_the_scheduler_called_it(start):
    called = {"CUDA_VISIBLE_DEVICES": "3,5"}
    assert said(start({"gpu": 1}, "GPU-a", "GPU-b", **called)) == "has GPU-a sees 3"
    assert said(start({"gpu": 1}, "GPU-a", "GPU-b", **called)) == "has GPU-b sees 5"


@pytest.mark.parametrize(
    ("resources", "gpus", "variables"),
    [
        ({"gpu": 1}, (), {}),
        ({"gpu": 0}, ("GPU-a",), {}),
        ({"gpu": 1}, ("GPU-a",), {"LDAE_DEVICE": "cpu"}),
        ({"gpu": 2}, ("GPU-a",), {}),
    ],
    ids=["no GPU", "none wanted", "CPU", "more than there are: the job says so"],
)
def test_nothing_is_taken_and_nothing_waits(start, resources, gpus, variables):
    assert said(start(resources, *gpus, **variables)) == "has sees None"


def test_the_file_asks_the_driver_by_itself_and_finds_none_without_one(tmp_path):
    """As :func:`visible` starts it: without site-packages."""
    asked = subprocess.run(
        [sys.executable, "-S", "-E", own_gpus.__file__],
        env={"LD_LIBRARY_PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert asked.returncode == 0 and asked.stderr == "" and asked.stdout.strip() == ""
