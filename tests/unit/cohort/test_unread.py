"""What lies in a BIDS dataset, is not read, and may have been meant to be: each kind in a sentence of its own."""

from pathlib import Path

import pytest

from ldae import cli
from ldae.core.errors import UserError

CONFIG = Path(__file__).parents[3] / "config" / "config.yaml"


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
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
    assert list(scans["participant_id"]) == ["sub-01"] and said in notes


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
