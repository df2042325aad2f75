"""MONAI's AutoencoderKL with the rewrites of :mod:`ldae.networks.rewrites`; parameters and their names stay MONAI's."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ldae.config import Compute
from ldae.networks.rewrites import activation, upsampled_convolution

if TYPE_CHECKING:  # seconds of imports
    from monai.networks.blocks import Convolution, Upsample
    from monai.networks.nets import AutoencoderKL
    from monai.networks.nets.autoencoderkl import AEKLResBlock


class LeanUpsample(nn.Module):
    """Nearest neighbour and convolution as one transposed convolution."""

    def __init__(self, upsample: "Upsample"):
        super().__init__()
        self.postconv: Convolution = upsample.get_submodule("postconv")  # type: ignore[assignment]  # typed Module

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (self.postconv.get_parameter(f"conv.{name}") for name in ("weight", "bias"))
        return upsampled_convolution(x, weight, bias, (2, 2, 2))


class LeanResBlock(nn.Module):
    """MONAI's residual block, its norms and activations recomputed in the backward pass or compiled."""

    def __init__(self, block: "AEKLResBlock", compute: Compute):
        super().__init__()
        self.activate = activation(compute)
        self.norm1, self.conv1, self.norm2, self.conv2 = block.norm1, block.conv1, block.norm2, block.conv2
        self.nin_shortcut = block.nin_shortcut

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.activate(self.norm1, x))
        return self.nin_shortcut(x) + self.conv2(self.activate(self.norm2, h))


class LeanNorm(nn.GroupNorm):
    """A group norm that is recomputed in the backward pass or compiled."""

    activate: Callable[..., Tensor]

    @classmethod
    def of(cls, norm: nn.GroupNorm, compute: Compute) -> "LeanNorm":
        lean = cls(norm.num_groups, norm.num_channels, norm.eps)
        lean.weight, lean.bias, lean.activate = norm.weight, norm.bias, activation(compute)
        return lean

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self, x, silu=False)


def make_lean(net: "AutoencoderKL", compute: Compute) -> None:
    """Replace the layers of a MONAI AutoencoderKL by those that ``compute`` asks for."""
    from monai.networks.blocks import Upsample
    from monai.networks.nets.autoencoderkl import AEKLResBlock

    replaced = compute.recompute_norms or compute.compile_norms
    for half in (net.encoder, net.decoder):
        blocks = half.get_submodule("blocks")
        assert isinstance(blocks, nn.ModuleList)
        for place, block in enumerate(blocks):
            if compute.transposed_upsampling and isinstance(block, Upsample):
                blocks[place] = LeanUpsample(block)
            elif replaced and isinstance(block, AEKLResBlock):
                blocks[place] = LeanResBlock(block, compute)
            elif replaced and isinstance(block, nn.GroupNorm):
                blocks[place] = LeanNorm.of(block, compute)
