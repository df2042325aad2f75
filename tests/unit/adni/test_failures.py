"""Every failure of a subject or a scan that Clinica was seen to have, in one cohort, through the real Clinica.

The DICOM files carry identifiers besides; none may reach an output.
"""

import gzip
import runpy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pydicom
import pytest

from ldae.config import Phantom
from ldae.core.files import read_tsv
from ldae.core.keys import participant_id
from ldae.phantom.loni_images import Image, images_of
from ldae.phantom.visit_schedule import Plan, plan_cohort

ADAPTER = Path(__file__).parents[3] / "workflow" / "scripts" / "build_manifest.py"
IDENTIFIERS = {
    "PatientName": "Winterbottom^Philippa",
    "PatientBirthDate": "19310427",
    "AccessionNumber": "ACC7730912",
    "InstitutionName": "Saint Elsewhere Hospital",
    "ReferringPhysicianName": "Quackenbush^Lemuel",
    "OperatorsName": "Tollemache^Ada",
    "OtherPatientIDs": "NHS4857773456",
    "PatientComments": "lives at Rosewood Cottage",
    "ImageComments": "daughter is Clementine",
    "StudyDescription": "for Mrs Winterbottom",
    "DeviceSerialNumber": "SN5550199",
}
FRAGMENTS = (
    "Winterbottom", "Philippa", "19310427", "1931-04-27", "7730912", "Elsewhere", "Quackenbush", "Tollemache",
    "4857773456", "Rosewood", "Clementine", "5550199",
)  # fmt: skip


def nothing(download, visits: list[Image]) -> None:
    """A healthy subject."""


def folder_missing(download, visits):
    shutil.rmtree(download.images / visits[1].folder)


def slice_cut_short(download, visits):
    path = slices(download, visits[1])[5]
    path.write_bytes(path.read_bytes()[:-100])


def garbage(download, visits):
    for path in slices(download, visits[1]):
        path.write_bytes(b"<html>Your session has expired</html>" * 20)


def slice_missing(download, visits):
    slices(download, visits[1])[5].unlink()


def slice_empty(download, visits):
    slices(download, visits[1])[5].write_bytes(b"")


def wrong_file_names(download, visits):
    for number, path in enumerate(slices(download, visits[1])):
        path.rename(path.with_name(f"{number:03d}.dcm"))


def refused_by_mayo(download, visits):
    rating = {"loni_image": f"I{visits[1].image_id}"}
    download.edit("MAYOADIRL_MRI_IMAGEQC_05_07_15", rating, "series_quality", "4")
    download.edit("MAYOADIRL_MRI_IMAGEQC_05_07_15", rating, "series_selected", "0")


def refused_by_mriquality(download, visits):
    download.edit("MRIQUALITY", {"LONIUID": f"S{visits[1].series_id}"}, "PASS", "0")


def enrolled_in_adni4(download, visits):
    download.edit("ADNIMERGE", {"PTID": visits[0].ptid}, "ORIGPROT", "ADNI4")


def visit_of_adni4(download, visits):
    download.edit("ADNIMERGE", merge_row(visits[1]), "COLPROT", "ADNI4")


def visit_without_a_date(download, visits):
    download.edit("ADNIMERGE", merge_row(visits[1]), "EXAMDATE", "")


def baseline_date_unknown(download, visits):
    download.edit("ADNIMERGE", {"PTID": visits[0].ptid}, "EXAMDATE_bl", "unknown")


def american_scan_date(download, visits):
    date = f"{visits[1].acquired:%m/%d/%Y}"
    download.edit("MPRAGEMETA", {"ImageUID": str(visits[1].image_id)}, "ScanDate", date)


def diagnosis_empty(download, visits):
    download.edit("ADNIMERGE", merge_row(visits[1]), "DX", "")


def diagnosis_unknown(download, visits):
    download.edit("ADNIMERGE", merge_row(visits[1]), "DX", "Demented")


def no_row_in_adnimerge(download, visits):
    download.remove("ADNIMERGE", {"PTID": visits[0].ptid})


def no_row_in_mpragemeta(download, visits):
    download.remove("MPRAGEMETA", {"SubjectID": visits[0].ptid})


def renamed_to_adni4(download, visits):
    (download.images / visits[0].ptid).rename(download.images / f"{visits[0].ptid}7")


def slices(download, image: Image) -> list[Path]:
    return sorted((download.images / image.folder).iterdir())


def merge_row(image: Image) -> dict[str, str]:
    return {"PTID": image.ptid, "VISCODE": f"m{image.months:02d}"}


@dataclass(frozen=True)
class Case:
    """``reasons``: number of the visit -> beginning of the reason for its exclusion; the other visits arrive."""

    phases: tuple[str, ...]
    damage: Callable
    reasons: dict[int, str] = field(default_factory=dict)
    visits: int = 2


EARLY, LATE, ANY = ("ADNI1",), ("ADNI2", "ADNI3"), ("ADNI1", "ADNI2", "ADNI3")
SPLIT = "split or unfinished series: dcm2niix left "
DIED = "Clinica died: "
CASES = (
    Case(EARLY, nothing),
    Case(LATE, nothing, visits=3),
    Case(ANY, folder_missing, {1: "not downloaded: no file is named after I"}),
    Case(ANY, slice_cut_short, {1: "no image: dcm2niix made nothing of I"}),
    Case(ANY, garbage, {1: "unreadable DICOM: none of the 12 files of I"}),
    Case(EARLY, slice_missing, {1: SPLIT}),
    Case(LATE, slice_missing, {1: SPLIT}, visits=3),
    Case(ANY, slice_empty, {1: "empty files: 1 of 12 files of I"}),
    Case(ANY, wrong_file_names),
    Case(LATE, refused_by_mayo, {1: "refused by the study: Mayo's quality table rejects it (I"}),
    Case(EARLY, refused_by_mriquality, {1: "refused by the study: MRIQUALITY has no PASS for it (I"}),
    Case(ANY, enrolled_in_adni4, dict.fromkeys(range(2), "phase not converted: the subject was enrolled in ADNI4")),
    Case(LATE, visit_of_adni4, {1: "phase not converted: the visit is of ADNI4"}),
    Case(LATE, visit_without_a_date, {1: "unusable visit: ADNIMERGE has EXAMDATE '' for m"}, visits=3),
    Case(LATE, baseline_date_unknown, dict.fromkeys(range(2), f"{DIED}ValueError: time data 'unknown' does not match")),
    Case(LATE, american_scan_date, {1: "unreadable scan date: MPRAGEMETA must have it as YYYY-MM-DD (I"}, visits=3),
    Case(ANY, diagnosis_empty),
    Case(ANY, diagnosis_unknown),
    Case(ANY, no_row_in_adnimerge, dict.fromkeys(range(2), "no visit: ADNIMERGE has no row of this subject")),
)


@dataclass(frozen=True)
class Subject:
    case: Case
    images: list[Image]  # the chosen one of each visit

    @property
    def participant(self) -> str:
        return participant_id(self.images[0].ptid)


@pytest.fixture(scope="module")
def cast() -> list[tuple[Case, Plan]]:
    """A subject of the right phase with enough visits for each case; the healthy ones have a refused image besides."""
    settings = Phantom(subjects={"CN": 40, "MCI": 40, "AD": 40}, visits=2, extra_visit_fraction=0.5)
    waiting = plan_cohort(settings, 3)
    cast = []
    for case in CASES:
        for plan in waiting:
            images = sum(len(images_of(3, plan, visit)) for visit in plan.visits)
            enough = images > len(plan.visits) if case.damage is nothing else True
            if plan.phase in case.phases and len(plan.visits) == case.visits and enough:
                cast.append((case, plan))
                waiting.remove(plan)
                break
        else:
            raise LookupError(f"no subject for {case}")
    return [*cast, (Case(ANY, no_row_in_mpragemeta), waiting[0]), (Case(ANY, renamed_to_adni4), waiting[1])]


@dataclass(frozen=True)
class Cohort:
    results: Path
    working_directory: Path
    subjects: list[Subject]
    strict: object  # the job with the default cap
    lenient: object  # the same job with a higher one

    def manifest(self, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """scans.tsv and exclusions.tsv, made by the adapter of the rule build_manifest."""
        participants = self.results / "bids" / "participants.tsv"
        statuses = [self.results / "status" / "convert" / "0.tsv"]
        settings = {"require_diagnosis": False}
        job = {
            "input": SimpleNamespace(participants=participants, dataset=participants, statuses=statuses, preflight=[]),
            "params": SimpleNamespace(shards=3, source="adni", dataset=None, settings=settings),
            "output": SimpleNamespace(scans=folder / "scans.tsv", exclusions=folder / "exclusions.tsv"),
            "log": [folder / "log"],
        }
        runpy.run_path(str(ADAPTER), {"snakemake": SimpleNamespace(**job)})
        return read_tsv(folder / "scans.tsv"), read_tsv(folder / "exclusions.tsv")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, cast, make_download, conversion_job) -> Cohort:
    folder = tmp_path_factory.mktemp("failures")
    download = make_download(folder / "raw", [plan for _, plan in cast])
    for image in download.listed:
        plant(slices(download, image))
    subjects = [Subject(case, download.chosen(plan.subject.ptid)) for case, plan in cast]
    for subject in subjects:
        subject.case.damage(download, subject.images)
    (folder / "here").mkdir()
    strict, lenient = (
        conversion_job(folder / "raw", folder / "results", fraction, cwd=folder / "here") for fraction in (0.1, 0.6)
    )
    return Cohort(folder / "results", folder / "here", subjects, strict, lenient)


def plant(files: list[Path]) -> None:
    for path in files:
        dataset = pydicom.dcmread(path)
        for tag, value in IDENTIFIERS.items():
            setattr(dataset, tag, value)
        dataset.save_as(path)


def test_above_the_cap_one_sentence_and_exit_status_1(cohort):
    assert cohort.strict.returncode == 1
    last = cohort.strict.stderr.splitlines()[-1]
    assert last.startswith("Error: The conversion: 14 of ")
    assert (
        "2 x split or unfinished series" in last and "2 x Clinica died" in last and "max_quarantined_fraction" in last
    )
    assert "Traceback" not in cohort.strict.stderr


def test_below_the_cap_exit_status_0(cohort):
    assert cohort.lenient.returncode == 0, cohort.lenient.stderr


def test_every_healthy_scan_arrives_and_every_other_one_has_its_reason(cohort, tmp_path):
    scans, exclusions = cohort.manifest(tmp_path)
    included = scans[scans["status"] == "included"]
    expected = {
        (subject.participant, f"ses-M{image.months:03d}", image.image_id)
        for subject in cohort.subjects
        for number, image in enumerate(subject.images)
        if number not in subject.case.reasons and subject.case.damage not in (no_row_in_mpragemeta, renamed_to_adni4)
    }
    assert set(included[["participant_id", "session_id", "image_id"]].itertuples(index=False, name=None)) == expected
    assert {(cohort.results / "bids" / path).is_file() for path in included["t1w"]} == {True}
    excluded = scans[scans["status"] == "excluded"].set_index("image_id")
    for subject in cohort.subjects:
        for number, reason in subject.case.reasons.items():
            row = excluded.loc[subject.images[number].image_id]
            assert row["participant_id"] == subject.participant
            assert row["reason"].startswith(reason), (subject.case, row["reason"])
    rest = exclusions.set_index("participant_id")["reason"]
    unknown, renamed = (subject.participant for subject in cohort.subjects[-2:])
    visits = len(cohort.subjects[-2].images)
    assert list(rest[unknown]) == visits * ["unknown images: MPRAGEMETA has no row of this subject"]
    assert rest[f"{renamed}7"].startswith("phase not converted: Clinica reads subject identifiers with four digits")
    assert len(exclusions) == sum(len(subject.case.reasons) for subject in cohort.subjects) + visits + 1


def test_one_bad_diagnosis_is_lost_alone(cohort):
    for subject in cohort.subjects:
        if subject.case.damage not in (nothing, diagnosis_empty, diagnosis_unknown):
            continue
        sessions = read_tsv(cohort.results / "bids" / subject.participant / f"{subject.participant}_sessions.tsv")
        lost = subject.case.damage is not nothing
        assert sessions["diagnosis"].isna().to_list() == [number == 1 and lost for number in range(len(sessions))]
    tables = [read_tsv(path)["diagnosis"] for path in (cohort.results / "bids").glob("sub-*/*_sessions.tsv")]
    assert set(pd.concat(tables).dropna()) == {"CN", "MCI", "AD"}
    assert "diagnosis 'Demented' is n/a, it is none of CN, MCI, AD, Dementia" in cohort.strict.stderr


def test_the_tree_holds_nothing_but_images_and_tables(cohort, require_valid_bids):
    bids = cohort.results / "bids"
    require_valid_bids(bids)
    kinds = {path.name.split("_")[-1] for path in bids.rglob("*") if path.is_file()}
    root = {"README", "participants.tsv", "participants.json", "sessions.json", "scans.json"}
    assert kinds - {"description.json"} == root | {
        "T1w.nii.gz",
        "scans.tsv",
        "sessions.tsv",
    }


def test_no_identifier_in_any_output(cohort):
    """Names and contents of the dataset, the records, the log, and Clinica's own output."""
    files = [path for path in cohort.results.rglob("*") if path.is_file()]
    assert {"convert.log", "clinica.log", "0.tsv"} <= {path.name for path in files}
    outputs = {str(path.relative_to(cohort.results)): content(path) for path in files}
    outputs["stderr"] = (cohort.strict.stderr + cohort.lenient.stderr).encode()
    for name, output in outputs.items():
        for fragment in FRAGMENTS:
            assert fragment not in name and fragment.lower().encode() not in output.lower(), (name, fragment)


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_nothing_is_left_where_the_job_was_started(cohort):
    assert list(cohort.working_directory.iterdir()) == []
    assert sorted(path.name for path in (cohort.results / "scratch" / "0").iterdir()) == ["clinica.log"]
