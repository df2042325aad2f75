"""One scan from a NIfTI file or a DICOM series to its derivative: the steps of the workflow in a row.

The output folder remembers which file a scan was made from, and with which settings, so that neither another file of
the same name nor the same one with other settings can replace what is there.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
from pydicom.uid import UID

from ldae.config import Preprocessing
from ldae.core.errors import QuarantinedScan, UserError, require_sound
from ldae.core.files import digest, read_json, sha256_file, write_json
from ldae.preprocessing.antspy import require_plain
from ldae.preprocessing.derivatives import ScanFiles, alone_with, remove_leftovers, sidecar
from ldae.preprocessing.description import describe_dataset, describe_products
from ldae.preprocessing.quality import verdict
from ldae.preprocessing.reading import files_of_scan, sha256_of_scan
from ldae.preprocessing.steps import IN_OTHER_WORDS, bias_field_step, brain_step, register_step

SECTIONS = ("bias_field", "brain_extraction", "registration", "conform")  # that shape an image
ROW = "_desc-qc_T1w.tsv"  # how the table with the row of a scan ends
BY_CONTENT = {"template", "template_mask", "template_sha256", "weights", "weights_sha256"}  # not by the file's name
Recipe = dict[str, str]
COMPLAINT = re.compile(r"(Warning|Error)\b", re.IGNORECASE)  # of dcm2niix
UNEVEN = re.compile("Interslice distance varies|not equidistant")
PACKED = re.compile(r"Unsupported transfer syntax '([\d.]+)'")
FRAME = re.compile("Conversion required|Chris Rorden|Found .* DICOM|Convert ")


class NameTaken(UserError):
    """The output folder holds another scan of this name, or one that was made with other settings."""


def preprocess_scan(t1w: Path, files: ScanFiles, settings: Preprocessing, source: Path | None = None) -> dict[str, Any]:
    """N4, brain extraction, registration and the one interpolation; what is there and unchanged is kept.

    Args:
        source: what the image was given as, for the claim (:func:`ldae.preprocessing.one_scan.claim`); none: ``t1w``.

    Returns:
        The row of qc.tsv: ids, path of the derivative, digest, ``qc``, ``qc_reason`` and all metrics.

    Raises:
        QuarantinedScan: the scan cannot be used; the message says why.
        NameTaken: the folder holds a scan of this name that was made from another image, or with other settings.
        UserError: ANTs cannot write into the folder, whose path has a comma or a square bracket.
    """
    require_plain(files.root)
    recipe = recipe_of(settings)
    with alone_with(files) as locked:
        image = claim(files, source or t1w, t1w, recipe)
        if locked:
            remove_leftovers(files)
        describe_dataset(files.root)
        return _steps(t1w, files, settings, image)


def _steps(t1w: Path, files: ScanFiles, settings: Preprocessing, image: str) -> dict[str, Any]:
    try:
        first = bias_field_step(files, t1w, settings.bias_field, image, settings.orientation, settings.min_slices)
    except QuarantinedScan:
        release(files)
        raise
    second = brain_step(files, settings.brain_extraction)
    third = register_step(files, settings.registration, settings.conform)
    describe_products(files.root, [path.name for path in files.anat.iterdir()])
    metrics = first.record["metrics"] | second.record["metrics"] | third.record["metrics"]
    flag, reason = verdict(metrics, settings.quality.limits)
    names = {"participant_id": files.participant_id, "session_id": files.session_id}
    place = {"path": third.path.relative_to(files.root).as_posix(), "sha256": third.record["sha256"]}
    return names | place | {"qc": flag, "qc_reason": reason or None} | dict(sorted(metrics.items()))


def scan_names(source: Path) -> tuple[str, str]:
    """participant_id and session_id from a BIDS file name, else from the name as it is and ``ses-M000``."""
    stem = re.sub(r"\.(nii|hdr|img)$", "", source.name.removesuffix(".gz"))
    found = re.match(r"(sub-[0-9A-Za-z]+)(?:_(ses-[0-9A-Za-z]+))?(?=_|$)", stem)
    if found:
        return found[1], found[2] or "ses-M000"
    return "sub-" + (re.sub(r"[^0-9A-Za-z]", "", stem) or "scan"), "ses-M000"


def as_nifti(source: Path, scratch: Path) -> Path:
    """``source`` itself, or the one volume of a DICOM folder, converted by dcm2niix into ``scratch``.

    Raises:
        UserError: the source does not exist, is a pipe or a device, or dcm2niix is not installed.
        QuarantinedScan: the folder holds no series, more than one, or one that dcm2niix refuses.
        MachineError: the disk of ``scratch`` is full.
    """
    if not source.exists():
        raise UserError(f"{source} does not exist; give a NIfTI file or a folder with one DICOM series.")
    if source.is_file():
        return source
    if not source.is_dir():
        raise UserError(f"{source} is a pipe or a device; give a NIfTI file or a folder with one DICOM series.")
    program = shutil.which("dcm2niix") or shutil.which("dcm2niix", path=str(Path(sys.executable).parent))
    if program is None:
        raise UserError("A DICOM folder needs dcm2niix; run `make setup`.")
    command = [program, "-z", "y", "-b", "n", "-f", "scan", "-o", str(scratch), str(source)]
    finished = subprocess.run(command, capture_output=True, text=True)
    volumes, output = sorted(scratch.glob("*.nii.gz")), finished.stdout + finished.stderr
    if UNEVEN.search(output) and len([path for path in volumes if "_Eq" not in path.name]) == 1:
        raise QuarantinedScan(
            f"slices of {source} are missing, or not equally far apart; dcm2niix: {reason_in(output)}"
        )
    if len(volumes) != 1:
        require_sound(output, scratch)
        if packed := PACKED.search(output):
            raise QuarantinedScan(
                f"the DICOM files of {source} are packed in a way that dcm2niix does not read ({UID(packed[1]).name}): "
                "unpack them, with `gdcmconv --raw FILE NEW` or `dcmconv +te FILE NEW`"
            )
        raise QuarantinedScan(f"dcm2niix made {len(volumes)} volumes of {source}, not one: {reason_in(output)}")
    return volumes[0]


def reason_in(output: str) -> str:
    """What dcm2niix complains of: its warnings and errors, those of missing slices first; else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [line for line in lines if COMPLAINT.match(line)]
    complaints.sort(key=lambda line: not (UNEVEN.search(line) or "Missing images" in line))
    said = complaints[:2] or [line for line in lines if not FRAME.match(line)][-1:] or lines[-1:] or ["no message"]
    return " ".join(said)


def recipe_of(settings: Preprocessing) -> Recipe:
    """Section -> digest of its settings; template and weights of brain extraction count by their content.

    Raises:
        UserError: the template or the backend of brain extraction is not there.
    """
    from ldae.preprocessing.brain_extraction import identity
    from ldae.preprocessing.registration_template import template_of

    contents = {
        "bias_field": settings.orientation,
        "brain_extraction": identity(settings.brain_extraction),
        "registration": template_of(settings.registration).sha256,
    }
    sections = settings.model_dump(mode="json", include=set(SECTIONS))
    return {name: digest_of_section(sections[name], contents.get(name)) for name in SECTIONS}


def digest_of_section(parameters: dict[str, Any], content: str | None) -> str:
    """Of one section of the settings, and of the file that it names; what is null counts as not there."""
    other = BY_CONTENT | IN_OTHER_WORDS
    named = {name: value for name, value in parameters.items() if name not in other and value is not None}
    return digest([named, content])


def recipe_on_disk(files: ScanFiles) -> Recipe:
    """What the sidecars of a scan say of the settings; nothing where there is none."""
    found: Recipe = {}
    volumes = files.anat.glob(f"{files.stem}_space-*_desc-preproc_T1w.json")
    steps = (("bias_field", files.corrected, "orientation"), ("brain_extraction", files.mask, "weights"))
    for name, product, content in steps:
        if sidecar(product).is_file():
            record = read_json(sidecar(product))
            found[name] = digest_of_section(record["parameters"], record["inputs"].get(content))
    for path in sorted(volumes):
        record = read_json(path)
        made = {
            "registration": (record["parameters"], record["inputs"]["template"]),
            "conform": (record["conform"], None),
        }
        for name, section in made.items():
            value = digest_of_section(*section)
            found[name] = value if found.get(name, value) == value else "several"
    return found


def claim(files: ScanFiles, source: Path, image: Path, recipe: Recipe) -> str:
    """Take the scan's name in the output folder for ``source`` and ``recipe``.

    Args:
        source: what the user gave: a NIfTI file, or a DICOM folder.
        image: the NIfTI file itself, or the one made of the folder.
        recipe: of :func:`recipe_of`.

    Returns:
        sha256 of the image file that the scan was first made from, which its products name as their input: the same
        content, packed otherwise, is not worked on again.

    Raises:
        NameTaken: the folder holds a scan of this name with other content, or one made with other settings.
    """
    path, content, sha256 = claim_of(files), content_of(image), sha256_of_scan(image)
    made = recipe_on_disk(files)
    if not path.is_file():
        known = sidecar(files.corrected)
        if known.is_file() and read_json(known)["inputs"]["t1w"] != sha256:  # made before there were claims
            raise NameTaken(taken(files, source, "another image"))
        require_recipe(files, made, recipe)
        held = {"source": str(source.resolve()), "content": content, "image_sha256": sha256, "recipe": recipe}
        write_once(path, held)
    held = read_json(path)
    if held["content"] != content:
        raise NameTaken(taken(files, source, held["source"]))
    if held.get("recipe") != recipe:  # of an earlier version, which kept none, or of a run that made nothing
        require_recipe(files, held.get("recipe", made) if made else {}, recipe)
        write_json(path, held | {"recipe": recipe})
    return held["image_sha256"]


def require_recipe(files: ScanFiles, made: Recipe, recipe: Recipe) -> None:
    """What is there was made as it would be made now.

    Raises:
        NameTaken: with other settings.
    """
    other = [name for name in SECTIONS if name in made and made[name] != recipe[name]]
    if other:
        raise NameTaken(
            f"{files.root} already holds {files.participant_id} {files.session_id}, made with other settings "
            f"(preprocessing: {', '.join(other)}), and it stays: give another OUT_DIR, or the settings of then."
        )


def write_once(path: Path, held: dict[str, Any]) -> None:
    """Written whole, unless another process was faster; then its claim stands."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        write_json(temporary, held)
        with suppress(FileExistsError):
            os.link(temporary, path)  # unlike a rename it fails where there is one
    finally:
        temporary.unlink(missing_ok=True)


def taken(files: ScanFiles, source: Path, held: str) -> str:
    """The sentence for a name that belongs to another scan; ``held``: what that one was made from."""
    return (
        f"{files.root} already holds {files.participant_id} {files.session_id}, made from {held}, and {source} has "
        "other content: give it a name of its own with --subject or --session, or another OUT_DIR."
    )


def claim_of(files: ScanFiles) -> Path:
    """File that holds the claim, beside the scan's derivatives."""
    return files.anat / f"{files.stem}_desc-source_T1w.json"


def release(files: ScanFiles) -> None:
    """Give the name back where nothing was made of the scan."""
    if not sidecar(files.corrected).is_file():
        claim_of(files).unlink(missing_ok=True)


def content_of(image: Path) -> str:
    """sha256 of the image whether or not it is packed (``.nii`` or ``.nii.gz``); of the file where it cannot be
    unpacked. A pair of header and voxels counts as one."""
    digest = hashlib.sha256()
    try:
        for file in files_of_scan(image):
            with nib.openers.ImageOpener(str(file)) as handle:
                while block := handle.read(2**24):
                    digest.update(block)
    except (EOFError, OSError, zlib.error):
        return sha256_file(image)
    return digest.hexdigest()
