"""A frozen model in a results folder: its networks byte for byte, with recipe, probes and reference."""

import logging
import shutil
from pathlib import Path

from ldae.config import Preprocessing
from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file, write_json
from ldae.core.lineage import read_chain
from ldae.core.model_places import STAGES, places, run_of
from ldae.inference.facts import Facts
from ldae.report.export_model import SUMS, verify_model
from ldae.report.external import RESULTS, results_of

logger = logging.getLogger("ldae")


def adopt_model(model: Path, results: Path, settings: Preprocessing, source: str) -> None:
    """Copy a model into ``train`` and ``model`` of a results folder. Nothing is written to the model's own folder.

    ``train/*/model.json`` say that the model is frozen, and the autoencoder's the scale factor of the chain, which is
    not measured again. ``model/reference.json`` holds the model's own test results, also where a results folder was
    given.

    Args:
        model: an exported folder, or a results folder.
        settings: how this cohort is preprocessed.
        source: of this cohort; volumes of ``csv`` are registered to nothing here.

    Raises:
        UserError: a part of the model is missing or damaged, its parts do not belong together, or this cohort would be
            registered to another template.
    """
    described, weights = places(model)
    if (model / SUMS).is_file():
        verify_model(model)
    facts = Facts.read(described)
    require_same_template(model, facts.recipe.template_sha256, settings, source)
    chain = read_chain(weights, STAGES)
    scale = {"autoencoder": {"scale_factor": chain["representation"]["scale_factor"]}}
    for stage, description in chain.items():
        path = weights / stage / "model.safetensors"
        if not sha256_file(path)[:16] == description["digest"] == facts.recipe.stages[stage]:
            raise UserError(f"{path} is not the model that config.json names: copy or export the model again.")
        target = results / "train" / stage
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.name)
        write_json(target / "model.json", description | scale.get(stage, {}) | {"frozen": True})
    facts.write(results / "model")
    reference = read_json(described / "reference.json")
    tested, run = reference.get(RESULTS), run_of(model)
    if tested is None and run is not None:
        tested = results_of(run)
    if tested is not None:
        path = results / "model" / "reference.json"
        write_json(path, read_json(path) | {RESULTS: tested})
    logger.info("%s: taken over as it is (%s)", model, ", ".join(f"{s} {d['digest']}" for s, d in chain.items()))


def require_same_template(model: Path, expected: str | None, settings: Preprocessing, source: str) -> None:
    """Raises:
    UserError: the scans would be registered to another template than those of the model.
    """
    from ldae.preprocessing.registration_template import template_of

    if expected is None or source == "csv":
        return
    found = template_of(settings.registration).sha256
    if found != expected:
        raise UserError(
            f"preprocessing.registration.template: the scans of the model {model} were registered to a template with "
            f"sha256 {expected[:16]}, the one of this configuration has {found[:16]}: give the model's template."
        )
