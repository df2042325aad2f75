"""``ldae doctor``: what it finds here, and what of a configuration it finds wrong."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ldae.cli import main
from ldae.commands.doctor import file_system
from ldae.core.files import sha256_file

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


def test_the_file_system_is_that_of_the_longest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/a / ext4 rw 0 0\nhost:/x /data nfs4 rw 0 0\nhost:/y /data/my\\040lab lustre rw 0 0\n")
    for place, kind in {"/data/x": "nfs4", "/data/my lab/x": "lustre", "/database": "ext4"}.items():
        assert file_system(Path(place), mounts) == kind
