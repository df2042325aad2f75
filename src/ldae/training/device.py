"""Which device computes, and in which precision."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch


def pick_device() -> torch.device:
    """The first GPU when there is one; of several processes each takes its own."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def precision_context(precision: str, device: torch.device) -> AbstractContextManager:
    """``bf16``: autocast with float32 master weights, no loss scaler; ``fp32``: nothing."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
