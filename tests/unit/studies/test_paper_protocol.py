"""The paper's way to fit a probe, against torch's layer and optimizers."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ldae.core.keyed import study_stream
from ldae.studies.probes import paper_protocol as p


@pytest.fixture
def data() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    groups = np.repeat([f"sub-{i:02d}" for i in range(40)], 2)
    x = rng.normal(3, 2, (80, 5))
    return {"wide": x, "narrow": x[:, :2]}, x[:, 0] + rng.normal(0, 1, 80), groups


def by_torch(task: str, name: str, x: np.ndarray, target: np.ndarray, held_out: np.ndarray, seed: int) -> np.ndarray:
    """Scores of all scans after the last epoch that improved on the held-out ones."""
    x = (x - x[~held_out].mean(0)) / x[~held_out].std(0)
    start = study_stream(seed, "paper protocol", task, name).uniform(-1, 1, x.shape[1] + 1) / x.shape[1] ** 0.5
    layer = torch.nn.Linear(x.shape[1], 1).double()
    with torch.no_grad():
        layer.weight[0] = torch.from_numpy(start[:-1])
        layer.bias[0] = start[-1]
    adam = task == "ad"
    optimizer = (torch.optim.Adam if adam else torch.optim.SGD)(layer.parameters(), 1e-3)
    loss = F.binary_cross_entropy_with_logits if adam else F.mse_loss
    order = study_stream(seed, "paper protocol", task, "order")
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(target)
    best, kept = -np.inf, None
    for _ in range(p.EPOCHS[task]):
        for rows in torch.from_numpy(order.permutation(np.flatnonzero(~held_out))).split(32):
            optimizer.zero_grad()
            loss(layer(inputs[rows])[:, 0], wanted[rows]).backward()
            optimizer.step()
        scores = layer(inputs)[:, 0].detach().numpy()
        quality = p.quality(task, scores[None, held_out], target[held_out])[0]
        if quality > best:
            best, kept = quality, scores
    return kept


@pytest.mark.parametrize("task", ["ad", "age"])
def test_probes_trained_side_by_side_are_those_of_torch(data: tuple, task: str, monkeypatch) -> None:
    monkeypatch.setitem(p.EPOCHS, task, 30)
    matrices, value, groups = data
    target = (value > 3).astype(float) if task == "ad" else 70 + value
    held_out = p.held_out_groups(groups, 1)
    probes = p.paper_probes(task, matrices, target, groups, 1)
    low, high = (0, 1) if task == "ad" else (target[~held_out].min(), target[~held_out].max())
    for name, x in matrices.items():
        theirs = by_torch(task, name, x, (target - low) / (high - low), held_out, 1) * (high - low) + low
        np.testing.assert_allclose(probes[name].score(x), theirs, atol=1e-8)


def test_matthews_correlation_chooses_the_epoch() -> None:
    target = np.array([1.0, 1, 1, 0, 0])
    score = np.array([[1.0, 1, -1, -1, 1], [1, 1, 1, 1, 1]])  # 2 of 3 and 1 of 2 right; one class called throughout
    np.testing.assert_allclose(p.quality("ad", score, target), [(2 * 1 - 1 * 1) / 6, 0], atol=1e-12)


def test_thirty_percent_of_the_groups_are_held_out_whole(data: tuple) -> None:
    _, _, groups = data
    held_out = p.held_out_groups(groups, 0)
    assert len(set(groups[held_out])) == 12 and not set(groups[held_out]) & set(groups[~held_out])


def test_it_learns_and_is_unmoved_by_other_feature_sets(data: tuple) -> None:
    matrices, value, groups = data
    alone = p.paper_probes("age", {"wide": matrices["wide"]}, 70 + value, groups, 0)["wide"]
    beside = p.paper_probes("age", matrices, 70 + value, groups, 0)["wide"]
    np.testing.assert_allclose(alone.weight, beside.weight, atol=1e-12)
    assert np.corrcoef(beside.score(matrices["wide"]), value)[0, 1] > 0.8


def test_a_missing_class_gives_no_probe(data: tuple) -> None:
    matrices, _, groups = data
    assert p.paper_probes("ad", matrices, np.zeros(80), groups, 0) == {}
