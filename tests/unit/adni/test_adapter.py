"""Today's LONI tables against the tables of the same cohort under their old names."""

import pandas as pd
import pytest

from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.image_listing import field_strengths, image_list, iso_dates, named_visits, plain_numbers, visit_name
from ldae.adni.preflight import preflight
from ldae.adni.study_tables import BY_NAME, TABLES, find_tables, read_table
from ldae.adni.table_adapter import write_adapted_tables
from ldae.core.errors import UserError
from ldae.core.files import read_json
from ldae.phantom.loni_tables import write_todays_tables

SEED = 3


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def today(download, tmp_path):
    """The tables of the same cohort as LONI names them today."""
    folder = tmp_path / "today"
    write_todays_tables(folder, download.plans, download.listed, SEED)
    return folder


def test_old_names_are_copied_byte_for_byte_and_nothing_of_the_user_changes(download, tmp_path):
    (download.tables / "NEUROBAT.csv").write_text("RID,VISCODE2\n1,nv\n")
    before = contents(download.tables)
    out = tmp_path / "out"
    write_adapted_tables(download.images, download.tables, out)
    assert contents(download.tables) == before
    assert {path.name for path in out.glob("*.csv")} == {f"{name}.csv" for name in BY_NAME}
    for name in BY_NAME:
        assert (out / f"{name}.csv").read_bytes() == download.table(name).read_bytes()
        assert find_tables(out, name) == [out / f"{name}.csv"]
    assert all(item["changes"] == [] for item in read_json(out / "adapted.json").values())


def test_todays_tables_give_clinica_the_same_cells(download, today, tmp_path):
    before = contents(today)
    write_adapted_tables(download.images, today, tmp_path / "out")
    write_adapted_tables(download.images, download.tables, tmp_path / "old")
    assert contents(today) == before
    assert (tmp_path / "out" / "MPRAGEMETA.csv").read_bytes() == (tmp_path / "old" / "MPRAGEMETA.csv").read_bytes()
    for table in TABLES:
        ours, theirs = (read_table(tmp_path / folder / f"{table.name}.csv") for folder in ("out", "old"))
        columns = [column for column in (*table.required, *table.used) if column in theirs]
        if not columns:
            ours, columns = ours.assign(GENOTYPE=ours["APGEN1"] + "/" + ours["APGEN2"]), ["GENOTYPE"]
        assert ours[columns].to_csv() == theirs[columns].to_csv(), table.name
    assert "made from Phantom_All_Images" in read_json(tmp_path / "out" / "adapted.json")["MPRAGEMETA"]["changes"][0]


def test_preflight_says_what_was_translated_and_finds_nothing_else(download, today):
    findings = preflight(download.images, today)
    assert {finding.severity for finding in findings} == {"note"}
    assert sorted(finding.what.split(":")[0] for finding in findings) == [
        "table DXSUM_PDXCONV", "table MPRAGEMETA", "table MRIQUALITY",
    ]  # fmt: skip


def test_second_run_writes_the_same_and_removes_what_is_no_longer_there(download, today, tmp_path):
    out = tmp_path / "out"
    write_adapted_tables(download.images, today, out)
    first = contents(out)
    write_adapted_tables(download.images, today, out)
    assert contents(out) == first
    next(today.glob("CDR*")).unlink()
    write_adapted_tables(download.images, today, out)
    assert set(first) - set(contents(out)) == {(out / "CDR.csv").relative_to(out)}


def test_a_column_that_cannot_be_derived_is_blocking_and_nothing_is_written(download, today, tmp_path):
    path = next(today.glob("*All_Images*"))
    read_table(path).drop(columns="mri_field_str").to_csv(path, index=False)
    (finding,) = [finding for finding in preflight(download.images, today) if finding.severity == "blocking"]
    assert finding.what == "columns missing: MagStrength" and finding.fix.startswith("put MRIQC beside it")
    with pytest.raises(UserError, match="mend MPRAGEMETA"):
        write_adapted_tables(download.images, today, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mriqc_and_file_names_fill_the_gaps_of_all_images(download, today):
    expected = adapt_tables(download.images, today)["MPRAGEMETA"].content
    path = next(today.glob("*All_Images*"))
    listing = read_table(path)
    listing.drop(columns=["mri_field_str", "series_id"]).to_csv(path, index=False)
    quality = listing[["image_id", "mri_field_str"]].rename(columns={"mri_field_str": "MagneticFieldStrength"})
    quality.to_csv(today / "MRIQC_01Jun2026.csv", index=False)
    pd.testing.assert_frame_equal(adapt_tables(download.images, today)["MPRAGEMETA"].content, expected)


def test_mriqc_alone_lists_the_originals(download, today):
    expected = adapt_tables(download.images, today)["MPRAGEMETA"].content
    listing = read_table(next(today.glob("*All_Images*")))
    next(today.glob("*All_Images*")).unlink()
    names = {"subject_id": "ParticipantID", "study_id": "LONIStudy", "series_id": "LONISeries"}
    names |= {"image_date": "StudyDate", "image_description": "SeriesDescription"}
    names |= {"mri_field_str": "MagneticFieldStrength"}
    quality = listing.rename(columns=names).drop(columns="image_type")
    quality["StudyDate"] = quality["StudyDate"].str.replace("-", "") + ".0"
    quality["SeriesType"] = quality["SeriesDescription"].map(lambda text: "DTI" if "DTI" in text else "T1w")
    quality.to_csv(today / "MRIQC_01Jun2026.csv", index=False)
    pd.testing.assert_frame_equal(adapt_tables(download.images, today)["MPRAGEMETA"].content, expected)


def test_what_ends_clinica_is_mended(download):
    diagnoses = read_table(download.table("DXSUM_PDXCONV"))
    diagnoses.drop_duplicates(["PTID", "VISCODE2"]).to_csv(download.table("DXSUM_PDXCONV"), index=False)
    ratings = read_table(download.table("CDR"))
    pd.concat([ratings, ratings.iloc[[0]].assign(VISCODE2="nv")]).to_csv(download.table("CDR"), index=False)
    adapted = adapt_tables(download.images, download.tables)
    assert adapted["DXSUM_PDXCONV"].changes == ("one row repeated",)
    assert adapted["DXSUM_PDXCONV"].content.duplicated().sum() == 1
    assert adapted["CDR"].changes == ("1 row left out whose VISCODE2 is not a session",)
    pd.testing.assert_frame_equal(adapted["CDR"].content, ratings)


def test_capitals_and_words_for_diagnoses(download, today):
    path = next(today.glob("DXSUM*"))
    diagnoses = read_table(path)
    words = diagnoses.assign(DIAGNOSIS=diagnoses["DIAGNOSIS"].map({"1": "CN", "2": "MCI", "3": "Dementia"}))
    words.rename(columns={"DIAGNOSIS": "Diagnosis"}).to_csv(path, index=False)
    adapted = adapt_tables(download.images, today)["DXSUM_PDXCONV"]
    pd.testing.assert_frame_equal(adapted.content, diagnoses)
    assert "columns renamed: Diagnosis to DIAGNOSIS" in adapted.changes


def test_processed_images(tmp_path):
    listing = pd.DataFrame(
        {
            "image_id": ["I7", "8.0", "9", "10"],
            "image_type": ["Pre-processed", "Original", "Post-processed", "Original"],
            "image_description": ["MPR; GradWarp; B1 Correction; N3; Scaled", "MP RAGE", "MT1; N3m", "Axial T2"],
        }
    )
    table = image_list(listing, None, tmp_path, None)
    assert table["ImageUID"].tolist() == ["7", "8", "9"]
    assert table["Orig/Proc"].tolist() == ["Processed", "Original", "Post-processed"]
    without = image_list(listing.drop(columns="image_type"), None, tmp_path, None)
    assert without["Orig/Proc"].tolist() == ["Processed", "Original", "Processed"]


def test_spellings_of_values():
    dates = pd.Series(["2006-04-18", "2006-04-18 00:00:00.0", "4/18/2006", "20060418.0", "", "18-Apr-06"])
    assert iso_dates(dates).tolist() == ["2006-04-18"] * 4 + ["", "2006-04-18"]
    assert plain_numbers(pd.Series(["I12", "S12", "12.0", "12"])).tolist() == ["12"] * 4
    assert field_strengths(pd.Series(["3", "1.5", "3.0 Tesla", ""])).tolist() == ["3.0", "1.5", "3.0", ""]


@pytest.mark.parametrize(
    ("study", "code", "name"),
    [
        ("ADNI1", "sc", "ADNI Screening"),
        ("ADNI1", "m06", "ADNI1/GO Month 6"),
        ("ADNI1", "m60", "ADNIGO Month 60"),
        ("ADNIGO", "scmri", "ADNIGO Screening MRI"),
        ("ADNI2", "m03", "ADNI2 Month 3 MRI-New Pt"),
        ("ADNI2", "m24", "ADNI2 Year 2 Visit"),
        ("ADNI3", "bl", "ADNI Screening"),
        ("ADNI3", "nv", None),
        ("", "m12", None),
    ],
)
def test_visit_names(study, code, name):
    assert visit_name(study, code) == name


def test_visit_names_agree_with_clinica():
    """Except for years, which Clinica writes as ``Year 1.0`` and therefore never finds by name."""
    from clinica.converters.adni_to_bids._utils import ADNIStudy
    from clinica.converters.adni_to_bids.modality_converters._visits_utils import _get_preferred_visit_name

    for study in ADNIStudy:
        for code in ("bl", "m03", "m06", "m12", "m18", "m36", "m48", "m54", "m60", "m108"):
            expected = _get_preferred_visit_name(study, code).replace(".0 ", " ")
            if not (study == ADNIStudy.ADNI3 and code in ("m03", "m06")):
                assert visit_name(study.value, code) == expected


def test_baseline_beside_screening_is_left_to_clinica():
    merge = pd.DataFrame({"PTID": ["a", "b"], "ORIGPROT": ["ADNI1", "ADNI1"]})
    subjects, codes = pd.Series(["a", "a", "b", "c"]), pd.Series(["sc", "bl", "bl", "v06"])
    names = named_visits(subjects, codes, merge).tolist()
    assert names == ["ADNI Screening", "ADNI Baseline", "ADNI Screening", "v06"]
