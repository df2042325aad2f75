"""The paper's way to fit its probes: one linear layer by gradient descent, the best epoch on held-out scans.

As in the authors' probe script, but for its slips: the scans held out are of other subjects (``method.probe_split:
scan`` takes theirs), ages are scaled by the scans that are fitted, and errors are over all scans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import matthews_corrcoef

from ldae.core.keyed import study_stream
from ldae.inference.probe import Probe
from ldae.studies.common.linear_probes import Task, moments

if TYPE_CHECKING:
    import torch

BATCH, HELD_OUT = 32, 0.3
LEARNING_RATE = 1e-3
EPOCHS: dict[Task, int] = {"ad": 200, "age": 1000}


def paper_probes(
    task: Task, matrices: Mapping[str, np.ndarray], target: np.ndarray, groups: np.ndarray, seed: int
) -> dict[str, Probe]:
    """One probe per feature matrix; all see the same scans in the same order. Empty where 70 % or 30 % lack a class.

    70 % of the groups are fitted, 30 % choose the epoch: the diagnosis by Adam with the logistic loss (200 epochs, best
    Matthews correlation), age by plain SGD on ages between 0 and 1 (1,000 epochs, best root mean squared error).

    Args:
        matrices: name -> (N, dimension) features of the training split.
        target: (N,) 0/1 with AD = 1, or years.
        groups: (N,) what stays together: subjects, or scans.
    """
    held_out = held_out_groups(groups, seed)
    parts = (target[~held_out], target[held_out])
    if min(map(len, parts)) == 0 or (task == "ad" and any(len(np.unique(part)) < 2 for part in parts)):
        return {}
    low, high = (0.0, 1.0) if task == "ad" else (parts[0].min(), parts[0].max())
    scale = float(max(high - low, 1e-6))
    standard = {name: moments(np.asarray(matrix, dtype=float)[~held_out]) for name, matrix in matrices.items()}
    inputs = [(np.asarray(matrix) - standard[name][0]) / standard[name][1] for name, matrix in matrices.items()]
    weights, biases = _descend(task, dict(zip(matrices, inputs, strict=True)), (target - low) / scale, held_out, seed)
    return {
        name: Probe(*standard[name], weight * scale, float(bias * scale + low), 0.0)
        for name, weight, bias in zip(matrices, weights, biases, strict=True)
    }


def held_out_groups(groups: np.ndarray, seed: int) -> np.ndarray:
    """(N,) true for the scans of 30 % of the groups, at least one."""
    names = np.unique(groups)
    chosen = study_stream(seed, "paper protocol").permutation(names)[: max(1, round(HELD_OUT * len(names)))]
    return np.isin(groups, chosen)


@dataclass
class _Best:
    """The best epoch of every probe so far."""

    score: np.ndarray
    theta: np.ndarray

    def keep(self, score: np.ndarray, theta: np.ndarray) -> None:
        """Take the probes whose score (probes,) beats their best so far, with their weights (probes, dimension)."""
        better = score > self.score
        self.score = np.where(better, score, self.score)
        self.theta = np.where(better[:, None], theta, self.theta)


def _descend(
    task: Task, inputs: dict[str, np.ndarray], target: np.ndarray, held_out: np.ndarray, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights and biases of all probes, trained side by side: features are padded with zeros to one width.

    The loss is summed over the probes and the optimizers work element by element, so none of them knows of the others.
    """
    import torch  # takes seconds; the other probes do without

    sizes = [matrix.shape[1] for matrix in inputs.values()]
    x = torch.zeros(len(sizes), len(target), max(sizes) + 1, dtype=torch.float64)
    theta = torch.zeros(len(sizes), max(sizes) + 1, dtype=torch.float64)  # weights, and last the bias
    for place, (name, matrix) in enumerate(inputs.items()):
        x[place, :, : sizes[place]], x[place, :, -1] = torch.from_numpy(matrix), 1
        start = study_stream(seed, "paper protocol", task, name).uniform(-1, 1, sizes[place] + 1)
        theta[place, [*range(sizes[place]), -1]] = torch.from_numpy(start / sizes[place] ** 0.5)  # as a linear layer's
    theta.requires_grad_()
    optimizer = (torch.optim.Adam if task == "ad" else torch.optim.SGD)([theta], LEARNING_RATE)
    functional = torch.nn.functional
    loss = functional.binary_cross_entropy_with_logits if task == "ad" else functional.mse_loss
    order = study_stream(seed, "paper protocol", task, "order")
    inside, wanted = np.flatnonzero(~held_out), torch.from_numpy(target)
    best = _Best(np.full(len(sizes), -np.inf), theta.detach().numpy().copy())
    for _ in range(EPOCHS[task]):
        for rows in torch.from_numpy(order.permutation(inside)).split(BATCH):
            score = scores(x[:, rows], theta)
            optimizer.zero_grad()
            loss(score, wanted[rows].expand_as(score), reduction="none").mean(dim=1).sum().backward()
            optimizer.step()
        now = theta.detach()
        best.keep(quality(task, scores(x[:, held_out], now).numpy(), target[held_out]), now.numpy())
    return [row[:size] for row, size in zip(best.theta, sizes, strict=True)], best.theta[:, -1]


def scores(x: "torch.Tensor", theta: "torch.Tensor") -> "torch.Tensor":
    """(probes, N) from features (probes, N, dimension) and weights (probes, dimension)."""
    return (x @ theta[:, :, None])[..., 0]


def quality(task: Task, score: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(probes,) Matthews correlation (0 where one class is called throughout), or the negative squared error."""
    if task == "age":
        return -((score - target) ** 2).mean(axis=1)
    return np.array([matthews_corrcoef(target > 0.5, called) for called in score > 0])
