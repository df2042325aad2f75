"""A trained model in the hands of a person: one scan in, codes, predictions and other brains out (docs/python.md).

Everything here takes one scan at a time. Numbers are those of the workflow, bit for bit, with one CPU thread.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ldae.core.errors import QuarantinedScan, UserError, blaming_the_machine
from ldae.core.files import digest
from ldae.core.lineage import require
from ldae.core.model_places import parts, places, reading, require_unchanged
from ldae.inference import pipeline
from ldae.inference.device import one_thread
from ldae.inference.facts import Facts, image_error
from ldae.inference.paths import lerp, slerp
from ldae.inference.probe import SAME_SCORE, moved, sigmoid, step_to, unit
from ldae.inference.reference import Oddity, Reference
from ldae.inference.scan import Scan, scan_of_array, scan_of_file
from ldae.preprocessing.conform import grid_affine

Class = Literal["AD", "CN"]


@dataclass(frozen=True)
class Codes:
    """What a scan is encoded to.

    Attributes:
        y_sem: (dimension,) float32.
        x_T: (C, x, y, z) float32, or none where it was not asked for.
        name: of the scan.
    """

    y_sem: np.ndarray
    x_T: np.ndarray | None
    name: str

    def __repr__(self) -> str:
        """In one line, without the arrays."""
        return f"Codes({self.name}, y_sem {self.y_sem.shape}, x_T {None if self.x_T is None else self.x_T.shape})"


@dataclass(frozen=True)
class Prediction:
    """What the probes say of a code; not a diagnosis. None where the model's cohort had no labels.

    Attributes:
        probability_ad: of AD against CN.
        age: years.
        age_low, age_high: holds the age of a new subject of the same kind with probability ``coverage`` or more.
        coverage: that is guaranteed, .9 or a little more; none without an interval.
        age_subjects: that were held out from networks and probe, by whose errors the interval was set.
        age_note: why there is no interval; none where there is one.
        plane: (x, y) on the axes of Figure 5, in standard deviations within a diagnosis; none where the cohort has not
            all three diagnoses.
    """

    probability_ad: float | None
    age: float | None
    age_low: float | None
    age_high: float | None
    coverage: float | None = None
    age_subjects: int = 0
    age_note: str | None = None
    plane: tuple[float, float] | None = None


@dataclass(frozen=True)
class Likeness:
    """How a scan compares with the scans of held-out subjects. Percentiles: the share of them that are more usual,
    between 1 and 99; none where there were too few.

    Attributes:
        code_distance: Mahalanobis distance of y_sem to the training codes, over sqrt(dimension); none where the model
            does not know them (imported weights).
        image_error: root mean square of what the autoencoder does not give back, within the brain.
        look_distance: Mahalanobis distance of a dozen statistics of the volume to those of the training scans
            (:func:`ldae.inference.appearance.statistics`), over sqrt(number); none where the model does not know them.
        mirror_deviation: standard deviations of the training scans by which the asymmetry of the brain lies towards
            that of a mirror image.
        stands_out: the statistic that deviates most, in standard deviations of the training scans.
        percentile: of the largest of the four, each in terms of its spread over held-out scans.
        unusual: at most one scan in twenty of the model's own kind is; none where too few were held out to say so.
    """

    code_distance: float | None
    code_percentile: float | None
    image_error: float
    image_percentile: float | None
    look_distance: float | None
    look_percentile: float | None
    mirror_deviation: float | None
    mirror_percentile: float | None
    stands_out: str | None
    percentile: float | None
    unusual: bool | None

    @classmethod
    def of(cls, oddity: Oddity, reference: Reference) -> "Likeness":
        """Of a scan among those that the reference knows."""
        whole = reference.oddness(oddity)
        known = reference.alarm is not None and reference.appearance is not None
        return cls(
            oddity.code,
            reference.code.percentile(oddity.code),
            oddity.image,
            reference.image.percentile(oddity.image),
            oddity.look,
            reference.look.percentile(oddity.look),
            oddity.mirror,
            reference.mirror.percentile(oddity.mirror),
            oddity.stands_out,
            reference.whole.percentile(whole) if known else None,
            whole > reference.alarm if reference.alarm is not None and known else None,
        )


class LDAE:
    """A trained latent diffusion autoencoder with its recipe, its probes and its reference.

    Attributes:
        facts: recipe, probes, reference.
        networks: the networks themselves, on tensors.
        digest: of networks, recipe and probes.
    """

    def __init__(self, networks: pipeline.LDAE, facts: Facts):
        self.networks, self.facts = networks, facts
        probes = {task: probe.as_json() for task, probe in facts.probes.items()}
        self.digest = digest([facts.recipe.model_dump(mode="json", exclude={"version"}), probes])

    @classmethod
    def load(cls, folder: str | Path) -> "LDAE":
        """From a folder that ``ldae export-model`` wrote, or from a results folder.

        Raises:
            UserError: it is neither, a file was changed since it was exported, or its parts do not belong together.
        """
        parts(Path(folder))
        with reading(Path(folder)):
            require_unchanged(Path(folder))
        return cls.in_the_making(folder)

    @classmethod
    def in_the_making(cls, folder: str | Path) -> "LDAE":
        """As :meth:`load`, from a folder that has no SHA256SUMS yet."""
        described, weights = places(Path(folder))
        with reading(Path(folder)):
            facts = Facts.read(described)
            networks = pipeline.LDAE.load(weights, facts.recipe.method, facts.recipe.sampling)
            for stage, found in networks.digests.items():
                what = f"{weights / stage} is not the model that {described} describes"
                require(what, found, facts.recipe.stages[stage])
        return cls(networks, facts)

    def preprocess(self, path: str | Path, out: str | Path | None = None) -> Scan:
        """A raw scan as the networks read it, by the model's own recipe: N4, brain, MNI152, one interpolation.

        Args:
            path: NIfTI file, or a folder with one DICOM series; for a model of ``source: csv`` a volume that is
                preprocessed already.
            out: folder for the derivatives; none: they are not kept.

        Raises:
            QuarantinedScan: the scan cannot be used; the message says why.
            UserError: there is no such file, or ``out`` holds another scan of this name.
        """
        if out is None:
            with tempfile.TemporaryDirectory(prefix="ldae-") as folder:
                return self.preprocess(path, folder)
        from ldae.preprocessing.one_scan import scan_names

        return preprocessed(self.facts, Path(path), Path(out), *scan_names(Path(path).resolve()))

    def volume(self, array: Any, affine: Any, name: str = "sub-array_ses-M000") -> Scan:
        """A volume that was preprocessed elsewhere: the brain alone, in MNI space, in [0, 1].

        It is turned to R-A-S, and resampled where it lies on another grid than the model's.

        Args:
            array: (X, Y, Z).
            affine: (4, 4) indices -> R-A-S MNI mm.
            name: keys the noise of its codes.

        Raises:
            QuarantinedScan: it is no such volume; the message says why.
        """
        return scan_of_array(array, affine, self.facts.recipe.preprocessing, name)

    @one_thread()
    def encode(self, scan: Scan, stochastic: bool = True) -> Codes:
        """y_sem of a scan and, unless it is not wanted, x_T, by which it can be decoded again.

        Raises:
            UserError: the scan lies on another grid than the model's.
        """
        x = self._tensor(scan)
        y = self.networks.encode_semantic(x)
        x_T = None
        if stochastic:
            z = self.networks.encode_latent(x, self.networks.posterior_noise([scan.name]))
            x_T = self.networks.invert(z, y).float().cpu().numpy()[0]
        return Codes(y.float().cpu().numpy()[0], x_T, scan.name)

    def predict(self, codes: Codes) -> Prediction:
        """What the probes say: fitted on the training and validation subjects, as the workflow's ``test`` protocol."""
        self._check(codes)
        probability, age, reference = None, None, self.facts.reference
        if (probe := self.facts.probes.get("ad")) is not None:
            probability = float(sigmoid(probe.score(codes.y_sem[None]))[0])
        if (probe := self.facts.probes.get("age")) is not None:
            age = float(probe.score(codes.y_sem[None])[0])
        plane = None if reference.plane is None else reference.plane.place(codes.y_sem)
        if age is None:
            return Prediction(probability, None, None, None, age_note="the model's cohort has no ages", plane=plane)
        half, known = reference.age.half_width, reference.age
        low, high = (None, None) if half is None else (age - half, age + half)
        return Prediction(probability, age, low, high, known.coverage, known.subjects, known.why_none, plane)

    @one_thread()
    def likeness(self, scan: Scan, codes: Codes) -> Likeness:
        """Whether the model has seen scans like this one."""
        self._check(codes)
        self._tensor(scan)
        error = image_error(self.networks, scan.volume, scan.name)
        reference = self.facts.reference
        return Likeness.of(reference.oddity(codes.y_sem, scan.volume, error), reference)

    @one_thread()
    def decode(self, codes: Codes) -> Scan:
        """The volume of some codes, clipped to [0, 1].

        Raises:
            UserError: the codes have no x_T.
        """
        self._check(codes)
        if codes.x_T is None:
            raise UserError("These codes have no x_T to decode from: encode the scan with stochastic=True.")
        z = self.networks.sample(torch.from_numpy(codes.x_T)[None], torch.from_numpy(codes.y_sem)[None])
        volume = self.networks.decode_latent(z).float().cpu().numpy()[0, 0]
        affine = grid_affine(self.facts.recipe.preprocessing.conform)
        return Scan(np.clip(volume, 0, 1), affine, codes.name, f"codes of {codes.name}", generated=True)

    def edit(self, codes: Codes, towards: Class, probability: float) -> Codes:
        """The codes with y_sem moved along the probe of AD until that gives a probability; x_T stays.

        Args:
            towards: the class whose probability is meant.
            probability: strictly between 0 and 1.

        Raises:
            UserError: the model has no probe of AD, there is no such class, or no finite step leads there.
        """
        self._check(codes)
        probe = self.facts.probes.get("ad")
        if probe is None:
            raise UserError("This model has no probe of AD: its cohort had no diagnoses.")
        if probe.flat:
            raise UserError(f"No step leads to another probability: {SAME_SCORE}.")
        if towards not in ("AD", "CN"):
            raise UserError(f"The probe knows AD and CN, not {towards!r}.")
        if not 0 < probability < 1:
            raise UserError(f"No finite step leads to the probability {probability:g}: give one between 0 and 1.")
        target, code = probability if towards == "AD" else 1 - probability, codes.y_sem.astype(float)
        there = moved(probe, code, unit(probe.weight), step_to(probe, code, target))
        return replace(codes, y_sem=there.astype(np.float32))

    def interpolate(self, a: Codes, b: Codes, fraction: float) -> Codes:
        """Codes between two scans: y_sem on the straight line, x_T on the sphere; outside [0, 1] it extrapolates.

        Raises:
            UserError: the codes of one of them have no x_T.
        """
        self._check(a, b)
        if not np.isfinite(fraction):
            raise UserError(f"The fraction {fraction} is no number between the two scans or beyond them.")
        if a.x_T is None or b.x_T is None:
            raise UserError("Codes without x_T cannot be interpolated: encode the scans with stochastic=True.")
        way = torch.tensor([fraction])
        y, x_T = (
            path(torch.from_numpy(first)[None], torch.from_numpy(last)[None], way).numpy()[0]
            for path, first, last in ((lerp, a.y_sem, b.y_sem), (slerp, a.x_T, b.x_T))
        )
        return Codes(y, x_T, f"{a.name}_{fraction:g}_{b.name}")

    def _check(self, *given: Any) -> None:
        """Codes of this model's shapes were given, not the scan itself or an array.

        Raises:
            UserError: they are something else.
        """
        for one in given:
            if not isinstance(one, Codes):
                raise UserError(f"A {type(one).__name__} is no code: give what `model.encode(scan)` returns.")
            for name, code, shape in (
                ("y_sem", one.y_sem, (self.networks.dimension,)),
                ("x_T", one.x_T, tuple(self.networks.latent_shape)),
            ):
                if code is None and name == "x_T":
                    continue
                values = np.asarray(code, dtype=float)
                if values.shape != shape or not np.isfinite(values).all():
                    raise UserError(f"{name} of {one.name} is no code of this model: {shape} finite numbers are.")

    def _tensor(self, scan: Scan) -> torch.Tensor:
        """(1, 1, X, Y, Z) of a scan of this model's grid."""
        conform = self.facts.recipe.preprocessing.conform
        if scan.volume.shape != conform.shape or np.abs(scan.affine - grid_affine(conform)).max() > 1e-3:
            raise UserError(
                f"{scan.source} lies on another grid than the model's: preprocess it with this model, or give it to "
                "`volume`."
            )
        return torch.from_numpy(np.ascontiguousarray(scan.volume, dtype=np.float32))[None, None]


def preprocessed(facts: Facts, source: Path, out: Path, participant_id: str, session_id: str) -> Scan:
    """One scan by a model's recipe into a folder of derivatives; what is there and unchanged is kept.

    Raises:
        QuarantinedScan: the scan cannot be used, or quality control fails it.
        UserError: there is no such file, the folder holds another scan of this name, or the template is another one.
    """
    from ldae.adni.clinica import centred
    from ldae.preprocessing.derivatives import ScanFiles
    from ldae.preprocessing.given_volumes import given_volume
    from ldae.preprocessing.one_scan import as_nifti, preprocess_scan
    from ldae.preprocessing.pack import in_256_steps
    from ldae.preprocessing.registration_template import template_of

    recipe, name = facts.recipe, f"{participant_id}_{session_id}"
    # an orientation was stated of the cohort's files, and says nothing of this one
    settings = recipe.preprocessing.model_copy(update={"orientation": None})
    if recipe.source == "csv":
        if not source.is_file():
            raise UserError(f"{source} does not exist, or is no file; this model reads preprocessed NIfTI volumes.")
        volume = in_256_steps(given_volume(source, settings.conform)).astype(np.float32) / 255
        return Scan(volume, grid_affine(settings.conform), name, str(source))
    found = template_of(settings.registration).sha256
    if found != recipe.template_sha256:
        raise UserError(
            f"The template here has sha256 {found[:16]}, and the model's scans were registered to another "
            f"({str(recipe.template_sha256)[:16]}): install the model's version of nilearn, or give its template."
        )
    files = ScanFiles(out, participant_id, session_id)
    with tempfile.TemporaryDirectory(prefix="ldae-dicom-") as scratch, blaming_the_machine(out):
        image = as_nifti(source, Path(scratch))
        if recipe.source == "adni" and source.is_dir():
            image = centred(image, Path(scratch) / "centred.nii.gz")
        row = preprocess_scan(image, files, settings, source)
    if row["qc"] == "fail" and settings.quality.quarantine != "none":
        raise QuarantinedScan(f"quality control: {row['qc_reason']}")
    return scan_of_file(out / row["path"], settings.conform, name, str(source), row)
