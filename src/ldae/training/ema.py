"""Exponential moving average of the trained weights."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class DoubledAverage(AveragedModel):
    """An average whose parameters below some names are updated twice at every update."""

    def __init__(self, module: nn.Module, decay: float, twice: tuple[str, ...]):
        super().__init__(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self.decay, self.twice = decay, twice

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        super().update_parameters(model)
        pairs = zip(self.module.named_parameters(), model.parameters(), strict=True)
        chosen = [(own, other.detach()) for (name, own), other in pairs if name.startswith(self.twice)]
        torch._foreach_lerp_(*map(list, zip(*chosen, strict=True)), 1 - self.decay)


def moving_average(
    module: nn.Module, decay: float, updates: int = 1, twice: tuple[str, ...] = ()
) -> AveragedModel | None:
    """An average of ``module``'s parameters, to be updated once per optimizer step: e <- d e + (1 - d) p.

    The first update copies the parameters. Decay 0 means no average. ``module`` must hold trained weights only.

    Args:
        updates: per optimizer step. Several with the same parameters are one with d = decay^updates.
        twice: beginnings of the names of parameters that are updated twice as often (``method.mode: authors_code``).
    """
    if not decay:
        return None
    decay = decay**updates
    average = DoubledAverage(module, decay, twice) if twice else _average(module, decay)
    return average.requires_grad_(False)


def _average(module: nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
