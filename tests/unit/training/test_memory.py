"""The memory estimate and the counts at the paper's size, on fake tensors."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ldae import cli
from ldae.config import Compute, load_config
from ldae.training.dry_run import passes, saved_bytes
from ldae.training.memory import GIB, USABLE, Need, autoencoder, diffusion, need, representation, state_bytes

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "config" / "config.yaml"
PRESETS = {gpu: ROOT / "config" / f"gpu_{gpu}gb.yaml" for gpu in (16, 24, 40, 80)}


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def two_layers():
    return nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))


def test_kept_bytes_and_operations_of_a_network_counted_by_hand():
    def forward(network, scans):
        return network(torch.randn(scans, 10)).sum()

    kept = [saved_bytes(two_layers, forward, scans, half=False) for scans in (3, 4)]
    assert kept[1] - kept[0] == 4 * (10 + 20)  # the input, and the ReLU's result; sums need shapes alone
    counted = passes(two_layers, forward, 3, half=False)
    assert counted.forward == 2 * 3 * (10 * 20 + 20 * 5)
    assert counted.both == counted.forward + 2 * 3 * (10 * 20 + 2 * 20 * 5)  # no gradient of the input


def test_largest_micro_batch_divides_the_effective_batch():
    found = Need("x", state=10, per_scan=0.9, working=0.1, micro_batch=4, batch=16)
    assert found.total == 15.5
    assert found.largest(11.5 + 7.9) == 4  # 7 would fit, and does not divide
    assert found.largest(12) == 0


@pytest.fixture(scope="module")
def theirs():
    """The authors' choices: no rewrite, in-plane resampling, the whole estimator averaged."""
    config = load_config(PAPER)
    plain = module("paper_scale").with_compute(config, Compute.plain())
    return plain.model_copy(update={"diffusion": plain.diffusion.model_copy(update={"resample": "in_plane"})})


def slope(stage):
    kept = [saved_bytes(stage.network, stage.forward, scans) for scans in (1, 2)]
    return (kept[1] - kept[0]) / GIB


def test_the_unet_keeps_what_was_counted_for_it_and_half_of_it_with_the_rewrites(theirs):
    reference = diffusion(theirs)
    lean = diffusion(module("paper_scale").with_compute(theirs, Compute()))
    assert state_bytes(reference) / GIB == pytest.approx(10.0, rel=0.1)
    kept = slope(reference)
    assert kept == pytest.approx(0.605, rel=0.1)
    assert slope(lean) / kept <= 0.60


def test_presets_change_micro_batches_and_nothing_of_the_training():
    paper = load_config(PAPER)
    for path in PRESETS.values():
        preset = load_config(PAPER, path)
        for name in ("autoencoder", "diffusion", "representation"):
            sections = [getattr(config, name).training.model_dump() for config in (paper, preset)]
            assert sections[1]["batch"] % sections[1]["micro_batch"] == 0
            for section in sections:
                section.pop("micro_batch")
                section["compute"].pop("checkpoint_backbone")
            assert sections[0] == sections[1]


@pytest.mark.slow
def test_the_authors_column_of_the_memory_table(theirs):
    """State + per scan in GiB: representation 12.5 + 5.12, autoencoder .3 + 20.2 + discriminator .4 (A100-40 table)."""
    stage = representation(theirs)
    averaged_as_well = 4 * stage.frozen / GIB  # theirs averages the frozen network too
    assert state_bytes(stage) / GIB + averaged_as_well == pytest.approx(12.5, rel=0.1)
    assert slope(stage) == pytest.approx(5.12, rel=0.1)
    assert slope(autoencoder(theirs)) == pytest.approx(20.2 + 0.4, rel=0.1)


@pytest.mark.slow
def test_presets_fit_their_gpus():
    slopes = {}
    for gpu, path in PRESETS.items():
        config = load_config(PAPER, path)
        for make in (autoencoder, diffusion, representation):
            stage = make(config)
            if stage.name not in slopes:
                slopes[stage.name] = need(stage)
            assert slopes[stage.name].at(stage.training.micro_batch) <= USABLE * gpu, (gpu, stage.name)


@pytest.mark.slow
def test_counts_at_the_papers_size_reach_their_targets():
    bench = module("paper_scale")
    rows = bench.compare(load_config(PAPER))
    assert set(bench.TARGETS) <= set(rows)
    for name, target in bench.TARGETS.items():
        assert rows[name]["ratio"] <= target, name
    assert rows["autoencoder decode, operations"]["reference"] == pytest.approx(6.919, rel=0.01)


def test_the_command_prints_every_stage(capsys, monkeypatch):
    monkeypatch.setattr("ldae.training.memory.needs", lambda config: [Need("diffusion", 10, 0.2, 0.05, 64, 128)])
    assert cli.main(["memory", "--config", str(PAPER), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diffusion"]["fits"] == {"16": 16, "24": 32, "40": 64, "80": 128}
    assert cli.main(["memory", "--config", str(PAPER)]) == 0
    assert "micro-batch 64:  27.5" in capsys.readouterr().out
