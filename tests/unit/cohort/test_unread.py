"""What lies in a BIDS dataset, is not read, and may have been meant to be: each kind in a sentence of its own."""

import gzip
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ldae import cli
from ldae.core.errors import UserError

NEAR = "1 file not read, although the name is near to"
CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("sub-02/anat/sub-02_mprage.nii.gz", b"x", NEAR),
        ("sub-02/anat/sub-02_T1w_brain.nii.gz", b"x", NEAR),
        ("sub-02/anat/sub-02_T1w_run-1.nii.gz", b"x", NEAR),
        ("sub-02/anat/sub-02_desc-defaced_T1w.nii.gz", b"x", NEAR),
        ("sub-02/anat/sub-02_T1w.mgz", b"x", NEAR),
        ("sub-02/anat/brain.nrrd", b"x", NEAR),
        ("02/anat/02_T1w.nii.gz", b"x", NEAR),
        ("02/ses-1/anat/brain.nii.gz", b"x", "1 folder named nearly as BIDS asks for (sub-*/[ses-*/]anat): rename: 02"),
        ("patients/sub-02/anat/sub-02_T1w.nii.gz", b"x", "1 folder named nearly as BIDS asks for"),
        ("sub-02 alias", b"book\0\0\0\0mark", "1 shortcut leading nowhere in this system"),
        ("sub-02/anat/sub-02_UNIT1.nii.gz", b"x", NEAR),
        ("sub-02/anat/DICOM/series/IM1", "DICOM", "1 DICOM file not read: convert the series with dcm2niix"),
        ("sub-02/Anat/brain.nii.gz", b"x", "1 folder named nearly as BIDS asks for (sub-*/[ses-*/]anat): rename"),
        ("sub-02/ses01/brain.nii.gz", b"x", "1 folder named nearly as BIDS asks for"),
        ("SUB02/anat/brain.nii.gz", b"x", "1 folder named nearly as BIDS asks for"),
        ("sub_02/dicom/IM1", "DICOM", "1 folder named nearly as BIDS asks for"),
        ("sub-02/anat/IM1.dcm", "DICOM", "1 DICOM file not read: convert the series with dcm2niix: sub-02/anat"),
        ("sub-02/anat/IM1", "DICOM", "1 DICOM file not read"),
        ("sub-02.zip", b"PK", "1 archive not looked into: unpack what belongs to the dataset: sub-02.zip"),
        ("sub-02/sub-02.tar.gz", b"", "1 archive not looked into"),
        ("sub-02/anat/sub-02_T1w.nii.gz.part", b"x", "1 unfinished download not read: download again"),
        ("sub-02/anat/.sub-02_T1w.nii.gz.icloud", b"x", "1 unfinished download not read"),
        ("sub-02.lnk", b"L", "1 shortcut leading nowhere in this system: copy what is meant: sub-02.lnk"),
        ("sub-02/func/sub-02_task-rest_bold.nii.gz", b"x", "1 subject without a T1w image that is read: sub-02"),
    ],
)
def test_what_is_not_read_is_named(dataset, path, content, said):
    dataset.image("01")
    dataset.write(path, bytes(128) + b"DICM" + bytes(400) if content == "DICOM" else content)
    scans, notes = dataset.read()
    assert list(scans["participant_id"][scans["status"] == "included"]) == ["sub-01"] and said in notes
    lost = scans[scans["status"] == "excluded"]  # it counts among the scans, but where no T1w image is meant
    assert lost["participant_id"].tolist() == ([] if "/func/" in path else ["sub-02"])
    assert all(path.startswith(reason.split(": ")[1].split(" (")[0]) for reason in lost["reason"])


def test_a_visit_counts_once_whatever_lies_in_it(dataset):
    """What is near to an image costs nothing where there is an image, and one visit where there is none."""
    for session in ("1", "2"):
        dataset.image("01", session)
    for path in ("sub-01/ses-1/anat/sub-01_mprage.nii.gz", "sub-01/ses-3/anat/T1.mgz", "sub-01/ses-3/anat/mprage.nii"):
        dataset.write(path, b"x")
    dataset.write("sub-01.zip", b"PK")
    dataset.write("sub-02/ses-1/anat/sub-02_ses-1_T2w.nii.gz", b"x")
    scans, _ = dataset.read()
    assert scans["session_id"].tolist() == ["ses-1", "ses-2", "ses-3"] and set(scans["participant_id"]) == {"sub-01"}
    assert scans["reason"].iloc[2].startswith("T1w image in another format: sub-01/ses-3/anat/T1.mgz (convert it")


def test_an_image_with_the_name_of_another_subject_is_nobodys(dataset):
    whole = [dataset.image(name) for name in ("01", "02")]
    (dataset.root / whole[0]).rename(dataset.root / "sub-02/anat/sub-01_T1w.nii.gz")
    dataset.image("03")
    (dataset.root / "sub-03/anat/sub-03_T1w.nii.gz").rename(dataset.root / "sub-03/anat/sub-9_T1w.nii.gz")
    scans, notes = dataset.read()
    taken = scans[scans["status"] == "included"]
    assert taken["t1w"].tolist() == [whole[1], "sub-03/anat/sub-9_T1w.nii.gz"]  # there is no sub-9: a name of old
    (reason,) = scans["reason"].dropna()
    assert reason.startswith("named after another subject or visit: sub-01 (move the image")
    assert "1 image whose name" in notes
    first, second = dataset.image("04", "1"), dataset.image("04", "2")
    (dataset.root / second).rename((dataset.root / second).with_name(Path(first).name))
    assert ": sub-04/ses-1 (move the image" in dataset.read()[0]["reason"].dropna().iloc[-1]


@pytest.mark.parametrize(("ending", "packed_again"), [(".nii.gz", False), (".nii", False), (".nii.gz", True)])
def test_half_an_image_is_told_by_its_end(dataset, ending, packed_again):
    for name in ("01", "02"):
        path = dataset.root / f"sub-{name}/anat/sub-{name}_T1w{ending}"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.random.default_rng(0).integers(0, 99, (9, 9, 9)).astype("int16"), np.eye(4)), path)
    if packed_again:  # a whole gzip file of half an image
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:1000]))
    else:
        os.truncate(path, path.stat().st_size * 2 // 3)
    scans, _ = dataset.read()
    assert scans["reason"].fillna("").tolist() == ["", "damaged: the file ends before its image does (copy it again)"]


def test_a_table_of_participants_in_another_form_is_named(dataset):
    dataset.image("01")
    dataset.write("Participants_new.xlsx", b"PK")
    assert "; save Participants_new.xlsx as that, text with tabs" in dataset.read()[1]


@pytest.mark.parametrize(
    "path", ["README", "CHANGES", "LICENSE", "code/run.py", "sub-01/anat/sub-01_T1w.json", "sub-01/extra/notes.txt"]
)
def test_what_belongs_to_a_dataset_is_no_matter(dataset, path):
    dataset.image("01")
    before = dataset.read()[1]
    dataset.write(path, b"x")
    assert dataset.read()[1] == before


def test_subjects_whose_names_are_nearly_right_are_to_be_renamed(dataset):
    dataset.write("SUB01/anat/SUB01_T1w.nii.gz", b"x")
    (dataset.root / "dataset_description.json").unlink()
    with pytest.raises(UserError, match=r"has no folders sub-\*, but 1 folder named nearly so, such as SUB01: rename"):
        dataset.read()


@pytest.mark.parametrize("unit", ["years", "months", "days"])
def test_years_of_birth_are_no_ages_in_any_unit(dataset, unit):
    for number in range(3):
        dataset.image(f"0{number}")
    dataset.people("participant_id\tage\n" + "".join(f"sub-0{n}\t{1938 + n}\n" for n in range(3)))
    scans, notes = dataset.read(age_unit=unit)
    assert scans["age"].isna().all()
    assert "the middle one is 1939, as if these were years of birth" in notes and "set bids.age_unit" not in notes


def test_a_configuration_of_another_source_does_not_judge_a_download(dataset, tmp_path, capsys):
    dataset.image("01")
    (tmp_path / "mine.yaml").write_text(f"source: bids\nraw: null\nbids: {{path: {dataset.root}}}\n")
    config = str(CONFIG), str(tmp_path / "mine.yaml")
    assert cli.main(["preflight", str(tmp_path), str(tmp_path), "--config", *config]) == 2
    said = capsys.readouterr().err
    assert "the configuration has source: bids, which reads no RAW CLINICAL; call: ldae preflight --bids DIR" in said
