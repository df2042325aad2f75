"""Exponential moving average of the trained weights."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(module: nn.Module, decay: float) -> AveragedModel | None:
    """An average of ``module``'s parameters, to be updated once per optimizer step: e <- decay e + (1 - decay) p.

    The first update copies the parameters. Decay 0 means no average. ``module`` must hold trained weights only.
    """
    if not decay:
        return None
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return average.requires_grad_(False)
