"""MONAI's AutoencoderKL with the rewrites of :mod:`ldae.models.rewrites`; parameters and their names stay MONAI's."""

from torch import Tensor, nn

from ldae.config import Compute
from ldae.models.rewrites import recomputed, upsampled_convolution


class LeanUpsample(nn.Module):
    """Nearest neighbour and convolution as one transposed convolution."""

    def __init__(self, upsample: nn.Module):
        super().__init__()
        self.postconv = upsample.postconv

    def forward(self, x: Tensor) -> Tensor:
        convolution = self.postconv.conv
        return upsampled_convolution(x, convolution.weight, convolution.bias, (2, 2, 2))


class LeanResBlock(nn.Module):
    """MONAI's residual block, its norms and activations computed again in the backward pass."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = block.norm1, block.conv1, block.norm2, block.conv2
        self.nin_shortcut = block.nin_shortcut

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(recomputed(self.norm1, x))
        return self.nin_shortcut(x) + self.conv2(recomputed(self.norm2, h))


class LeanNorm(nn.GroupNorm):
    """A group norm that is computed again in the backward pass."""

    @classmethod
    def of(cls, norm: nn.GroupNorm) -> "LeanNorm":
        lean = cls(norm.num_groups, norm.num_channels, norm.eps)
        lean.weight, lean.bias = norm.weight, norm.bias
        return lean

    def forward(self, x: Tensor) -> Tensor:
        return recomputed(self, x, silu=False)


def make_lean(net: nn.Module, compute: Compute) -> None:
    """Replace the layers of a MONAI AutoencoderKL by those that ``compute`` asks for."""
    from monai.networks.blocks import Upsample
    from monai.networks.nets.autoencoderkl import AEKLResBlock

    for blocks in (net.encoder.blocks, net.decoder.blocks):
        for place, block in enumerate(blocks):
            if compute.transposed_upsampling and isinstance(block, Upsample):
                blocks[place] = LeanUpsample(block)
            elif compute.recompute_norms and isinstance(block, AEKLResBlock):
                blocks[place] = LeanResBlock(block)
            elif compute.recompute_norms and isinstance(block, nn.GroupNorm):
                blocks[place] = LeanNorm.of(block)
