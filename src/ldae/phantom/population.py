"""The population: who the subjects are, how their brains change, and when a subject with MCI becomes one with AD.

Time t is in years since the baseline examination; disease stage s(t) = s0 + r t is a latent number (CN about 0, MCI
0.5, AD 1). With the brain age b = age + gap - 60, a relative head volume h and residuals e (constant per subject):

    ventricles (ml)       = h min(90, 24 exp(0.026 b + 0.36 s + e_v))
    both hippocampi (ml)  = h 6.9 exp(-0.0085 b - 0.27 s + e_h)
    cortical loss         = 0.0045 b + 0.055 s + e_c              (fraction, clipped to -0.02...0.30)
    white-matter caps     = 0.016 b + 0.12 s + e_w                (clipped to 0...1)
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ldae.core.errors import UserError
from ldae.core.keyed import stream
from ldae.phantom.grid import HEAD_SCALE

Diagnosis = Literal["CN", "MCI", "AD"]
DIAGNOSES: tuple[Diagnosis, ...] = ("CN", "AD", "MCI")
SITES = 8
AGE_MEAN = {"CN": 73.0, "MCI": 73.5, "AD": 75.0}
AGE_SD, AGE_RANGE = 8.5, (55.0, 88.0)
BRAIN_AGE_GAP_SD = 3.0  # years, shared by all structures of a subject
STAGE = {"CN": (0.0, 0.15), "MCI": (0.50, 0.22), "AD": (1.0, 0.20)}  # mean, standard deviation at baseline
RATE = {"CN": 0.005, "MCI": 0.075, "AD": 0.13}  # stage per year, median
RATE_SPREAD = 0.35  # of its logarithm
CONVERTER_RATE = 0.15
CONVERSION_STAGE = 0.9  # a subject with MCI is diagnosed with AD from this stage on
OBSERVED_YEARS = 3.0  # no visit is later; stable MCI stays below the conversion stage for as long
VENTRICLE_MAX_ML = 90.0
RESIDUAL_SD = {"ventricles": 0.20, "hippocampi": 0.06, "cortex": 0.020, "caps": 0.16}
ASYMMETRY_SD = {"ventricles": 0.12, "hippocampi": 0.05}


@dataclass(frozen=True)
class Subject:
    """Everything that is constant about a subject. ``diagnosis`` is the one at baseline, ``age`` in years then."""

    rid: int
    diagnosis: Diagnosis
    sex: Literal["M", "F"]
    age: float
    site: int
    brainage_gap: float
    stage: float
    stage_rate: float
    converter: bool
    residuals: dict[str, float]
    asymmetry: dict[str, float]
    head_scale: tuple[float, float, float]

    @property
    def ptid(self) -> str:
        """LONI's name, ``NNN_S_NNNN``: site and roster number."""
        return f"{941 + self.site}_S_{self.rid:04d}"

    @property
    def participant_id(self) -> str:
        """The name that Clinica gives the subject in BIDS."""
        return "sub-ADNI" + self.ptid.replace("_", "")

    def stage_at(self, years: float) -> float:
        """Disease stage ``years`` after the baseline examination: s(t) = s0 + r t."""
        return self.stage + self.stage_rate * years

    def diagnosis_at(self, years: float) -> Diagnosis:
        """CN and AD are kept; MCI turns into AD when the stage reaches ``CONVERSION_STAGE``."""
        converted = self.diagnosis == "MCI" and self.stage_at(years) >= CONVERSION_STAGE
        return "AD" if converted else self.diagnosis


@dataclass(frozen=True)
class State:
    """A subject's brain at one time: targets in the subject's own space (ml), cortical loss and caps as fractions."""

    age: float
    stage: float
    ventricle_ml: float
    hippocampus_ml: float
    cortical_loss: float
    caps: float


def roster_number(diagnosis: Diagnosis, index: int) -> int:
    """Number of the ``index``-th subject of a diagnosis. The classes interleave, and a larger cohort keeps its start.

    Raises:
        UserError: the number does not fit in the four digits of a LONI name.
    """
    number = len(DIAGNOSES) * index + DIAGNOSES.index(diagnosis) + 1
    if number > 9999:
        raise UserError(f"phantom.subjects: LONI's names have room for 3333 subjects with {diagnosis}; ask for fewer.")
    return number


def draw_subject(seed: int, rid: int, conversion_years: float | None = None) -> Subject:
    """Draw a subject from (seed, roster number) alone.

    Args:
        conversion_years: when a subject with MCI reaches ``CONVERSION_STAGE``; None: never while observed.
    """
    diagnosis = DIAGNOSES[(rid - 1) % len(DIAGNOSES)]
    random = stream(seed, "subject", rid)
    sex: Literal["M", "F"] = "F" if random.random() < 0.48 else "M"
    age = _truncated_normal(random, AGE_MEAN[diagnosis], AGE_SD, *AGE_RANGE)
    stage, rate = _course(random, diagnosis, conversion_years)
    size = np.log(HEAD_SCALE) + (0.022 if sex == "M" else -0.022) + random.normal(0, 0.02)
    return Subject(
        rid=rid,
        diagnosis=diagnosis,
        sex=sex,
        age=round(age, 1),
        site=int(random.integers(SITES)),
        brainage_gap=float(random.normal(0, BRAIN_AGE_GAP_SD)),
        stage=stage,
        stage_rate=rate,
        converter=conversion_years is not None,
        residuals={name: float(random.normal(0, deviation)) for name, deviation in RESIDUAL_SD.items()},
        asymmetry={name: float(random.normal(0, deviation)) for name, deviation in ASYMMETRY_SD.items()},
        head_scale=_three(np.exp(size + random.normal(0, 0.018, 3))),
    )


def _three(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _truncated_normal(random: np.random.Generator, mean: float, deviation: float, low: float, high: float) -> float:
    while True:
        value = float(random.normal(mean, deviation))
        if low <= value <= high:
            return value


def _course(random: np.random.Generator, diagnosis: Diagnosis, conversion_years: float | None) -> tuple[float, float]:
    """Stage at baseline and stage per year."""
    mean, deviation = STAGE[diagnosis]
    spread = float(np.exp(random.normal(0, RATE_SPREAD)))
    if conversion_years is not None:
        rate = CONVERTER_RATE * min(spread, 1.8)
        return CONVERSION_STAGE - rate * conversion_years, rate
    rate = RATE[diagnosis] * min(spread, 2.5)
    highest = CONVERSION_STAGE - rate * OBSERVED_YEARS - 0.02 if diagnosis == "MCI" else np.inf
    return _truncated_normal(random, mean, deviation, -0.4, highest), rate


def state_at(subject: Subject, years: float) -> State:
    """Evaluate the model of the module's docstring."""
    stage, age, residual = subject.stage_at(years), subject.age + years, subject.residuals
    older = age + subject.brainage_gap - 60
    relative_size = float(np.prod(subject.head_scale)) / HEAD_SCALE**3
    ventricles = 24.0 * np.exp(0.026 * older + 0.36 * stage + residual["ventricles"])
    hippocampi = 6.9 * np.exp(-0.0085 * older - 0.27 * stage + residual["hippocampi"])
    return State(
        age=age,
        stage=stage,
        ventricle_ml=relative_size * min(VENTRICLE_MAX_ML, float(ventricles)),
        hippocampus_ml=relative_size * float(hippocampi),
        cortical_loss=float(np.clip(0.0045 * older + 0.055 * stage + residual["cortex"], -0.02, 0.30)),
        caps=float(np.clip(0.016 * older + 0.12 * stage + residual["caps"], 0, 1)),
    )
