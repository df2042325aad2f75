"""`make bench`: its exact oracle, what it counts, and when it ends with an error."""

import json
import math

import bench
import pytest
import torch

from ldae.diffusion.schedule import Schedule


def test_the_noise_of_the_mixture_is_its_score():
    schedule = Schedule()
    mixture, t = bench.Mixture(schedule, parts=3, size=4), 400
    alpha_bar = float(schedule.alpha_bar[t])
    variance = alpha_bar * mixture.spread**2 + 1 - alpha_bar
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    distances = (x[:, None] - math.sqrt(alpha_bar) * mixture.centres).square().sum(-1)
    (score,) = torch.autograd.grad(torch.logsumexp(-distances / (2 * variance), dim=1).sum(), x)
    torch.testing.assert_close(mixture(x, torch.full((5,), t)), -math.sqrt(1 - alpha_bar) * score)


def test_what_is_counted_meets_its_targets(tmp_path, capsys):
    asked = ["--only", "C1", "C2", "C6", "--out", str(tmp_path / "machine.json")]
    assert bench.main(asked) == 0
    rows = json.loads((tmp_path / "machine.json").read_text())["rows"]
    assert [row["id"] for row in rows] == ["C1", "C2", "C6", "C6"]
    assert all(row["counted"] and row["met"] for row in rows)
    assert rows[0]["reference"] == 200 and rows[2]["reference"] > 20 and rows[2]["ours"] == 0
    assert "| C1 |" in capsys.readouterr().out


@pytest.mark.parametrize(("counted", "status"), [(True, 1), (False, 0)])
def test_only_a_counted_target_that_is_missed_is_an_error(counted, status, tmp_path, monkeypatch, capsys):
    missed = bench.Row("C0", "nothing", "calls", 10, 20, "times", 3, counted)
    assert missed.reached == 2 and not missed.met
    monkeypatch.setattr(bench, "MEASURES", {"C0": (lambda: iter([missed]), False)})
    assert bench.main(["--out", str(tmp_path / "machine.json")]) == status
    assert ("MISSED" if counted else "not met") in capsys.readouterr().out
