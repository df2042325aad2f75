"""A cohort as a BIDS dataset: one T1w image a visit, participants.tsv, sessions.tsv and scans.tsv."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel as nib
import pandas as pd

from ldae.core.files import atomic_path, write_json, write_tsv
from ldae.phantom.loni_images import Image
from ldae.phantom.scan import Scan
from ldae.phantom.visit_schedule import Plan, Visit, cognition_at

DESCRIPTION = {"Name": "Synthetic heads with known anatomy", "BIDSVersion": "1.10.0", "DatasetType": "raw"}


@dataclass(frozen=True)
class BidsDataset:
    """``root`` holds dataset_description.json. Ages, diagnoses and dates are those of the same cohort's download."""

    root: Path

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Folders that the cohort is written to: here the dataset alone."""
        return (self.root,)

    def holds(self, plan: Plan, visit: Visit, images: list[Image]) -> bool:
        """Whether the visit's image is there, so that a cohort that was interrupted goes on behind it."""
        return self.image(plan, visit).is_file()

    def image(self, plan: Plan, visit: Visit) -> Path:
        """Place of the visit's T1w image."""
        return self._session(plan, visit) / "anat" / f"{_stem(plan, visit)}_T1w.nii.gz"

    def write_images(self, plan: Plan, visit: Visit, images: list[Image], scan: Scan, broken: frozenset[int]) -> None:
        """Of several images of a visit the one that the study chooses; a broken one lacks its second half."""
        nifti = nib.Nifti1Image(scan.image, scan.affine)
        nifti.header.set_xyzt_units("mm")
        (chosen,) = (image for image in images if image.chosen)
        with atomic_path(self.image(plan, visit)) as temporary:
            nib.save(nifti, temporary)
            if chosen.image_id in broken:
                content = temporary.read_bytes()
                temporary.write_bytes(content[: len(content) // 2])

    def write_tables(self, plans: list[Plan], images: list[Image], seed: int) -> None:
        """The description comes last: with it the folder is a dataset."""
        chosen = {(image.ptid, image.months): image for image in images if image.chosen}
        for plan in plans:
            folder = self.root / plan.subject.participant_id
            rows = [_visit_row(plan, visit, seed) for visit in plan.visits]
            write_tsv(folder / f"{folder.name}_sessions.tsv", pd.DataFrame(rows))
            for visit in plan.visits:
                path = self._session(plan, visit) / f"{_stem(plan, visit)}_scans.tsv"
                write_tsv(path, pd.DataFrame([self._scan_row(plan, visit, chosen[plan.subject.ptid, visit.months])]))
        people = [_person_row(plan) for plan in plans]
        write_tsv(self.root / "participants.tsv", pd.DataFrame(people))
        write_json(self.root / "dataset_description.json", DESCRIPTION)

    def _session(self, plan: Plan, visit: Visit) -> Path:
        return self.root / plan.subject.participant_id / f"ses-{visit.session}"

    def _scan_row(self, plan: Plan, visit: Visit, image: Image) -> dict:
        return {
            "filename": f"anat/{self.image(plan, visit).name}",
            "acq_time": image.acquired.isoformat(),
            "field_strength": image.field_strength,
            "image_id": image.image_id,
        }


def _stem(plan: Plan, visit: Visit) -> str:
    return f"{plan.subject.participant_id}_ses-{visit.session}"


def _person_row(plan: Plan) -> dict:
    subject = plan.subject
    known = {"sex": subject.sex, "age_bl": subject.age, "original_study": plan.phase}
    return {"participant_id": subject.participant_id} | known


def _visit_row(plan: Plan, visit: Visit, seed: int) -> dict:
    cognition = cognition_at(seed, plan, visit)
    years = (visit.exam_date - plan.visits[0].exam_date).days / 365.25
    return {
        "session_id": f"ses-{visit.session}",
        "age": round(plan.subject.age + years, 2),
        "current_study": visit.phase,
        "diagnosis": plan.diagnosis(visit),
        "MMSE": cognition.mmse,
        "cdr_global": cognition.cdr_global,
        "examination_date": visit.exam_date.isoformat(),
    }
