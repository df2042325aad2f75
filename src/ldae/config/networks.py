"""The networks of the three stages and of the baselines, and what is to be known of weights trained elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ldae.config.section import Axis, Beta, Fraction, Positive, Section, require_groups
from ldae.config.training import Training


class Discriminator(Section):
    """The patch discriminator of stage 1 (paper 4.1)."""

    channels: Positive = Field(64, description="width of its first layer")
    layers: Positive = Field(3, description="strided layers; each doubles the width")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="of AdamW")
    gradients: Literal["clean", "leaked"] = Field(
        "clean", description="of its own loss | of the generator's loss as well, as in their code"
    )


class Autoencoder(Section):
    """Stage 1: AutoencoderKL (paper 4.1; Table 2)."""

    patch: Positive = Field(1, description="space-to-depth factor before the network; the paper: 1, the demo: 2")
    channels: list[Positive] = Field(
        [64, 128, 128, 128], description="width of each level; every level but the first halves the grid"
    )
    latent_channels: Positive = Field(3, description="channels of a latent")
    res_blocks: Positive = Field(2, description="residual blocks per level")
    norm_groups: Positive = Field(32, description="groups of every GroupNorm; divides every width")
    zero_init: bool = Field(False, description="residual blocks start as the identity (demo: learns faster)")
    kl_weight: float = Field(1e-7, ge=0, description="on the KL summed over a latent")
    adversarial_weight: float = Field(0.025, ge=0, description="on the discriminator's term of the loss")
    perceptual_weight: float = Field(
        0.001, ge=0, description="on the perceptual loss, which is there only when perceptual_weights is given"
    )
    perceptual_weights: Path | None = Field(None, description="torchvision squeezenet1_1 state dict (safetensors)")
    perceptual_sha256: str | None = Field(None, description="sha256 of perceptual_weights; another file is refused")
    pretrained: Path | None = Field(None, description="MONAI Generative AutoencoderKL weights to start from")
    pretrained_sha256: str | None = Field(None, description="sha256 of pretrained; another file is refused")
    discriminator: Discriminator = Discriminator()
    training: Training

    @model_validator(mode="after")
    def _one_start(self) -> "Autoencoder":
        if self.pretrained is not None and self.training.init_from is not None:
            raise ValueError("pretrained and training.init_from both say where to start: give one")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> "Autoencoder":
        require_groups(self.channels, self.norm_groups)
        return self


def require_schedule_and_groups(settings: "Diffusion | Dae") -> None:
    """Of a network that denoises.

    Raises:
        ValueError: the noise would shrink, there is no level, or the groups do not divide the channels.
    """
    if settings.beta_end < settings.beta_start:
        raise ValueError(f"beta_end {settings.beta_end} is below beta_start {settings.beta_start}")
    if not settings.multipliers:
        raise ValueError("multipliers is empty: give that of one level at least")
    require_groups([settings.channels], settings.norm_groups)


class Diffusion(Section):
    """Stage 2: unconditional latent diffusion (paper 4.2; Table 3)."""

    channels: Positive = Field(256, description="width of the first level")
    multipliers: list[Positive] = Field([1, 2, 3], description="width of each level in widths of the first")
    res_blocks: Positive = Field(2, description="residual blocks per level")
    attention_factors: list[Positive] = Field([2, 4], description="down-sampling factors with self-attention")
    dropout: Fraction = Field(0.1, description="in the residual blocks")
    norm_groups: Positive = Field(32, description="groups of every GroupNorm; divides every width")
    prior: Literal["none", "gaussian"] = Field(
        "none", description="gaussian: the network adds to a per-voxel Gaussian prediction (demo); the paper: none"
    )
    resample: Literal["isotropic", "in_plane"] = Field(
        "isotropic", description="all three axes are halved from level to level | only two, as in the authors' code"
    )
    timesteps: Positive = Field(1000, description="steps T of the noise schedule")
    beta_start: Beta = Field(1e-4, description="variance of the noise added at the first timestep; linear in between")
    beta_end: Beta = Field(0.02, description="variance of the noise added at the last timestep")
    training: Training

    @model_validator(mode="after")
    def _schedule_and_groups(self) -> "Diffusion":
        require_schedule_and_groups(self)
        return self


class Representation(Section):
    """Stage 3: semantic encoder and gradient estimator (paper 4.3, 4.4; Table 4)."""

    backbone: str = Field(
        "convnext_small", min_length=1, description="name of a model of timm's; it reads the axial slices"
    )
    backbone_weights: Path | None = Field(None, description="ImageNet weights (safetensors); none: random, and said so")
    backbone_sha256: str | None = Field(None, description="sha256 of backbone_weights; another file is refused")
    drop_path: Fraction = Field(0.4, description="stochastic depth of the backbone")
    dimension: Positive = Field(768, description="length of y_sem")
    code_norm: Literal["layer", "batch"] = Field(
        "layer", description="batch: y_sem is batch-normalised after its LayerNorm (demo); the paper: layer"
    )
    slice_step: Positive = Field(1, description="use every n-th axial slice")
    heads: Positive = Field(8, description="attention heads over the slices; divides dimension")
    dropout: Fraction = Field(0.1, description="in the attention over the slices")
    snr_gamma: float = Field(
        0.1, ge=0, description="exponent of PDAE's weighting of the loss by the signal-to-noise ratio"
    )
    ema_doubles_backbone: bool = Field(False, description="the backbone's average is updated twice as often")
    training: Training

    @model_validator(mode="after")
    def _batch_norm_needs_a_batch(self) -> "Representation":
        if self.code_norm == "batch" and self.training.micro_batch < 2:
            raise ValueError("code_norm batch needs a micro_batch of at least 2")
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> "Representation":
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is not a multiple of heads {self.heads}")
        return self


class Dae(Section):
    """Voxel-space diffusion autoencoder (Preechakul 2022), the paper's unsupervised baseline (Tables 6 and 7).

    Published are its voxels (112 x 128 x 112) and its parameters (130 M); widths and training are ours.
    """

    factor: Positive = Field(1, description="volumes are averaged in blocks of this many voxels a side, then cut")
    shape: tuple[Axis, Axis, Axis] = Field((112, 128, 112), description="central box of them, voxels")
    dimension: Positive = Field(512, description="length of its code")
    channels: Positive = Field(64, description="width of the first level")
    multipliers: list[Positive] = Field([1, 2, 2, 4, 5], description="width of each level in widths of the first")
    res_blocks: Positive = Field(2, description="residual blocks per level")
    attention_factors: list[Positive] = Field([8, 16], description="down-sampling factors with self-attention")
    dropout: Fraction = Field(0.1, description="in the residual blocks")
    norm_groups: Positive = Field(32, description="groups of every GroupNorm; divides every width")
    resample: Literal["isotropic"] = Field("isotropic", description="all three axes are halved from level to level")
    timesteps: Positive = Field(1000, description="steps T of the noise schedule")
    beta_start: Beta = Field(1e-4, description="variance of the noise added at the first timestep; linear in between")
    beta_end: Beta = Field(0.02, description="variance of the noise added at the last timestep")
    training: Training

    @model_validator(mode="after")
    def _schedule_and_groups(self) -> "Dae":
        require_schedule_and_groups(self)
        return self

    @model_validator(mode="after")
    def _shape_divides(self) -> "Dae":
        deepest = 2 ** (len(self.multipliers) - 1)
        if any(size % deepest for size in self.shape):
            raise ValueError(f"shape {self.shape} is not a multiple of the network's factor {deepest}")
        return self


class Supervised(Section):
    """Supervised baseline: the encoder of the representation section with a linear head (Table 7)."""

    selection: Literal["enough", "validation"] = Field(
        "enough",
        description="who chooses the step that is delivered: at least 10 subjects of each class, some of them set "
        "aside from the training split if need be (in a small cohort nobody: the last step) | the validation split, "
        "however few it has",
    )
    training: Training


Axes = Annotated[str, Field(pattern="^[RL][AP][SI]$")]


class Imported(Section):
    """What the weights of ``ldae import-weights`` were trained on. It is written into their model folders, and only
    there is it read. The defaults are those of the paper's published weights: the factor of their code, and the grid
    that their loading makes of FSL's MNI152 template (L-A-S, 1 mm; first voxel kept at 1.5 mm, padded on both sides).
    """

    scale_factor: float = Field(
        0.8730, gt=0, description="latents are multiplied by it: 1 / their standard deviation in that training"
    )
    axes: Axes = Field(
        "LAS", description="directions in which the indices of its volumes grew: R or L, A or P, S or I; ours: RAS"
    )
    spacing_mm: float = Field(1.5, gt=0, description="edge of its voxels")
    centre_mm: tuple[float, float, float] = Field(
        (-0.75, -17.25, 18.75), description="R-A-S MNI mm of its box's centre; its shape is that of conform"
    )
    training_subjects: Path | None = Field(
        None,
        description="list of their training subjects, one a line (sub-ADNI002S0295 or 002_S_0295), or splits.tsv of "
        "the run that trained them: they are never test subjects; null: unknown, and on subjects of ADNI the test "
        "numbers are marked contaminated. With `model`: those of the frozen model, which are marked",
    )
