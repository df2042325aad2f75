"""How trained networks are computed: in float32 or bf16, their weights contiguous or channels-last (``evaluation``).

Calls of networks alone are in bf16. What they return is float32 again, and so are the states of samplers, latents,
codes and metrics.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ldae.config import Arithmetic
from ldae.inference.device import precision_context
from ldae.networks.rewrites import lay_out

Network = TypeVar("Network", bound=nn.Module)
Answer = TypeVar("Answer", Tensor, tuple[Tensor, Tensor])

PLAIN = Arithmetic()


def placed(network: Network, how: Arithmetic, device: torch.device) -> Network:
    """The network on the device, its weights in the wanted order."""
    return lay_out(network.to(device), how.channels_last)


def noted(how: Arithmetic) -> dict[str, str]:
    """What a store says of the precision that it was made in; nothing of float32."""
    return {} if how.precision == "fp32" else {"precision": how.precision}


def called(network: Callable[..., Answer], how: Arithmetic, device: torch.device) -> Callable[..., Answer]:
    """The same network, or a method of it, in the wanted precision; it returns float32."""
    if how.precision == "fp32":
        return network

    def call(*tensors: Tensor) -> Answer:
        with precision_context(how.precision, device):
            answer = network(*tensors)
        return answer.float() if isinstance(answer, Tensor) else (answer[0].float(), answer[1].float())

    return call
