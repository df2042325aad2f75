"""Where the paper's text, the authors' code and good sense differ: one switch each, all in this table.

``method.mode`` sets the default of every switch: ``paper`` is the paper as written with its slips repaired,
``authors_code`` is what their code does, bugs included. A switch given in the configuration wins over the mode.
docs/differences.md and the report are made from this table.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["paper", "authors_code"]


@dataclass(frozen=True)
class Switch:
    """One difference.

    Attributes:
        key: its place in the configuration.
        subject: what it is about.
        paper, authors_code: the value that each mode sets.
        words: what each value means.
        decided: where the paper and the code say so.
        rules: rules that read it, and are done again when it changes.
    """

    key: str
    subject: str
    paper: Any
    authors_code: Any
    words: Mapping[Any, str]
    decided: str
    rules: tuple[str, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the sections, then that of the key."""
        return tuple(self.key.split("."))

    def value(self, mode: Mode) -> Any:
        """What ``method.mode`` sets it to."""
        return self.authors_code if mode == "authors_code" else self.paper

    def say(self, value: Any) -> str:
        """The meaning of a value; a number stands for itself."""
        return self.words.get(value, f"{value}")


GRID = ("register_mni", "pack_volumes")
LATENTS = (
    "train_diffusion",
    "train_representation",
    "encode_codes",
    "encode_solver_codes",
    "eval_reconstruction",
    "eval_interpolation",
    "eval_manipulation",
    "eval_counterfactual",
    "eval_forecasting",
    "eval_solvers",
)
SAMPLING = (
    "train_representation",
    "encode_codes",
    "encode_solver_codes",
    "eval_reconstruction",
    "eval_interpolation",
    "eval_manipulation",
    "eval_counterfactual",
    "eval_forecasting",
    "eval_variation",
    "eval_samples",
    "eval_efficiency",
    "eval_solvers",
)

SWITCHES = (
    Switch(
        "preprocessing.registration.transform",
        "Registration",
        "syn",
        "syn",
        {
            "syn": "SyN, deformable: part of the atrophy leaves the image for the warp",
            "affine": "affine: atrophy stays in the image",
            "rigid": "rigid: head size stays in the image as well",
        },
        "paper, preprocessing (SyN to MNI152); code: type_of_transform SyN in the preprocessing pipeline",
        ("register_mni",),
    ),
    Switch(
        "preprocessing.conform.interpolation",
        "Interpolation to the grid",
        "bspline",
        "linear",
        {"bspline": "cubic B-spline", "linear": "linear"},
        "paper: B-spline; code: the spacing transform's default, linear",
        GRID,
    ),
    Switch(
        "preprocessing.conform.intensity",
        "Intensity",
        "minmax",
        "minmax",
        {
            "minmax": "minimum to maximum of the volume becomes 0 to 1; one bright vessel sets the scale",
            "robust": "the white matter near the ventricles sets the scale",
        },
        "code: ScaleIntensity without percentiles, in the data module",
        GRID,
    ),
    Switch(
        "preprocessing.conform.clip_at",
        "Bright voxels",
        2.5,
        None,
        {
            2.5: "a voxel beyond 2.5 times the brain's 99th percentile counts as that bright; no other scan is changed",
            None: "the brightest voxel sets the scale: ten times as bright, it leaves a tenth of it to the brain",
        },
        "code: ScaleIntensity without percentiles, in the data module; the paper does not say what it does to outliers",
        GRID,
    ),
    Switch(
        "preprocessing.bias_field.fit",
        "Fit of N4",
        "medium",
        "fine",
        {
            "medium": "four levels on the image shrunken 5 times, fewer steps in the first two: two fifths of the time",
            "fine": "four levels on the image shrunken 4 times, ANTs' default",
            "coarse": "four levels on the image shrunken 6 times: a third of the time, somewhat more left",
            "own": "as shrink_factor, iterations and tolerance say",
        },
        "paper: N4; code: every default of ANTs, on the whole image (here inside the head)",
        ("correct_bias_field",),
    ),
    Switch(
        "preprocessing.brain_extraction.mask",
        "Brain mask",
        "hard",
        "soft",
        {
            "hard": "voxels outside the mask are 0",
            "soft": "the image is multiplied by the network's probability",
        },
        "paper: brain extraction; code: image times probability, without a threshold, in the preprocessing pipeline",
        ("extract_brain",),
    ),
    Switch(
        "splits.protocol",
        "Split into train and test",
        "stratified",
        "paper",
        {
            "stratified": "by subject, stratified by the last diagnosis, for the whole cohort",
            "paper": "by subject, group shuffle with seed 42, not stratified",
        },
        "code: GroupShuffleSplit in the data module, after the classes are selected, so that tasks differ in subjects",
        ("make_splits",),
    ),
    Switch(
        "autoencoder.training.batch",
        "Scans per step of the autoencoder",
        8,
        4,
        {8: "8, as the paper says", 4: "4, the default of their stage"},
        "paper, Table 2: 8; code: accumulate_grad_batches 4, not set in the configuration",
        ("train_autoencoder",),
    ),
    Switch(
        "autoencoder.discriminator.gradients",
        "Gradients of the discriminator",
        "clean",
        "leaked",
        {
            "clean": "of its own loss only",
            "leaked": "of the generator's loss as well, so it aims at 2/3 for reconstructions and holds back less",
        },
        "code: the autoencoder stage neither freezes the discriminator nor clears its gradients between the two losses",
        ("train_autoencoder",),
    ),
    Switch(
        "method.scale_factor",
        "Scale of the latents",
        "training_split",
        "first_batch",
        {
            "training_split": "1 / standard deviation over the training split, stored with the latents",
            "first_batch": "1 / standard deviation of one batch of samples (theirs: the constant 0.8730)",
        },
        "paper: of the first batch; code: a constant in the diffusion stages, measured on it by a comment",
        ("encode_latents",),
    ),
    Switch(
        "method.posterior",
        "Latents",
        "sample",
        "frozen",
        {
            "sample": "drawn anew from the posterior at every training step, its mean in evaluation",
            "mean": "the posterior's mean in training and evaluation",
            "frozen": "one sample per scan, drawn once and used everywhere",
        },
        "code: the script that saves latents draws one sample per scan",
        LATENTS,
    ),
    Switch(
        "diffusion.resample",
        "Resampling in the UNet",
        "isotropic",
        "in_plane",
        {
            "isotropic": "all three axes are halved",
            "in_plane": "only two axes are halved, the left-right axis never (1.5 times the work)",
        },
        "paper: a 3-D UNet; code: a rule for video, inherited with the two-dimensional network, in the UNet",
        ("train_diffusion",),
    ),
    Switch(
        "representation.training.ema_updates",
        "Updates of the average per step, stage 3",
        1,
        4,
        {1: "one: decay 0.999 per step", 4: "four, one per micro-batch: decay 0.999^4 = 0.996 per step"},
        "paper: EMA 0.999; code: the callback runs after every micro-batch, and 4 are accumulated",
        ("train_representation",),
    ),
    Switch(
        "representation.ema_doubles_backbone",
        "Average of the backbone, stage 3",
        False,
        True,
        {False: "as all other weights", True: "updated twice as often: decay 0.999^8 = 0.992 per step"},
        "code: the semantic encoder registers its backbone under two names",
        ("train_representation",),
    ),
    Switch(
        "method.validation_reference",
        "What a validation sample is compared with, stage 3",
        "original",
        "autoencoder",
        {"original": "the scan", "autoencoder": "the autoencoder's reconstruction of the scan"},
        "paper: the original; code: validation step of the representation stage",
        ("train_representation",),
    ),
    Switch(
        "method.clamp_z0",
        "Predicted latents while sampling",
        False,
        True,
        {
            False: "not clamped: latents are not bounded",
            True: "clamped to ±1 at every step; x_T of an inverted scan then has a spread near 40 instead of 1",
        },
        "paper: not mentioned; code: left from sampling pixels, in every DDIM step",
        SAMPLING,
    ),
    Switch(
        "method.shift_at_sampling",
        "Coefficient of the gradient estimator while sampling",
        "sqrt",
        "sqrt",
        {
            "sqrt": "√(1 - a_t), which is not that of training at small t",
            "training": "that of training: √(1 - β_t) (1 - a_(t-1)) / √(1 - a_t)",
        },
        "code: the DDIM of PDAE, which it is ported from",
        SAMPLING,
    ),
    Switch(
        "method.probe_split",
        "Folds that choose the probe's penalty, or its best epoch",
        "subject",
        "scan",
        {
            "subject": "by subject",
            "scan": "by scan, so that a subject's visits stand on both sides",
        },
        "code: train_test_split over scans in the probe script",
        ("fit_probes", "eval_probe_checks", "audit_leakage"),
    ),
    *(
        Switch(
            f"supervised_{target}.selection",
            f"Step of the supervised encoder of {name}",
            "enough",
            "validation",
            {
                "enough": "at least 10 subjects of each class choose the best step, some of them set aside from the "
                "training split if need be; in a small cohort nobody does, and the last step is delivered",
                "validation": "the best step by the validation split, however few subjects it has",
            },
            f"paper: 1 % of the subjects validate; code: 30 % for these encoders, {stop}, neither of which a mode sets",
            (f"train_supervised_{target}",),
        )
        for target, name, stop in (
            ("ad", "the diagnosis", "early stopping on Matthews correlation, patience 5"),
            ("age", "age", "early stopping on the absolute error, patience 10"),
        )
    ),
    Switch(
        "method.positive_class",
        "Positive class of the diagnosis",
        "AD",
        "CN",
        {
            "AD": "AD: its recall, precision and F1 come first; those of CN (*_cn_positive) stand beside them",
            "CN": "CN: the metrics named *_cn_positive come first; those of AD stand beside them",
        },
        "paper, 5.4.1, and code: labels are places in the sorted class names, so AD is 0 and CN is 1",
        ("fit_probes",),
    ),
    Switch(
        "method.manipulation_scale",
        "Length of a manipulation",
        "calibrated",
        "sqrt_dimension",
        {
            "calibrated": "as far along the unit direction as the probe needs for a stated probability",
            "sqrt_dimension": "α √dimension along it; α = 2.5 is 69 standard deviations at 768",
        },
        "paper: α; code: α √768 times the unit direction, in the manipulation function and the notebook",
        ("eval_manipulation",),
    ),
)


def with_mode(content: dict[str, Any]) -> dict[str, Any]:
    """A raw configuration with every switch that it does not give set by its ``method.mode`` (default: paper)."""
    content = copy.deepcopy(content)
    method = content.get("method") or {}
    mode: Any = method.get("mode", "paper") if isinstance(method, dict) else "paper"  # validated later
    for switch in SWITCHES:
        *sections, name = switch.path
        place = content
        for section in sections:
            if not place.get(section):
                place[section] = {}
            place = place[section]
            if not isinstance(place, dict):
                break  # not a section: validation says so
        else:
            place.setdefault(name, switch.value(mode))
    return content


def chosen(settings: Mapping[str, Any], switch: Switch) -> Any:
    """The value of a switch in a whole configuration as plain values."""
    for name in switch.path:
        settings = settings[name]
    return settings


def method_of(rule: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the ``method`` section that a rule reads, so that no other one plans it again."""
    own = [switch for switch in SWITCHES if switch.path[0] == "method" and rule in switch.rules]
    return {switch.path[1]: chosen(settings, switch) for switch in own}
