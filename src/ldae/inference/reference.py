"""What a model knows of the scans that it has seen and has not: aggregates, never a single scan.

How the training scans are coded and look, how far scans of held-out subjects lie from them, and how wrong the age was
for these. By it a new scan is judged: is it of their kind, and how certain is its age?
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ldae.core.errors import UserError
from ldae.core.files import atomic_path, read_json, write_json
from ldae.inference.appearance import Appearance
from ldae.inference.conformal import AgeError, level_of
from ldae.inference.discriminant import Plane
from ldae.inference.normal import distance

PROBABILITIES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975, 0.99)  # of the quantiles that are kept
FEWEST = 20  # held-out scans, below which quantiles would be single scans
USUAL = 0.95  # of new scans of the model's own kind at least so many are called usual


@dataclass(frozen=True)
class Distances:
    """How one distance is spread over scans of held-out subjects.

    Attributes:
        quantiles: at :data:`PROBABILITIES`; none where there were fewer than :data:`FEWEST` scans.
    """

    quantiles: tuple[float, ...] | None
    scans: int
    subjects: int

    @classmethod
    def of(cls, values: np.ndarray, subjects: Sequence[str]) -> "Distances":
        """Of the distances (N,) of these subjects' scans."""
        known = len(values) >= FEWEST
        quantiles = tuple(map(float, np.quantile(values, PROBABILITIES))) if known else None
        return cls(quantiles, len(values), len(set(subjects)))

    def percentile(self, value: float | None) -> float | None:
        """Share of held-out scans, in percent, that lie nearer; 1 and 99 stand for what is beyond."""
        if self.quantiles is None or value is None:
            return None
        return float(100 * np.interp(value, self.quantiles, PROBABILITIES))

    def excess(self, value: float | None, both: bool = False) -> float:
        """How far a value lies above the median, as a multiple of how far the 95th percentile does.

        Args:
            both: below the median counts, too, in terms of the 5th percentile.
        """
        if self.quantiles is None or value is None:
            return 0.0
        low, middle, high = (self.quantiles[PROBABILITIES.index(p)] for p in (0.05, 0.5, 0.95))
        least = 1e-9 * (abs(middle) + 1)  # held-out scans that are all the same
        above = (value - middle) / max(high - middle, least)
        return max(above, (middle - value) / max(middle - low, least)) if both else above

    def as_json(self) -> dict[str, Any]:
        """As plain values; :meth:`from_json` reads it."""
        quantiles = None if self.quantiles is None else list(self.quantiles)
        return {"quantiles": quantiles, "scans": self.scans, "subjects": self.subjects}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Distances":
        """What :meth:`as_json` wrote."""
        quantiles = content["quantiles"]
        return cls(None if quantiles is None else tuple(quantiles), content["scans"], content["subjects"])


UNMEASURED = Distances(None, 0, 0)
MEASURES = ("code", "image", "look", "mirror")  # of Oddity
SPREAD = (*MEASURES, "whole")  # of Reference, as they stand in reference.json


@dataclass(frozen=True)
class Oddity:
    """How far one scan lies from the model's, by what the reference knows.

    Attributes:
        code: Mahalanobis distance of y_sem to the training codes, over sqrt(dimension); none where these are unknown.
        image: root mean square of what the autoencoder does not give back, within the brain.
        look: Mahalanobis distance of :func:`ldae.inference.appearance.statistics`, over sqrt(number);
            none where nobody knows how the training scans look.
        mirror: standard deviations of the training scans by which the asymmetry of the brain lies towards that of a
            mirror image. It is part of ``look``, too, where it is one of a dozen; a mirrored header changes it alone.
        stands_out: the statistic that deviates most, in words.
    """

    code: float | None
    image: float
    look: float | None = None
    mirror: float | None = None
    stands_out: str | None = None


@dataclass(frozen=True)
class Reference:
    """The training scans as normal distributions, and what is known of held-out scans.

    Attributes:
        mean, covariance: of y_sem over the training scans, (dimension,) and (dimension, dimension), shrunk.
        code, image, look, mirror: how the parts of :class:`Oddity` are spread over held-out scans.
        whole: of :meth:`oddness` over them.
        alarm: what ``whole`` of a new scan of their kind exceeds at most once in twenty times; none where too few
            subjects were held out to say that.
        age: how wrong the age was for held-out subjects.
        appearance: how the training scans look; none of too few subjects, and in a folder of an earlier version.
        plane: where the three diagnoses lie; none where the cohort has not all of them.
    """

    mean: np.ndarray
    covariance: np.ndarray
    code: Distances
    image: Distances
    look: Distances = UNMEASURED
    mirror: Distances = UNMEASURED
    whole: Distances = UNMEASURED
    alarm: float | None = None
    age: AgeError = field(default_factory=AgeError)
    appearance: Appearance | None = None
    plane: Plane | None = None

    @classmethod
    def unknown(cls, dimension: int) -> "Reference":
        """Of a model that says nothing of the scans it was trained on (imported weights)."""
        return cls(np.full(dimension, np.nan), np.eye(dimension), UNMEASURED, UNMEASURED)

    def distance(self, y_sem: np.ndarray) -> float | None:
        """Mahalanobis distance of a code (dimension,) to the training codes, over sqrt(dimension); none where these
        are unknown."""
        return None if np.isnan(self.mean).any() else distance(y_sem, self.mean, self.covariance)

    def oddity(self, y_sem: np.ndarray, volume: np.ndarray, image_error: float) -> Oddity:
        """Of a scan: its code (dimension,), its volume (X, Y, Z), and what the autoencoder does not give back of it."""
        seen = () if self.appearance is None else self.appearance.standing_out(volume)
        return Oddity(self.distance(y_sem), image_error, *seen)

    def oddness(self, oddity: Oddity) -> float:
        """The largest of the four, each as :meth:`Distances.excess`; of the image both sides count: one of which too
        much is given back (blurred, or resampled) is as odd as one of which too little is."""
        return max(getattr(self, name).excess(getattr(oddity, name), both=name == "image") for name in MEASURES)

    def calibrated(self, found: Sequence[Oddity], subjects: Sequence[str]) -> "Reference":
        """With the distances of held-out scans, their oddness, and from where on a scan is unusual.

        The oddness of each is measured by how the distances are spread over the other subjects, as that of a new scan
        will be: by a spread that it had widened itself it would look too usual, and the alarm would come too often.
        """
        known, people = self._spread_over(found, subjects), np.asarray(subjects, dtype=str)
        whole = np.zeros(len(found))
        for name in np.unique(people):
            rest = np.flatnonzero(people != name).tolist()
            others = self._spread_over([found[row] for row in rest], people[rest].tolist())
            if others.code.quantiles is None:
                return replace(known, whole=replace(UNMEASURED, scans=len(found), subjects=len(set(subjects))))
            for row in np.flatnonzero(people == name).tolist():
                whole[row] = others.oddness(found[row])
        alarm = level_of(whole, subjects, USUAL).value
        return replace(known, whole=Distances.of(whole, subjects), alarm=alarm)

    def _spread_over(self, found: Sequence[Oddity], subjects: Sequence[str]) -> "Reference":
        def spread(name: str) -> Distances:
            values = [value for one in found if (value := getattr(one, name)) is not None]
            known = len(values) == len(found)
            return Distances.of(np.array(values, dtype=float), subjects) if known else UNMEASURED

        code, image, look, mirror = map(spread, MEASURES)
        return replace(self, code=code, image=image, look=look, mirror=mirror)

    def write(self, folder: Path) -> None:
        """As ``reference.safetensors`` and ``reference.json`` into a folder."""
        from safetensors.numpy import save_file

        arrays = {"mean": self.mean, "covariance": self.covariance}
        for part in (self.appearance, self.plane):
            arrays |= {} if part is None else part.tensors()
        with atomic_path(folder / "reference.safetensors") as temporary:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
        content = {name: getattr(self, name).as_json() for name in SPREAD} | {"probabilities": list(PROBABILITIES)}
        clouds = None if self.plane is None else self.plane.as_json()
        whole = content | {"alarm": self.alarm, "age": self.age.as_json(), "plane": clouds}
        write_json(folder / "reference.json", whole)

    @classmethod
    def read(cls, folder: Path) -> "Reference":
        """What :meth:`write` wrote. A folder of an earlier version knows less, and no scan is unusual to it.

        Raises:
            UserError: a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays, content = load_file(folder / "reference.safetensors"), read_json(folder / "reference.json")
            there = (*SPREAD[:2], *(name for name in SPREAD[2:] if name in content))
            spread = {name: Distances.from_json(content[name]) for name in there}
            mean, covariance, alarm = arrays["mean"], arrays["covariance"], content.get("alarm")
            if not _whole(mean, covariance) or not (alarm is None or np.isfinite(float(alarm))):
                raise ValueError("numbers that cannot be")
            return cls(
                mean,
                covariance,
                **spread,
                alarm=alarm,
                age=AgeError.from_json(content["age"]),
                appearance=Appearance.from_tensors(arrays),
                plane=Plane.from_parts(arrays, content.get("plane")),
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{folder} has no whole reference.safetensors and reference.json ({error}).") from error


def _whole(mean: np.ndarray, covariance: np.ndarray) -> bool:
    """Whether they are moments of codes, or those of a model that knows none (:meth:`Reference.unknown`)."""
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not np.isfinite(covariance).all():
        return False
    return bool(np.linalg.eigvalsh(covariance).min() > 0 and (np.isfinite(mean).all() or np.isnan(mean).all()))
