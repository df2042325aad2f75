"""A slice of the workflow on a real SLURM: shards, a training, an encoding, and two faults on the way."""

import filecmp
from pathlib import Path

import pytest
from held import HOLD, write_hold
from runs import Run, checkpointed_step, continued_from, memory_mb, rewound, write_profile

FIRST_MB = 400  # less than a registration needs


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slice")


@pytest.fixture(scope="module")
def run(lab, local, shared) -> Run:
    """register_mni -> qc_scans -> pack_volumes -> train_autoencoder -> encode_latents: each shard is killed once for
    its memory, the training is cancelled once."""
    folder = rewound(local, shared / "cluster", "register")
    profile = write_profile(folder, {"register_mni": {"mem_mb": f"{FIRST_MB} * 8 ** (attempt - 1)"}})
    write_hold(folder / HOLD, 50)
    run = Run(lab, folder, profile, "--until", "encode_latents")
    run.wait_for(lambda: checkpointed_step(folder, "autoencoder"))
    number = run.jobs("train_autoencoder")[0]["JobId"]
    lab.call("scancel", number)
    run.release_after(number)
    run.wait()
    return run


def test_jobs_land_where_the_profile_sends_them(run):
    partitions = {job["rule"]: (job["Partition"], job.get("TresPerJob")) for job in run.jobs()}
    gpu = ("gpu", "gres:gpu:a100:1")
    assert partitions == {
        "register_mni": ("cpu", None),
        "qc_scans": ("cpu", None),
        "pack_volumes": ("cpu", None),
        "train_autoencoder": gpu,
        "encode_latents": gpu,
    }
    for job in run.jobs():
        assert job["NodeList"].startswith(job["Partition"])
        assert job["JOB_GRES"] == ("gpu:a100:1" if job["Partition"] == "gpu" else "(null)")
    limits = {job["rule"]: job["TimeLimit"] for job in run.jobs()}
    assert (limits["train_autoencoder"], limits["encode_latents"]) == ("12:00:00", "04:00:00")


def test_a_shard_killed_for_its_memory_comes_back_with_more(run):
    shards = run.jobs("register_mni")
    assert [memory_mb(job) for job in shards] == [FIRST_MB] * 2 + [8 * FIRST_MB] * 2
    assert [job["JobState"] == "COMPLETED" for job in shards] == [False, False, True, True]
    log = (run.lab.folder / "log/slurmd-cpu01.log").read_text()
    assert all(f"StepId={job['JobId']}" in log and "exceeded memory limit" in log for job in shards[:2])


def test_a_cancelled_training_is_submitted_again_and_continues(run):
    cancelled, again = run.jobs("train_autoencoder")
    assert (cancelled["JobState"], again["JobState"]) == ("CANCELLED", "COMPLETED")
    assert continued_from(run.folder, "autoencoder") >= 40


@pytest.mark.parametrize(
    "name",
    [
        "status/register/0.tsv",
        "status/register/1.tsv",
        "derivatives/ldae-preproc/qc.tsv",
        "store/volumes/data.npy",
        "store/volumes/index.tsv",
        "train/autoencoder/model.safetensors",
        "store/latents/store.json",
    ],
)
def test_results_are_those_of_the_local_run_byte_for_byte(run, local, name):
    assert filecmp.cmp(local / "results/lab" / name, run.folder / "results/lab" / name, shallow=False)
