"""The root of a BIDS dataset: whether a folder is one, and what it is where it is none."""

import json
import os
from pathlib import Path

from ldae.cohort.notes import Notes
from ldae.cohort.tree import SESSION, SUBJECT, is_near_subject
from ldae.core.errors import UserError
from ldae.core.files import escaped
from ldae.core.keys import PTID
from ldae.core.text_tables import count


def check_root(root: Path, given: Path, notes: Notes) -> None:
    """Look at the description of a dataset.

    Args:
        root: the folder, without links; given: as the user calls it.

    Raises:
        UserError: the folder is no BIDS dataset, or its description is damaged.
    """
    path = root / "dataset_description.json"
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UserError(f"{given} {what}: set bids.path (--bids) to the root of a BIDS dataset.")
    subjects = any(item.is_dir() for item in root.glob("sub-*"))
    if not subjects and (other := what_it_is(root, given)) is not None:
        raise UserError(other)
    if not path.is_file():
        if not subjects:
            with os.scandir(root) as items:
                near = sorted(item.name for item in items if item.is_dir() and is_near_subject(Path(item.path)))
            if near:
                raise UserError(
                    f"{given} has no folders sub-*, but {count(len(near), 'folder')} named nearly so, such as "
                    f"{escaped(near[0])}: rename them (sub-01), with the files in them (sub-01_T1w.nii.gz)."
                )
            raise UserError(
                f"{given} is not a BIDS dataset, it has neither a dataset_description.json nor folders sub-*: "
                "set bids.path (--bids) to the folder that has them."
            )
        notes.say("the root has no dataset_description.json; its folders sub-* are read all the same")
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise UserError(
            f'{path} is not valid JSON: write {{"Name": ..., "BIDSVersion": ...}} there, or take it away.'
        ) from None
    if not isinstance(content, dict):
        raise UserError(f'{path} holds no JSON object: write {{"Name": ..., "BIDSVersion": ...}} there.')
    lacking = [name for name in ("Name", "BIDSVersion") if not content.get(name)]
    if lacking:
        notes.say(
            f"dataset_description.json lacks {' and '.join(lacking)}, which BIDS asks for; it is read all the same"
        )


def what_it_is(root: Path, given: Path) -> str | None:
    """What a folder without ``sub-*`` is, and what to give instead; None where that cannot be told."""
    with os.scandir(root) as items:
        folders = sorted(item.name for item in items if item.is_dir())
    if SUBJECT.fullmatch(root.name) or SESSION.fullmatch(root.name):
        above = root.parent.parent if root.name.startswith("ses-") else root.parent
        kind = "session" if root.name.startswith("ses-") else "subject"
        return f"{given} is the folder of a single {kind}: give the root of its dataset, {escaped(str(above))}."
    if raw := [name for name in folders if PTID.fullmatch(name)]:
        return (
            f"{given} is not a BIDS dataset but a raw ADNI download ({count(len(raw), 'folder')} such as {raw[0]}): "
            f"ldae preflight {given} CLINICAL, source: adni."
        )
    inside = [name for name in folders if any((root / name).glob("sub-*/"))]
    if inside:
        others = f" (or another of {count(len(inside), 'folder')} with sub-*)" if len(inside) > 1 else ""
        return f"{given} is not the root of a BIDS dataset: give {escaped(str(given / inside[0]))}{others}."
    return None
