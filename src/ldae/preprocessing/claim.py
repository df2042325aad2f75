"""Which file a scan of an output folder was made from, so that another one of the same name cannot replace it."""

import hashlib
import os
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import nibabel as nib

from ldae.core.errors import UserError
from ldae.core.files import read_json, sha256_file, write_json
from ldae.preprocessing.derivatives import ScanFiles, sidecar


def claim(files: ScanFiles, source: Path, image: Path) -> str:
    """Take the scan's name in the output folder for ``source``.

    Args:
        source: what the user gave: a NIfTI file, or a DICOM folder.
        image: the NIfTI file itself, or the one made of the folder.

    Returns:
        sha256 of the image file that the scan was first made from, which its products name as their input: the same
        content, packed otherwise, is not worked on again.

    Raises:
        UserError: the folder holds a scan of this name with other content.
    """
    path, content, digest = claim_of(files), content_of(image), sha256_file(image)
    if not path.is_file():
        known = sidecar(files.corrected)
        if known.is_file() and read_json(known)["inputs"]["t1w"] != digest:  # made before there were claims
            raise UserError(taken(files, source, "another image"))
        write_once(path, {"source": str(source.resolve()), "content": content, "image_sha256": digest})
    held = read_json(path)
    if held["content"] != content:
        raise UserError(taken(files, source, held["source"]))
    return held["image_sha256"]


def write_once(path: Path, held: dict[str, str]) -> None:
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
    unpacked."""
    digest = hashlib.sha256()
    try:
        with nib.openers.ImageOpener(str(image)) as handle:
            while block := handle.read(2**24):
                digest.update(block)
    except (EOFError, OSError, zlib.error):
        return sha256_file(image)
    return digest.hexdigest()
