"""How much disk the checkpoints of a run's trainings take while it runs."""

from collections.abc import Mapping

from ldae.core.model_places import STAGES

KEPT = 3  # checkpoints of a training: two, and the one that is being written


def checkpoints_at_once(sizes: Mapping[str, int], last_states: bool) -> int:
    """Bytes at most: the three stages run one after another, the baselines may run beside any of them.

    Args:
        sizes: bytes of one checkpoint of every training that is to be run, by name.
        last_states: whether a finished training keeps its last one (``launch.keep_last_state``).
    """
    beside = sum(KEPT * size for name, size in sizes.items() if name not in STAGES)
    most = left = 0
    for name in STAGES:
        size = sizes.get(name, 0)
        most = max(most, left + KEPT * size)
        left += size if last_states else 0
    return beside + most
