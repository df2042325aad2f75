"""The codes that are compared: of the cohort's scans, on which their probes are fitted, and of the travelling heads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.core.store import Store
from ldae.inference.decoder import Decoder
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import Probe
from ldae.studies.common.anatomy import Grid, hippocampus_region, hippocampus_region_ml, ventricle_ml
from ldae.studies.common.coarse_pca import CoarsePca
from ldae.studies.common.feature_sets import true_factors
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.latent_octants import octants
from ldae.studies.common.linear_probes import can_be_fitted, fit_with_penalty
from ldae.studies.reliability.names import LATENTS, NOISE, ORACLE, OURS, PCA, UNTRAINED, VOLUMES

SCANS = 1000  # of the cohort that the components of the voxels are fitted on, at most


@dataclass(frozen=True)
class Code:
    """One code.

    Attributes:
        known: (rows, dimension) of the cohort's scans, those of :attr:`Cohort.rows`.
        travelled: (scans, dimension) of the travelling heads.
    """

    known: np.ndarray
    travelled: np.ndarray


@dataclass(frozen=True)
class Cohort:
    """What probes are fitted on and asked: all scans of training and validation subjects, one of each test subject."""

    inputs: Inputs
    seed: int

    @cached_property
    def rows(self) -> np.ndarray:
        """Positions of the scans."""
        return np.sort(np.concatenate([self.inputs.rows("train", "validation"), self.inputs.first_scans("test")]))

    @cached_property
    def scans(self) -> pd.DataFrame:
        """Of :attr:`rows`, one row each."""
        return self.inputs.scans.loc[self.rows].reset_index(drop=True)

    @cached_property
    def fitted(self) -> np.ndarray:
        """Which of :attr:`rows` belong to training or validation subjects."""
        return (self.scans["split"] != "test").to_numpy()

    def probe(self, task: str, code: np.ndarray) -> Probe | None:
        """Of the diagnosis or of age, fitted as in Table 7, on training and validation subjects; None where they do not
        differ.

        Args:
            code: (rows, dimension).
        """
        use = self.fitted & (self.ends if task == "ad" else self.scans["age"].notna().to_numpy())
        scans = self.scans[use]
        target = (scans["diagnosis"] == "AD").to_numpy(float) if task == "ad" else scans["age"].to_numpy(float)
        if not can_be_fitted(target):
            return None
        subjects, strata = scans["participant_id"].to_numpy(), scans["diagnosis"].fillna("n/a").to_numpy()
        return fit_with_penalty("ad" if task == "ad" else "age", code[use], target, subjects, strata, self.seed)

    @cached_property
    def ends(self) -> np.ndarray:
        """Which of :attr:`rows` have AD or are controls."""
        return self.scans["diagnosis"].isin(["CN", "AD"]).to_numpy()


def all_codes(
    ldae: LDAE, untrained: Callable[[], LDAE], cohort: Cohort, travellers: Store, evaluation: Evaluation
) -> dict[str, Code]:
    """Of every method in the order of the tables.

    ``untrained_encoder``, ``noise`` and ``oracle`` are controls: an encoder before its training, numbers drawn anew for
    every scan, and what the phantom was made from, as measured in every scan.
    """
    inputs, rows = cohort.inputs, cohort.rows
    scans = np.arange(len(travellers.index))

    def over(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Of all travelling volumes (N, X, Y, Z), some at a time."""
        return np.concatenate([function(travellers.volumes(part)) for part in batches(scans, evaluation.batch)])

    def semantic(model: LDAE) -> np.ndarray:  # one by one, as the cohort's
        decoder = Decoder(model, evaluation.batch, 1)
        return over(lambda volumes: decoder.encode_semantic(volumes[:, None]))

    decoder = Decoder(ldae, evaluation.batch, evaluation.volumes)
    base = cohort.inputs.rows("train", "validation")
    pca = CoarsePca.fit(
        inputs, np.sort(study_stream(cohort.seed, "travelling").permutation(base)[:SCANS]), evaluation.batch
    )
    draws = study_stream(cohort.seed, "noise as a code")
    codes = {
        OURS: Code(inputs.code("y_sem", rows), semantic(ldae)),
        LATENTS: Code(
            octants(np.asarray(inputs.latents.data[rows, 0], dtype=np.float32)),
            over(lambda volumes: octants(decoder.encode_mean(volumes[:, None]) / ldae.scale_factor)),
        ),
        PCA: Code(_of_cohort(pca, cohort, evaluation.batch), over(pca)),
    }
    if all(part.stop > part.start for part in inputs.grid.box()):
        measure = _regions(inputs.grid)
        codes[VOLUMES] = Code(_of_cohort(measure, cohort, evaluation.batch), over(measure))
    codes[UNTRAINED] = Code(inputs.code("y_sem_untrained", rows), semantic(untrained()))
    codes[ORACLE] = Code(true_factors(cohort.scans), true_factors(travellers.index))
    width = codes[OURS].known.shape[1]
    codes[NOISE] = Code(draws.normal(size=(len(rows), width)), draws.normal(size=(len(scans), width)))
    return {
        name: Code(*(np.asarray(part, dtype=float) for part in (one.known, one.travelled)))
        for name, one in codes.items()
    }


def _of_cohort(function: Callable[[np.ndarray], np.ndarray], cohort: Cohort, batch: int) -> np.ndarray:
    parts = batches(cohort.rows, batch)
    return np.concatenate([function(volumes_of(cohort.inputs, part)[:, 0]) for part in parts])


def _regions(grid: Grid) -> Callable[[np.ndarray], np.ndarray]:
    """Volumes (N, X, Y, Z) -> (N, 2) ventricles and hippocampal region, ml."""
    region = hippocampus_region(grid)

    def measured(volumes: np.ndarray) -> np.ndarray:
        return np.array([(ventricle_ml(one, grid), hippocampus_region_ml(one, grid, region)) for one in volumes])

    return measured
