"""What may leave the machine: tables, aggregate curves and the report without single scans, checked for identifiers.

ADNI's data use agreement forbids passing on individual data. The record of each study says of every figure and table
whether it is public; everything else stays private. Figures leave as drawings (SVG) alone: what a raster shows cannot
be checked. Of a real cohort no number leaves that rests on few subjects (:mod:`ldae.report.few_subjects`).
"""

import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError

from ldae.config import Config
from ldae.core.contamination import MARK
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.report.checklists import write_checklists
from ldae.report.few_subjects import (
    redraw,
    redraw_training,
    reduce_estimates,
    reduce_headline,
    reduce_tables,
    withhold,
)
from ldae.report.html import report_html
from ldae.report.identifiers import NOBODY
from ldae.report.leaving import check_leaving, look_at_results, look_at_svg, look_at_text, look_at_words
from ldae.report.leaving_drawings import fault_of_amount
from ldae.report.leaving_pages import look_at_html
from ldae.report.leaving_people import fault_of_columns, tables_of
from ldae.report.leaving_words import drawings
from ldae.report.methods_text import SOFTWARE, references, run_methods
from ldae.report.outputs import told
from ldae.report.public_tables import EXTERNAL, fault_of_tables, few_numbers
from ldae.report.ro_crate import CONFIGURATION, METADATA, configuration_text, write_crate
from ldae.studies.common.study import ReportSources
from ldae.studies.registry import STUDIES, figures, headline, public, tables

KINDS = {
    "figures": {".svg": look_at_svg, ".tsv": look_at_text},
    "tables": {".tsv": look_at_text, ".md": look_at_text, ".tex": look_at_text},
}
SINGLE = {
    "headline.json": look_at_results,
    "MODEL_CARD.md": look_at_text,
    "METHODS.md": look_at_text,
    "references.bib": look_at_text,
    "CHECKLIST.md": look_at_text,
    "report.html": look_at_html,
    CONFIGURATION: look_at_words,
    METADATA: look_at_results,
}
SAID = {
    "config_digest": re.compile(r"[0-9a-f]{16}"),
    "data": re.compile(r"[a-z]{1,20}"),
    MARK: re.compile(r"(?s).{1,2000}"),
}
ITEM = {"value", "low", "high", "n_subjects", "note", "reason"}  # of a number of headline.json


def bundle_public(out: Path, paper: Path, sources: ReportSources, config: Config, names: Iterable[str]) -> None:
    """Fill ``out`` with the report, headline.json, MODEL_CARD.md, METHODS.md, references.bib, CHECKLIST.md, tables/,
    figures/ and a description of these for machines (:mod:`ldae.report.ro_crate`), and check every file.

    Args:
        out: made anew.
        paper: the private folder of tables and figures.
        names: identifiers of the cohort that must not appear (subjects, images).

    Raises:
        UserError: an identifier, or a file that nobody listed, would leave the machine; ``out`` is then removed.
    """
    shutil.rmtree(out, ignore_errors=True)
    for kind, suffixes in KINDS.items():
        (out / kind).mkdir(parents=True)
        for path in sorted((paper / kind).iterdir()):
            if path.stem in _public(kind) and path.suffix in suffixes:
                shutil.copyfile(path, out / kind / path.name)
    for name in ("headline.json", "MODEL_CARD.md"):
        if config.model is None or name != "MODEL_CARD.md":  # the card of a frozen model lies in its own folder
            shutil.copyfile(paper / name, out / name)
    if config.phantom is None:
        _without_few(out, sources, config)
    else:
        report_html(out / "report.html", sources, config, public=True)
    run_methods(sources, config).write(out / "METHODS.md", out / "references.bib")
    write_checklists(out / "CHECKLIST.md", config, sources)
    write_crate(out, config, sources.provenance, _words)
    try:
        fewest = config.public_subjects if config.phantom is None else 0
        check_public(out, names, config.arena.codes, fewest, sources.split_subjects)
    except UserError:
        shutil.rmtree(out)
        raise


def _without_few(out: Path, sources: ReportSources, config: Config) -> None:
    """Leave out what rests on few subjects: draw, write and tell the bundle from the tables that are left."""
    fewest = config.public_subjects
    splits = sources.split_subjects
    reduce_tables(out / "tables", fewest, splits)
    reduce_headline(out, fewest)
    with TemporaryDirectory() as place:
        evaluate = Path(place) / "evaluate"
        changed = reduce_estimates(sources.evaluate, evaluate, fewest, splits)
        drawn = Path(place) / "paper" / "figures"
        redraw(out / "figures", evaluate, drawn, changed)
        redraw_training(out / "figures", drawn, fewest, splits)
        withhold(out / "figures", fewest, splits)
        cohort = out / "tables" / sources.table_1.name
        own = replace(
            sources,
            figures=out / "figures",
            evaluate=evaluate,
            tables=out / "tables",
            table_1=cohort if cohort.is_file() else sources.table_1,
            external=sources.external and out / "tables" / sources.external.name,
        )
        report_html(out / "report.html", own, config, public=True)


def check_public(
    folder: Path,
    names: Iterable[str],
    given: Collection[str] = (),
    fewest: int = 0,
    splits: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Look for identifiers in every file, for files that are not on the list, and for what is no aggregate.

    Args:
        folder: as :func:`bundle_public` writes it.
        names: identifiers of the cohort: subjects and images.
        given: names of codes that the user gave to the arena.
        fewest: subjects that every number must rest on; 0: the cohort is a phantom.
        splits: how many subjects each has.

    Raises:
        UserError: naming the file and what was found in it.
    """
    looks = {suffix: look for suffixes in KINDS.values() for suffix, look in suffixes.items()}
    check_leaving(folder, names, looks | {Path(name).suffix: look for name, look in SINGLE.items()}, _listed)
    if of_table := fault_of_tables(folder, given, fewest, splits):
        raise UserError(f"{of_table[0]} holds {of_table[1]}. It must not leave the machine as it is.")
    found = [*_of_drawings(folder), *_of_page(folder), *_of_headline(folder / "headline.json", fewest)]
    found += [*_of_configuration(folder / CONFIGURATION), *_of_references(folder / "references.bib")]
    for path, fault in found:
        raise UserError(f"{path} holds {fault}. It must not leave the machine as it is.")


def _of_drawings(folder: Path) -> Iterator[tuple[Path, str]]:
    """Drawings that show more than the numbers of their table."""
    for path in sorted((folder / "figures").glob("*.svg")):
        table = path.with_suffix(".tsv")
        if not table.is_file():
            yield path, "a drawing whose numbers do not lie beside it"
            continue
        rows = len(read_tsv(table, dtype=str))
        if many := fault_of_amount(path.read_text(encoding="utf-8"), rows):
            yield path, f"{many} of {table.name}"


def _of_page(folder: Path) -> Iterator[tuple[Path, str]]:
    """Drawings of the report that are no figure of the bundle."""
    page, figures = folder / "report.html", [path.read_bytes() for path in (folder / "figures").glob("*.svg")]
    if page.is_file():
        for drawing in drawings(page.read_text(encoding="utf-8")):
            if drawing not in figures:
                yield page, "a drawing that is none of the figures beside it"


def _of_headline(path: Path, fewest: int) -> Iterator[tuple[Path, str]]:
    """Keys of headline.json that no study declares, and what is no estimate."""
    content = read_json(path) if path.is_file() else {}
    known = {number.key for number in headline(STUDIES)}
    for key, item in content.items() if isinstance(content, dict) else [("", None)]:
        if key not in known and not (key in SAID and isinstance(item, str) and SAID[key].fullmatch(item)):
            yield path, f"the number {key!r}, which no record of a study declares among its headline"
        elif key in known and not (
            isinstance(item, dict) and item.keys() <= ITEM and all(map(_is_plain, item.items()))
        ):
            yield path, f"more than one estimate under {key!r}"
        elif isinstance(item, dict) and not _rests_on(item, max(1, fewest)):
            yield path, f"under {key!r} a number that rests on fewer than {max(1, fewest)} subjects, or on unknown ones"


def _of_configuration(path: Path) -> Iterator[tuple[Path, str]]:
    """What is not as this workflow writes a configuration: remarks, keys that it has not, values of another kind."""
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.safe_load(text)
        if configuration_text(content) != text:
            yield path, "what is no configuration as this workflow writes it (remarks, other spaces or signs)"
        Config.model_validate(content)
    except (yaml.YAMLError, RecursionError, AttributeError, TypeError):
        yield path, "what is no YAML"
        return
    except ValidationError as error:  # that the files of the machine are missing does not matter here
        odd = [part for part in error.errors() if part["type"] not in ("missing", "value_error", "assertion_error")]
        for part in odd:
            strange = part["type"] in ("extra_forbidden", "model_type")
            said = "which no configuration has" if strange else "whose value no configuration has"
            yield path, f"the key {'.'.join(map(str, part['loc']))!r}, {said}"
    except ValueError:  # a date that is none
        yield path, "what is no YAML"
        return
    people = (fault_of_columns(columns, NOBODY) for columns in tables_of(content, lists=False))
    yield from ((path, fault) for fault in people if fault)


def _of_references(path: Path) -> Iterator[tuple[Path, str]]:
    """Entries that are not, letter by letter, those of this workflow."""
    known = {entry.strip() for entry in (SOFTWARE, *(reference.bibtex for reference in references().values()))}
    entries = re.split(r"^(?=@)", path.read_text(encoding="utf-8"), flags=re.MULTILINE) if path.is_file() else []
    for entry in map(str.strip, entries):
        if entry and entry not in known:
            yield path, f"the reference {entry[:40]!r}, which nobody cites so"


def _rests_on(item: Mapping[str, Any], fewest: int) -> bool:
    """Whether a number says that it rests on so many subjects; where there is none, nothing may stand for it."""
    if item.get("value") is None:
        return item.get("low") is None and item.get("high") is None
    count = item.get("n_subjects")
    return isinstance(count, int | float) and count >= fewest


def _is_plain(part: tuple[str, Any]) -> bool:
    name, value = part
    if name in {"note", "reason"}:
        return isinstance(value, str) and few_numbers(value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _words(place: str) -> str | None:
    """What a file of the bundle is: mostly the same as in the private folder."""
    found = told(f"public/{place}")
    return told(f"paper/{place}") if found == told("public/any") else found


def _listed(place: str) -> bool:
    path = Path(place)
    if len(path.parts) == 1:
        return place in SINGLE
    kind = path.parts[0]
    return len(path.parts) == 2 and path.suffix in KINDS.get(kind, {}) and path.stem in _public(kind)


def _public(kind: str) -> set[str]:
    return set(public(figures(STUDIES))) if kind == "figures" else {*public(tables(STUDIES)), EXTERNAL}
