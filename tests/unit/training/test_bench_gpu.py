"""The GPU benchmark runs where there is none, so that it runs the first time somebody has one."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]


def bench():
    spec = importlib.util.spec_from_file_location("bench_gpu", ROOT / "benchmarks" / "bench_gpu.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_a_stage_is_timed_and_set_against_what_is_counted(tmp_path, capsys):
    configs = [str(ROOT / "config" / f"{name}.yaml") for name in ("config", "small_networks", "demo", "smoke")]
    out = tmp_path / "bench.json"
    assert bench().main(["--config", *configs, "--stages", "dae", "--seconds", "0", "--json", str(out)]) == 0
    row = json.loads(out.read_text())["stages"]["dae"]
    assert row["steps"] == 1 and row["micro_batch"] == 8
    assert row["scans_per_second"] == pytest.approx(8 / row["seconds"])
    assert row["mfu"] == pytest.approx(row["tflops"] / row["matmul_tflops"])
    assert row["counted_gib"] > 1.5
    assert ("peak_gib" in row) == torch.cuda.is_available()
    assert "scans/s" in capsys.readouterr().out


def test_the_matrix_product_is_timed_as_it_is_counted(monkeypatch):
    """A clock that advances a tenth of a second per product of 2 x 512^3 operations."""
    loaded, clock = bench(), iter(range(100))
    monkeypatch.setattr(loaded.time, "perf_counter", lambda: next(clock))
    assert loaded.matmul_tflops(torch.device("cpu"), half=True) == pytest.approx(2 * 512**3 / 0.1 / 1e12)
