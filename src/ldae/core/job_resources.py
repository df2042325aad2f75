"""What the resources of a job mean: how many processes share its work, and which numbers of GPUs mean nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ONE_NODE = "A study shares its work among the GPUs of one node: leave nodes out, or set nodes=1."
GPU_WORDS = re.compile(r"--(gres|gpus|tres)|(^|\s)-G")  # of sbatch's options, those by which it is asked for a GPU


@dataclass(frozen=True)
class Processes:
    """How many processes a job's resources mean.

    Attributes:
        per_node: one for each GPU.
        nodes: more than one: torchrun is started on each by srun, inside the job's allocation.
    """

    per_node: int
    nodes: int

    @classmethod
    def of(cls, resources: Mapping[str, Any]) -> "Processes":
        """``gpu`` (of the whole job, as SLURM counts) and ``nodes`` of a rule's resources; without them one process."""
        nodes = max(1, int(resources.get("nodes", 1)))
        return cls(max(1, int(resources.get("gpu", 1)) // nodes), nodes)

    @property
    def total(self) -> int:
        """Over all nodes."""
        return self.per_node * self.nodes


def no_number(resources: Mapping[str, Any]) -> str | None:
    """Why ``gpu`` and ``nodes`` of a job cannot be its numbers of GPUs and nodes, in words; none: they can."""
    for name, least in (("gpu", 0), ("nodes", 1)):
        given = resources.get(name, 1)
        if isinstance(given, bool) or not isinstance(given, int | str) or not re.fullmatch(r"[0-9]+", str(given)):
            return f"{name} is {given}: give a whole number"
        if int(given) < least:
            return f"{name} is {given}: give {least} at least, or leave it out"
    nodes, cards = int(resources.get("nodes", 1)), int(resources.get("gpu", 0))
    if cards % nodes:
        return f"gpu={cards}, which counts those of the whole job, cannot be shared evenly by nodes={nodes}"
    return None


def asks_for_gpu(resources: Mapping[str, Any]) -> bool:
    """Whether SLURM is asked for a GPU: by ``gpu``, by ``gres`` or by an option in ``slurm_extra``."""
    if str(resources.get("gpu", 0)) != "0" or resources.get("gres"):
        return True
    return bool(GPU_WORDS.search(str(resources.get("slurm_extra", ""))))
