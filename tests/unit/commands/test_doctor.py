"""``ldae doctor``: what it finds here, and what of a configuration it finds wrong."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ldae.cli import main
from ldae.commands.doctor import file_system, fitting
from ldae.core.files import sha256_file
from ldae.training.memory import Need
from ldae.training.rule_memory import RuleNeed

ROOT = Path(__file__).parents[3]


def examined(capsys, *arguments) -> tuple[int, dict[str, list[dict]]]:
    status = main(["doctor", "--json", *map(str, arguments)])
    found: dict[str, list[dict]] = {}
    for finding in json.loads(capsys.readouterr().out):
        found.setdefault(finding["what"], []).append(finding)
    return status, found


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setenv("LDAE_DEVICE", "cpu")


def test_it_says_what_this_machine_has(capsys, no_gpu, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, found = examined(capsys)
    assert list(found)[:9] == ["GPU", "driver", "PyTorch", "NCCL", "cores", "memory", "disk", "dcm2niix", "SLURM"]
    assert found["cores"][0]["found"] == f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"
    free = shutil.disk_usage(tmp_path).free / 2**30
    assert found["disk"][0]["found"].split()[0] == f"{free:.0f}"
    assert found["dcm2niix"][0]["found"].startswith("v")
    assert status == int(any(one["wrong"] for ones in found.values() for one in ones))


def test_weights_are_looked_at(capsys, no_gpu, tmp_path):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"weights")
    overlay = tmp_path / "mine.yaml"

    def told(path: Path, digest: str) -> str | None:
        overlay.write_text(f"representation: {{backbone_weights: {path}, backbone_sha256: '{digest}'}}\n")
        status, found = examined(capsys, "--config", ROOT / "config" / "config.yaml", overlay)
        (finding,) = (one for one in found["weights"] if one["found"].startswith("representation.backbone_weights"))
        assert status == 1 or finding["wrong"] is None
        return finding["wrong"]

    assert told(weights, sha256_file(weights).upper()) is None
    assert "another one" in told(weights, "0" * 64)
    assert told(tmp_path / "none", "0" * 64) == "the file does not exist"


def test_a_gpu_that_the_configuration_asks_for_is_missed(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("LDAE_DEVICE", "")  # not set; restored whatever the command sets
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(f"launch: {{device: gpu}}\nresults_dir: {tmp_path}\n")
    status, found = examined(capsys, "--config", ROOT / "config" / "config.yaml", overlay)
    assert status == 1 and "launch.device: gpu" in found["GPU"][0]["wrong"]


def test_a_disk_that_planning_would_refuse_is_named(capsys, no_gpu, monkeypatch, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(f"results_dir: {tmp_path}\n")
    free = shutil.disk_usage(tmp_path)
    for room, refused in ((10**9, True), (10**12, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, room=room: free._replace(free=room))
        status, found = examined(capsys, "--config", ROOT / "config" / "config.yaml", overlay)
        (finding,) = found["checkpoints"]
        assert (finding["wrong"] is not None) == refused and (status == 1 or not refused)
        assert not refused or "of checkpoints at once, 1 GB are free there" in finding["wrong"]


def test_what_a_gpu_of_some_size_does_not_hold_is_named_with_what_to_do():
    """1.5 GiB of workspace are in every need."""
    small = Need("autoencoder", state=1.0, per_scan=2.0, working=1.0, micro_batch=2, batch=4)
    large = Need("dae", state=12.0, per_scan=2.0, working=1.0, micro_batch=1, batch=8)
    long = Need("diffusion", 0.0, 0.0, 0.0, micro_batch=4, batch=4, values=2**30)  # too many values in one tensor
    rules = [RuleNeed("encode_codes", 2.0, 3.0, "sample", 8, 0), RuleNeed("eval_solvers", 4.0, 5.0, "decode", 1, 0)]

    def found(room: float) -> list[tuple[str, str, str | None]]:
        return [(one.what, one.found, one.wrong) for one in fitting([small, large, long], rules, room)]

    many = "set micro_batch 1 (config/gpu_*gb.yaml)"
    assert found(40.0) == [
        ("trainings", "autoencoder: 8.5 of 40.0 GiB with micro_batch 2", None),
        ("trainings", "dae: 16.5 of 40.0 GiB with micro_batch 1", None),
        ("trainings", "diffusion: 1.5 of 40.0 GiB with micro_batch 4", many),
        ("evaluation", "eval_solvers: 10.5 of 40.0 GiB, decode of 1 at once", None),
    ]
    lower = "set evaluation.volumes to 1, or evaluation.batch lower"
    assert found(6.0) == [
        ("trainings", "autoencoder: 8.5 of 6.0 GiB with micro_batch 2", many),
        (
            "trainings",
            "dae: 16.5 of 6.0 GiB with micro_batch 1",
            "no micro_batch fits: a larger GPU is needed (config/gpu_*gb.yaml)",
        ),
        ("trainings", "diffusion: 1.5 of 6.0 GiB with micro_batch 4", many),
        ("evaluation", "encode_codes: 6.5 of 6.0 GiB, sample of 8 at once", lower),
        ("evaluation", "eval_solvers: 10.5 of 6.0 GiB, decode of 1 at once", lower),
    ]


def test_the_file_system_is_that_of_the_longest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nhost:/x /data nfs4 rw 0 0\nhost:/y /data/my\\040lab lustre rw 0 0\n")
    for place, kind in {"/data/x": "nfs4", "/data/my lab/x": "lustre", "/database": "ext4"}.items():
        assert file_system(Path(place), mounts) == kind
