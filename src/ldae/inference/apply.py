"""A trained model applied to scans that nobody has prepared: one by one, by the model's own recipe (docs/apply.md).

Each scan leaves a record; what has one of the same scan, model and request is not worked on again. A scan that cannot
be used is refused with its reason and does not stop the others.
"""

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from ldae import __version__
from ldae.core.batches import track
from ldae.core.errors import QuarantinedScan, UserError
from ldae.core.files import atomic_path, digest, read_json, sha256_file, write_json
from ldae.core.folders import alone_in, writable_folder
from ldae.core.keys import KEY
from ldae.inference.answers import NOTE, describe_answers, write_predictions
from ldae.inference.encode import write_codes
from ldae.inference.facts import Facts
from ldae.inference.model import LDAE, Codes, preprocessed
from ldae.inference.scan import GENERATED, Scan
from ldae.preprocessing.derivatives import ScanFiles, resolution
from ldae.preprocessing.reading import files_of_scan

SCANS_PER_WORKER = 50
IMAGES = (".nii", ".nii.gz")
PROBABILITIES = (0.1, 0.9)  # of AD, that the counterfactuals aim at
PRELOAD = ["ldae.inference.apply", "ants", "deepbet.bet"]
RECORD = "_desc-ldae_T1w.json"  # end of the name of a scan's record
FLAGS = ("--participant-label", "--session-label")
STATUS = {True: "unusual", False: "usual", None: "unknown"}
Answer = dict[str, Any]
"""What is said of one scan: a row of predictions.tsv."""


@dataclass(frozen=True)
class Given:
    """One scan to be read.

    Attributes:
        source: NIfTI file, or folder with one DICOM series; the dataset, where ``refusal`` names the file.
        refusal: why it cannot be used, where that is known before it is read.
    """

    participant_id: str
    session_id: str
    source: Path
    refusal: str | None = None

    @property
    def name(self) -> str:
        """Participant and session in one word: ``sub-X_ses-Y``."""
        return f"{self.participant_id}_{self.session_id}"


@dataclass(frozen=True)
class Request:
    """What is asked of every scan.

    Attributes:
        codes_only: y_sem, predictions and likeness; no volume is decoded or kept.
        probabilities: of AD, that counterfactuals aim at.
    """

    codes_only: bool = False
    probabilities: tuple[float, ...] = PROBABILITIES


def find_scans(
    inputs: Sequence[Path], participants: Sequence[str] | None = None, sessions: Sequence[str] | None = None
) -> list[Given]:
    """The scans of some inputs: NIfTI files or folders of them, folders with one DICOM series, BIDS datasets.

    Args:
        participants, sessions: labels, with or without ``sub-`` and ``ses-``; none: all.

    Raises:
        UserError: an input does not exist, two scans have one name, or none is left.
    """
    found = everything = [scan for path in inputs for scan in _scans_of(path)]
    for prefix, labels, column in (("sub-", participants, "participant_id"), ("ses-", sessions, "session_id")):
        if labels is not None:
            wanted = {prefix + label.removeprefix(prefix) for label in labels}
            found = [scan for scan in found if getattr(scan, column) in wanted]
    if not found:
        asked = [
            f"{flag} {' '.join(given)}" for flag, given in zip(FLAGS, (participants, sessions), strict=True) if given
        ]
        there = sorted({scan.participant_id.removeprefix("sub-") for scan in everything})
        few = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise UserError(
            f"No scan of {', '.join(map(str, inputs))} has {' and '.join(asked)}; participants there: {few}."
            if everything and asked
            else f"{', '.join(map(str, inputs))}: no scan there can be used (`ldae preflight --bids` says why)."
        )
    seen: dict[str, Path] = {}
    for scan in found:
        if scan.name in seen:
            raise UserError(
                f"{seen[scan.name]} and {scan.source} would both be {scan.name}: rename one, or give them in two "
                "calls with two output folders."
            )
        seen[scan.name] = scan.source
    return found


def _scans_of(path: Path) -> list[Given]:
    from ldae.preprocessing.one_scan import scan_names

    if not path.exists():
        raise UserError(f"{path} does not exist; give NIfTI files, folders with one DICOM series, or BIDS datasets.")
    if path.is_dir() and ((path / "dataset_description.json").is_file() or any(path.glob("sub-*/"))):
        return _scans_of_dataset(path)
    inside = sorted(file for file in path.glob("*") if file.name.endswith(IMAGES)) if path.is_dir() else []
    return [Given(*scan_names(Path(os.path.realpath(file))), file) for file in inside or [path]]


def _scans_of_dataset(root: Path) -> list[Given]:
    """The T1w image of every visit of a BIDS dataset; of several the one that the workflow would take. A visit whose
    images cannot be used, or that has something near to an image alone, is refused with the reason."""
    from ldae.cohort.bids import bids_scans
    from ldae.config import Bids

    table = bids_scans(Bids(path=root)).sort_values([*KEY, "reason"], na_position="first")
    return [
        Given(
            row.participant_id,
            row.session_id,
            root / row.t1w if isinstance(row.t1w, str) else root,
            row.reason if isinstance(row.reason, str) else None,
        )
        for row in table.drop_duplicates(KEY).itertuples()
    ]


def apply_model(model: LDAE, scans: Sequence[Given], out: Path, request: Request, workers: int = 1) -> pd.DataFrame:
    """Answer for every scan, and the tables ``predictions.tsv`` and ``codes.tsv`` of all of them in ``out``.

    The tables hold these scans first, in their order, and then the others that the same was asked of in this folder
    before: jobs of one participant each, as BIDS-Apps are run, make one table, side by side or one after another.

    Args:
        workers: scans that are preprocessed side by side.

    Returns:
        The rows of predictions.tsv of these scans.

    Raises:
        UserError: what fails concerns every scan (a missing program, another template).
        MachineError: the machine failed; what is done is kept.
    """
    writable_folder(out)
    describe_answers(out)
    keys = {scan.name: _key(model, scan, request) for scan in scans}  # as they are when they are read
    known = {scan.name: found for scan in scans if (found := _answered(keys[scan.name], scan, out)) is not None}
    waiting = [scan for scan in scans if scan.name not in known]
    for scan in (scan for scan in waiting if scan.refusal or not _content(scan)):
        nothing = "it is neither a file nor a folder with files (a link to nowhere, a pipe?)"
        refused = _refused(scan, scan.refusal or nothing)
        known[scan.name] = _noted(model, keys[scan.name], scan, out, request, refused)
    waiting = [scan for scan in waiting if scan.name not in known]
    for scan, outcome in _preprocessed(model, waiting, out, request, workers):
        answer = _refused(scan, outcome) if isinstance(outcome, str) else _ask(model, outcome, out, request)
        known[scan.name] = _noted(model, keys[scan.name], scan, out, request, answer)
    answers = [known[scan.name] for scan in scans]
    with alone_in(out):  # two that end together would leave each other out
        everyone = answers + answered_before(model, out, request, known)
        write_predictions(out, everyone)
        answered = [answer for answer in everyone if answer["y_sem"] is not None]
        codes = np.array([answer["y_sem"] for answer in answered], np.float32).reshape(-1, model.networks.dimension)
        write_codes(out / "codes.tsv", pd.DataFrame(answered, columns=KEY), codes)
    return pd.DataFrame(answers).drop(columns="y_sem")


def answered_before(model: LDAE, out: Path, request: Request, besides: Collection[str]) -> list[Answer]:
    """What the same model said to the same request of other scans whose answers lie in the folder, by name.

    Args:
        besides: scans (``sub-X_ses-Y``) that are left out.
    """
    found = {}
    for path in sorted(out.glob(f"sub-*/ses-*/anat/*{RECORD}")):
        record = _read_record(path)
        if record is not None and record.get("asked") == _asked(model, request):
            found[path.name.removesuffix(RECORD)] = record["answer"]
    return [answer for name, answer in found.items() if name not in besides]


def _content(scan: Given) -> list[Path]:
    """The files of a scan: one, those of a pair, or all of a folder, linked ones too; empty: nothing can be read."""
    if not scan.source.is_dir():
        return files_of_scan(scan.source) if scan.source.is_file() else []
    found: list[Path] = []
    seen: set[str] = set()
    for folder, inside, names in os.walk(scan.source, followlinks=True):  # as dcm2niix does
        if (place := os.path.realpath(folder)) in seen:
            inside.clear()  # a link that leads back
            continue
        seen.add(place)
        found += [path for name in names if (path := Path(folder) / name).is_file()]
    return sorted(found)


def _key(model: LDAE, scan: Given, request: Request) -> str:
    """Of the scan as it lies there, of the model and of what is asked."""
    content = [scan.refusal] if scan.refusal else [sha256_file(path) for path in _content(scan)]
    return digest([content, model.digest, asdict(request), __version__])


def _asked(model: LDAE, request: Request) -> str:
    """Of the model and of what is asked of it."""
    return digest([model.digest, asdict(request), __version__])


def _record(scan: Given, out: Path) -> Path:
    files = ScanFiles(out, scan.participant_id, scan.session_id)
    return files.anat / f"{files.stem}{RECORD}"


def _read_record(path: Path) -> dict[str, Any] | None:
    """A record; none where it is no whole one, so that the scan is worked on again."""
    try:
        record = read_json(path)
        return record if {"key", "files", "answer"} <= record.keys() and "y_sem" in record["answer"] else None
    except (UserError, AttributeError, TypeError, UnicodeDecodeError):
        return None


def _answered(key: str, scan: Given, out: Path) -> Answer | None:
    """What was answered already; none where the scan, the model or the request is another one."""
    path = _record(scan, out)
    record = _read_record(path) if path.is_file() else None
    if record is None:
        return None
    whole = all((out / name).is_file() for name in record["files"])
    return record["answer"] if record["key"] == key and whole else None


def _noted(model: LDAE, key: str, scan: Given, out: Path, request: Request, answer: Answer) -> Answer:
    """Written last: a scan with a record is done."""
    files = [] if answer["status"] == "refused" or request.codes_only else _images(scan.name, out, model.facts, request)
    names = [path.relative_to(out).as_posix() for path in files]
    answer = {"participant_id": scan.participant_id, "session_id": scan.session_id, "source": str(scan.source)} | answer
    asked = {"key": key, "asked": _asked(model, request)}
    content = asked | {"files": names, "answer": answer, "note": NOTE}
    write_json(_record(scan, out), content)
    return answer


def _preprocessed(
    model: LDAE, scans: Sequence[Given], out: Path, request: Request, workers: int
) -> Iterator[tuple[Given, Scan | str]]:
    """Every scan on the model's grid as it is done, or why it is refused."""
    from ldae.preprocessing.pool import run_isolated

    work = partial(preprocess_work, model.facts, out, request.codes_only)
    ends = run_isolated(work, list(scans), workers, SCANS_PER_WORKER, PRELOAD, [out])
    for position, outcome in track(ends, "scans", total=len(scans)):
        yield scans[position], outcome.reason or outcome.value


def preprocess_work(facts: Facts, out: Path, codes_only: bool, scan: Given) -> Scan:
    """One scan by a model's recipe, in a worker process.

    Args:
        codes_only: nothing of the way is kept.

    Raises:
        QuarantinedScan: the scan cannot be used, or the folder holds another one of this name.
    """
    from ldae.preprocessing.one_scan import NameTaken

    if codes_only:
        with tempfile.TemporaryDirectory(prefix="ldae-apply-") as scratch:
            return preprocessed(facts, scan.source, Path(scratch), scan.participant_id, scan.session_id)
    try:
        return preprocessed(facts, scan.source, out, scan.participant_id, scan.session_id)
    except NameTaken as error:
        raise QuarantinedScan(str(error)) from None


def _refused(scan: Given, reason: str) -> Answer:
    return {"status": "refused", "reason": reason, "y_sem": None}


def _ask(model: LDAE, scan: Scan, out: Path, request: Request) -> Answer:
    """Everything that is said of a scan; unless codes alone are wanted, its volumes too."""
    codes = model.encode(scan, stochastic=not request.codes_only)
    said, likeness = model.predict(codes), model.likeness(scan, codes)
    answer = {
        "status": STATUS[likeness.unusual],
        "reason": None,
        "qc": scan.qc.get("qc"),
        "qc_reason": scan.qc.get("qc_reason"),
        **asdict(said),
        **asdict(likeness),
        "plane_x": None if said.plane is None else said.plane[0],
        "plane_y": None if said.plane is None else said.plane[1],
        "y_sem": codes.y_sem.tolist(),
    }
    if not request.codes_only:
        _write_images(model, scan, codes, out, request)
    return answer


def targets(facts: Facts, request: Request) -> dict[str, float]:
    """Name of a counterfactual -> the probability of AD that it aims at."""
    return {f"AD{100 * p:g}": p for p in request.probabilities} if "ad" in facts.probes else {}


def _images(name: str, out: Path, facts: Facts, request: Request) -> list[Path]:
    """The volumes of a scan in template space."""
    kinds = ["reconstruction", *(kind for p in targets(facts, request) for kind in (p, f"{p}difference"))]
    return [volume_path(ScanFiles(out, *name.split("_", 1)), facts, kind) for kind in kinds]


def volume_path(files: ScanFiles, facts: Facts, kind: str) -> Path:
    """Where a decoded volume lies: ``reconstruction``, a name of :func:`targets`, or that with ``difference``."""
    grid = resolution(facts.recipe.preprocessing.conform.spacing_mm)
    return files.anat / f"{files.stem}_space-{space_of(facts)}_res-{grid}_desc-{kind}_T1w.nii.gz"


def space_of(facts: Facts) -> str:
    """The name of the space that a model's volumes lie in."""
    from ldae.preprocessing.registration_template import SPACE, template_of

    registration = facts.recipe.preprocessing.registration
    return SPACE if facts.recipe.source == "csv" else template_of(registration).space


def _write_images(model: LDAE, scan: Scan, codes: Codes, out: Path, request: Request) -> None:
    """Reconstruction, counterfactuals and what they change, in template space and, after an affine or rigid
    registration, on the scan's own grid."""
    rebuilt = model.decode(codes)
    volumes = [rebuilt]
    for probability in targets(model.facts, request).values():
        edited = model.decode(model.edit(codes, "AD", probability))
        volumes += [edited, Scan(edited.volume - rebuilt.volume, edited.affine, edited.name, edited.source, True)]
    for path, volume in zip(_images(scan.name, out, model.facts, request), volumes, strict=True):
        image = volume.to_nifti()
        save_generated(path, image)
        if (native := on_own_grid(model.facts, scan, out, image)) is not None:
            space = path.name.split("_space-")[1].split("_desc-")[0]
            save_generated(path.with_name(path.name.replace(f"_space-{space}", "_space-T1w")), native)


def save_generated(path: Path, image: nib.Nifti1Image) -> None:
    """A decoded volume, whose header says that it is no scan."""
    image.header["descrip"] = GENERATED
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def on_own_grid(facts: Facts, scan: Scan, out: Path, image: nib.Nifti1Image) -> nib.Nifti1Image | None:
    """A volume in template space on the grid of the raw scan, linearly; none where no affine leads there (SyN, volumes
    that were preprocessed elsewhere)."""
    from scipy import ndimage

    if facts.recipe.source == "csv" or facts.recipe.preprocessing.registration.transform == "syn":
        return None
    files = ScanFiles(out, *scan.name.split("_", 1))
    mask = nib.Nifti1Image.from_filename(files.mask)
    to_template = np.loadtxt(files.transform(space_of(facts)))
    mapping = np.linalg.inv(image.affine) @ to_template @ mask.affine
    moved = ndimage.affine_transform(
        image.get_fdata(dtype=np.float32), mapping[:3, :3], mapping[:3, 3], mask.shape, order=1
    )
    return nib.Nifti1Image(moved.astype(np.float32), mask.affine)
