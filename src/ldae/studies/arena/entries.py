"""What always competes: y_sem, what stands in the stores beside it, what is measured in the scans, and age and sex."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from ldae.studies.arena.tasks import Task
from ldae.studies.common.feature_sets import VoxelPca, fixed, measured_volumes, true_factors, voxel_gram
from ldae.studies.common.frozen import NO_BASELINE, NO_TRAINING_SCANS
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.latent_octants import octants
from ldae.studies.common.linear_probes import Features

SEEN_LABELS = ("supervised_features",)  # by their encoders, of all but the test subjects: not cross-validated
NOT_COMPUTED = "its codes were not computed in this run"
Row = Callable[[Task], Features | str]
"""Task -> its features, or why there are none."""


def standing_rows(inputs: Inputs, batch: int, frozen: bool = False, baselines: bool = True) -> dict[str, Row]:
    """The rows that are always there, in the order of the tables; ``oracle`` for phantoms alone.

    Both PCA are fitted on the training scans, once, as y_sem's encoder is. How many components a probe reads is chosen
    by its inner folds, from as many as Table 7's have.

    Args:
        frozen: the model is: there are no training scans.
        baselines: whether the paper's rivals were trained here.
    """
    everyone = inputs.scans.index.to_numpy()
    y_sem = inputs.code("y_sem", everyone)
    train = np.flatnonzero(inputs.scans["split"] == "train")
    rows: dict[str, Row] = {}
    if inputs.has_truth:
        rows["oracle"] = always(fixed(true_factors(inputs.scans)))
    rows["ldae"] = always(fixed(y_sem))
    means = np.asarray(inputs.latents.data[:, 0], dtype=np.float32)
    rows["latents_pooled"] = always(fixed(octants(means)))
    grams = {"latents_pca": lambda: latent_gram(means), "pca_voxels_once": lambda: voxel_gram(inputs, batch)}
    for name, gram in grams.items():
        if len(train) < 2:
            rows[name] = always(NO_TRAINING_SCANS if frozen else "there are fewer than two training scans")
        else:
            rows[name] = always(VoxelPca(gram(), base=train))
    measured = {}
    if any(part.stop <= part.start for part in inputs.grid.box()):
        reason = "the volumes do not hold the ventricles"
        rows |= {"region_volumes": always(reason), "tissue_volumes": always(reason)}
    else:
        measured = measured_volumes(inputs, batch)
        rows["region_volumes"] = always(fixed(measured["regions"]))
        rows["tissue_volumes"] = always(fixed(measured["tissue"]))
    rows["age_sex"] = lambda task: demographic(inputs.scans, task, [])
    rows["age_sex_volumes"] = lambda task: demographic(inputs.scans, task, list(measured.values()))
    rows["supervised_features"] = lambda task: supervised(inputs, task) if baselines else NO_BASELINE
    rows["untrained_encoder"] = always(stored(inputs, "y_sem_untrained"))
    rows["dae"] = always(stored(inputs, "y_dae") if baselines else NO_BASELINE)
    return rows


def always(features: Features | str) -> Row:
    """The same features for every task."""
    return lambda task: features


def stored(inputs: Inputs, code: str) -> Features | str:
    """Cached codes, or why there are none."""
    if not (inputs.store / "codes" / code / "store.json").is_file():
        return NOT_COMPUTED
    return fixed(inputs.code(code, inputs.scans.index.to_numpy()))


def supervised(inputs: Inputs, task: Task) -> Features | str:
    """What the head of the encoder that was trained on this task reads."""
    if task.name not in ("ad", "age"):
        return "no encoder was trained on this task"
    return stored(inputs, f"supervised_{task.name}")


def demographic(scans: pd.DataFrame, task: Task, volumes: list[np.ndarray]) -> Features | str:
    """Age and sex (1 male) without what the task asks for, and volumes measured in the scans."""
    known = {"age": scans["age"], "sex": scans["sex"].map({"M": 1.0, "F": 0.0})}
    columns = [pd.to_numeric(column).to_numpy(float)[:, None] for name, column in known.items() if name != task.column]
    return fixed(np.hstack([*columns, *volumes]))


def latent_gram(latents: np.ndarray) -> np.ndarray:
    """(N, N) inner products of latents (N, C, x, y, z), channel by channel."""
    gram = np.zeros((len(latents), len(latents)))
    for channel in range(latents.shape[1]):
        values = latents[:, channel].reshape(len(latents), -1)
        values = values - values.mean(axis=0)  # only for precision, as of voxels
        gram += values @ values.T
    return gram
