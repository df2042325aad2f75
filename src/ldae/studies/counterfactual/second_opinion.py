"""A probe of the diagnosis that knows none of our networks: it reads coarse voxels of any volume, edited ones too."""

from dataclasses import dataclass

import numpy as np

from ldae.core.batches import batches
from ldae.core.keyed import study_stream
from ldae.inference.probe import Probe
from ldae.studies.common.coarse_pca import CoarsePca
from ldae.studies.common.inputs import Inputs, volumes_of
from ldae.studies.common.linear_probes import choose_and_score, fit
from ldae.studies.counterfactual.directions import class_gap

SCANS = 1000  # that it is fitted on, at most


@dataclass(frozen=True)
class SecondOpinion:
    """Logit of AD from principal components of block means.

    Attributes:
        components: of a volume.
        gap: mean score of scans with AD minus that of controls, each said by the probe of the other inner folds.
    """

    components: CoarsePca
    probe: Probe
    gap: float

    @classmethod
    def fit(cls, inputs: Inputs, rows: np.ndarray, batch: int, seed: int) -> "SecondOpinion":
        """On these scans, the components without labels, the penalty by subject-grouped cross-validation.

        Args:
            rows: scans with AD or CN of both diagnoses; where there are more than 1,000, so many are drawn.

        Raises:
            UserError: they hold one diagnosis only.
        """
        rows = np.sort(study_stream(seed, "second opinion").permutation(rows)[:SCANS])
        components, scans = CoarsePca.fit(inputs, rows, batch), inputs.scans.loc[rows]
        features = np.concatenate([components(volumes_of(inputs, part)[:, 0]) for part in batches(rows, batch)])
        target, subjects = (scans["diagnosis"] == "AD").to_numpy(float), scans["participant_id"].to_numpy()
        strata = scans["diagnosis"].to_numpy()
        penalty, width, scores = choose_and_score(
            "ad", lambda seen, asked: (features[seen], features[asked]), np.arange(len(rows)), target, subjects,
            strata, seed,
        )  # fmt: skip
        known = np.isfinite(scores)
        both = known.any() and len(np.unique(target[known])) == 2
        gap = float(class_gap(scores[known], scans["diagnosis"][known])) if both else float("nan")
        return cls(components, fit("ad", features, target, penalty, width), gap)

    def score(self, volumes: np.ndarray) -> np.ndarray:
        """(B,) logits of volumes (B, X, Y, Z)."""
        return self.probe.score(self.components(volumes))
