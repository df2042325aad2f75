"""The whole configuration: its sections, and what must fit between them."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ldae.config.arena import Arena
from ldae.config.cohort import AuthorsCsv, Bids, Clinica, Convert, Manifest, Phantom, Raw, Splits
from ldae.config.counterfactual import Counterfactual
from ldae.config.evaluation import Arithmetic, Audit, Evaluation
from ldae.config.forecasting import Forecasting
from ldae.config.method import Method
from ldae.config.networks import Autoencoder, Dae, Diffusion, Imported, Representation, Supervised
from ldae.config.preprocessing import Preprocessing, Qc
from ldae.config.reliability import Reliability
from ldae.config.section import Section
from ldae.config.switches import method_of
from ldae.config.training import Gpu, Launch
from ldae.core.model_places import STAGES

PHANTOM_PLACES = {  # key -> place in results_dir, by source
    "adni": {"raw.images": "raw/ADNI", "raw.tables": "raw/clinical"},
    "bids": {"bids.path": "raw/bids"},
}
WORKFLOW = ("src", "rules", "workflow", "config", "profiles", "envs", "docs", "tests", "benchmarks", ".git")
OWN_FOLDERS = (  # what the rules write in results_dir; nothing of the user's may lie there
    "raw",
    "scratch",
    "checksums",
    "bids",
    "manifest",
    "status",
    "derivatives",
    "store",
    "train",
    "model",
    "evaluate",
    "paper",
    "public",
    "qc",
    "logs",
    "benchmarks",
)


class Config(Section):
    """Everything that a run depends on besides its data."""

    results_dir: Path = Field(description="all that the workflow writes; no rule writes anywhere else")
    results_group: str | None = Field(
        None,
        description="a group of the system's users: new folders in results_dir are for it, not for their owner alone; "
        "a phantom's follow the umask",
    )
    public_subjects: int = Field(
        10,
        ge=5,
        description="numbers that rest on fewer subjects are left out of results_dir/public, and its figures are drawn "
        "without them; a phantom's are all shown",
    )
    seed: int = Field(42, description="of every random number that no other key sets")
    training_seed: int | None = Field(
        None,
        description="of the trainings: first weights, noise, order of scans; null: seed. Two runs that differ in it "
        "alone show how far a number depends on the luck of one training (ldae trainings)",
    )
    source: Literal["adni", "bids", "csv"] = Field(
        "adni",
        description="where the scans come from, each with a section of its own: the raw ADNI download | a BIDS dataset "
        "| volumes that are preprocessed already | clinica: raw files of OASIS-3 or AIBL, converted and read as bids",
        json_schema_extra={"enum": ["adni", "bids", "csv", "clinica"]},
    )
    raw: Raw | None = Field(None, description="source adni; null with a phantom, which lies in results_dir/raw")
    bids: Bids | None = None
    clinica: Clinica | None = Field(None, description="source clinica, which is source bids once it is converted")
    csv: AuthorsCsv | None = None
    phantom: Phantom | None = None
    model: Path | None = Field(
        None,
        description="folder of a trained model (ldae export-model, or a results folder): nothing is trained or fitted, "
        "every scan is a test scan, and the model's own recipe and networks apply",
    )
    convert: Convert
    manifest: Manifest = Manifest()
    splits: Splits = Splits()
    preprocessing: Preprocessing
    qc: Qc = Qc()
    method: Method = Method()
    autoencoder: Autoencoder
    diffusion: Diffusion
    representation: Representation
    baselines: bool = Field(
        True,
        description="whether the paper's rivals (the voxel-space DAE, the supervised encoders) are trained, most of a "
        "run's GPU hours; false: their rows are n/a",
    )
    dae: Dae
    supervised_ad: Supervised
    supervised_age: Supervised
    imported: Imported = Imported()
    launch: Launch = Launch()
    compute: Gpu = Gpu()
    evaluation: Evaluation = Evaluation()
    audit: Audit = Audit()
    arena: Arena = Arena()
    counterfactual: Counterfactual = Counterfactual()
    reliability: Reliability = Reliability()
    forecasting: Forecasting = Forecasting()

    @model_validator(mode="before")
    @classmethod
    def _phantom_lies_in_results(cls, content: Any) -> Any:
        """A phantom's source is read where it is written; one that is given must be that place."""
        if not isinstance(content, dict) or not content.get("phantom"):
            return content
        if not isinstance(content.get("results_dir"), str | Path):
            return content  # a field of its own says so
        content = dict(content)
        for key, place in PHANTOM_PLACES.get(content.get("source", "adni"), {}).items():
            section, name = key.split(".")
            values = content.get(section) or {}
            written = Path(content["results_dir"]) / place
            given = values.get(name, written) if isinstance(values, dict) else values
            if not isinstance(given, str | Path) or Path(given).resolve() != written.resolve():
                raise ValueError(
                    f"{key} is {given}, but a phantom is written to {written} and read there: set phantom: null to "
                    f"read your own data, or {section}: null for the phantom"
                )
            content[section] = values | {name: str(given)}
        return content

    @model_validator(mode="before")
    @classmethod
    def _clinica_writes_a_dataset(cls, content: Any) -> Any:
        """``source: clinica`` is ``source: bids`` with the dataset that the converter writes."""
        if not isinstance(content, dict) or content.get("source") != "clinica":
            return content
        if not isinstance(content.get("clinica"), dict):
            raise ValueError("source clinica needs the section clinica with converter, images and tables")
        for section in ("phantom", "bids"):
            if content.get(section):
                raise ValueError(f"source clinica makes its own dataset: set {section}: null")
        if not isinstance(content.get("results_dir"), str | Path):
            return content  # a field of its own says so
        made = Clinica.model_validate(content["clinica"]).dataset(Path(content["results_dir"]))
        return content | {"source": "bids", "bids": made}

    @model_validator(mode="after")
    def _results_have_a_folder_of_their_own(self) -> "Config":
        """The folders of the rules are made in it, and its name stands in the patterns of their files."""
        if marks := sorted(set("{}*?[]") & set(str(self.results_dir))):
            raise ValueError(f"results_dir {self.results_dir}: take {' '.join(marks)} out, which patterns are made of")
        results = self.results_dir.resolve()
        if own := next((name for name in WORKFLOW if results.is_relative_to(Path.cwd() / name)), None):
            raise ValueError(f"results_dir {self.results_dir} lies in the workflow's own {own}: give results/mine")
        if Path.cwd().is_relative_to(results) or Path.home() == results:
            raise ValueError(
                f"results_dir {self.results_dir} is no folder for results alone: give one below it, such as "
                f"{self.results_dir / 'results'}"
            )
        return self

    @model_validator(mode="after")
    def _source_has_its_section(self) -> "Config":
        section = "raw" if self.source == "adni" else self.source
        if getattr(self, section) is None:
            raise ValueError(f"source {self.source} needs the section {section} with its path")
        if self.source == "csv" and self.phantom is not None:
            raise ValueError("the phantom is a raw ADNI download or a BIDS dataset: with source csv set phantom: null")
        return self

    @model_validator(mode="after")
    def _encoders_of_baselines_normalise_batches(self) -> "Config":
        """The supervised baselines have the encoder of the representation, and so its batch normalisation."""
        for name in ("supervised_ad", "supervised_age"):
            if self.representation.code_norm == "batch" and getattr(self, name).training.micro_batch < 2:
                raise ValueError(f"{name}.training: representation.code_norm batch needs a micro_batch of at least 2")
        return self

    @model_validator(mode="after")
    def _model_stays_as_it_is(self) -> "Config":
        if self.model is None:
            return self
        if self.splits.hold_out:
            raise ValueError(
                f"splits.hold_out: the model {self.model} is frozen and every scan of the cohort a test scan, so that "
                "nobody can be held out: take it out"
            )
        results, model = self.results_dir.resolve(), self.model.resolve()
        if model.is_relative_to(results) or results.is_relative_to(model):
            raise ValueError(
                f"model {self.model} and results_dir {self.results_dir} lie in one another: choose another results_dir"
            )
        for stage in STAGES:
            if (self.results_dir / "train" / stage / "checkpoints").is_dir():
                raise ValueError(
                    f"model {self.model}: {self.results_dir / 'train' / stage} holds a model that was trained or "
                    "imported there, and it stays: choose another results_dir for the frozen one"
                )
        return self

    @model_validator(mode="after")
    def _data_lie_apart_from_results(self) -> "Config":
        """The user's files are never among those that rules replace."""
        if self.phantom is not None:
            return self
        results = self.results_dir.resolve()
        reviewed = {"qc.exclude": self.qc.exclude} if self.qc.exclude else {}
        reviewed |= {f"arena.codes.{name}": path for name, path in self.arena.codes.items()}
        for key, path in (self.given_paths() | reviewed).items():
            inside = path.resolve().is_relative_to(results)
            if inside and path.resolve().relative_to(results).parts[:1] in [(), *((name,) for name in OWN_FOLDERS)]:
                raise ValueError(
                    f"{key} {path} lies where the workflow writes (results_dir {self.results_dir}): choose another "
                    "results_dir"
                )
        return self

    def given_paths(self) -> dict[str, Path]:
        """Key -> path of what the user gives: the folders and tables that the source reads."""
        if self.source == "adni":
            assert self.raw is not None  # a source has its section: checked before
            return {"raw.images": self.raw.images, "raw.tables": self.raw.tables}
        if self.source == "csv":
            assert self.csv is not None
            return {"csv.path": self.csv.path}
        if self.clinica is not None:
            return {"clinica.images": self.clinica.images, "clinica.tables": self.clinica.tables}
        assert self.bids is not None
        return {"bids.path": self.bids.path} | ({"bids.visits": self.bids.visits} if self.bids.visits else {})

    @model_validator(mode="after")
    def _grid_fits(self) -> "Config":
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        deepest = factor * 2 ** (len(self.diffusion.multipliers) - 1)
        sizes = self.preprocessing.conform.shape
        if any(size % factor for size in sizes):
            raise ValueError(
                f"preprocessing.conform.shape {sizes} is not a multiple of the autoencoder's factor {factor}"
            )
        halved = sizes if self.diffusion.resample == "isotropic" else sizes[1:]  # in plane: never left-right
        if any(size % deepest for size in halved):
            raise ValueError(
                f"preprocessing.conform.shape {sizes} is not a multiple of {deepest} (autoencoder x UNet); "
                "config/demo.yaml goes over config/small_networks.yaml"
            )
        if self.model is None and any(
            small * self.dae.factor > size for small, size in zip(self.dae.shape, sizes, strict=True)
        ):
            raise ValueError(f"dae.shape {self.dae.shape} x dae.factor {self.dae.factor} exceeds conform.shape {sizes}")
        return self

    @model_validator(mode="after")
    def _solvers_fit_the_schedules(self) -> "Config":
        """No solver takes more steps than the schedule that it goes along has."""
        schedules = {"diffusion": self.diffusion.timesteps} | ({} if self.model else {"dae": self.dae.timesteps})
        asked = {
            "evaluation.sampling.steps": (self.evaluation.sampling.steps, schedules),
            **{
                f"evaluation.solvers.{number}.steps": (solver.steps, {"diffusion": self.diffusion.timesteps})
                for number, solver in enumerate(self.evaluation.solvers)
            },
        }
        if self.counterfactual.sampling is not None:
            steps = self.counterfactual.sampling.steps
            asked["counterfactual.sampling.steps"] = (steps, {"diffusion": self.diffusion.timesteps})
        if self.model is None:
            asked |= {
                "representation.training.validation_steps": (
                    self.representation.training.validation_steps,
                    {"diffusion": self.diffusion.timesteps},
                ),
                "dae.training.validation_steps": (self.dae.training.validation_steps, {"dae": self.dae.timesteps}),
            }
        for key, (steps, along) in asked.items():
            for name, timesteps in along.items():
                if steps > timesteps:
                    raise ValueError(f"{key}: {steps} is more than the {timesteps} steps of {name}.timesteps")
        return self

    def section(self, *names: str) -> dict[str, Any]:
        """One section (or subsection) as plain values, the form in which rules hand it to their adapters."""
        values = self.model_dump(mode="json")
        for name in names:
            values = values[name]
        return values

    def conversion(self) -> dict[str, Any]:
        """The ``convert`` section but for what is judged before, or once all shards are there."""
        judged = ("max_quarantined_fraction", "max_contradicted_fraction")
        return {key: value for key, value in self.section("convert").items() if key not in judged}

    def method_of(self, rule: str) -> dict[str, Any]:
        """The entries of the ``method`` section that a rule reads."""
        return method_of(rule, self.section())

    def arithmetic(self) -> dict[str, Any]:
        """How the networks of an encoding are computed, as plain values."""
        return {name: self.section("evaluation", name) for name in Arithmetic.model_fields}

    def supervised(self, name: Literal["supervised_ad", "supervised_age"]) -> dict[str, Any]:
        """The representation section with the training of a supervised baseline, as plain values."""
        encoder = self.section("representation") | {"training": self.section(name, "training")}
        return {key: value for key, value in encoder.items() if key not in ("snr_gamma", "ema_doubles_backbone")}

    @property
    def seed_of_trainings(self) -> int:
        """Of the weights that a training begins with, and of what it draws."""
        return self.seed if self.training_seed is None else self.training_seed

    @property
    def trained(self) -> tuple[str, ...]:
        """What a run of this configuration trains: stages, then the paper's rivals; nothing with a frozen model."""
        if self.model is not None:
            return ()
        rivals = ("dae", "supervised_ad", "supervised_age") if self.baselines else ()
        return ("autoencoder", "diffusion", "representation", *rivals)

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(channels, x, y, z) of one latent."""
        factor = self.autoencoder.patch * 2 ** (len(self.autoencoder.channels) - 1)
        return (self.autoencoder.latent_channels, *(size // factor for size in self.preprocessing.conform.shape))
