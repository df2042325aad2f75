"""Weights in files: safetensors only, checked by digest, loaded strictly."""

from pathlib import Path

from torch import Tensor, nn

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, require_weights
from ldae.networks.autoencoder import Autoencoder


def save_weights(path: str | Path, state: dict[str, Tensor], note: str | None = None) -> None:
    """Write a state dict; floating-point tensors as float32. Equal weights and notes give equal bytes.

    Args:
        note: kept in the file's header, and so part of its digest.
    """
    from safetensors.torch import save_file

    tensors = {name: _storable(tensor) for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, None if note is None else {"note": note})


def _storable(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.float() if tensor.is_floating_point() else tensor


def load_weights(path: str | Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a state dict.

    Args:
        sha256: expected digest of the file; none: not checked.

    Raises:
        UserError: the file is missing, has another digest, or is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    require_weights(path, sha256)
    try:
        return load_file(path)
    except (SafetensorError, KeyError) as error:  # a kind of number that this torch does not have
        raise UserError(f"The weights {path} cannot be read ({error}): convert them to float32 or bfloat16.") from None


def load_strictly(module: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    """``load_state_dict`` with a mismatch said in one sentence."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path} does not fit the network of this configuration: {first}") from None


def start_from_generative(autoencoder: Autoencoder, path: str | Path, sha256: str | None = None) -> None:
    """Start from weights of MONAI Generative's AutoencoderKL (the paper starts from one trained on UK Biobank).

    Raises:
        UserError: the weights are of another architecture.
    """
    state, wanted = load_weights(path, sha256), autoencoder.net.state_dict()
    older = {name.replace(".postconv.conv.", ".conv.conv.") for name in wanted}
    if state.keys() not in (wanted.keys(), older):  # MONAI's own method would leave what is missing at its random start
        names = sorted(older - state.keys()) or sorted(state.keys() - older)
        raise UserError(
            f"autoencoder.pretrained: {path} does not fit the network of the autoencoder section ({names[0]} is "
            f"{'missing' if names[0] in older else 'left over'})."
        )
    try:
        if state.keys() == wanted.keys():
            autoencoder.net.load_state_dict(state)
        else:
            autoencoder.net.load_old_state_dict(dict(state))  # a copy: the method empties what it is given
    except RuntimeError as error:
        raise UserError(
            f"autoencoder.pretrained: {path} does not fit the network of the autoencoder section "
            f"({str(error).splitlines()[-1].strip()})."
        ) from None


def load_backbone(backbone: nn.Module, path: str | Path, sha256: str | None = None) -> None:
    """ImageNet weights for a one-channel timm backbone: colour filters are summed, the classifier is left out.

    timm's names, or torchvision's for a ConvNeXt.

    Raises:
        UserError: the weights are of another architecture.
    """
    wanted = backbone.state_dict()
    given = load_weights(path, sha256)
    if "features.0.0.weight" in given:
        given = _from_torchvision(given, list(wanted))
    state = {name: tensor for name, tensor in given.items() if not name.startswith("head.fc.")}
    for name, tensor in state.items():
        if name in wanted and tensor.ndim == 4 and tensor.shape[1] == 3 and wanted[name].shape[1] == 1:
            state[name] = tensor.sum(dim=1, keepdim=True)
    load_strictly(backbone, state, path)


def _from_torchvision(state: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
    """A torchvision ConvNeXt, without its classifier, under timm's names."""
    from ldae.networks.reference_names import backbone_names, from_reference

    state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.2.")}
    return from_reference(state, backbone_names(wanted))
