"""What a counterfactual must be, measured on one edit: minimal, composable, reversible, and like the true one.

Composition, reversibility and effectiveness after Monteiro et al. 2023 ("Measuring axiomatic soundness of
counterfactual image models"). A change is the edited picture minus the unedited one made in the same way, so that what
the networks lose of a scan cancels.
"""

import numpy as np

REGION = 0.9  # the region of the true change: the voxels that change most and hold so much of it together


def against_truth(change: np.ndarray, truth: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """A change beside the true one, over the brain.

    ``image_error``: |change - truth| / |truth|; 0 is the truth, 1 is no edit, more is worse than none.
    ``image_cosine``: whether the same voxels change the same way, whatever the amount. ``image_amount``: how much of
    the true change is in it (1 is all). ``outside_share``: the part of all change that lies outside the region of the
    true one (which leaves 0.1 of itself there); an even change has the region's complement, by volume. NaN where it is
    not defined.

    Args:
        change, truth: (X, Y, Z).
        brain: (X, Y, Z) boolean.
    """
    made, wanted = change[brain].astype(float), truth[brain].astype(float)
    length, true_length = float(np.linalg.norm(made)), float(np.linalg.norm(wanted))
    product, total = float(made @ wanted), float(np.abs(made).sum())
    outside = np.abs(made[~true_region(wanted)]).sum()
    return {
        "image_error": _ratio(float(np.linalg.norm(made - wanted)), true_length),
        "image_cosine": _ratio(product, length * true_length),
        "image_amount": _ratio(product, true_length**2),
        "outside_share": _ratio(float(outside), total),
    }


def true_region(truth: np.ndarray) -> np.ndarray:
    """Where the true change is: the fewest voxels that hold 0.9 of its absolute sum; none where nothing changes."""
    size = np.abs(truth).ravel()
    order = np.argsort(-size, kind="stable")
    held = np.cumsum(size[order])
    region = np.zeros(size.size, dtype=bool)
    if size.any():
        region[order[: int(np.searchsorted(held, REGION * held[-1])) + 1]] = True
    return region.reshape(truth.shape)


def mean_change(first: np.ndarray, second: np.ndarray, brain: np.ndarray) -> float:
    """Mean absolute difference over the brain, on the scale of intensities; NaN without a brain."""
    return float(np.abs(first[brain] - second[brain]).mean(dtype=np.float64)) if brain.any() else float("nan")


def left_over(
    unedited: np.ndarray, edited: np.ndarray, back: np.ndarray, back_unedited: np.ndarray, brain: np.ndarray
) -> float:
    """The part of an edit that is left when it was taken back: 0 is none, 1 all of it.

    Args:
        unedited, edited: there.
        back, back_unedited: there and back, and twice through the networks without an edit.
    """
    there = float(np.linalg.norm((edited - unedited)[brain].astype(float)))
    return _ratio(float(np.linalg.norm((back - back_unedited)[brain].astype(float))), there)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two vectors; NaN where one has no length."""
    return _ratio(float(one @ other), float(np.linalg.norm(one) * np.linalg.norm(other)))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 1e-12 else float("nan")
