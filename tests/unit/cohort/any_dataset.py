"""A BIDS dataset of tiny images, made by a test."""

import gzip
import json
from pathlib import Path

import pandas as pd

from ldae.cohort.bids import bids_scans
from ldae.cohort.inventory import bids_rows
from ldae.cohort.manifest import write_manifest
from ldae.config import Bids, Manifest
from ldae.core.files import read_json, read_tsv, write_tsv

DESCRIPTION = json.dumps({"Name": "t", "BIDSVersion": "1.8.0"})


def nifti(content: str | bytes, packed: bool = True) -> bytes:
    """What begins as a NIfTI file does and is another one for every ``content``."""
    whole = (348).to_bytes(4, "little") + bytes(348)
    whole += content if isinstance(content, bytes) else content.encode()
    return gzip.compress(whole, mtime=0) if packed else whole


class Dataset:
    """A dataset of tiny images. ``read`` gives the manifest by subject and session, and the notes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "ds"
        self.write("dataset_description.json", DESCRIPTION)

    def write(self, path: str, content: str | bytes, encoding: str = "utf-8") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))

    def image(self, subject: str, session: str = "", more: str = "", suffix: str = "T1w.nii.gz") -> str:
        folder = f"sub-{subject}/ses-{session}" if session else f"sub-{subject}"
        path = f"{folder}/anat/{folder.replace('/', '_')}{more}_{suffix}"
        self.write(path, nifti(path, path.endswith(".gz")))
        return path

    def people(self, text: str, encoding: str = "utf-8") -> None:
        self.write("participants.tsv", text, encoding)

    def inventory(self) -> pd.DataFrame:
        out = self.folder / "inventory.tsv"
        write_tsv(out, pd.DataFrame(bids_rows(self.root)))
        return read_tsv(out)

    def read(self, require_diagnosis: bool = False, **settings) -> tuple[pd.DataFrame, str]:
        scans, exclusions = self.folder / "out/scans.tsv", self.folder / "out/exclusions.tsv"
        table = bids_scans(Bids.model_validate({"path": self.root} | settings))
        write_manifest(table, "bids", Manifest(require_diagnosis=require_diagnosis), 5, scans, exclusions)
        notes = "\n".join(read_json(self.folder / "out/notes.json"))
        return read_tsv(scans, dtype={"participant_id": str, "session_id": str}), notes
