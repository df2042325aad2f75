"""``source: clinica``: the real converters of Clinica on small raw trees of OASIS-3 and AIBL."""

import datetime as dt
import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ldae import cli
from ldae.adni.other_studies import TABLES, aibl_images, convert_study, oasis_images, problems, raw_images
from ldae.cohort.bids import bids_scans
from ldae.cohort.manifest import write_manifest
from ldae.config import Bids, Clinica, Manifest, load_config
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.phantom.dicom import write_series
from ldae.phantom.loni_images import Image

ROOT = Path(__file__).parents[3]
SHAPE = (12, 14, 10)
# subject -> (age at entry, sex code, scans in days, clinical visits: day -> (MMSE, CDR))
OASIS = {
    "OAS30001": (65.2, 1, (10, 740), {0: (29, 0.0), 700: (28, 0.5)}),
    "OAS30002": (71.0, 2, (5, 1100), {0: (21, 1.0), 1090: (15, 2.0)}),
    "OAS30003": (80.5, 2, (2000,), {0: (30, 0.0)}),  # no clinical visit within a year of the scan
}


def volume(key: int) -> np.ndarray:
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij"))
    return np.where((grid**2).sum(0) < 0.8, 500, 20) + np.random.default_rng(key).normal(0, 20, SHAPE)


def write_csv(folder: Path, name: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / name, index=False)


@pytest.fixture
def oasis(tmp_path) -> Clinica:
    """A download of the study's script, with a folder of other modalities in between, and its tables."""
    images, tables = tmp_path / "raw" / "images", tmp_path / "raw" / "tables"
    clinical, physical, people, scanners = [], [], [], []
    boxes = dict.fromkeys(("commun", "homehobb", "judgment", "memory", "orient", "perscare", "CDRSUM"), 0)
    for name, (age, sex, scans, visits) in OASIS.items():
        people.append({"OASISID": name, "AgeatEntry": age, "GENDER": sex, "EDUC": 16, "APOE": 33, "HAND": "R"})
        for day, (mmse, cdr) in visits.items():
            key = {"OASISID": name, "days_to_visit": day, "age at visit": round(age + day / 365.25, 2)}
            physical.append(key | {"HEIGHT": 65})
            clinical.append(key | {"MMSE": mmse, "CDRTOT": cdr, "dx1": "x"} | boxes)
        for day in scans:
            label = f"{name}_MR_d{day:04d}"
            stem = f"sub-{name}_ses-d{day:04d}"
            for kind in ("T1w", "bold"):
                path = images / label / ("anat2" if kind == "T1w" else "func1") / f"{stem}_{kind}.nii.gz"
                path.parent.mkdir(parents=True)
                data = volume(int(name[-1]) * 10_000 + day).astype(np.int16)
                nibabel.save(nibabel.Nifti1Image(data, np.diag([16.0, 16, 16, 1])), path)
            (images / label / "anat2" / f"{stem}_T1w.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
            scanners.append({"label": label, "Manufacturer": "S", "ManufacturersModelName": "T"})
    scanners = [row | {"MagneticFieldStrength": 3.0} for row in scanners]
    write_csv(tables, "OASIS3_UDSb4_cdr.csv", clinical)
    write_csv(tables, "OASIS3_UDSb1_physical_eval.csv", physical)
    write_csv(tables / "more", "OASIS3_demographics.csv", people)
    write_csv(tables, "OASIS3_MR_json.csv", scanners)
    return Clinica(converter="oasis3-to-bids", images=images, tables=tables)


@pytest.fixture
def aibl(tmp_path) -> Clinica:
    """Two subjects with two and one visits as DICOM, and the study's tables."""
    images, tables = tmp_path / "raw" / "images", tmp_path / "raw" / "tables"
    visits = {(10, "bl"): "01/18/2007", (10, "m18"): "07/20/2008", (21, "bl"): "03/05/2007"}
    for number, ((rid, code), date) in enumerate(visits.items()):
        day = dt.datetime.strptime(date, "%m/%d/%Y").replace(hour=9)
        image = Image(
            ptid="941_S_0001", months=0, image_id=500 + number, series_id=600 + number, study_id=700 + number,
            visit_name=code, sequence="MPRAGE", field_strength=3.0, acquired=day, chosen=True,
        )  # fmt: skip
        folder = images / str(rid) / "MPRAGE_ADNI_confirmed" / f"{day:%Y-%m-%d_%H_%M_%S}.0" / f"I{500 + number}"
        write_series(volume(500 + number), (16.0, 16.0, 16.0), folder, image, "F", 70.0)
    keys = [{"RID": rid, "SITEID": 1, "VISCODE": code} for rid, code in visits]
    dates = dict(zip(((key["RID"], key["VISCODE"]) for key in keys), visits.values(), strict=True))

    def rows(**columns) -> list[dict]:
        return [key | {name: values[n] for name, values in columns.items()} for n, key in enumerate(keys)]

    exam = [dates[key["RID"], key["VISCODE"]] for key in keys]
    stamp = "01-Jun-2018.csv"
    born = {10: "/1935", 21: "/1940"}
    people = [key | {"PTDOB": born[key["RID"]], "PTGENDER": 1 + (key["RID"] == 21)} for key in keys]
    write_csv(tables, f"aibl_ptdemog_{stamp}", [row for row in people if row["VISCODE"] == "bl"])
    write_csv(tables, f"aibl_mri3meta_{stamp}", rows(EXAMDATE=exam))
    write_csv(tables, f"aibl_mrimeta_{stamp}", [{"RID": 99, "SITEID": 1, "VISCODE": "bl", "EXAMDATE": "-4"}])
    write_csv(tables, f"aibl_neurobat_{stamp}", rows(EXAMDATE=exam))
    write_csv(tables, f"aibl_cdr_{stamp}", rows(CDGLOBAL=[0.0, 0.5, 1.0], EXAMDATE=exam))
    write_csv(tables, f"aibl_mmse_{stamp}", rows(MMSCORE=[29, -4, 20], EXAMDATE=exam))
    write_csv(tables, f"aibl_pdxconv_{stamp}", rows(DXCURREN=[1, 2, 3]))
    write_csv(tables, f"aibl_apoeres_{stamp}", rows(APGEN1=[3, 3, 2], APGEN2=[4, 4, 3])[::2])
    blank = {f"C{number}": -4 for number in range(40)}
    for name in ("av45", "flute", "pib"):
        write_csv(tables, f"aibl_{name}meta_{stamp}", [{"RID": 99, "VISCODE": "bl", "EXAMDATE": "-4"} | blank])
    return Clinica(converter="aibl-to-bids", images=images, tables=tables)


def convert(settings: Clinica, results: Path) -> pd.DataFrame:
    """The rule's adapter, then the manifest of the chain."""
    manifest = results / "manifest"
    places = results / "bids", manifest / "clinica_visits.tsv", manifest / "clinica.json", results / "scratch"
    convert_study(settings, *places)
    found = bids_scans(Bids.model_validate(settings.dataset(results)))
    write_manifest(found, "bids", Manifest(require_diagnosis=False), 1, manifest / "scans.tsv", manifest / "out.tsv")
    return read_tsv(manifest / "scans.tsv")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_oasis3_arrives_with_the_scores_of_its_own_participants(oasis, tmp_path):
    """In Clinica's sessions.tsv two participants with a scan in the same half year share the scores of the first."""
    before = contents(tmp_path / "raw")
    scans = convert(oasis, tmp_path / "results")
    assert contents(tmp_path / "raw") == before
    rows = {(row.participant_id, row.months): row for row in scans.itertuples()}
    assert len(rows) == len(scans) == 5
    expected = {
        ("sub-OAS30001", 0): ("M", "CN", 29, 0.0, 10), ("sub-OAS30001", 24): ("M", "MCI", 28, 0.5, 740),
        ("sub-OAS30002", 0): ("F", "AD", 21, 1.0, 5), ("sub-OAS30002", 36): ("F", "AD", 15, 2.0, 1100),
    }  # fmt: skip
    for key, (sex, diagnosis, mmse, cdr, day) in expected.items():
        row = rows[key]
        assert (row.sex, row.diagnosis, row.mmse, row.cdr) == (sex, diagnosis, mmse, cdr)
        assert abs(row.age - OASIS[key[0][4:]][0] - day / 365.25) < 0.01
        voxels = nibabel.load(tmp_path / "results" / "bids" / row.t1w).get_fdata()
        assert np.array_equal(voxels, volume(int(key[0][-1]) * 10_000 + day).astype(np.int16))
    far = rows["sub-OAS30003", 66]
    assert pd.isna(far.diagnosis) and pd.isna(far.cdr) and abs(far.age - 80.5 - 2000 / 365.25) < 0.01
    report = read_json(tmp_path / "results" / "manifest" / "clinica.json")
    assert (report["images"], report["arrived"]) == (5, 5)
    assert not list((tmp_path / "results" / "bids").rglob("*bold*"))


@pytest.mark.slow
def test_aibl_arrives(aibl, tmp_path):
    before = contents(tmp_path / "raw")
    scans = convert(aibl, tmp_path / "results")
    assert contents(tmp_path / "raw") == before
    found = scans[["participant_id", "session_id", "sex", "diagnosis", "cdr"]].values.tolist()
    assert found == [
        ["sub-AIBL10", "ses-M000", "M", "CN", 0.0],
        ["sub-AIBL10", "ses-M018", "M", "MCI", 0.5],
        ["sub-AIBL21", "ses-M000", "F", "AD", 1.0],
    ]
    assert scans["mmse"].fillna(-1).tolist() == [29, -1, 20]
    assert scans["age"].round().tolist() == [72, 73, 67]
    for row, key in zip(scans.itertuples(), (500, 501, 502), strict=True):
        voxels = nibabel.load(tmp_path / "results" / "bids" / row.t1w).get_fdata()
        assert np.corrcoef(voxels.ravel(), volume(key).ravel())[0, 1] > 0.999


@pytest.mark.slow
def test_tables_however_they_were_saved_and_two_scans_of_one_half_year(oasis, tmp_path):
    for path in oasis.tables.rglob("*.csv"):
        pd.read_csv(path, dtype=str).to_csv(path, sep=";", encoding="utf-16", index=False)
    path = oasis.images / "OAS30001_MR_d0030" / "anat2" / "sub-OAS30001_ses-d0030_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(next(oasis.images.rglob("*d0010_T1w.nii.gz")).read_bytes())
    scans = convert(oasis, tmp_path / "results")
    assert len(scans) == 5 and scans["age"].notna().all()
    note = read_json(tmp_path / "results" / "manifest" / "clinica.json")["note"]
    assert note.startswith("5 of 6 T1w images arrived; of several in one session")


@pytest.mark.slow
def test_other_raw_files_are_refused_in_the_same_results(oasis, tmp_path):
    convert(oasis, tmp_path / "results")
    before = contents(tmp_path / "results" / "bids")
    for path in list(oasis.images.iterdir()):
        path.rename(path.with_name(path.name.replace("OAS3000", "OAS3777")))
    with pytest.raises(UserError, match=r"made of other raw files .*3 subjects, 0 of them here.* another results_dir"):
        convert(oasis, tmp_path / "results")
    assert contents(tmp_path / "results" / "bids") == before


@pytest.mark.parametrize("pattern", TABLES["oasis3-to-bids"])
def test_a_missing_table_of_oasis3_is_named(oasis, pattern):
    next(oasis.tables.rglob(pattern)).unlink()
    assert problems(oasis) == [f"the table {pattern} is missing in {oasis.tables}"]


@pytest.mark.parametrize("pattern", TABLES["aibl-to-bids"])
def test_a_missing_table_of_aibl_is_named(aibl, pattern):
    next(aibl.tables.rglob(pattern)).unlink()
    assert problems(aibl) == [f"the table {pattern} is missing in {aibl.tables}"]


def test_what_is_missing_comes_in_one_sentence(oasis, aibl, tmp_path, capsys):
    assert problems(oasis) == problems(aibl) == []
    (demographics,) = oasis.tables.rglob("*demographics.csv")
    demographics.write_text(demographics.read_text().replace("GENDER", "SEX"))
    for path in oasis.images.rglob("*_T1w.nii.gz"):
        path.unlink()
    command = ["preflight", str(oasis.images), str(oasis.tables), "--clinica", "oasis3-to-bids"]
    assert cli.main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "OASIS3_demographics.csv has no column GENDER; no T1w image OAS3" in line
    nowhere = Clinica(converter="aibl-to-bids", images=tmp_path / "a", tables=tmp_path / "b")
    assert [text.split(":")[0] for text in problems(nowhere)] == ["clinica.images", "clinica.tables"]


def test_preflight_counts_the_images(aibl, capsys):
    assert cli.main(["preflight", str(aibl.images), str(aibl.tables), "--clinica", "aibl-to-bids"]) == 0
    assert "3 T1w images of 2 subjects" in capsys.readouterr().out


@pytest.mark.parametrize("study", ["oasis", "aibl"])
def test_images_of_0_bytes_are_named_and_when_all_are_it_is_not_ready(request, capsys, study):
    settings = request.getfixturevalue(study)
    command = ["preflight", str(settings.images), str(settings.tables), "--clinica", settings.converter]
    images = raw_images(settings)
    for number, image in enumerate(images, 1):
        files = sorted(image.path.iterdir()) if image.path.is_dir() else [image.path]
        files[0].write_bytes(b"")
        ready = number < len(images)
        assert cli.main(command) == int(not ready)
        said = "".join(capsys.readouterr())
        assert ("have 0 bytes" in said) and (f"{len(images) - number} T1w images" in said) == ready
    assert problems(settings) == [f"all {len(images)} T1w images in {settings.images} have 0 bytes: copy them again"]


def test_images_are_found_whatever_lies_around_them(oasis, aibl):
    assert len(oasis_images(oasis.images.parent)) == len(raw_images(oasis)) == 5
    (oasis.images / "OAS30001_MR_d0010" / "anat2" / "._sub-OAS30001_ses-d0010_T1w.nii.gz").write_bytes(b"x")
    again = oasis.images / "OAS30001_MR_d0010" / "anat3" / "sub-OAS30001_ses-d0010_run-02_T1w.nii.gz"
    again.parent.mkdir()
    again.write_bytes(b"x")
    places = [image.place for image in oasis_images(oasis.images)]
    assert len(places) == len(set(places)) == 6
    (aibl.images / "10" / "FLAIR" / "2007-01-18_10_00_00.0" / "I1").mkdir(parents=True)
    (aibl.images / "notes").mkdir()
    assert len(aibl_images(aibl.images)) == 3


def configured(tmp_path, **content):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"results_dir": str(tmp_path / "results"), "source": "clinica"} | content))
    return load_config(ROOT / "config/config.yaml", file)


def test_the_configuration_reads_what_the_converter_writes(oasis, tmp_path):
    section = {"converter": "oasis3-to-bids", "images": str(oasis.images), "tables": str(oasis.tables)}
    config = configured(tmp_path, clinica=section)
    assert config.source == "bids" and config.bids.path == tmp_path / "results" / "bids"
    assert config.given_paths() == {"clinica.images": oasis.images, "clinica.tables": oasis.tables}
    for content, said in (
        ({}, "source clinica needs the section clinica"),
        ({"clinica": section, "bids": {"path": "x"}}, "set bids: null"),
        ({"clinica": section | {"converter": "nifd-to-bids"}}, "converter"),
        ({"clinica": section | {"images": str(tmp_path / "results" / "raw")}}, "lies where the workflow writes"),
    ):
        with pytest.raises((UserError, ValidationError), match=said):
            configured(tmp_path, **content)
