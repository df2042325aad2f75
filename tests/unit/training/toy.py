"""A stage small enough to train in a test, with everything the loop handles: two networks, averages, dropout, a choice
of the best step."""

import torch
from torch import nn

from ldae.config import Training
from ldae.core.keyed import normal
from ldae.training.stages.stage import Stage

TRUTH = torch.tensor([[1.0, -2.0, 0.5]])


def training(**changes):
    settings = {"steps": 12, "batch": 4, "micro_batch": 2, "learning_rate": 0.05, "ema_decay": 0.9, "validate_every": 4}
    return Training(**(settings | changes))


class ToyStage(Stage):
    """Linear regression by a network with dropout, and a second network with a learning rate of its own."""

    name = "toy"
    scans = 7

    def __init__(self, selection=None, on_step=None):
        torch.manual_seed(0)
        self.product = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
        self.networks = {"main": self.product, "other": nn.Linear(3, 1)}
        self.selection, self.on_step, self.seen, self.rates = selection, on_step, [], []

    def learning_rate(self, network, default):
        return 0.01 if network == "other" else default

    def backward(self, draws, share):
        self.seen.append([draw.scan for draw in draws])
        if self.on_step is not None:
            self.on_step(draws[0].key[2])
        x = torch.stack([normal((3,), "scan", draw.scan) + 0.1 * normal((3,), *draw.key) for draw in draws])
        target = x @ TRUTH.T
        losses = {name: (network(x) - target).square().mean() for name, network in self.networks.items()}
        (share * sum(losses.values())).backward()
        return {name: value.detach() for name, value in losses.items()}

    def validate(self, product):
        x = torch.stack([normal((3,), "validation", i) for i in range(5)])
        return {"score": -float((product(x) - x @ TRUTH.T).square().mean())}
