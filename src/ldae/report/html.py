"""The report of a run: one HTML file that needs nothing else, no network, no script, no clock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.config import Config
from ldae.core.files import digest, write_text
from ldae.report.differences import differences, missing_weights
from ldae.report.headline import headline_cards
from ldae.report.run_description import NAMES, PHANTOM_FLATTERS, run_kind, steps
from ldae.report.sections import Setter
from ldae.studies.common.paper_tables import SEEDS_SENTENCE
from ldae.studies.common.study import ReportSources

__all__ = ["ReportSources", "report_html"]


def report_html(out: str | Path, sources: ReportSources, config: Config, public: bool = False) -> None:
    """Write the report of a run: headline numbers, data, flow, every study with its figures, and provenance.

    A figure or study that is missing is said to be missing. Equal inputs give equal bytes.

    Args:
        out: the page, UTF-8.
        sources: the finished files.
        config: of the run, as validated.
        public: for others: only the figures and tables that the studies' records call public, no single exclusion.

    Raises:
        UserError: the record of a study shows what the study cannot say.
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        phantom=config.phantom is not None,
        cohort=NAMES[config.source] if config.phantom is None else "Phantom",
        kind=run_kind(config),
        config_digest=digest(config.model_dump(mode="json")),
        missing_weights=missing_weights(config),
        flatters=PHANTOM_FLATTERS,
        cards=headline_cards(sources.evaluate),
        steps=steps(config),
        differences=differences(config),
        sections=Setter(environment, sources, public).sections(config),
        seeds=SEEDS_SENTENCE,
        provenance=list(_flat(sources.provenance)),
        unseen=sources.unseen,
    )
    write_text(out, page)


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of every entry, nested names joined with a dot, sorted."""
    rows: list[tuple[str, str]] = []
    for name, value in sorted(content.items()):
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, "n/a" if value is None else str(value)))
    return rows
