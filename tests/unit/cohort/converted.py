"""What the conversion leaves: a BIDS dataset of tiny files beside its status table."""

import hashlib
from pathlib import Path

import pandas as pd
from any_dataset import nifti

from ldae.adni.bids_tables import write_scans
from ldae.cohort.bids import adni_scans
from ldae.cohort.manifest import write_manifest
from ldae.config import Manifest
from ldae.core.files import read_tsv, write_json, write_tsv


class Dataset:
    """A converted dataset of tiny files. Subjects: ``{name: {months: (scan date, content or a reason)}}``."""

    def __init__(self, folder: Path, subjects: dict, age: str = "70.0") -> None:
        self.folder, self.bids = folder, folder / "bids"
        write_json(self.bids / "dataset_description.json", {"Name": "test", "BIDSVersion": "1.10.0"})
        rows = [row for name, visits in subjects.items() for row in self.subject(name, visits)]
        people = pd.DataFrame({"participant_id": list(subjects), "sex": "F", "age_bl": age})
        write_tsv(self.bids / "participants.tsv", people)
        self.status = folder / "status" / "0.tsv"
        write_tsv(self.status, pd.DataFrame(rows).astype({"size": "Int64"}))

    def subject(self, name: str, visits: dict) -> list[dict]:
        rows, sessions = [], []
        for months, (date, content) in visits.items():
            session = f"ses-M{months:03d}"
            visit = f"{2010 + months // 12}-01-{1 + months % 12:02d}"
            sessions.append({"session_id": session, "examination_date": visit, "age": 70 + months // 12})
            sessions[-1] |= {"diagnosis": "CN" if months < 24 else None, "MMSE": 29, "cdr_global": 0.5}
            sessions[-1]["current_study"] = "ADNIGO" if months < 24 else "ADNI2"
            rows.append({"participant_id": name, "session_id": session, "scan_date": date, "image_id": months})
            rows[-1] |= {"field_strength": 3.0, "path": None, "size": None, "sha256": None, "reason": None}
            if isinstance(content, str):
                rows[-1] |= {"state": "quarantined", "reason": content}
                continue
            path = self.bids / name / session / "anat" / f"{name}_{session}_T1w.nii.gz"
            path.parent.mkdir(parents=True)
            content = nifti(content)
            path.write_bytes(content)
            rows[-1] |= {"state": "done", "path": path.relative_to(self.bids).as_posix(), "size": len(content)}
            rows[-1]["sha256"] = hashlib.sha256(content).hexdigest()
            write_scans([rows[-1]], self.bids / name / session / f"{name}_{session}_scans.tsv")
        write_tsv(self.bids / name / f"{name}_sessions.tsv", pd.DataFrame(sessions))
        return rows

    def manifest(self, require_diagnosis: bool = False) -> pd.DataFrame:
        scans, exclusions = self.folder / "manifest" / "scans.tsv", self.folder / "manifest" / "exclusions.tsv"
        settings = Manifest(require_diagnosis=require_diagnosis)
        write_manifest(adni_scans(self.bids, [self.status]), "adni", settings, 5, scans, exclusions)
        table = read_tsv(scans)
        left_out = table[table["status"] == "excluded"]
        assert list(read_tsv(exclusions)["reason"]) == list(left_out["reason"])
        return table
