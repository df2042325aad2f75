"""The studies."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ldae.config.section import Positive, Section

Direction = Literal["probe", "adjusted", "age", "random"]


class Sampling(Section):
    """A solver of the probability-flow ODE and its number of steps."""

    solver: Literal["ddim", "dpmpp_2m"] = Field("ddim", description="DDIM (the paper) | DPM-Solver++ of second order")
    steps: Positive = Field(100, description="calls of the network per sample; at most the timesteps of the schedule")


class Arithmetic(Section):
    """How networks are computed after their training. States of samplers, codes, schedules and metrics are float32."""

    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="of the networks' calls in encodings and studies; bf16: by autocast"
    )
    channels_last: bool = Field(
        False, description="weights in channels-last order in encodings and studies; up to rounding the same numbers"
    )


Check = Literal["splits", "stores", "training_scans", "one_person", "twins", "codes", "labels", "fitted", "scale"]


class Audit(Section):
    """What the audit of leaks may let pass."""

    allow: dict[Check, Annotated[str, Field(min_length=3)]] = Field(
        {},
        description="check: why the run goes on although this check finds something; the reason stands in the report",
    )


class Evaluation(Arithmetic):
    """What the studies measure, on how many scans and how certain their intervals are."""

    sampling: Sampling = Sampling()
    solvers: list[Sampling] = Field([], description="further solvers and steps for the study of quality against cost")
    lpips_weights: Path | None = Field(None, description="torchvision squeezenet1_1 state dict; none: no LPIPS")
    lpips_sha256: str | None = Field(None, description="sha256 of lpips_weights; another file is refused")
    batch: Positive = Field(8, description="latents that are sampled at once")
    volumes: Positive = Field(
        1, description="volumes that go through a network at once; at the paper's size one is best"
    )
    scans_per_subject: Positive = Field(1000, description="test scans per subject in the reconstruction table")
    dae_scans: Positive = Field(
        100, description="test scans that the voxel-space baseline reconstructs, drawn by subject; it is slow"
    )
    samples: Positive = Field(500, description="unconditional samples that are compared with real scans")
    efficiency_repeats: Positive = Field(3, description="how often each method is timed")
    bootstrap: Positive = Field(
        2000,
        description="resampled sets of subjects behind the intervals of medians and distances (the others need none)",
    )
    folds: Positive = Field(5, description="subject-grouped folds of the figures named *_cv")
    confound_permutations: Positive = Field(
        100,
        description="how often the subjects' codes change places to learn how well field strength and study phase are "
        "read by chance",
    )
    label_fractions: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [0.01, 0.05, 0.1, 0.5, 1.0], description="parts of the training subjects whose labels a probe gets"
    )
    label_draws: Positive = Field(5, description="random draws of each such part; their metrics are averaged")
    probabilities: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.1, 0.5, 0.9], description="probe probabilities manipulation aims at"
    )
    dose_probabilities: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.02, 0.25, 0.75, 0.98], description="further probabilities along the probe, for the dose-response curve"
    )
    alphas: list[Annotated[float, Field(gt=0)]] = Field(
        [1, 2, 3, 4, 5], description="the paper's fixed steps along the probe: CN and MCI towards AD, AD towards CN"
    )
    directions: list[Direction] = Field(
        ["probe", "adjusted", "age", "random"],
        description="ways to move y_sem: the AD probe, the same adjusted for age and sex, age, random (controls)",
    )
    max_triplets: Positive = Field(2000, description="interpolation triplets; where there are more, so many are drawn")
    calibration_scans: Positive = Field(
        128, description="training scans whose reconstructions show how ventricles are measured in decoded volumes"
    )
    variations: Positive = Field(8, description="samples per y_sem in the variation figure")
