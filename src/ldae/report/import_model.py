"""Weights that were trained elsewhere as a folder of the same form as an exported model's (``ldae export-model``)."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae import __version__, config
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_text
from ldae.core.folders import writable_folder
from ldae.core.lineage import read_chain
from ldae.inference.facts import FORMAT, STAGES, Facts, Recipe, template_digest
from ldae.inference.imported import Model, write_models
from ldae.inference.model import LDAE
from ldae.inference.probe import Probe
from ldae.inference.reference import Reference
from ldae.report.export_model import (
    CARD,
    SETTINGS,
    card_of,
    finished,
    licence_of,
    portable,
    require_new,
    without_paths,
)


def import_model(
    out: Path, settings: config.Config, read: Callable[[Path], list[Model]], probes: Mapping[str, Probe]
) -> None:
    """Write the folder ``out``; it appears whole or not at all.

    Its recipe is that of the configuration, on the grid that the weights were trained on (section ``imported``). What
    the model's training codes were is unknown, and so how usual a scan is, and how certain its age.

    Args:
        read: the models of the three stages, given the folder that they are to be written to.
        probes: by task, ``ad`` or ``age``; those that were published with the weights.

    Raises:
        UserError: ``out`` is there already, a stage is missing, the weights fit no such network, or a probe is of codes
            of another length.
    """
    require_new(out)
    writable_folder(out.parent)
    with tempfile.TemporaryDirectory(prefix=".tmp-import-", dir=out.parent) as scratch:
        fresh = Path(scratch) / "model"
        models = read(fresh)
        if lacking := sorted(set(STAGES) - {model.out.name for model in models}):
            raise UserError(
                f"A model folder holds all three networks, and {lacking[0]} is missing: give --autoencoder, --encoder "
                "and --estimator, or import single networks with --out."
            )
        dimension = settings.representation.dimension
        for task, probe in probes.items():
            if len(probe.weight) != dimension:
                raise UserError(
                    f"The probe of {task} is of codes of {len(probe.weight)} numbers, and y_sem of this configuration "
                    f"has {dimension} (representation.dimension)."
                )
        fresh.mkdir()
        write_models(models, settings, fresh)
        for stage in STAGES:
            leave_behind(fresh / stage)
        recipe = portable(recipe_of(settings, fresh), fresh)
        facts = Facts(recipe, dict(probes), Reference.unknown(dimension))
        facts.write(fresh)
        write_text(fresh / CARD, card_of(facts, imported_card(fresh, facts), None))
        write_text(fresh / "LICENSE", licence_of(recipe))
        LDAE.in_the_making(fresh)
        finished(fresh, out, ())


def recipe_of(settings: config.Config, folder: Path) -> Recipe:
    """The configuration's recipe on the grid of the weights, for the models below ``folder``."""
    where, before = settings.imported, settings.preprocessing
    conform = before.conform.model_copy(update={"spacing_mm": where.spacing_mm, "centre_mm": where.centre_mm})
    return Recipe(
        format=FORMAT,
        version=__version__,
        phantom=False,
        source=settings.source,
        method=settings.method,
        sampling=settings.evaluation.sampling,
        preprocessing=before.model_copy(update={"conform": conform}),
        template_sha256=template_digest(settings),
        stages={stage: model["digest"] for stage, model in read_chain(folder, STAGES).items()},
    )


def leave_behind(stage: Path) -> None:
    """Take out of a stage what an exported one does not have: paths of this machine, and metrics that it never had."""
    description = read_chain(stage.parent, [stage.name])[stage.name]
    settings = SETTINGS[stage.name].model_validate(description["settings"])
    write_json(stage / "model.json", description | {"settings": without_paths(settings.model_dump())})
    (stage / "metrics.jsonl").unlink()


def imported_card(folder: Path, facts: Facts) -> str:
    """What is known of the weights, in place of the card of a run."""
    environment = Environment(
        loader=PackageLoader("ldae.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    stages: dict[str, Any] = read_chain(folder, STAGES)
    return environment.get_template("imported_card.md.j2").render(
        stages=stages,
        grid=stages["autoencoder"]["grid"],
        scale_factor=stages["representation"]["scale_factor"],
        dimension=stages["representation"]["settings"]["dimension"],
        probes=sorted(facts.probes),
    )
