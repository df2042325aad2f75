"""source: csv, and `ldae export-csv` that writes it: the way there and back."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.cli import main
from ldae.cohort.authors_csv import csv_scans
from ldae.cohort.manifest import write_manifest
from ldae.config import AuthorsCsv, Conform, Manifest
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.core.store import open_store, write_store
from ldae.preprocessing.conform import grid_affine
from ldae.preprocessing.given_volumes import check_volumes
from ldae.preprocessing.pack import pack_volumes

GRID = Conform(shape=(16, 20, 16), spacing_mm=10)
SCANS = [
    ("sub-ADNI002S0001", "ses-M000", 0, 70.25, "F", "MCI"),
    ("sub-ADNI002S0001", "ses-M012", 12, 71.27, "F", "AD"),
    ("sub-ADNI002S0002", "ses-M006", 6, 80.0, "M", "CN"),
]


@pytest.fixture
def results(tmp_path) -> Path:
    """A volume store, a latent store and splits, as a run leaves them."""
    folder, random = tmp_path / "results", np.random.default_rng(0)
    index = pd.DataFrame(SCANS, columns=["participant_id", "session_id", "months", "age", "sex", "diagnosis"])
    volumes = random.integers(0, 200, (3, *GRID.shape), dtype=np.uint8)  # none reaches 255: nothing may be rescaled
    write_store(folder / "store/volumes", volumes, index, dtype="uint8", affine=grid_affine(GRID).tolist())
    moments = random.normal(size=(3, 2, 3, 2, 2, 2)).astype(np.float32)
    scans = open_store(folder / "store/volumes").scans[::-1]  # in another order
    write_store(folder / "store/latents", np.abs(moments)[::-1], index[::-1], scans=scans, scale_factor=1.0)
    splits = pd.DataFrame({"participant_id": [SCANS[0][0], SCANS[2][0]], "split": ["train", "validation"]})
    write_tsv(folder / "manifest/splits.tsv", splits)
    return folder


def read_back(csv: Path, out: Path, grid: Conform = GRID, resample: bool = False) -> Path:
    """The chain of source csv up to the volume store."""
    scans_tsv, qc, mosaic = out / "scans.tsv", out / "volumes.tsv", out / "mosaic.png"
    write_manifest(csv_scans(AuthorsCsv(path=csv)), "csv", Manifest(), 2, scans_tsv, out / "exclusions.tsv")
    scans = read_tsv(scans_tsv)
    check_volumes(scans, csv.parent, grid, resample, 0.1, qc, mosaic)
    pack_volumes(scans, read_tsv(qc), csv.parent, grid, out / "store", given=True)
    return out / "store"


def test_export_and_back_gives_the_same_scans_and_volumes(results, tmp_path, capsys):
    assert main(["export-csv", str(results), str(tmp_path / "out")]) == 0
    assert "3 scans, 3 with a latent" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out/scans.csv")
    assert list(table)[:6] == ["subject", "path", "diagnosis", "session", "latent_path", "age"]
    assert list(table["mode"]) == ["train", "train", "val"]
    before = open_store(results / "store/volumes")
    after = open_store(read_back(tmp_path / "out/scans.csv", tmp_path / "back"))
    assert np.array_equal(before.data, after.data)
    np.testing.assert_allclose(after.meta["affine"], before.meta["affine"])
    columns = list(before.index)
    pd.testing.assert_frame_equal(after.index[columns], before.index)


def test_exported_files_are_what_the_authors_scripts_load(results, tmp_path):
    main(["export-csv", str(results), str(tmp_path / "out")])
    codes, volumes = open_store(results / "store/latents"), open_store(results / "store/volumes")
    for row, scan in pd.read_csv(tmp_path / "out/scans.csv").iterrows():
        assert f"/{SCANS[row][1]}/" in scan["path"]  # their months: regular expression ses-M(\d+) on the path
        with np.load(scan["latent_path"], allow_pickle=False) as archive:
            assert archive.files == ["data"]
            assert np.array_equal(archive["data"], codes.data[2 - row, 0])  # the mean, found by name not by place
        image = nib.load(scan["path"])
        np.testing.assert_allclose(image.get_fdata(), volumes.data[row] / 255, atol=1e-6)
        assert image.get_data_dtype() == np.uint8


def test_two_sessions_of_equal_months_have_files_of_their_own(results, tmp_path):
    store = open_store(results / "store/volumes")
    index = store.index.assign(months=[6, 6, 6])
    volumes = np.array(store.data)
    write_store(tmp_path / "r/store/volumes", volumes, index, dtype="uint8", affine=grid_affine(GRID).tolist())
    (tmp_path / "r/manifest").mkdir()
    (tmp_path / "r/manifest/splits.tsv").write_bytes((results / "manifest/splits.tsv").read_bytes())
    assert main(["export-csv", str(tmp_path / "r"), str(tmp_path / "out")]) == 0
    paths = pd.read_csv(tmp_path / "out/scans.csv")["path"].map(Path)
    names = ["sub-ADNI002S0001_ses-M006_ses-M000", "sub-ADNI002S0001_ses-M006_ses-M012", "sub-ADNI002S0002_ses-M006"]
    assert [path.name for path in paths] == [f"{name}_space-MNI_T1w.nii.gz" for name in names]
    assert {path.parent.name for path in paths} == {"ses-M006"}
    for path, volume in zip(paths, volumes, strict=True):
        np.testing.assert_allclose(nib.load(path).get_fdata(), volume / 255, atol=1e-6)


def test_a_sample_is_one_draw_of_the_posterior_and_stays_the_same(results, tmp_path):
    draws = []
    for folder in ("one", "two"):
        main(["export-csv", str(results), str(tmp_path / folder), "--latents", "sample"])
        table = pd.read_csv(tmp_path / folder / "scans.csv")
        draws.append([np.load(path)["data"] for path in table["latent_path"]])
    moments = open_store(results / "store/latents").data[::-1]
    noise = (np.array(draws[0]) - moments[:, 0]) / moments[:, 1]
    assert np.array_equal(draws[0], draws[1])
    assert abs(noise.mean()) < 0.5 and 0.7 < noise.std() < 1.3
    assert not np.allclose(noise[0], noise[1])


def test_an_export_replaces_nothing_and_goes_on_after_a_kill(results, tmp_path, capsys):
    out = tmp_path / "out"
    volume = out / "sub-ADNI002S0002/ses-M006/sub-ADNI002S0002_ses-M006_space-MNI_T1w.nii.gz"
    assert main(["export-csv", str(results), str(out)]) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "scans.csv").unlink()
    volume.unlink()
    assert main(["export-csv", str(results), str(out)]) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert main(["export-csv", str(results), str(out), "--latents", "sample"]) == 1
    assert "_compressed_latent.npz is there and holds something else" in capsys.readouterr().err
    volume.write_bytes(b"of another cohort with the same table")
    assert main(["export-csv", str(results), str(out)]) == 1
    assert f"{volume.name} is there and holds something else, so it stays" in capsys.readouterr().err
    assert {path for path in before if path.read_bytes() != before[path]} == {volume}


def test_a_table_of_the_users_is_refused_before_anything_is_written(results, tmp_path, capsys):
    mine = authors_table(tmp_path / "mine", [("sub-1", "a.nii.gz", "AD", "ses-M006", 70)])
    before = mine.read_bytes(), sorted(mine.parent.iterdir())
    assert main(["export-csv", str(results), str(mine.parent)]) == 1
    assert f"{mine} is another table" in capsys.readouterr().err
    assert (mine.read_bytes(), sorted(mine.parent.iterdir())) == before


def authors_table(folder: Path, rows: list[tuple], columns=("subject", "path", "diagnosis", "session", "age")) -> Path:
    folder.mkdir(exist_ok=True)
    for _, path, *_ in rows:
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(path.encode())
    pd.DataFrame(rows, columns=list(columns)).to_csv(folder / "scans.csv", index=False)
    return folder / "scans.csv"


def test_months_come_from_the_session_or_the_path(tmp_path):
    rows = [
        ("sub-1", "a/ses-M024/a.nii.gz", "AD", "ses-M006", 70),
        ("sub-2", "b/ses-M024/b.nii.gz", "CN", None, 70),
        ("002_S_0295", "c.nii.gz", "MCI", "12", 70),
        ("sub-4", "d.nii.gz", "AD", None, 70),
        ("sub-1", "e.nii.gz", "AD", "6", 70),
    ]
    scans = csv_scans(AuthorsCsv(path=authors_table(tmp_path / "t", rows)))
    assert list(scans["participant_id"]) == ["sub-1", "sub-2", "sub-ADNI002S0295", "sub-4", "sub-1"]
    assert scans["months"].to_list()[:3] == [6, 24, 12] and pd.isna(scans["months"][3])
    reasons = scans["reason"].fillna("").str.split(":").str[0]
    assert list(reasons) == ["", "", "", "visit unknown", "another row has this subject and visit"]


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("sub-1", "a.nii", "AD")], ("subject", "file", "diagnosis"), "no column path"),
        ([("sub-1", "a.nii", "AD"), ("sub-2", None, "AD")], ("subject", "path", "diagnosis"), "line 3: path is empty"),
        ([], ("subject", "path", "diagnosis"), "no rows"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, rows, columns, message):
    with pytest.raises(UserError, match=message):
        csv_scans(AuthorsCsv(path=authors_table(tmp_path / "t", rows, columns)))


def head(folder: Path, number: int, shape: tuple, spacing: float) -> Path:
    """A ball of radius 45 mm, 20 mm to the right, values 0 ... 1000, axes L-A-S as FSL's template has them."""
    affine = grid_affine(Conform(shape=shape, spacing_mm=spacing))
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing + affine[:3, 3]
    ball = np.clip(45 - np.linalg.norm(points - GRID.centre_mm - [20, 0, 0], axis=-1), 0, 10) * 100 + number
    image = nib.Nifti1Image(ball.astype(np.float32), affine).as_reoriented(np.array([[0, -1], [1, 1], [2, 1]]))
    path = folder / f"ses-M{number:03d}.nii.gz"
    folder.mkdir(exist_ok=True)
    nib.save(image, path)
    return path


def heads_table(folder: Path, shape: tuple, spacing: float) -> Path:
    paths = [head(folder, number, shape, spacing) for number in range(3)]
    rows = [(f"sub-{number}", path.name, "AD", None, 70) for number, path in enumerate(paths)]
    columns = ["subject", "path", "diagnosis", "session", "age"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "scans.csv", index=False)
    return folder / "scans.csv"


def test_another_grid_is_refused_in_one_sentence_or_resampled(tmp_path):
    table = heads_table(tmp_path / "authors", (36, 44, 36), 5.0)
    sentence = r"3 of 3 given volumes.*36 x 44 x 36 voxels of 5 x 5 x 5 mm.*16 x 20 x 16 of 10 mm.*csv\.resample: true"
    with pytest.raises(UserError, match=sentence):
        read_back(table, tmp_path / "refused")
    resampled = open_store(read_back(table, tmp_path / "resampled", resample=True)).volumes([0])[0]
    same = heads_table(tmp_path / "native", GRID.shape, 10.0)
    native = open_store(read_back(same, tmp_path / "same")).volumes([0])[0]
    assert native.max() == 1 and native.min() == 0
    assert np.abs(resampled - native).max() < 0.12 and np.corrcoef(resampled.ravel(), native.ravel())[0, 1] > 0.995
    assert not np.allclose(native, native[::-1])  # so a left-right flip would have shown


def test_one_bad_volume_is_quarantined(tmp_path):
    table = heads_table(tmp_path / "authors", GRID.shape, 10.0)
    (tmp_path / "authors/ses-M001.nii.gz").write_bytes(b"not a NIfTI file")
    read_back(table, tmp_path / "out")
    qc = read_tsv(tmp_path / "out/volumes.tsv")
    assert list(qc["state"]) == ["done", "quarantined", "done"] and "unreadable" in qc["reason"][1]
    assert len(open_store(tmp_path / "out/store").index) == 2
