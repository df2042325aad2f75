"""Supervised training of the semantic encoder: AD against CN, or age (paper Table 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ldae import config
from ldae.core.batches import batches
from ldae.core.keyed import Draw, key
from ldae.inference.device import precision_context
from ldae.inference.readers import Volumes
from ldae.networks.rewrites import lay_out
from ldae.networks.semantic_encoder import SupervisedEncoder, Target, build_supervised
from ldae.networks.weights import load_backbone
from ldae.training.stages.stage import Stage


@dataclass(frozen=True)
class Labelled:
    """Volumes with one target each (1 for AD, 0 for CN; or years) and the subjects they are of."""

    volumes: Volumes
    target: Tensor
    subjects: np.ndarray

    def part(self, chosen: np.ndarray) -> "Labelled":
        """Those of the scans that ``chosen`` (n,), booleans, names."""
        volumes = Volumes(self.volumes.store, self.volumes.positions[chosen], self.volumes.device)
        return Labelled(volumes, self.target[torch.from_numpy(chosen)], self.subjects[chosen])

    def joined(self, other: "Labelled") -> "Labelled":
        """These scans, then those of another part of the same store."""
        positions = np.concatenate([self.volumes.positions, other.volumes.positions])
        volumes = Volumes(self.volumes.store, positions, self.volumes.device)
        subjects = np.concatenate([self.subjects, other.subjects])
        return Labelled(volumes, torch.cat([self.target, other.target]), subjects)


class SupervisedStage(Stage[SupervisedEncoder]):
    """Cross-entropy of AD against CN, or squared error of age in units of its spread over the training scans.

    Selection: the smallest validation error, each subject counting once, however many scans it has: log loss, or mean
    absolute error. Where nobody ``chooses``, or without a labelled validation scan, the last step is written.
    """

    def __init__(
        self,
        settings: config.Representation,
        target: Target,
        training: Labelled,
        validation: Labelled,
        seed: int,
        chooses: bool = True,
    ):
        self.name, self.target = f"supervised_{target}", target
        self.settings, self.training, self.validation = settings, training, validation
        self.device, self.scans = training.volumes.device, len(training.volumes)
        self.selection = "score" if chooses and len(validation.volumes) else None
        moments = self._moments() if target == "age" and self.scans else (0.0, 1.0)
        torch.manual_seed(key(seed, self.name, "initial weights"))
        self.product = build_supervised(settings, *moments)
        if settings.backbone_weights is not None:
            load_backbone(self.product.encoder.backbone, settings.backbone_weights, settings.backbone_sha256)
        lay_out(self.product.to(self.device), settings.training.compute.channels_last)
        self.networks = {self.name: self.product}

    def _moments(self) -> tuple[float, float]:
        """Mean and spread of the training scans' ages; a spread of zero counts as one."""
        ages = self.training.target
        return float(ages.mean()), float(ages.std(unbiased=False)) or 1.0

    def backward(self, draws: Sequence[Draw], share: float) -> dict[str, Tensor]:
        """Cross-entropy, or squared error in units of the ages' spread."""
        scans = [draw.scan for draw in draws]
        with precision_context(self.settings.training.precision, self.device):
            prediction = self.product(self.training.volumes[scans])
        target = self.training.target[scans].to(self.device)
        if self.target == "ad":
            loss = F.binary_cross_entropy_with_logits(prediction, target)
        else:
            loss = ((prediction - target) / self.product.std).square().mean()
        (share * loss).backward()
        return {"loss": loss.detach()}

    def validate(self, product: SupervisedEncoder) -> dict[str, float]:
        """Errors over subjects, and ``score``, the negative of the selecting one; empty without a labelled scan."""
        if not len(self.validation.volumes):
            return {}
        predictions = []
        for scans in batches(range(len(self.validation.volumes)), self.settings.training.micro_batch):
            with precision_context(self.settings.training.precision, self.device):
                predictions.append(product(self.validation.volumes[scans]).cpu())
        prediction, target = torch.cat(predictions), self.validation.target
        if self.target == "age":
            error = self._by_subject((prediction - target).abs())
            return {"mae": error, "score": -error}
        error = self._by_subject(F.binary_cross_entropy_with_logits(prediction, target, reduction="none"))
        return {
            "loss": error,
            "accuracy": self._by_subject(((prediction > 0) == (target > 0.5)).float()),
            "score": -error,
        }

    def _by_subject(self, values: Tensor) -> float:
        """Mean over subjects of the mean over a subject's scans."""
        return float(pd.Series(values.double().numpy()).groupby(self.validation.subjects).mean().mean())
