"""Stage 1 network: a 3-D autoencoder with a Gaussian latent (AutoencoderKL; paper 4.1, Table 2).

The network is MONAI's, with the rewrites of :mod:`ldae.networks.rewrites`; parameters and their names stay MONAI's.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ldae import config
from ldae.config import Compute
from ldae.networks.rewrites import activation, turned, upsampled_convolution

if TYPE_CHECKING:  # seconds of imports
    from monai.networks.blocks import Upsample
    from monai.networks.nets import AutoencoderKL
    from monai.networks.nets.autoencoderkl import AEKLResBlock


class Autoencoder(nn.Module):
    """MONAI's AutoencoderKL behind an optional space-to-depth stem.

    With ``patch`` 1 this is exactly the paper's network. With ``patch`` p the p^3 voxels of a block become channels,
    so that no convolution runs at full resolution; small machines need that.

    Args:
        net: MONAI AutoencoderKL with patch^3 input and output channels.
        patch: edge of a block, voxels.

    Attributes:
        flipped: axes (0, 1, 2) along which its volumes ran against R-A-S in training; those given and returned here
            are R-A-S. Latents keep the network's own axes.
    """

    flipped: tuple[int, ...] = ()

    def __init__(self, net: "AutoencoderKL", patch: int):
        super().__init__()
        self.net = net
        self.patch = patch

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Volumes (B, 1, X, Y, Z) in [0, 1] -> posterior mean and spread, each (B, C, x, y, z), unscaled."""
        return self.net.encode(space_to_depth(turned(x, self.flipped), self.patch))

    def decode(self, z: Tensor) -> Tensor:
        """Unscaled latents (B, C, x, y, z) -> volumes (B, 1, X, Y, Z), not clipped."""
        return turned(depth_to_space(self.net.decode(z), self.patch), self.flipped)


def build_autoencoder(settings: config.Autoencoder) -> Autoencoder:
    """The network of the ``autoencoder`` section, with PyTorch's default initialisation."""
    from monai.networks.nets import AutoencoderKL  # seconds of imports, only where a network is built

    channels = settings.patch**3
    net = AutoencoderKL(
        spatial_dims=3,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=settings.res_blocks,
        channels=settings.channels,
        attention_levels=[False] * len(settings.channels),
        latent_channels=settings.latent_channels,
        norm_num_groups=settings.norm_groups,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
        include_fc=False,
    )
    if settings.zero_init:
        silence_residuals(net)
    make_lean(net, settings.training.compute)
    return Autoencoder(net, settings.patch)


def silence_residuals(net: nn.Module) -> None:
    """Zero the last convolution of every residual block, so that each starts as its skip connection.

    The network then begins as a nearly linear one, which finds the local principal components at once.
    """
    from monai.networks.nets.autoencoderkl import AEKLResBlock

    for block in net.modules():
        if isinstance(block, AEKLResBlock):
            last = block.conv2.get_submodule("conv")
            for parameter in last.parameters():
                nn.init.zeros_(parameter)


def narrow_posterior(autoencoder: Autoencoder, log_variance: float = -6.0) -> None:
    """Start a fresh network with a small posterior spread.

    By default it is about 1, far above that of the first means, and the decoder spends its first hundreds of steps on
    learning to ignore noise that the KL weight of 1e-7 hardly asks for.
    """
    nn.init.constant_(autoencoder.net.quant_conv_log_sigma.get_parameter("conv.bias"), log_variance)


def kl_divergence(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)) of each latent, summed over its elements: (B,)."""
    divergence = 0.5 * (mu.square() + sigma.square() - 2 * sigma.log() - 1)
    return divergence.flatten(1).sum(1)


def space_to_depth(x: Tensor, patch: int) -> Tensor:
    """(B, C, X, Y, Z) -> (B, C p^3, X/p, Y/p, Z/p); a permutation of values, undone by :func:`depth_to_space`."""
    if patch == 1:
        return x
    b, c, *size = x.shape
    nx, ny, nz = (n // patch for n in size)
    blocks = x.reshape(b, c, nx, patch, ny, patch, nz, patch)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * patch**3, nx, ny, nz)


def depth_to_space(x: Tensor, patch: int) -> Tensor:
    """(B, C p^3, x, y, z) -> (B, C, x p, y p, z p)."""
    if patch == 1:
        return x
    b, c, nx, ny, nz = x.shape
    blocks = x.reshape(b, c // patch**3, patch, patch, patch, nx, ny, nz)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // patch**3, nx * patch, ny * patch, nz * patch)


def reparameterise(mu: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """A sample of the posterior."""
    return torch.addcmul(mu, sigma, noise)


class LeanUpsample(nn.Module):
    """Nearest neighbour and convolution as one transposed convolution."""

    def __init__(self, upsample: "Upsample"):
        super().__init__()
        self.postconv = upsample.get_submodule("postconv")

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, x, y, z) -> (B, C', 2x, 2y, 2z)."""
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
        """(B, C, x, y, z) -> (B, C', x, y, z)."""
        h = self.conv1(self.activate(self.norm1, x))
        return self.nin_shortcut(x) + self.conv2(self.activate(self.norm2, h))


class LeanNorm(nn.GroupNorm):
    """A group norm that is recomputed in the backward pass or compiled."""

    activate: Callable[..., Tensor]

    @classmethod
    def of(cls, norm: nn.GroupNorm, compute: Compute) -> "LeanNorm":
        """With the parameters of ``norm``, which stay the same tensors."""
        lean = cls(norm.num_groups, norm.num_channels, norm.eps)
        lean.weight, lean.bias, lean.activate = norm.weight, norm.bias, activation(compute)
        return lean

    def forward(self, x: Tensor) -> Tensor:
        """Normalised, same shape."""
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
