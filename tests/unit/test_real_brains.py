"""`make real`: a file of conformed volumes becomes a cohort that the configuration reads, value for value."""

from pathlib import Path

import numpy as np
import pytest
import real_brains

from ldae.cohort.manifest import read_source
from ldae.config import load_config
from ldae.preprocessing.given_volumes import given_volume

SHAPE = (128, 160, 128)
FEW = "participant_id\tage\nsub-01\t3\n"
PEOPLE = "participant_id\tage\tgender\tgroup\nsub-01\t39\tm\tdepr\nsub-02\t50.5\tf\tcontrol\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    volumes = np.zeros((2, *SHAPE), dtype=np.uint8)
    volumes[:, 30:100, 30:120, 20:100] = 120
    volumes[1, 60:70, 70:90, 50:70] = 255
    np.savez_compressed(tmp_path / "two.npz", volumes=volumes, participant_id=np.array(["sub-01", "sub-02"]))
    (tmp_path / "two_participants.tsv").write_text(PEOPLE)
    (tmp_path / "here.yaml").write_text(f"csv: {{path: {tmp_path / 'out/scans.csv'}}}\nresults_dir: {tmp_path / 'r'}\n")
    return tmp_path / "two.npz"


def converted(file: Path) -> int:
    return real_brains.main([str(file), "--config", *map(str, real_brains.CONFIGS), str(file.parent / "here.yaml")])


def test_the_table_is_read_as_the_cohort_and_the_volumes_on_its_grid(file: Path) -> None:
    assert converted(file) == 0
    config = load_config(*real_brains.CONFIGS, file.parent / "here.yaml")
    scans = read_source("csv", config.section("csv"), []).set_index("participant_id")
    assert scans["age"].to_dict() == {"sub-01": 39, "sub-02": 50.5}
    assert scans["sex"].to_dict() == {"sub-01": "M", "sub-02": "F"}
    assert scans["diagnosis"].isna().all() and scans["reason"].isna().all()
    volume = given_volume(file.parent / "out" / scans.loc["sub-02", "t1w"], config.preprocessing.conform, resample=True)
    assert volume.shape == config.preprocessing.conform.shape == (48, 56, 48)
    assert (volume.min(), volume.max()) == (0, 1)
    share = float((volume > 0.2).mean() * volume.size * 3.5**3)
    assert share == pytest.approx(70 * 90 * 80 * 1.5**3, rel=0.05)  # millimetres stay what they were


def test_a_second_call_keeps_the_files(file: Path) -> None:
    assert converted(file) == 0
    path = file.parent / "out/sub-01_ses-M000.nii.gz"
    before = path.stat().st_mtime_ns
    assert converted(file) == 0
    assert path.stat().st_mtime_ns == before


def test_files_of_other_volumes_are_not_taken_for_these(file: Path, capsys) -> None:
    assert converted(file) == 0
    np.savez(file, volumes=np.full((2, *SHAPE), 7, dtype=np.uint8), participant_id=np.array(["sub-01", "sub-02"]))
    assert converted(file) == 1
    assert "sub-01_ses-M000.nii.gz was made from other volumes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.unlink(), "does not exist"),
        (lambda file: file.write_bytes(b"no archive"), "is no .npz file with the arrays volumes and participant_id"),
        (lambda file: file.write_bytes(file.read_bytes()[:-300]), "is no .npz file"),
        (lambda file: np.save(file.open("wb"), np.zeros(3)), "is no .npz file"),
        (lambda file: np.savez(file, volumes=np.array([{}]), participant_id=["a"]), "is no .npz file"),
        (lambda file: np.savez(file, volumes=np.zeros((2, *SHAPE)), participant_id=["a", "a"]), "holds a twice"),
        (lambda file: file.with_name("two_participants.tsv").write_text(PEOPLE + "sub-02\t3\n"), "has sub-02 twice"),
        (lambda file: np.savez(file, volumes=np.zeros((2, 8, 8, 8)), participant_id=["a", "b"]), "the paper's grid"),
        (lambda file: file.with_name("two_participants.tsv").unlink(), "has participant_id and age of every volume"),
        (lambda file: file.with_name("two_participants.tsv").write_text(FEW), "no row of sub-02"),
        (lambda file: file.with_name("two_participants.tsv").write_text("name\nsub-01\n"), "no row of sub-01"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(file: Path, change, words: str, capsys) -> None:
    change(file)
    assert converted(file) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and words in said and said.count("\n") == 1
    assert not (file.parent / "out/scans.csv").exists()


def test_the_configuration_is_the_demos_networks_without_a_phantom() -> None:
    real, small = load_config(*real_brains.CONFIGS), load_config(*real_brains.CONFIGS[:2])
    assert real.phantom is None and real.source == "csv" and not real.manifest.require_diagnosis
    assert real.preprocessing.conform == small.preprocessing.conform
    assert real.diffusion == small.diffusion
    assert real.autoencoder.channels == small.autoencoder.channels
