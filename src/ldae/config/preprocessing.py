"""From a raw scan to a volume on the networks' grid."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ldae.config.section import Axis, Fraction, Positive, Revision, Section, Shards

N4_FITS: dict[str, dict[str, Any]] = {
    "medium": {"shrink_factor": 5, "iterations": [20, 20, 50, 50], "tolerance": 1e-7},
    "coarse": {"shrink_factor": 6, "iterations": [50, 50, 50, 50], "tolerance": 1e-7},
    "fine": {"shrink_factor": 4, "iterations": [50, 50, 50, 50], "tolerance": 1e-7},
}

Fit = Literal["medium", "fine", "coarse", "own"]
DEFAULT_FIT: Fit = "medium"


class BiasField(Section):
    """N4 (Tustison 2010) inside a quick head mask."""

    fit: Fit = Field(
        DEFAULT_FIT,
        description="four levels on an image shrunken 5 times | 4 times: ANTs' default, the paper's, 2.5 times the CPU "
        "| 6 times: as cheap, less even | as the next three keys say; it sets those of them that are not given",
    )
    shrink_factor: Positive = Field(5, description="down-sampling for the fit; the field is applied at full size")
    iterations: list[Positive] = Field([20, 20, 50, 50], description="at most so many at each fitting level")
    tolerance: float = Field(1e-7, gt=0, description="a level of the fit ends when the field changes less than this")
    revision: Revision = 1

    @model_validator(mode="before")
    @classmethod
    def _numbers_of_the_fit(cls, given: Any) -> Any:
        """The numbers that the fit stands for, and then the fit that the numbers are."""
        fit = given.get("fit", DEFAULT_FIT) if isinstance(given, dict) else None
        if fit not in (*N4_FITS, "own"):
            return given  # validation says so
        whole = {**N4_FITS.get(fit, N4_FITS[DEFAULT_FIT]), **given}
        fits = (name for name, numbers in N4_FITS.items() if all(whole[key] == numbers[key] for key in numbers))
        return whole if fit == "own" else whole | {"fit": next(fits, "own")}


class BrainExtraction(Section):
    """Step 2: which extractor tells brain from head."""

    backend: Literal["deepbet", "template", "antspynet", "hd-bet", "synthstrip"] = Field(
        "deepbet", description="deepbet, template: offline; the others are used when installed; the paper: antspynet"
    )
    second_stage: bool = Field(True, description="deepbet's refinement at 256^3; off: its 128^3 stage alone (fast)")
    mask: Literal["hard", "soft"] = Field(
        "hard", description="the scan is multiplied by 0 or 1 | by the backend's probability (their code)"
    )
    weights: Path | None = Field(None, description="weights file of synthstrip")
    weights_sha256: str | None = Field(None, description="sha256 of weights; another file is refused")
    revision: Revision = 1

    @model_validator(mode="after")
    def _fits_backend(self) -> "BrainExtraction":
        if self.weights and self.backend != "synthstrip":
            raise ValueError(f"weights are read by the backend synthstrip only, not by {self.backend}")
        if self.mask == "soft" and self.backend not in ("deepbet", "antspynet"):
            raise ValueError(f"mask soft needs a probability: deepbet or antspynet give one, not {self.backend}")
        return self


class Registration(Section):
    """Step 3a: the brain to the MNI template."""

    transform: Literal["syn", "affine", "rigid"] = Field("syn", description="the paper: syn; affine keeps atrophy")
    resolution_mm: float = Field(1.0, ge=1, le=4, description="both images are resampled to this for the search")
    syn_iterations: list[Annotated[int, Field(ge=0)]] = Field(
        [40, 20, 0],
        min_length=1,
        description="of SyN, coarse to fine by factors of two, the last at 1 mm; none finer than resolution_mm",
    )
    jacobian: bool = Field(False, description="syn: write the map of the warp's log Jacobian determinant")
    longitudinal: bool = Field(
        False, description="visits of a subject go rigidly to the subject's own mean, and the mean to the template"
    )
    template: str | None = Field(
        None, description="NIfTI file, or templateflow:NAME; none: MNI152 2009a from nilearn's wheel"
    )
    template_mask: Path | None = Field(None, description="brain mask of a template file that has its skull")
    template_sha256: str | None = Field(None, description="sha256 of template; another file is refused")
    revision: Revision = 1


class Conform(Section):
    """The one interpolation, from the corrected native image to the grid of the networks."""

    shape: tuple[Axis, Axis, Axis] = Field(
        (128, 160, 128), description="voxels of the grid: left to right, posterior to anterior, inferior to superior"
    )
    spacing_mm: float = Field(1.5, gt=0, description="edge of its voxels")
    centre_mm: tuple[float, float, float] = Field((-0.5, -17.5, 18.5), description="R-A-S MNI mm of the box centre")
    interpolation: Literal["bspline", "linear"] = Field("bspline", description="cubic B-spline (the paper) | linear")
    intensity: Literal["minmax", "robust"] = Field(
        "minmax", description="[0,1] by minimum and maximum | by 0 and the 80th percentile near the ventricles x 1.25"
    )
    clip_at: Annotated[float, Field(gt=1)] | None = Field(
        2.5,
        description="minmax: brain voxels brighter than so many times its 99th percentile count as that bright; "
        "null: the brightest voxel sets the scale, whatever it is",
    )


class Quality(Section):
    """Quality control: metrics outside their limits are flagged, and flags decide who leaves the cohort."""

    limits: dict[str, tuple[float | None, float | None, float | None, float | None]] = Field(
        {}, description="metric: [fail below, warn below, warn above, fail above] in place of the built-in limits"
    )
    outlier_z: float = Field(5.0, gt=0, description="a metric is an outlier beyond so many robust standard deviations")
    outliers: Literal["warn", "fail"] = Field("warn", description="the flag that such a metric raises")
    quarantine: Literal["fail", "warn", "none"] = Field("fail", description="the mildest flag that excludes a scan")

    @model_validator(mode="before")
    @classmethod
    def _review_has_its_own_section(cls, content: Any) -> Any:
        """``exclusions`` of earlier versions; null, as in recipes of their models, says nothing."""
        if isinstance(content, dict) and "exclusions" in content:
            if content["exclusions"] is not None:
                raise ValueError("exclusions is now the key qc.exclude: move the reviewer's table there")
            content = {name: value for name, value in content.items() if name != "exclusions"}
        return content


class Qc(Section):
    """What people decided who looked at the scans."""

    exclude: Path | None = Field(
        None,
        description="table of scans to leave out: participant_id, session_id, reason, as results_dir/qc/index.html "
        "downloads it (qc_exclude.tsv)",
    )


class Preprocessing(Section):
    """From BIDS to the grid of the networks: its steps, and how they are spread over jobs."""

    shards: Shards = Field(description="jobs of each step; a subject's shard is a hash of its name")
    max_quarantined_fraction: Fraction = Field(
        0.1, description="a shard in which more scans than this fail stops the run (one scan alone never does)"
    )
    keep_corrected: bool = Field(True, description="keep the N4-corrected native images after registration")
    orientation: str | None = Field(
        None,
        description="where the voxel axes point (LAS: left, anterior, superior) in files whose header does not say; "
        "none: they are refused",
    )
    min_slices: int = Field(
        32, ge=12, le=256, description="fewest voxels along an axis; slices may be 160 mm / min_slices thick"
    )
    scans_per_worker: Positive = Field(50, description="a worker process is replaced after so many (memory stays flat)")
    bias_field: BiasField = BiasField()
    brain_extraction: BrainExtraction = BrainExtraction()
    registration: Registration = Registration()
    conform: Conform = Conform()
    quality: Quality = Quality()

    @model_validator(mode="after")
    def _orientation_names_three_axes(self) -> "Preprocessing":
        pairs = [pair for letter in self.orientation or "" for pair in ("LR", "AP", "SI") if letter in pair]
        if self.orientation is not None and (len(self.orientation) != 3 or sorted(pairs) != ["AP", "LR", "SI"]):
            raise ValueError(
                f"orientation {self.orientation} must have one letter of each pair: L or R, A or P, S or I (LAS, RAS)"
            )
        return self
