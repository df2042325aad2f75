"""MODEL_CARD.md: what the trained networks are, what they were trained on, what they can and cannot be used for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.config import Config
from ldae.core.contamination import MARK
from ldae.core.files import write_text
from ldae.report.differences import differences, missing_weights
from ldae.report.run_description import run_kind
from ldae.studies.registry import STUDIES
from ldae.studies.registry import headline as numbers_of

BASELINES = {
    "dae": "volumes, without labels",
    "supervised_ad": "AD against CN",
    "supervised_age": "age",
}


def model_card(
    out: Path,
    config: Config,
    headline: Mapping[str, Any],
    descriptions: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, Mapping[str, Any]],
    unseen: Sequence[str] = (),
    starts: Sequence[str] = (),
) -> None:
    """Write the card.

    Args:
        headline: headline.json.
        descriptions: model.json of the three stages, by stage.
        baselines: model.json of the trained baselines, by name.
        unseen: sentences on scans that came after a training.
        starts: sentences on trainings that did not start at random.
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    shown = [number for number in numbers_of(STUDIES) if number.in_card]
    numbers = [(number.in_card, estimate_words(headline[number.key])) for number in shown]
    page = environment.get_template("model_card.md.j2").render(
        kind=run_kind(config),
        phantom=config.phantom is not None,
        shape=" × ".join(map(str, config.preprocessing.conform.shape)),
        spacing=f"{config.preprocessing.conform.spacing_mm:g}",
        latent=" × ".join(map(str, config.latent_shape)),
        dimension=config.representation.dimension,
        source=config.source,
        stages=descriptions,
        baselines=baselines,
        labels=BASELINES,
        numbers=numbers,
        unseen=unseen,
        starts=starts,
        contaminated=headline.get(MARK),
        missing_weights=missing_weights(config),
        differences=differences(config),
    )
    write_text(out, page)


def estimate_words(item: Mapping[str, Any]) -> str:
    """``0.783 [0.667, 0.882], 28 subjects (too few)``, or why there is no number."""
    if item["value"] is None:
        return f"n/a ({item['reason']})"
    interval = f" [{item['low']:.3f}, {item['high']:.3f}]" if item.get("low") is not None else ""
    note = f" ({item['note']})" if item.get("note") else ""
    return f"{item['value']:.3f}{interval}, {item['n_subjects']} subjects{note}"
