"""Naming the tensors of a training in one flat dictionary, as a checkpoint stores them."""

from torch import Tensor, nn, optim


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of :func:`prefixed`."""
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def moments(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """``{"3.exp_avg": ...}`` for every parameter of an optimizer."""
    tensors: dict[str, Tensor] = {}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= prefixed(str(index), values)
    return tensors


def load_moments(optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the result of :func:`moments` back."""
    nested: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, moment = name.split(".", 1)
        nested.setdefault(int(index), {})[moment] = tensor
    state = optimizer.state_dict()
    state["state"] = nested
    optimizer.load_state_dict(state)


class Statistics:
    """The running statistics of some modules as they were, to be put back after a step that does not count."""

    def __init__(self, modules: list[nn.Module]):
        self._saved = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers()]

    def restore(self) -> None:
        for buffer, value in self._saved:
            buffer.copy_(value)
