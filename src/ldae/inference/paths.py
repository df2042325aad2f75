"""Paths between two codes: straight for y_sem, on the sphere for x_T (paper 4.5)."""

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, fraction: Tensor) -> Tensor:
    """(1 - fraction) a + fraction b per sample; fraction (B,), outside [0, 1] it extrapolates."""
    weight = fraction.to(a).view(-1, *[1] * (a.ndim - 1))
    return a + weight * (b - a)


def slerp(a: Tensor, b: Tensor, fraction: Tensor, parallel: float = 1e-6) -> Tensor:
    """Spherical interpolation per sample (Shoemake 1985): the angle is that of the flattened tensors.

    Lengths that differ are interpolated by the same formula, as usual for diffusion noise. Where the angle is
    (nearly) 0 the path is straight, since sin(angle) vanishes there; a zero vector has no angle and is treated so too.

    Raises:
        ValueError: two opposite vectors, between which no shortest arc exists.
    """
    flat_a, flat_b = a.flatten(1).double(), b.flatten(1).double()
    norms = flat_a.norm(dim=1) * flat_b.norm(dim=1)
    cosine = ((flat_a * flat_b).sum(1) / norms.clamp_min(torch.finfo(torch.float64).tiny)).clamp(-1, 1)
    cosine = torch.where(norms > 0, cosine, torch.ones_like(cosine))
    if bool((cosine <= -1 + parallel**2).any()):
        raise ValueError("slerp between opposite vectors is not defined")
    angle = torch.arccos(cosine)
    weight = fraction.to(flat_a)
    straight = angle < parallel
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    weight_a = torch.where(straight, 1 - weight, ((1 - weight) * angle).sin() / sine)
    weight_b = torch.where(straight, weight, (weight * angle).sin() / sine)
    return (weight_a[:, None] * flat_a + weight_b[:, None] * flat_b).view_as(a).to(a.dtype)
