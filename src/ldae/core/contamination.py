"""Test numbers of networks that may have seen the test subjects: where that is so, and the mark that says it.

Networks that are trained here never see a test subject. Of imported ones nobody here knows whose scans they were
trained on, and the published ones have seen most of ADNI: on a cohort of ADNI their numbers are *contaminated*, unless
the user says who their subjects were (``imported.training_subjects``). These are then never test subjects.

A frozen model (``model: DIR``) makes every subject a test subject. Its results folder says whom it was trained on; an
exported folder names nobody, and the user may have the list.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.core.keys import ADNI_PARTICIPANT
from ldae.core.lineage import read_description
from ldae.core.model_places import STAGES, places, run_of

FILE = "contamination.json"  # below ``evaluate``
MARK = "contaminated"
PARTICIPANT = {"adni": ADNI_PARTICIPANT}  # by source
ANY_PARTICIPANT = re.compile(r"sub-[0-9A-Za-z]+")
PTID = re.compile(r"(\d{1,3})_S_(\d{1,5})", re.IGNORECASE)
CELL = re.compile(r"[\t,;]")
HEADINGS = {"participant_id", "ptid", "subject", "subject id", "subject_id", "subjectid"}


def training_subjects(path: Path | None, source: str) -> frozenset[str]:
    """The subjects that imported weights were trained on; nobody where there is no list.

    Args:
        path: one subject a line, in its first column (others are left alone): participant_id, or the identifier of
            ADNI (002_S_0295), whose participant_id is sub-ADNI002S0295. A first line may be a heading. Of a table
            with a column ``split``, such as ``splits.tsv`` of the run that trained, test subjects do not count.
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
    rows = {place: [cell.strip().strip('"') for cell in CELL.split(line)] for place, line in enumerate(lines, start=1)}
    if rows and rows[1][0].lower() in HEADINGS:
        heads = [head.lower() for head in rows.pop(1)]
        if "split" in heads:
            column = heads.index("split")
            rows = {place: row for place, row in rows.items() if row[column : column + 1] != ["test"]}
    found = {_participant(path, place, row[0], source) for place, row in rows.items() if row[0]}
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


@dataclass(frozen=True)
class Known:
    """What a frozen model says of the subjects that it was trained on.

    Attributes:
        subjects: their names; none: it names nobody.
        adni: they are of ADNI.
    """

    subjects: frozenset[str] | None
    adni: bool = False


def splits_of(model: Path) -> list[Path]:
    """The table of splits of a frozen model's own run; an exported folder has none."""
    run = run_of(Path(model))
    path = None if run is None else run / "manifest" / "splits.tsv"
    return [path] if path is not None and path.is_file() else []


def known_subjects(model: Path, phantom_seed: int | None) -> Known:
    """What a frozen model says of its training subjects.

    Args:
        model: results folder, or one that ``ldae export-model`` wrote.
        phantom_seed: of the cohort that is tested on; none: its subjects are people. Phantoms of two seeds share names,
            not subjects.
    """
    recipe, splits = read_json(places(model)[0] / "config.json"), splits_of(model)
    if recipe["phantom"] != (phantom_seed is not None):
        return Known(frozenset())
    if not splits:
        return Known(None, recipe["source"] == "adni" and not recipe["phantom"])
    made = splits[0].parents[1] / "raw" / "phantom.json"
    if phantom_seed is not None and made.is_file() and read_json(made)["seed"] != phantom_seed:
        return Known(frozenset())
    table = read_tsv(splits[0], dtype=str)
    return Known(frozenset(table.loc[table["split"] != "test", "participant_id"]))


def contamination(
    train: Path, source: str, test: Iterable[str], trained_on: Collection[str], known: Known | None = None
) -> str | None:
    """Why the test numbers of the models below a folder are contaminated, in one sentence; None where they are not.

    Args:
        train: folder of the three stages, ``results/train`` or a model folder.
        source: of the cohort that is tested on. One of another source is of ADNI where its subjects have such names.
        test: its test subjects.
        trained_on: the user's list of the subjects that imported weights, or a frozen model, were trained on; empty:
            unknown.
        known: of a frozen model.
    """
    names = set(test)
    if known is not None and (seen := names & (set(trained_on) | (known.subjects or set()))):
        return f"The model was trained on {len(seen)} of the {len(names)} subjects of this cohort."
    imported = [stage for stage in STAGES if "imported" in read_description(Path(train) / stage)]
    what = "The imported weights ({}) ".format(", ".join(imported))
    if imported and (seen := names & set(trained_on)):
        return f"{what}were trained on {len(seen)} of the test subjects."
    of_adni = source == "adni" or any(map(PARTICIPANT["adni"].fullmatch, names))
    if trained_on or not of_adni:
        return None
    if imported:
        return (
            f"{what}may have been trained on the test subjects: give the list of their training subjects "
            "(imported.training_subjects) to know."
        )
    if known is not None and known.adni:
        return (
            "The model may have been trained on the subjects of this cohort, since both are of ADNI and its folder "
            "names nobody: give the list of its training subjects (imported.training_subjects) to know."
        )
    return None


def read_contamination(evaluate: Path) -> str | None:
    """What the rule ``state_contamination`` found; None where it found nothing, or has not run."""
    path = Path(evaluate) / FILE
    return read_json(path)[MARK] if path.is_file() else None


def contamination_of(stem: str | Path) -> str | None:
    """That of the run whose table or figure ``<results>/paper/<folder>/<name>`` is; None outside a results folder."""
    paper = Path(stem).absolute().parents[1]
    return read_contamination(paper.parent / "evaluate") if paper.name == "paper" else None
