"""How scanners and archives encode DICOM, and courses of subjects that Clinica finds hard; with the real Clinica."""

import io
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from ldae.adni.bids_tables import merge_bids
from ldae.adni.conversion import convert_shard
from ldae.adni.disk import subject_files
from ldae.adni.preflight import preflight
from ldae.adni.staging import stage_subject
from ldae.adni.study_tables import read_table
from ldae.adni.table_adapter import write_adapted_tables
from ldae.cohort.bids import adni_scans
from ldae.cohort.manifest import write_manifest
from ldae.config import Convert, Manifest, Phantom
from ldae.core.files import read_tsv
from ldae.phantom.visit_schedule import plan_cohort

SEED = 3


def convert(download, results: Path) -> pd.DataFrame:
    """Adapter, conversion of one shard, merging, manifest: scans.tsv."""
    status, scans = results / "status" / "0.tsv", results / "manifest" / "scans.tsv"
    write_adapted_tables(download.images, download.tables, results / "tables")
    settings = Convert(shards=1, max_quarantined_fraction=1)
    convert_shard(download.images, results / "tables", results / "bids", 0, settings, status, results / "scratch")
    merge_bids([status], results / "bids", settings.max_quarantined_fraction)
    found = adni_scans(results / "bids", [status])
    write_manifest(found, "adni", Manifest(require_diagnosis=False), 1, scans, scans.with_name("exclusions.tsv"))
    return read_tsv(scans, dtype={"image_id": str, "reason": str})


# How the slices are encoded


def named(**tags) -> Dataset:
    dataset = Dataset()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def enhanced(paths: list[Path]) -> None:
    """One Enhanced MR object with all slices as its frames, as scanners of ADNI3 write it."""
    slices = sorted((pydicom.dcmread(path) for path in paths), key=lambda item: int(item.InstanceNumber))
    whole, frames = slices[0], []
    for number, item in enumerate(slices, 1):
        place = named(ImagePositionPatient=item.ImagePositionPatient)
        content = named(InStackPositionNumber=number, StackID="1", DimensionIndexValues=[1, number])
        frames.append(named(PlanePositionSequence=Sequence([place]), FrameContentSequence=Sequence([content])))
    orientation = named(ImageOrientationPatient=whole.ImageOrientationPatient)
    sizes = ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
    measures = named(**{name: getattr(whole, name) for name in sizes})
    values = named(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")
    shared = named(
        PlaneOrientationSequence=Sequence([orientation]),
        PixelMeasuresSequence=Sequence([measures]),
        PixelValueTransformationSequence=Sequence([values]),
    )
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.NumberOfFrames = len(slices)
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    whole.PerFrameFunctionalGroupsSequence = Sequence(frames)
    for name in (*sizes, "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation"):
        delattr(whole, name)
    whole.PixelData = b"".join(item.PixelData for item in slices)
    whole.save_as(paths[0])
    for path in paths[1:]:
        path.unlink()


def with_icon(paths: list[Path]) -> None:
    """A thumbnail before the pixels (dcm2niix issues 433 and 514)."""
    for path in paths:
        item = pydicom.dcmread(path)
        bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        shape = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 8, "Columns": 8}
        item.IconImageSequence = Sequence([named(**shape, **bits, PixelData=bytes(64))])
        item.save_as(path)


def run_length(paths: list[Path]) -> None:
    for path in paths:
        item = pydicom.dcmread(path)
        item.compress(RLELossless)
        item.save_as(path)


def jpeg_2000(paths: list[Path]) -> None:
    for path in paths:
        item, stream = pydicom.dcmread(path), io.BytesIO()
        Picture.fromarray(item.pixel_array.astype("uint16")).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
        item.PixelData = encapsulate([stream.getvalue()])
        item["PixelData"].VR = "OB"
        item.file_meta.TransferSyntaxUID = JPEG2000Lossless
        item.save_as(path)


def deflated(paths: list[Path]) -> None:
    for path in paths:
        item = pydicom.dcmread(path)
        item.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        item.save_as(path)


def implicit(paths: list[Path]) -> None:
    for path in paths:
        item = pydicom.dcmread(path)
        item.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        item.save_as(path, implicit_vr=True, little_endian=True)


KINDS: tuple[Callable[[list[Path]], None], ...] = (enhanced, with_icon, run_length, jpeg_2000, deflated, implicit)


@pytest.mark.slow
def test_every_encoding_arrives_and_blanks_umlauts_and_brackets_in_the_path_do_not_matter(make_download, tmp_path):
    plans = plan_cohort(Phantom(subjects={"CN": 2, "MCI": 2, "AD": 2}, visits=1, extra_visit_fraction=0), SEED)
    root = tmp_path / "Eigene Däten (ADNI) [1]"
    download = make_download(root, plans)
    chosen = [image for plan in plans for image in download.chosen(plan.subject.ptid)]
    for image, encode in zip(chosen, KINDS, strict=True):
        encode(sorted((download.images / image.folder).iterdir()))
    before = {path: path.read_bytes() for path in download.images.rglob("*.dcm")}
    assert preflight(download.images, download.tables).arrivals.sentence() == "6 of 6 visits on disk will arrive"
    scans = convert(download, root / "results").set_index("image_id")
    assert {path: path.read_bytes() for path in download.images.rglob("*.dcm")} == before
    for image, encode in zip(chosen, KINDS, strict=True):
        row = scans.loc[str(image.image_id)]
        assert row["status"] == "included", (encode.__name__, row["reason"])
        voxels = nibabel.load(root / "results" / "bids" / row["t1w"]).get_fdata()
        assert np.corrcoef(download.volume(image).ravel(), voxels.ravel())[0, 1] > 0.9999, encode.__name__


def test_a_deflated_slice_is_staged_inflated_and_any_other_linked(download, tmp_path):
    first, second = (download.chosen(plan.subject.ptid)[0] for plan in download.plans[:2])
    deflated(sorted((download.images / first.folder).iterdir()))
    for image in (first, second):
        files = subject_files(download.images / image.ptid)
        assert stage_subject(image.ptid, files, {str(image.image_id)}, tmp_path / "tree").reasons == {}
        staged = sorted((tmp_path / "tree" / image.ptid).rglob("*.dcm"))
        pixels = sorted(pydicom.dcmread(path).PixelData for path in staged)
        whole = [pydicom.dcmread(path) for path in (download.images / image.folder).iterdir()]
        assert pixels == sorted(item.PixelData for item in whole)
        assert {path.is_symlink() for path in staged} == {image is second}
        assert not any(pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_deflated for path in staged)


# Courses of subjects


@pytest.mark.slow
def test_a_subject_of_adni1_who_went_on_in_adni2_has_the_phase_of_each_visit(download, tmp_path):
    """Six years after baseline, at 3 T, under the name that ADNI2 gave the first visit of such a subject."""
    plan = next(plan for plan in download.plans if plan.phase == "ADNI1")
    ptid, late = plan.subject.ptid, download.chosen(plan.subject.ptid)[1]
    day = str(plan.visits[0].exam_date + pd.Timedelta(days=2191))
    for column, value in (("VISCODE", "m72"), ("COLPROT", "ADNI2"), ("EXAMDATE", day)):
        code = "m72" if column != "VISCODE" else plan.visits[1].code
        download.edit("ADNIMERGE", {"PTID": ptid, "VISCODE": code}, column, value)
    row = {"ImageUID": str(late.image_id)}
    facts = {"Visit": "ADNI2 Initial Visit-Cont Pt", "MagStrength": "3.0", "Sequence": "MPRAGE", "ScanDate": day}
    for column, value in facts.items():
        download.edit("MPRAGEMETA", row, column, value)
    scans = convert(download, tmp_path)
    mine = scans[scans["participant_id"] == plan.subject.participant_id]
    assert list(mine["session_id"]) == ["ses-M000", "ses-M072"] and list(mine["study_phase"]) == ["ADNI1", "ADNI2"]
    assert list(mine["field_strength"]) == [1.5, 3.0] and (mine["status"] == "included").all()
    assert abs(mine["age"].iloc[1] - plan.subject.age - 2191 / 365.25) < 0.01
    assert len(scans) == 6


@pytest.mark.slow
def test_codes_of_missing_scores_doubled_baselines_and_one_wrong_year(make_download, plans, tmp_path):
    """In one download: -4 and -1 for scores, a baseline that stands twice (bl and m0), a scan dated ten years on."""
    download = make_download(tmp_path / "raw", plans[:3])
    first, second, third = (plan.subject for plan in download.plans)
    download.edit("ADNIMERGE", {"PTID": first.ptid}, "MMSE", "-4")
    download.edit("CDR", {"PTID": first.ptid}, "CDGLOBAL", "-1")
    table = read_table(download.table("ADNIMERGE"))
    row = table[(table["PTID"] == second.ptid) & (table["VISCODE"] == "bl")].assign(VISCODE="m0")
    pd.concat([table, row]).to_csv(download.table("ADNIMERGE"), index=False)
    wrong = download.chosen(third.ptid)[0]
    date = str(wrong.acquired.date())
    later = f"{int(date[:4]) + 10}{date[4:]}"
    download.edit("MPRAGEMETA", {"ImageUID": str(wrong.image_id)}, "ScanDate", later)
    scans = convert(download, tmp_path).set_index("image_id")
    mine = scans[scans["participant_id"] == first.participant_id]
    assert mine[["mmse", "cdr"]].isna().all(axis=None) and len(mine) == 2
    assert list(scans.loc[scans["participant_id"] == second.participant_id, "session_id"]) == [
        "ses-M000", f"ses-{download.plans[1].visits[1].session}",
    ]  # fmt: skip
    healthy = scans.drop(str(wrong.image_id))
    assert (healthy["status"] == "included").all() and (healthy["age_from"] == "scan").all()
    for plan in download.plans:
        for visit in plan.visits:
            image = next(item for item in download.chosen(plan.subject.ptid) if item.months == visit.months)
            if image is not wrong:
                age = scans.loc[str(image.image_id), "age"]
                assert abs(age - plan.subject.age - visit.elapsed_years) < 0.06
    bad = scans.loc[str(wrong.image_id)]
    assert (bad["status"], bad["age_from"]) == ("included", "visit") and abs(bad["age"] - third.age) < 0.06


# Folders and tables that are not what the call says


def test_swapped_folders_are_named(download):
    """The tables given as images and the images as tables."""
    findings = preflight(download.tables, download.images)
    said = [str(finding) for finding in findings if finding.severity == "blocking"]
    assert any("give the folders in the other order: RAW CLINICAL" in text for text in said)


def test_tables_beside_the_subjects_are_read_and_noted(download):
    for path in list(download.tables.iterdir()):
        path.rename(download.images / path.name)
    findings = preflight(download.images, download.images)
    assert {finding.severity for finding in findings} == {"note"}
    assert findings.arrivals.sentence() == "6 of 6 visits on disk will arrive"


def test_a_download_of_earlier_phases_without_adnimerge_blocks_with_its_page(download):
    download.table("ADNIMERGE").unlink()
    (finding,) = [finding for finding in preflight(download.images, download.tables) if finding.severity == "blocking"]
    assert finding.what.startswith("table ADNIMERGE is missing") and "Study Info > ADNIMERGE" in finding.fix
