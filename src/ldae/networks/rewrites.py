"""The same numbers with less work or less memory: exact rewrites of layers, which keep parameters and their names.

Which of them a network uses is said by ``training.compute`` of its section. All are equalities; what differs is the
order of rounding (1e-15 in float64). ``turned`` serves networks that were trained on other axes than R-A-S.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldae.config import Compute

Network = TypeVar("Network", bound=nn.Module)

Scale = tuple[Tensor, Tensor]
"""(s, b) of x -> (1 + s) x + b, each (B, C, 1, 1, 1)."""


def upsampled_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, factors: Sequence[int]) -> Tensor:
    """A 3x3x3 convolution (padding 1) of the nearest-neighbour upsampled ``x``, computed from ``x`` itself.

    Along a doubled axis two of the three taps always meet the same voxel, so the pair is one transposed convolution of
    4 taps and stride 2: 8/27 of the multiplications when three axes are doubled, 12/27 for two, and the large
    upsampled copy is never made.

    Args:
        x: (B, C, X, Y, Z).
        weight: (D, C, 3, 3, 3), as ``nn.Conv3d`` holds it.
        factors: 2 or 1 for each axis.
    """
    return F.conv_transpose3d(x, transposed_kernel(weight, factors), bias, stride=tuple(factors), padding=1)


def transposed_kernel(weight: Tensor, factors: Sequence[int]) -> Tensor:
    """(C, D, 4 or 3, ...) taps of the transposed convolution: sums of the taps that meet the same voxel."""
    kernel = weight.transpose(0, 1)  # transposed convolutions hold (in, out, ...)
    for axis, factor in enumerate(factors, start=2):
        first, middle, last = kernel.unbind(axis)
        taps = [last, middle + last, first + middle, first] if factor == 2 else [last, middle, first]
        kernel = torch.stack(taps, dim=axis)
    return kernel


def normalised(norm: nn.GroupNorm, x: Tensor, scales: Sequence[Scale] = (), silu: bool = True) -> Tensor:
    """SiLU of the group-normalised and then scaled ``x``: GN, each x -> (1 + s) x + b, SiLU."""
    h = norm(x)
    for scale, shift in scales:
        h = h * (1 + scale) + shift
    return F.silu(h) if silu else h


def recomputed(norm: nn.GroupNorm, x: Tensor, scales: Sequence[Scale] = (), silu: bool = True) -> Tensor:
    """:func:`normalised`, of which only ``x`` is kept for the backward pass; the rest is computed again there.

    It is computed in float32, as autocast does, and handed on in autocast's type, as the convolution that follows
    would take it. So under bf16 a layer keeps 4 bytes per value (its input and the convolution's) where autocast keeps
    10 (its input in float32, the norm's output in float32, the convolution's input).
    """
    return _in_one(_in_float32, norm, x, scales, silu, recompute=True)


def compiled(norm: nn.GroupNorm, x: Tensor, scales: Sequence[Scale] = (), silu: bool = True) -> Tensor:
    """:func:`normalised` as one kernel made by ``torch.compile``, in float32 inside, handed on as :func:`recomputed`
    does. What the kernel's backward pass keeps is the compiler's choice.
    """
    return _in_one(_kernel(), norm, x, scales, silu, recompute=False)


def compiled_recomputed(norm: nn.GroupNorm, x: Tensor, scales: Sequence[Scale] = (), silu: bool = True) -> Tensor:
    """:func:`compiled`, of which only ``x`` is kept for the backward pass."""
    return _in_one(_kernel(), norm, x, scales, silu, recompute=True)


def recomputed_layer(layer: Callable[..., Tensor], *inputs: Tensor | None) -> Tensor:
    """``layer`` of its inputs, of which one asks for gradients; they alone are kept for the backward pass.

    PyTorch's older way of checkpointing: what the newer one computes again lies in reference cycles, and a block of a
    whole volume is too large to wait for Python to find them.
    """
    return checkpoint(layer, *inputs, use_reentrant=True)


def activation(compute: Compute) -> Callable[..., Tensor]:
    """Which of the four a network uses."""
    if compute.compile_norms:
        return compiled_recomputed if compute.recompute_norms else compiled
    return recomputed if compute.recompute_norms else normalised


def _in_one(
    function: Callable[..., Tensor],
    norm: nn.GroupNorm,
    x: Tensor,
    scales: Sequence[Scale],
    silu: bool,
    recompute: bool,
) -> Tensor:
    device = x.device.type
    handed_on = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype

    def run(x: Tensor, *flat: Tensor) -> Tensor:
        with torch.autocast(device, enabled=False):
            return function(x, norm.weight, norm.bias, flat, norm.num_groups, norm.eps, silu, handed_on)

    flat = [part for pair in scales for part in pair]
    if not (recompute and torch.is_grad_enabled()):
        return run(x, *flat)
    return checkpoint(run, x, *flat, use_reentrant=False, preserve_rng_state=False)


def _in_float32(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    scales: Sequence[Tensor],
    groups: int,
    eps: float,
    silu: bool,
    handed_on: torch.dtype,
) -> Tensor:
    exact = torch.promote_types(x.dtype, torch.float32)
    h = F.group_norm(x.to(exact), groups, weight.to(exact), bias.to(exact), eps)
    for scale, shift in zip(scales[::2], scales[1::2], strict=True):
        h = h * (1 + scale) + shift
    return (F.silu(h) if silu else h).to(handed_on)


@cache
def _kernel() -> Callable[..., Tensor]:
    """Compiled at the first call, once for all sizes (``dynamic``): a network has dozens of them.

    Numbers of scales, activation, type and gradients make variants; by default the compiler gives up after eight.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    return torch.compile(_in_float32, dynamic=True)


def lay_out(network: Network, channels_last: bool) -> Network:
    """With ``channels_last``: weights of convolutions in that order, which makes their outputs so; values stay."""
    if not channels_last:
        return network
    for parameter in network.parameters():
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
    return network


def turned(volumes: Tensor, axes: Sequence[int]) -> Tensor:
    """Volumes (B, C, X, Y, Z) with some of their axes (0, 1, 2) reversed: exact, and undone by doing it again."""
    return volumes.flip([2 + axis for axis in axes]) if axes else volumes
