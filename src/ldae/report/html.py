"""The report of a run: one HTML file that needs nothing else, no network, no clock; without its script it is whole.

Its sections are what the record of each study shows.
"""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.config import Config, model_digest
from ldae.core.closure import import_all
from ldae.core.contamination import MARK, read_contamination
from ldae.core.errors import UserError
from ldae.core.files import digest, read_json, read_tsv, write_text
from ldae.report import external
from ldae.report.differences import differences, missing_weights
from ldae.report.estimates import SetTable, estimates_table, headline_cards, plain_table, without_unavailable
from ldae.report.losses import losses
from ldae.report.methods_text import CITE, run_methods
from ldae.report.run_description import NAMES, flatters, run_kind, steps
from ldae.report.verdict import verdict
from ldae.studies.common.paper_tables import SEEDS_SENTENCE
from ldae.studies.common.study import (
    CodesRead,
    Estimates,
    Figure,
    FinishedTable,
    Note,
    ReportSources,
    Shown,
    Study,
    Written,
)
from ldae.studies.registry import STUDIES, missing, tables

ABSENT = '<p class="absent">n/a: {}.</p>'
WITHHELD = '<p class="absent">{}: this table names single scans or subjects and stays with the data.</p>'
SAFE = "/:;=,+!$*@?-_."  # what may stand in an address, and in an attribute of HTML, as it is
SOLVERS = {"ddim": "DDIM", "dpmpp_2m": "DPM++2M"}


@dataclass(frozen=True)
class SetSection:
    """A section as it is set: its place in the contents, and HTML from top to bottom."""

    anchor: str
    title: Markup
    link: Markup
    blocks: list[Markup]


@dataclass(frozen=True)
class Picture:
    """A figure ready to be set: its source inside the page, or none when it was not made or is private."""

    name: str
    source: Markup | None
    withheld: bool
    title: Markup
    text: Markup
    alternative: str


class Setter:
    """Sets what a study shows.

    Args:
        environment: where the template of the macros is found.
        sources: the finished files.
        public: for a report that may leave the machine: without the figures and tables that are not public.
    """

    def __init__(self, environment: Environment, sources: ReportSources, public: bool = False):
        self._macros: Any = environment.get_template("macros.html.j2").module
        self._words = {module.__name__.split(".")[2]: module for module in import_all("ldae.studies.*.words")}
        self.sources, self.public = sources, public

    def sections(self, config: Config, studies: Sequence[Study] = STUDIES) -> list[SetSection]:
        """Every section of every study; those of a study that this configuration cannot have say why.

        Raises:
            UserError: a record names a function that the study's ``words.py`` does not have.
        """
        found, private = [], {table.name for table in tables(studies) if not table.public}
        for study in studies:
            reason = missing(study, config)
            for section in study.sections:
                blocks = [self._block(study, item, private) for item in section.shows if reason is None]
                blocks += [Markup(ABSENT).format(reason)] if reason else []
                shown = [block for block in blocks if block is not None]
                link = Markup(section.link or section.title)
                found.append(SetSection(section.anchor, Markup(section.title), link, shown))
        return found

    def _block(self, study: Study, item: Shown, private: Collection[str]) -> Markup | None:
        evaluate, macros = self.sources.evaluate, self._macros
        match item:
            case Figure():
                withheld = self.public and not item.public
                return macros.figure(load_picture(self.sources.figures, item, withheld))
            case Estimates():
                table = estimates_table(evaluate / item.source, item)
                if table is not None and study.on_test_scans and read_contamination(evaluate):
                    table = replace(table, notes=[MARK, *table.notes])
                return macros.table(table, item.heading)
            case FinishedTable() if self.public and item.name in private:
                return Markup(WITHHELD).format(item.heading)
            case FinishedTable():
                path = self.sources.tables / f"{item.name}.tsv"
                made = without_unavailable(plain_table(read_tsv(path, dtype=str))) if path.is_file() else None
                return macros.table(made, item.heading, f"tables/{item.name}.tsv" if made else "")
            case CodesRead():
                return macros.note(reads_sentence(evaluate / item.source))
            case Note():
                return Markup('  <p class="notes">{}</p>').format(Markup(item.text))
            case Written():
                return self._written(study, item)

    def _written(self, study: Study, item: Written) -> Markup | None:
        function = getattr(self._words.get(study.name), item.function, None)
        if function is None:
            raise UserError(f"studies/{study.name}/words.py has no {item.function}, which the study's record shows.")
        words = function(self.sources, self.public)
        if isinstance(words, pd.DataFrame):
            return self._macros.table(plain_table(words, item.numbers), item.heading)
        return words if words is None or isinstance(words, Markup) else self._macros.note(words)


def load_picture(folder: Path, figure: Figure, withheld: bool = False) -> Picture:
    """A figure as a data URI (SVG before PNG) with its caption."""
    source = None
    for suffix, kind in ((".svg", "image/svg+xml"), (".png", "image/png")):
        path = folder / f"{figure.name}{suffix}"
        if source is None and not withheld and path.is_file():
            source = data_uri(kind, path.read_bytes())
    return Picture(figure.name, source, withheld, Markup(figure.title), Markup(figure.text), figure.alternative)


def data_uri(kind: str, content: bytes) -> Markup:
    """A file as an address that holds it, in the shorter of its two forms: pictures inside a drawing are base64
    already, and a second time would make a third more of them."""
    packed = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
    quoted = f"data:{kind},{quote(content, safe=SAFE)}"
    return Markup(min(packed, quoted, key=len))


def reads_sentence(path: Path) -> str | None:
    """Which cached codes a study read, from its ``reads.tsv``; nothing where it was not run or read none.

    Models are named by their digests, as in the provenance.
    """
    table = read_tsv(path, dtype={"model": str}) if path.is_file() else pd.DataFrame({"uses": []})
    if table["uses"].sum() == 0:
        return None
    kinds = table.drop_duplicates(["conditional", "model"])
    uses = [
        f"{'with y_sem' if row.conditional else 'unconditional'} (model {row.model})"
        for row in kinds.itertuples(index=False)
    ]
    ways = table.drop_duplicates(["solver", "steps"])
    solvers = [f"{SOLVERS.get(row.solver, row.solver)} in {row.steps} steps" for row in ways.itertuples(index=False)]
    calls, without = (int(table[name].sum()) for name in ("network_calls", "network_calls_without_cache"))
    saved = "each used once" if calls == without else f"made once; at every use it would be {without:,}"
    return (
        f"Cached x_T, {' and '.join(uses)}, of {table['scans'].max()} scans by {', '.join(solvers)}: "
        f"{calls:,} network calls, {saved}."
    )


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
        flatters=flatters(config.phantom),
        cards=headline_cards(sources.evaluate),
        losses=losses(sources.evaluate),
        steps=steps(config),
        differences=differences(config),
        sections=Setter(environment, sources, public).sections(config),
        seeds=SEEDS_SENTENCE,
        provenance=list(_flat(sources.provenance)),
        unseen=sources.unseen,
        starts=sources.starts,
        degenerate=sources.degenerate,
        contaminated=read_contamination(sources.evaluate),
        external=external_box(sources, config),
        public=public,
        methods=(written := run_methods(sources, config)).html(),
        cited=[reference.line for reference in written.cited],
        cite=CITE,
        rivals=config.baselines,
        shown=verdict(sources.evaluate),
        left_out=[
            (study.sections[0].link or study.sections[0].title, reason)
            for study in STUDIES
            if study.sections and (reason := missing(study, config))
        ],
    )
    write_text(out, page)


@dataclass(frozen=True)
class ExternalBox:
    """What the head of the report says of a cohort on a frozen model."""

    model: str
    sentences: list[str]
    table: SetTable


def external_box(sources: ReportSources, config: Config) -> ExternalBox | None:
    """The comparison with the model's own results; none where the networks were trained in this run."""
    if config.model is None or sources.external is None:
        return None
    tested = read_json(config.results_dir / "model" / "reference.json").get(external.RESULTS)
    table = plain_table(external.readable(read_tsv(sources.external)), numbers=True)
    return ExternalBox(model_digest(config.model), external.sentences(config.model, config, tested), table)


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of every entry, nested names joined with a dot, sorted."""
    rows: list[tuple[str, str]] = []
    for name, value in sorted(content.items()):
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, "n/a" if value is None else str(value)))
    return rows
