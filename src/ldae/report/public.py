"""What may leave the machine: tables, aggregate curves and the report without single scans, checked for identifiers.

ADNI's data use agreement forbids passing on individual data. The record of each study says of every figure and table
whether it is public; everything else stays private.
"""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from ldae.config import Config
from ldae.core.errors import UserError
from ldae.report.html import report_html
from ldae.studies.common.study import ReportSources
from ldae.studies.registry import STUDIES, figures, public, tables

PATTERNS = (  # names of ADNI's subjects and images, in the download's spelling and in Clinica's
    re.compile(r"\b\d{3}_S_\d{4,5}\b"),
    re.compile(r"\bsub-\w*\d\w*"),
    re.compile(r"\bI\d{4,8}\b"),
)
TEXT = {".html", ".tsv", ".md", ".tex", ".json", ".svg"}


def bundle_public(out: Path, paper: Path, sources: ReportSources, config: Config, names: Iterable[str]) -> None:
    """Fill ``out`` with report.html, headline.json, MODEL_CARD.md, tables/ and figures/, and check every file.

    Args:
        out: made anew.
        paper: the private folder of tables and figures.
        names: identifiers of the cohort that must not appear (subjects, images).

    Raises:
        UserError: an identifier, or a file that nobody listed, would leave the machine; ``out`` is then removed.
    """
    shutil.rmtree(out, ignore_errors=True)
    for kind, stems in (("figures", public(figures(STUDIES))), ("tables", public(tables(STUDIES)))):
        (out / kind).mkdir(parents=True)
        for path in sorted((paper / kind).iterdir()):
            if path.stem in stems:
                shutil.copyfile(path, out / kind / path.name)
    for name in ("headline.json", "MODEL_CARD.md"):
        shutil.copyfile(paper / name, out / name)
    report_html(out / "report.html", sources, config, public=True)
    try:
        check_public(out, names)
    except UserError:
        shutil.rmtree(out)
        raise


def check_public(folder: Path, names: Iterable[str]) -> None:
    """Look for identifiers in every file, and for pictures that are not on the list.

    Raises:
        UserError: naming the file and what was found in it.
    """
    known, shown = {name for name in names if name}, public(figures(STUDIES))
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        if path.suffix == ".png" and path.stem not in shown:
            raise UserError(f"{path} is a picture that is not on the list of aggregate figures; it must not leave.")
        if path.suffix not in TEXT:
            continue
        text = without_pictures(path.read_text(encoding="utf-8"))
        found = {match for pattern in PATTERNS for match in pattern.findall(text)}
        found |= {word for word in set(re.findall(r"[\w-]+", text)) if word in known}
        if found:
            raise UserError(f"{path} names {sorted(found)[0]}: identifiers must not leave the machine.")


def without_pictures(text: str) -> str:
    """The text without its embedded pictures, whose base64 could hold any word by chance."""
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
