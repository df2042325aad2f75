"""The configuration: typed, documented, and closed (an unknown key is an error that names the key).

``config/config.yaml`` holds the paper; ``demo.yaml`` and ``smoke.yaml`` overlay it. A rule receives only the section
it uses, so changing a key plans exactly the rules that read it.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ldae.errors import UserError
from ldae.switches import method_of, with_mode

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Revision = Annotated[int, Field(ge=1, description="bump by hand to redo this step and all that follows it")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Raw(Section):
    """Where the ADNI download lies. Never written to."""

    images: Path = Field(description="folder with one subfolder per subject (NNN_S_NNNN), as LONI's zip unpacks")
    tables: Path = Field(description="folder with the study tables (ADNIMERGE, MPRAGEMETA, ...)")


class BidsColumns(Section):
    """Where a BIDS dataset keeps what the manifest needs: names tried in this order, upper or lower case.

    A fact is taken from the first table that has such a column: scans.tsv, sessions.tsv, participants.tsv.
    """

    age: list[str] = Field(["age"], description="age at the visit, in the sessions table")
    baseline_age: list[str] = Field(["age_bl", "age"], description="age at baseline, in the participants table")
    sex: list[str] = ["sex", "gender"]
    diagnosis: list[str] = Field(["diagnosis", "dx", "group"], description="sessions or participants table")
    mmse: list[str] = ["mmse"]
    cdr: list[str] = Field(["cdr_global", "cdr"], description="global score")
    months: list[str] = Field([], description="months since baseline, in the sessions table; none: by name or date")
    visit_date: list[str] = Field(["examination_date", "acq_time"], description="ISO date, sessions table")
    scan_date: list[str] = Field(["acq_time"], description="ISO date, scans table")
    field_strength: list[str] = Field(["field_strength", "mri_field"], description="Tesla, scans table")
    image_id: list[str] = Field(["image_id", "scan_id"], description="scans table")


class BidsValues(Section):
    """What the cells of those columns mean; a value without an entry counts as missing."""

    diagnosis: dict[str, Literal["CN", "MCI", "AD"]] = {
        "CN": "CN",
        "HC": "CN",
        "control": "CN",
        "MCI": "MCI",
        "AD": "AD",
        "dementia": "AD",
    }
    sex: dict[str, Literal["M", "F"]] = {"M": "M", "male": "M", "F": "F", "female": "F"}


class Bids(Section):
    """``source: bids``: a dataset of others, never written to."""

    path: Path = Field(description="root of the dataset (holds dataset_description.json)")
    columns: BidsColumns = BidsColumns()
    values: BidsValues = BidsValues()
    visits: Path | None = Field(
        None, description="one table of all visits (participant_id, session_id, ...) instead of sub-*_sessions.tsv"
    )
    filters: dict[str, str | int | list[str]] = Field(
        {}, description="pybids entities that a T1w image must have, such as {acquisition: mprage}"
    )
    age_unit: Literal["years", "months", "days"] = "years"
    session_pattern: str = Field(r"[Mm](\d+)", description="regular expression of a visit's label; group 1 is its time")
    session_unit: Literal["months", "days", "years"] = Field("months", description="unit of that time since baseline")
    revision: Revision = 1

    @field_validator("session_pattern")
    @classmethod
    def _has_one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"{pattern!r} has {groups} groups, one is needed: the time in the visit's label")
        return pattern

    @property
    def age_units_per_year(self) -> float:
        return {"years": 1, "months": 12, "days": 365.25}[self.age_unit]

    @property
    def session_units_per_month(self) -> float:
        return {"months": 1, "days": 365.25 / 12, "years": 1 / 12}[self.session_unit]


class AuthorsCsv(Section):
    """``source: csv``: volumes that are preprocessed already, in the table of the paper's authors."""

    path: Path = Field(description="table with subject, path, diagnosis, session, age (latent_path is not read)")
    resample: bool = Field(
        False, description="resample volumes of another grid in MNI space to preprocessing.conform; false: refuse them"
    )
    revision: Revision = 1


class Manifest(Section):
    require_diagnosis: bool = Field(
        True, description="leave out scans without CN, MCI or AD at the visit (the paper); false trains on them as well"
    )


class Phantom(Section):
    """A synthetic raw ADNI download, made before the chain starts (demo, smoke, study)."""

    subjects: dict[Literal["CN", "MCI", "AD"], Positive] = Field(description="subjects by diagnosis at baseline")
    visits: Positive = Field(2, le=4, description="visits of an ordinary subject; the second is at month 24 or 12")
    extra_visit_fraction: Fraction = Field(0.2, description="fraction of subjects with three or four visits")
    converter_fraction: Fraction = Field(0.25, description="fraction of MCI subjects that convert to AD")
    voxel_mm: float = Field(2.0, ge=1, le=4, description="nominal voxel size of the raw scans (mm)")
    broken_scans: int = Field(0, ge=0, description="scans written with a truncated DICOM, to be quarantined")
    revision: Revision = 1


class Convert(Section):
    shards: Positive = Field(description="Clinica runs side by side; a subject's shard is a hash of its name")
    max_quarantined_fraction: Fraction = Field(0.1, description="a shard with more broken scans than this fails")
    revision: Revision = 1


class Splits(Section):
    protocol: Literal["stratified", "paper"] = Field(
        "stratified", description="stratified by last diagnosis | the paper's group shuffle with seed 42"
    )
    test_fraction: Fraction = Field(0.1, description="of all subjects")
    validation_fraction: Fraction = Field(0.01, description="of the subjects that are not test; at least one subject")
    min_test_subjects_per_class: int = Field(5, ge=1, description="fewer stop the run with one sentence")


class BiasField(Section):
    """N4 (Tustison 2010) inside a quick head mask."""

    shrink_factor: Positive = Field(4, description="down-sampling for the fit; the field is applied at full size")
    iterations: list[Positive] = Field([50, 50, 50, 50], description="per fitting level")
    tolerance: float = Field(1e-7, gt=0, description="convergence threshold")
    revision: Revision = 1


class BrainExtraction(Section):
    backend: Literal["deepbet", "template", "antspynet", "hd-bet", "synthstrip"] = Field(
        "deepbet", description="deepbet, template: offline; the others are used when installed; the paper: antspynet"
    )
    second_stage: bool = Field(True, description="deepbet's refinement at 256^3; off: its 128^3 stage alone (fast)")
    mask: Literal["hard", "soft"] = Field(
        "hard", description="the scan is multiplied by 0 or 1 | by the backend's probability (their code)"
    )
    weights: Path | None = Field(None, description="weights file of synthstrip")
    weights_sha256: str | None = Field(None, description="refuse other weights")
    revision: Revision = 1

    @model_validator(mode="after")
    def _fits_backend(self) -> "BrainExtraction":
        if self.weights and self.backend != "synthstrip":
            raise ValueError(f"weights are read by the backend synthstrip only, not by {self.backend}")
        if self.mask == "soft" and self.backend not in ("deepbet", "antspynet"):
            raise ValueError(f"mask soft needs a probability: deepbet or antspynet give one, not {self.backend}")
        return self


class Registration(Section):
    transform: Literal["syn", "affine", "rigid"] = Field("syn", description="the paper: syn; affine keeps atrophy")
    resolution_mm: float = Field(1.0, ge=1, le=4, description="both images are resampled to this for the search")
    syn_iterations: list[Annotated[int, Field(ge=0)]] = Field(
        [40, 20, 0], description="of SyN, coarse to fine by factors of two; the last at resolution_mm"
    )
    jacobian: bool = Field(False, description="syn: write the map of the warp's log Jacobian determinant")
    longitudinal: bool = Field(
        False, description="visits of a subject go rigidly to the subject's own mean, and the mean to the template"
    )
    template: str | None = Field(
        None, description="NIfTI file, or templateflow:NAME; none: MNI152 2009a from nilearn's wheel"
    )
    template_mask: Path | None = Field(None, description="brain mask of a template file that has its skull")
    template_sha256: str | None = Field(None, description="refuse another template")
    revision: Revision = 1


class Conform(Section):
    """The one interpolation, from the corrected native image to the grid of the networks."""

    shape: tuple[Positive, Positive, Positive] = (128, 160, 128)
    spacing_mm: float = Field(1.5, gt=0)
    centre_mm: tuple[float, float, float] = Field((-0.5, -17.5, 18.5), description="R-A-S MNI mm of the box centre")
    interpolation: Literal["bspline", "linear"] = "bspline"
    intensity: Literal["minmax", "robust"] = Field(
        "minmax", description="[0,1] by minimum and maximum | by 0 and the 80th percentile near the ventricles x 1.25"
    )


class Quality(Section):
    """Quality control: metrics outside their limits are flagged, and flags decide who leaves the cohort."""

    limits: dict[str, tuple[float | None, float | None, float | None, float | None]] = Field(
        {}, description="metric: [fail below, warn below, warn above, fail above] in place of the built-in limits"
    )
    outlier_z: float = Field(5.0, gt=0, description="flagged beyond so many robust standard deviations")
    outliers: Literal["warn", "fail"] = "warn"
    quarantine: Literal["fail", "warn", "none"] = Field("fail", description="the mildest flag that excludes a scan")
    exclusions: Path | None = Field(None, description="a reviewer's table: participant_id, session_id, reason")


class Preprocessing(Section):
    shards: Positive
    max_quarantined_fraction: Fraction = 0.1
    keep_corrected: bool = Field(True, description="keep the N4-corrected native images after registration")
    scans_per_worker: Positive = Field(50, description="a worker process is replaced after so many (memory stays flat)")
    bias_field: BiasField = BiasField()
    brain_extraction: BrainExtraction = BrainExtraction()
    registration: Registration = Registration()
    conform: Conform = Conform()
    quality: Quality = Quality()


class Method(Section):
    """Where paper, code and good sense differ. ``mode`` sets every switch of :mod:`ldae.switches` that is not given,
    those of other sections too; docs/differences.md lists them."""

    mode: Literal["paper", "authors_code"] = Field(
        "paper", description="the paper as written, its slips repaired | what the authors' code does, bugs included"
    )
    posterior: Literal["sample", "mean", "frozen"] = Field(
        "sample", description="latents: resampled in training, mean in evaluation | always the mean | one sample a scan"
    )
    scale_factor: Literal["training_split", "first_batch"] = Field(
        "training_split", description="latents are divided by their spread over the training split | over one batch"
    )
    clamp_z0: bool = Field(False, description="clamp predicted z_0 to [-1, 1] while sampling")
    shift_at_sampling: Literal["sqrt", "training"] = Field(
        "sqrt", description="coefficient of G while sampling: sqrt(1-a_t) (DDIM of PDAE) | the training coefficient"
    )
    validation_reference: Literal["original", "autoencoder"] = Field(
        "original", description="what a validation sample of stage 3 is compared with: the scan | its reconstruction"
    )
    probe_split: Literal["subject", "scan"] = Field("subject", description="folds that choose a probe's penalty")
    positive_class: Literal["AD", "CN"] = Field(
        "AD", description="CN: metrics with CN positive stand beside those of AD"
    )
    manipulation_scale: Literal["calibrated", "sqrt_dimension"] = Field(
        "calibrated", description="step along the probe: to a stated probability | alpha sqrt(dimension), alpha 2.5"
    )


class Compute(Section):
    """How a network is computed. Every switch keeps parameters, their names and the result up to rounding."""

    transposed_upsampling: bool = Field(
        True, description="nearest-neighbour upsampling and its convolution as one transposed convolution"
    )
    recompute_norms: bool = Field(
        True, description="GroupNorm, its scales and SiLU are computed again in the backward pass, not kept"
    )
    time_table: bool = Field(True, description="sinusoidal embeddings of all timesteps made once")
    half_trunk: bool = Field(True, description="with bf16: the frozen UNet of stage 3 is stored in bf16, never cast")
    checkpoint_backbone: bool = Field(
        False, description="blocks of the semantic backbone are computed again in the backward pass (+1/3 of its work)"
    )
    channels_last: bool = Field(False, description="weights in channels-last order; to be measured on the GPU at hand")

    @classmethod
    def plain(cls) -> "Compute":
        """No rewrite: every layer as its library has it, bit for bit."""
        return cls(transposed_upsampling=False, recompute_norms=False, time_table=False, half_trunk=False)


class Training(Section):
    """One loop serves all stages. A step is one optimizer step on one effective batch."""

    steps: Positive = Field(description="optimizer steps")
    batch: Positive = Field(description="scans per optimizer step (the effective batch)")
    micro_batch: Positive = Field(description="scans per forward pass; divides batch")
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(0, ge=0, description="linear warm-up")
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="global gradient norm, on unscaled gradients")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="per update of the average; 0 = no average")
    ema_updates: Positive = Field(1, description="updates of the average per optimizer step; their code: 4 in stage 3")
    precision: Literal["fp32", "bf16"] = "fp32"
    validate_every: Positive = Field(description="steps between validations (and checkpoints)")
    skip_nonfinite: int = Field(
        5,
        ge=0,
        description="steps in a row whose loss or gradient is not finite that are left out before the run stops",
    )
    compute: Compute = Compute()
    revision: Revision = 1

    @model_validator(mode="after")
    def _batch_divides(self) -> "Training":
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self


class Launch(Section):
    """How a training is run, not what it computes: a change plans no job and is no reason to refuse a checkpoint."""

    stop_margin_seconds: float = Field(
        120, ge=0, description="stop and save when less is left of the job's time limit (more when steps take longer)"
    )
    pictures_every: int = Field(1, ge=0, description="validations between two pictures in checkpoints/; 0 = none")
    tensorboard: bool = Field(
        False, description="curves for TensorBoard in checkpoints/; needs `pip install tensorboard`"
    )


class Discriminator(Section):
    channels: Positive = 64
    layers: Positive = 3
    learning_rate: float = Field(1e-4, gt=0)
    gradients: Literal["clean", "leaked"] = Field(
        "clean", description="of its own loss | of the generator's loss as well, as in their code"
    )


class Autoencoder(Section):
    """Stage 1: AutoencoderKL (paper 4.1; Table 2)."""

    patch: Positive = Field(1, description="space-to-depth factor before the network; the paper: 1, the demo: 2")
    channels: list[Positive] = [64, 128, 128, 128]
    latent_channels: Positive = 3
    res_blocks: Positive = 2
    norm_groups: Positive = 32
    zero_init: bool = Field(False, description="residual blocks start as the identity (demo: learns faster)")
    kl_weight: float = Field(1e-7, ge=0, description="on the KL summed over a latent")
    adversarial_weight: float = Field(0.025, ge=0)
    perceptual_weight: float = Field(0.001, ge=0, description="used only when perceptual_weights is given")
    perceptual_weights: Path | None = Field(None, description="torchvision squeezenet1_1 state dict (safetensors)")
    perceptual_sha256: str | None = None
    pretrained: Path | None = Field(None, description="MONAI Generative AutoencoderKL weights to start from")
    pretrained_sha256: str | None = None
    discriminator: Discriminator = Discriminator()
    training: Training


class Diffusion(Section):
    """Stage 2: unconditional latent diffusion (paper 4.2; Table 3)."""

    channels: Positive = Field(256, description="base width")
    multipliers: list[Positive] = [1, 2, 3]
    res_blocks: Positive = 2
    attention_factors: list[int] = Field([2, 4], description="down-sampling factors with self-attention")
    dropout: Fraction = 0.1
    norm_groups: Positive = 32
    prior: Literal["none", "gaussian"] = Field(
        "none", description="gaussian: the network adds to a per-voxel Gaussian prediction (demo); the paper: none"
    )
    resample: Literal["isotropic", "in_plane"] = Field("isotropic", description="in_plane: their code's 'video' rule")
    timesteps: Positive = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    training: Training


class Representation(Section):
    """Stage 3: semantic encoder and gradient estimator (paper 4.3, 4.4; Table 4)."""

    backbone: str = Field("convnext_small", description="timm model name")
    backbone_weights: Path | None = Field(None, description="ImageNet weights (safetensors); none: random, and said so")
    backbone_sha256: str | None = None
    drop_path: Fraction = Field(0.4, description="stochastic depth of the backbone")
    dimension: Positive = Field(768, description="length of y_sem")
    code_norm: Literal["layer", "batch"] = Field(
        "layer", description="batch: y_sem is batch-normalised after its LayerNorm (demo); the paper: layer"
    )
    slice_step: Positive = Field(1, description="use every n-th axial slice")
    heads: Positive = 8
    dropout: Fraction = 0.1
    snr_gamma: float = Field(0.1, description="PDAE's SNR weighting")
    ema_doubles_backbone: bool = Field(False, description="the backbone's average is updated twice as often")
    training: Training

    @model_validator(mode="after")
    def _batch_norm_needs_a_batch(self) -> "Representation":
        if self.code_norm == "batch" and self.training.micro_batch < 2:
            raise ValueError("code_norm batch needs a micro_batch of at least 2")
        return self


class Dae(Section):
    """Voxel-space diffusion autoencoder (Preechakul 2022), the paper's unsupervised baseline (Tables 6 and 7).

    Published are its voxels (112 x 128 x 112) and its parameters (130 M); widths and training are ours.
    """

    factor: Positive = Field(1, description="volumes are averaged in blocks of this many voxels a side, then cut")
    shape: tuple[Positive, Positive, Positive] = Field((112, 128, 112), description="central box of them, voxels")
    dimension: Positive = Field(512, description="length of its code")
    channels: Positive = Field(64, description="base width")
    multipliers: list[Positive] = [1, 2, 2, 4, 5]
    res_blocks: Positive = 2
    attention_factors: list[int] = Field([8, 16], description="down-sampling factors with self-attention")
    dropout: Fraction = 0.1
    norm_groups: Positive = 32
    resample: Literal["isotropic"] = "isotropic"
    timesteps: Positive = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    training: Training

    @model_validator(mode="after")
    def _shape_divides(self) -> "Dae":
        deepest = 2 ** (len(self.multipliers) - 1)
        if any(size % deepest for size in self.shape):
            raise ValueError(f"shape {self.shape} is not a multiple of the network's factor {deepest}")
        return self


class Supervised(Section):
    """Supervised baseline: the encoder of the representation section with a linear head (Table 7)."""

    training: Training


Direction = Literal["probe", "adjusted", "age", "random"]


class Sampling(Section):
    solver: Literal["ddim", "dpmpp_2m"] = "ddim"
    steps: Positive = 100


class Evaluation(Section):
    sampling: Sampling = Sampling()
    solvers: list[Sampling] = Field([], description="further solvers and steps for the study of quality against cost")
    lpips_weights: Path | None = Field(None, description="torchvision squeezenet1_1 state dict; none: no LPIPS")
    lpips_sha256: str | None = None
    batch: Positive = Field(8, description="scans per sampling batch")
    scans_per_subject: Positive = Field(1000, description="test scans per subject in the reconstruction table")
    bootstrap: Positive = Field(2000, description="subject-level resamples of every interval")
    folds: Positive = Field(5, description="subject-grouped folds of the figures named *_cv")
    probabilities: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.1, 0.5, 0.9], description="probe probabilities manipulation aims at"
    )
    directions: list[Direction] = Field(
        ["probe", "adjusted", "age", "random"],
        description="ways to move y_sem: the AD probe, the same adjusted for age and sex, age, random (controls)",
    )
    max_triplets: Positive = Field(2000, description="interpolation triplets, taken in subject order")
    variations: Positive = Field(8, description="samples per y_sem in the variation figure")


class Config(Section):
    results_dir: Path
    seed: int = 42
    source: Literal["adni", "bids", "csv"] = "adni"
    raw: Raw
    bids: Bids | None = None
    csv: AuthorsCsv | None = None
    phantom: Phantom | None = None
    convert: Convert
    manifest: Manifest = Manifest()
    splits: Splits = Splits()
    preprocessing: Preprocessing
    method: Method = Method()
    autoencoder: Autoencoder
    diffusion: Diffusion
    representation: Representation
    dae: Dae
    supervised_ad: Supervised
    supervised_age: Supervised
    launch: Launch = Launch()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _source_has_its_section(self) -> "Config":
        if self.source != "adni" and getattr(self, self.source) is None:
            raise ValueError(f"source {self.source} needs the section {self.source} with its path")
        if self.source != "adni" and self.phantom is not None:
            raise ValueError(f"the phantom is a raw ADNI download: with source {self.source} set phantom: null")
        return self

    @model_validator(mode="after")
    def _grid_fits(self) -> "Config":
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        deepest = factor * 2 ** (len(self.diffusion.multipliers) - 1)
        sizes = self.preprocessing.conform.shape
        if any(size % factor for size in sizes):
            raise ValueError(
                f"preprocessing.conform.shape {sizes} is not a multiple of the autoencoder's factor {factor}"
            )
        if self.diffusion.resample == "isotropic" and any(size % deepest for size in sizes):
            raise ValueError(f"preprocessing.conform.shape {sizes} is not a multiple of {deepest} (autoencoder x UNet)")
        if any(small * self.dae.factor > size for small, size in zip(self.dae.shape, sizes, strict=True)):
            raise ValueError(f"dae.shape {self.dae.shape} x dae.factor {self.dae.factor} exceeds conform.shape {sizes}")
        return self

    def section(self, *names: str) -> dict[str, Any]:
        """One section (or subsection) as plain values, the form in which rules hand it to their adapters."""
        values = self.model_dump(mode="json")
        for name in names:
            values = values[name]
        return values

    def method_of(self, rule: str) -> dict[str, Any]:
        """The entries of the ``method`` section that a rule reads."""
        return method_of(rule, self.section())

    def supervised(self, name: Literal["supervised_ad", "supervised_age"]) -> dict[str, Any]:
        """The representation section with the training of a supervised baseline, as plain values."""
        encoder = self.section("representation") | {"training": self.section(name, "training")}
        return {key: value for key, value in encoder.items() if key not in ("snr_gamma", "ema_doubles_backbone")}

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(channels, x, y, z) of one latent."""
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        return (self.autoencoder.latent_channels, *(size // factor for size in self.preprocessing.conform.shape))


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """``overlay`` over ``base``, section by section (the rule Snakemake uses for several config files)."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_config(content: dict[str, Any]) -> Config:
    """Validate a configuration, its switches set by ``method.mode`` where it does not give them.

    Raises:
        UserError: every unknown key and every bad value, each with its full name, in one message.
    """
    try:
        return Config.model_validate(with_mode(content))
    except ValidationError as error:
        problems = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]) or "config"
            unknown = item["type"] == "extra_forbidden"
            problems.append(f"{name}: unknown key" if unknown else f"{name}: {item['msg']}")
        raise UserError("The configuration is not valid: " + "; ".join(problems) + ".") from None


def load_config(*paths: str | Path) -> Config:
    """Read YAML files, each laid over the ones before it."""
    content: dict[str, Any] = {}
    for path in paths:
        try:
            layer = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"The configuration file {path} does not exist.") from None
        except yaml.YAMLError as error:
            raise UserError(f"The configuration file {path} is not plain YAML: {error}.") from None
        content = merge(content, layer or {})
    return parse_config(content)
