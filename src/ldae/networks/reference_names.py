"""Names of the paper's published weights, and how they map to ours: a bijection, tensor by tensor.

Each ``*_names`` function takes one of our networks and returns {our name: their name}, so that nothing can be left
over on either side. The authors' networks are those of PDAE (UNets), MONAI Generative (autoencoder) and torchvision
(ConvNeXt, of which timm has the same tensors under other names).
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from ldae.core.errors import UserError
from ldae.networks.autoencoder import Autoencoder
from ldae.networks.gradient_estimator import GradientEstimator, ShiftBranch
from ldae.networks.semantic_encoder import SemanticEncoder, sinusoidal_positions
from ldae.networks.unet import DownPath, UNet, UpPath

Names = dict[str, str]
BLOCK = {
    "norm_in": "in_layers.0",
    "conv_in": "in_layers.2",
    "time_scale.linear": "emb_layers.1",
    "semantic_scale.linear": "emb_z_layers.1",
    "norm_out": "out_layers.0",
    "conv_out": "out_layers.3",
    "skip": "skip_connection",
}
ATTENTION = {"norm": "norm", "qkv": "qkv", "projection": "proj_out"}
CONVNEXT: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"stem\.(\d)\.": r"features.0.\1.",
    r"head\.norm\.": "classifier.0.",
    r"stages\.(\d)\.downsample\.(\d)\.": lambda m: f"features.{2 * int(m[1])}.{m[2]}.",
    r"stages\.(\d)\.blocks\.(\d+)\.": lambda m: f"features.{2 * int(m[1]) + 1}.{m[2]}.",
}
CONVNEXT_BLOCK = {
    "gamma": "layer_scale",
    "conv_dw.": "block.0.",
    "norm.": "block.2.",
    "mlp.fc1.": "block.3.",
    "mlp.fc2.": "block.5.",
}
POOLING = {
    "score": "soft_attention.linear",
    "query": "query_projection",
    "key": "key_projection",
    "value": "value_projection",
    "attention": "cross_attention",
    "norm": "layer_norm_after_attention",
}
BACKBONES = ("backbone.backbone.", "slice_distributed.module.backbone.")  # one network, held twice
POSITIONS = "positional_encoding.pe"


def autoencoder_names(autoencoder: Autoencoder) -> Names:
    """MONAI's names -> those of MONAI Generative: only the up-sampling convolutions were renamed."""
    return {name: name.replace(".postconv.conv.", ".conv.conv.") for name in autoencoder.net.state_dict()}


def unet_names(unet: UNet) -> Names:
    """The latent UNet; without the Gaussian prior, which the paper does not have."""
    names = {f"time_embedding.{part}": f"time_embed.{part}" for part in unet.time_embedding.state_dict()}
    return names | _prefixed(_down_names(unet.down), "down.", "") | _prefixed(_up_names(unet.up, ""), "up.", "")


def shift_names(shift: ShiftBranch) -> Names:
    """The trained part of the gradient estimator."""
    names = {f"semantic_embedding.{part}": f"label_emb.{part}" for part in shift.semantic_embedding.state_dict()}
    return names | _prefixed(_up_names(shift.up, "shift_"), "up.", "")


def estimator_names(estimator: GradientEstimator) -> Names:
    """Frozen trunk and trained part, which the authors keep in one network."""
    return _prefixed(unet_names(estimator.trunk), "trunk.", "") | _prefixed(shift_names(estimator.shift), "shift.", "")


def backbone_names(names: list[str]) -> Names:
    """timm's names of a ConvNeXt -> torchvision's."""
    return {name: _torchvision(name) for name in names}


def encoder_names(encoder: SemanticEncoder) -> Names:
    """The semantic encoder; its backbone under the first of the two places it has in the authors' network."""
    names = _prefixed(backbone_names(list(encoder.backbone.state_dict())), "backbone.", BACKBONES[0])
    for name in encoder.pooling.state_dict():
        part, rest = re.split(r"[._]", name, maxsplit=1)[0], name
        names[f"pooling.{name}"] = POOLING[part] + rest.removeprefix(part)
    return names


def renamed(state: dict[str, Tensor], names: Names) -> dict[str, Tensor]:
    """A state dict under other names.

    Raises:
        UserError: a name is missing or left over.
    """
    missing, left = sorted(names.keys() - state.keys()), sorted(state.keys() - names.keys())
    if missing or left:
        said = [f"{len(missing)} missing ({missing[0]}, ...)"] if missing else []
        said += [f"{len(left)} left over ({left[0]}, ...)"] if left else []
        raise UserError(f"The weights are not those of this network: of {len(names)} tensors {', '.join(said)}.")
    return {new: state[old] for old, new in names.items()}


def from_reference(state: dict[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Their weights under our names and in our shapes; strict."""
    ours = renamed(state, {theirs: name for name, theirs in names.items()})
    return {name: tensor.flatten() if name.endswith(".gamma") else tensor for name, tensor in ours.items()}


def to_reference(state: dict[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Our weights under their names and in their shapes; strict."""
    theirs = renamed(state, names)
    return {name: tensor.view(-1, 1, 1) if name.endswith(".layer_scale") else tensor for name, tensor in theirs.items()}


def encoder_from_reference(state: dict[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Their semantic encoder: the second copy of the backbone has to equal the first, the positional table its formula.

    Raises:
        UserError: they do not, or a name is missing or left over.
    """
    state = dict(state)
    first, second = BACKBONES
    for name in [name for name in state if name.startswith(second)]:
        copy, original = state.pop(name), state.get(first + name.removeprefix(second))
        if original is None or copy.shape != original.shape or not _equal(copy, original):
            raise UserError(f"The semantic encoder holds its backbone twice, and the two differ at {name}.")
    positions = state.pop(POSITIONS, None)
    if positions is not None:
        length, width = positions.shape[-2:]
        expected = sinusoidal_positions(length, width, positions.device)
        rounding = torch.finfo(positions.dtype).eps if positions.is_floating_point() else 0.0  # of half precision
        if positions.dim() != 3 or not _equal(positions, expected[None], 1e-4 + rounding):
            raise UserError(f"The semantic encoder's {POSITIONS} is not the sinusoidal encoding.")
    return from_reference(state, names)


def encoder_to_reference(state: dict[str, Tensor], names: Names, slices: int) -> dict[str, Tensor]:
    """Our semantic encoder as theirs, which reads ``slices`` slices."""
    theirs, (first, second) = to_reference(state, names), BACKBONES
    copies = {second + name.removeprefix(first): value for name, value in theirs.items() if name.startswith(first)}
    some = state["pooling.query.weight"]
    return theirs | copies | {POSITIONS: sinusoidal_positions(slices, len(some), some.device)[None]}


def _equal(x: Tensor, y: Tensor, tolerance: float = 0.0) -> bool:
    """On the meta device there are no values to compare."""
    return x.is_meta or torch.allclose(x.float(), y.float(), rtol=0, atol=tolerance)


def _prefixed(names: Names, ours: str, theirs: str) -> Names:
    return {ours + name: theirs + other for name, other in names.items()}


def _layer_names(state: list[str], ours: str, block: str, attention: str) -> Names:
    """Names of one layer: a residual block and, perhaps, the attention after it."""
    names = {}
    for name in state:
        kind, rest = name.split(".", 1)
        part, value = rest.rsplit(".", 1)
        place, parts = (block, BLOCK) if kind == "block" else (attention, ATTENTION)
        names[f"{ours}.{name}"] = f"{place}.{parts[part]}.{value}"
    return names


def _down_names(down: DownPath) -> Names:
    names = {f"conv_in.{value}": f"input_blocks.0.0.{value}" for value in down.conv_in.state_dict()}
    for place, layer in enumerate(down.layers):
        theirs = f"input_blocks.{place + 1}"
        names |= _layer_names(list(layer.state_dict()), f"layers.{place}", f"{theirs}.0", f"{theirs}.1")
    return names


def _up_names(up: UpPath, prefix: str) -> Names:
    """A resampling layer stands in their module of the layer before it, after its attention."""
    names: Names = {}
    first, last = up.middle
    names |= _layer_names(list(first.state_dict()), "middle.0", f"{prefix}middle_block.0", f"{prefix}middle_block.1")
    names |= _layer_names(list(last.state_dict()), "middle.1", f"{prefix}middle_block.2", "")
    group, position = -1, 0
    for place, (layer, takes_skip) in enumerate(zip(up.layers, up.takes_skip, strict=True)):
        if takes_skip:
            group, position = group + 1, 0
        theirs = f"{prefix}output_blocks.{group}"
        names |= _layer_names(
            list(layer.state_dict()), f"layers.{place}", f"{theirs}.{position}", f"{theirs}.{position + 1}"
        )
        position += 1 if layer.attention is None else 2
    for ours, theirs, module in (("norm_out", "out.0", up.norm_out), ("conv_out", "out.2", up.conv_out)):
        names |= {f"{ours}.{value}": f"{prefix}{theirs}.{value}" for value in module.state_dict()}
    return names


def _torchvision(name: str) -> str:
    for pattern, replacement in CONVNEXT.items():
        changed, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            break
    else:
        raise UserError(f"{name} is not a tensor of a ConvNeXt; only that backbone has a torchvision counterpart.")
    for ours, theirs in CONVNEXT_BLOCK.items():
        if re.match(rf"features\.[1357]\.\d+\.{re.escape(ours)}", changed):
            return changed.replace(ours, theirs, 1)
    return changed
