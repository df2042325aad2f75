"""What a trained model needs besides its weights to be used: recipe, probes, reference. Written by the workflow.

They stand in ``model/`` of a results folder, and beside the weights in a folder that was exported.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, ValidationError

from ldae import __version__, config
from ldae.config import Section
from ldae.core.batches import track
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv, write_json
from ldae.core.keyed import key
from ldae.core.keys import KEY, KEY_TYPES
from ldae.core.lineage import open_codes, read_chain
from ldae.core.model_places import STAGES
from ldae.core.scans import read_splits, scan_ids, split_rows
from ldae.core.store import Store, open_store
from ldae.inference.appearance import Appearance
from ldae.inference.conformal import AgeError
from ldae.inference.device import one_thread
from ldae.inference.discriminant import Plane
from ldae.inference.normal import fitted_normal
from ldae.inference.pipeline import LDAE
from ldae.inference.probe import Probe
from ldae.inference.reference import UNMEASURED, Reference
from ldae.preprocessing.conform import grid_affine

FORMAT = 1
FEWEST_SHOWN = 10  # training subjects, below which their mean volume would show single brains
AT_MOST = 500  # training scans, and held-out ones, that are looked at voxel by voxel
PROBES = {"ad": "test ad ldae", "age": "test age ldae"}  # task -> its probe among those of ``fitted.json``


class Recipe(Section):
    """``config.json``: how a scan is made into what the networks read, and how they are asked.

    The networks' own settings stand in their ``model.json``.
    """

    format: int = Field(description="of the folder; another one is refused")
    version: str = Field(description="of ldae-adni that wrote it")
    phantom: bool = Field(description="trained on synthetic heads")
    source: str = Field(description="of the cohort: adni, bids, csv")
    method: config.Method
    sampling: config.Sampling
    preprocessing: config.Preprocessing
    template_sha256: str | None = Field(description="of the template that scans are registered to; none: source csv")
    stages: dict[str, str] = Field(description="stage -> digest of its weights")


@dataclass(frozen=True)
class Facts:
    """Everything but the weights.

    Attributes:
        probes: by task, ``ad`` and ``age``; a task without labels has none.
    """

    recipe: Recipe
    probes: dict[str, Probe]
    reference: Reference

    def write(self, folder: Path) -> None:
        """``config.json``, ``probes.json``, ``reference.json`` and ``reference.safetensors`` into a folder."""
        self.reference.write(folder)
        write_json(folder / "probes.json", {task: probe.as_json() for task, probe in self.probes.items()})
        write_json(folder / "config.json", self.recipe.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> "Facts":
        """What :meth:`write` wrote.

        Raises:
            UserError: a file is missing or damaged, or the folder is of another format.
        """
        recipe = with_own_files(read_recipe(folder), folder)
        path = folder / "probes.json"
        if not path.is_file():
            raise UserError(f"{path} is missing: export the model again.")
        probes, reference = {}, Reference.read(folder)
        for task, content in read_json(path).items():
            probes[task] = Probe.from_json(content)
            if not probes[task].fits(len(reference.mean)):
                raise UserError(f"{path}: {task} is no probe of {len(reference.mean)} numbers: export the model again.")
        return cls(recipe, probes, reference)


def read_recipe(folder: Path) -> Recipe:
    """``config.json`` of a folder.

    Raises:
        UserError: it is missing, of another format, or not what this version writes.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: {folder} is no model folder.")
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(
            f"{path} has format {found}, and this version of ldae-adni ({__version__}) reads format {FORMAT}: use the "
            f"version that wrote it ({content.get('version') if isinstance(content, dict) else None}), or export the "
            "model again."
        )
    with suppress(KeyError, TypeError, AttributeError):  # of another shape: refused below
        content["preprocessing"]["quality"].pop("exclusions", None)  # of earlier versions: scans of the model's own
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {place}: {first['msg']}; export the model again.") from None


def with_own_files(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the template and the weights of brain extraction that lie in the folder itself."""
    content = recipe.model_dump()
    registration, extraction = (content["preprocessing"][step] for step in ("registration", "brain_extraction"))
    for settings, name in ((registration, "template"), (registration, "template_mask"), (extraction, "weights")):
        if settings[name] is not None and (folder / settings[name]).is_file():
            settings[name] = str(folder / settings[name])
    return Recipe.model_validate(content)


@one_thread()
def describe_model(out: Path, train: Path, store: Path, splits: Path, probes: Path, settings: config.Config) -> None:
    """Write what a trained model needs besides its weights into ``out``.

    Args:
        train: folder of the models.
        store: folder of the stores ``volumes`` and ``codes``.
        probes: folder of ``fitted.json`` and ``predictions.tsv``.

    Raises:
        UserError: stores and models do not belong together.
    """
    volumes, split = open_store(store / "volumes"), read_splits(splits)
    codes = open_codes(store / "codes", "y_sem", volumes, train)
    fitted = read_json(probes / "fitted.json")
    found = {task: Probe.from_json(fitted[name]) for task, name in PROBES.items() if name in fitted}
    ldae = LDAE.load(train, settings.method, settings.evaluation.sampling)
    reference = measure_reference(
        ldae, volumes, codes, split, age_errors(probes / "predictions.tsv"), grid_affine(settings.preprocessing.conform)
    )
    recipe = Recipe(
        format=FORMAT,
        version=__version__,
        phantom=settings.phantom is not None,
        source=settings.source,
        method=settings.method,
        sampling=settings.evaluation.sampling,
        preprocessing=settings.preprocessing,
        template_sha256=template_digest(settings),
        stages={stage: model["digest"] for stage, model in read_chain(train, STAGES).items()},
    )
    Facts(recipe, found, reference).write(Path(out))


def template_digest(settings: config.Config) -> str | None:
    """Of the template that the cohort was registered to."""
    from ldae.preprocessing.registration_template import template_of

    return None if settings.source == "csv" else template_of(settings.preprocessing.registration).sha256


def age_errors(predictions: Path) -> Any:
    """participant_id and absolute error (years) of every test scan, by the probe that was fitted on the others."""
    table = read_tsv(predictions, dtype=KEY_TYPES)
    asked = (table["protocol"] == "test") & (table["features"] == "ldae") & (table["task"] == "age")
    table = table[asked]
    return table[KEY].assign(error=(table["prediction"] - table["target"]).abs().astype(float))


def measure_reference(
    ldae: LDAE, volumes: Store, codes: Store, splits: Any, errors: Any, affine: np.ndarray
) -> Reference:
    """The reference of a model: training scans as distributions, how far all others lie from them, errors of age.

    Args:
        errors: of :func:`age_errors`.
        affine: of the volumes.
    """
    places = {name: place for place, name in enumerate(scan_ids(codes.index))}
    names = scan_ids(volumes.index)
    y_sem = np.asarray(codes.data[[places[name] for name in names]], dtype=float)
    training = split_rows(volumes, splits, "train")
    seen = np.isin(np.arange(len(names)), training)
    people = volumes.index["participant_id"].tolist()

    def read(row: int) -> np.ndarray:
        volume: np.ndarray = volumes.volumes([row])[0]
        return volume

    looked_at = some(training, people)
    shown, plane = len({people[row] for row in training.tolist()}) >= FEWEST_SHOWN, None
    if "diagnosis" in volumes.index:
        plane = Plane.of(y_sem, volumes.index["diagnosis"].tolist(), seen, people)
    reference = Reference(
        *fitted_normal(y_sem[training]),
        *(UNMEASURED,) * 2,
        age=AgeError.of(errors["error"].to_numpy(), errors["participant_id"].tolist()),
        appearance=Appearance.of(read, looked_at, [people[row] for row in looked_at], affine) if shown else None,
        plane=plane,
    )
    asked = some(np.flatnonzero(~seen), people)
    found = [
        reference.oddity(y_sem[row], volume, image_error(ldae, volume, names[row]))
        for row, volume in ((row, read(row)) for row in track(asked, "held-out scans"))
    ]
    return reference.calibrated(found, [people[row] for row in asked])


def some(rows: np.ndarray, people: Sequence[str]) -> list[int]:
    """All of the rows, or of :data:`AT_MOST` subjects one each: a cohort of thousands would take days."""
    if len(rows) <= AT_MOST:
        return rows.tolist()
    first = {people[row]: int(row) for row in rows[::-1]}
    return sorted(first.values(), key=lambda row: key("described scans", people[row]))[:AT_MOST]


def image_error(ldae: LDAE, volume: np.ndarray, name: str) -> float:
    """Root mean square, over the brain of a volume (X, Y, Z), of what the autoencoder does not give back."""
    x = torch.from_numpy(volume)[None, None]
    rebuilt = ldae.autoencode(x, ldae.posterior_noise([name])).float().cpu().numpy()[0, 0]
    brain = volume > 0
    return float(np.sqrt(np.mean(np.square(rebuilt[brain] - volume[brain], dtype=float)))) if brain.any() else 0.0
