"""Test numbers of networks that may have seen the test subjects: where that is so, and the mark that says it.

Networks that are trained here never see a test subject. Of imported ones nobody here knows whose scans they were
trained on, and the published ones have seen most of ADNI: on a cohort of ADNI their numbers are *contaminated*, unless
the user says who their subjects were (``imported.training_subjects``). These are then never test subjects.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.files import read_json
from ldae.core.lineage import read_description

FILE = "contamination.json"  # below ``evaluate``
MARK = "contaminated"
STAGES = ("autoencoder", "diffusion", "representation")
PARTICIPANT = {"adni": re.compile(r"sub-ADNI\d{3}S\d{4,5}")}  # by source
ANY_PARTICIPANT = re.compile(r"sub-[0-9A-Za-z]+")
PTID = re.compile(r"(\d{1,3})_S_(\d{1,5})", re.IGNORECASE)
HEADINGS = {"participant_id", "ptid", "subject", "subject id", "subject_id", "subjectid"}


def training_subjects(path: Path | None, source: str) -> frozenset[str]:
    """The subjects that imported weights were trained on; nobody where there is no list.

    Args:
        path: one subject a line, in its first column (others are left alone): participant_id, or the identifier of
            ADNI (002_S_0295), whose participant_id is sub-ADNI002S0295. A first line may be a heading.
        source: of the cohort. Subjects of ADNI are spelt in no other way: a name that is meant for none of them would
            clear the model of having seen it.

    Raises:
        UserError: there is no such file, it names nobody, or a line is neither.
    """
    if path is None:
        return frozenset()
    if not Path(path).is_file():
        raise UserError(f"imported.training_subjects: {path} does not exist.")
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"imported.training_subjects: {path} is no text: save the list as plain text.") from None
    cells = {place: re.split(r"[\t,;]", line)[0].strip().strip('"') for place, line in enumerate(lines, start=1)}
    if cells and cells[1].lower() in HEADINGS:
        del cells[1]
    found = {_participant(path, place, cell, source) for place, cell in cells.items() if cell}
    if not found:
        raise UserError(f"imported.training_subjects: {path} names no subject: give one a line.")
    return frozenset(found)


def _participant(path: Path, place: int, cell: str, source: str) -> str:
    if known := PTID.fullmatch(cell):
        return f"sub-ADNI{int(known[1]):03d}S{int(known[2]):04d}"
    if PARTICIPANT.get(source, ANY_PARTICIPANT).fullmatch(cell):
        return cell
    raise UserError(
        f"imported.training_subjects: line {place} of {path} is {cell!r}, which is neither a participant_id "
        "(sub-ADNI002S0295) nor an identifier of ADNI (002_S_0295)."
    )


def contamination(train: Path, source: str, test: Iterable[str], trained_on: Collection[str]) -> str | None:
    """Why the test numbers of the models below a folder are contaminated, in one sentence; None where they are not.

    Args:
        train: folder of the three stages, ``results/train`` or a model folder.
        source: of the cohort that is tested on.
        test: its test subjects.
        trained_on: subjects that imported weights were trained on; empty: unknown.
    """
    imported = [stage for stage in STAGES if "imported" in read_description(Path(train) / stage)]
    if not imported:
        return None
    what = "The imported weights ({}) ".format(", ".join(imported))
    if seen := sorted(set(test) & set(trained_on)):
        return f"{what}were trained on {len(seen)} of the test subjects."
    if trained_on or source != "adni":
        return None
    return (
        f"{what}may have been trained on the test subjects: give the list of their training subjects "
        "(imported.training_subjects) to know."
    )


def read_contamination(evaluate: Path) -> str | None:
    """What the rule ``state_contamination`` found; None where it found nothing, or has not run."""
    path = Path(evaluate) / FILE
    return read_json(path)[MARK] if path.is_file() else None


def contamination_of(stem: str | Path) -> str | None:
    """That of the run whose table or figure ``<results>/paper/<folder>/<name>`` is; None outside a results folder."""
    paper = Path(stem).absolute().parents[1]
    return read_contamination(paper.parent / "evaluate") if paper.name == "paper" else None
