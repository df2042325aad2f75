"""Four ways to edit the diagnosis in a code, and the directions that are no such edit.

All are fitted on training and validation subjects, in the standardised space of the AD probe. An edit goes as far along
its direction as the mean scan with AD lies from the mean control there: a whole step. None of it needs a test scan or a
truth.

``ldae_probe``: the weight of the AD probe, as the paper has it. A weight says what the probe listens to, with the noise
that it has to cancel. ``ldae_mean_difference``: from the mean control to the mean patient. ``ldae_lda``: Fisher's
discriminant with a shrunken covariance. ``ldae_regression``: the code regressed on diagnosis, age and sex, by least
squares: the encoder's response to the diagnosis at the same age and sex, one diagnosis long.
"""

import numpy as np
import pandas as pd

from ldae.inference.discriminant import discriminant_axes
from ldae.inference.probe import unit

SEVERITY = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}
REQUEST = {"CN": 1.0, "MCI": 0.5, "AD": -1.0}  # whole steps to the other diagnosis: controls and MCI become AD
Steps = dict[str, np.ndarray | str]
"""Direction -> what a whole step adds to the standardised code (dimension,), or why there is none."""


def whole_steps(codes: np.ndarray, scans: pd.DataFrame, weight: np.ndarray) -> Steps:
    """Of all edits, and of age and sex; the controls are as long as the difference of the means, the longest edit.

    Args:
        codes: (N, dimension) standardised y_sem.
        scans: (N rows) diagnosis, age, sex; with scans of AD and of CN.
        weight: (dimension,) of the AD probe.
    """
    gap, labels = class_gap(codes, scans["diagnosis"]), scans["diagnosis"].to_numpy(object)
    ends = np.isin(labels, ["CN", "AD"])
    axes = discriminant_axes(codes[ends], labels[ends])
    response = responses(codes, scans)
    steps: Steps = {
        "ldae_probe": along(weight, gap),
        "ldae_mean_difference": gap,
        "ldae_lda": along(axes[:, 0], gap) if axes.shape[1] else "y_sem is the same for every scan",
        "ldae_regression": response.get("diagnosis", "diagnosis, age and sex of too few training scans are known"),
    }
    for name in ("age", "sex"):
        if name in response and np.linalg.norm(response[name]) > 0:
            steps[name] = unit(response[name]) * np.linalg.norm(gap)
        else:
            steps[name] = f"the {name} of the training scans is unknown, or the same in all"
    return steps


def class_gap(values: np.ndarray, diagnosis: pd.Series) -> np.ndarray:
    """Mean of the scans with AD minus mean of the controls, over the first axis."""
    patient, control = ((diagnosis == name).to_numpy() for name in ("AD", "CN"))
    return np.asarray(values[patient].mean(axis=0) - values[control].mean(axis=0))


def along(direction: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """The part of ``gap`` along a direction."""
    one = unit(direction)
    return one * float(one @ gap)


def responses(codes: np.ndarray, scans: pd.DataFrame) -> dict[str, np.ndarray]:
    """How the code (dimension,) changes with a diagnosis (CN 0, MCI 0.5, AD 1), a year of age, and sex (1 male), each
    with the others held: least squares over the scans that have all of them. What does not vary has none.

    Args:
        codes: (N, dimension).
    """
    columns = {
        "diagnosis": scans["diagnosis"].map(SEVERITY),
        "age": scans["age"],
        "sex": scans["sex"].map({"M": 1.0, "F": 0.0}),
    }
    values = {name: pd.to_numeric(column).to_numpy(float) for name, column in columns.items()}
    values = {name: column for name, column in values.items() if np.isfinite(column).any()}
    if "diagnosis" not in values:
        return {}
    known = np.isfinite(np.column_stack(list(values.values()))).all(axis=1)
    varying = [name for name, column in values.items() if known.any() and np.ptp(column[known]) > 0]
    if known.sum() < len(varying) + 2:
        return {}
    design = np.column_stack([np.ones(known.sum()), *(values[name][known] for name in varying)])
    fitted, *_ = np.linalg.lstsq(design, codes[known], rcond=None)
    return dict(zip(varying, fitted[1:], strict=True))
