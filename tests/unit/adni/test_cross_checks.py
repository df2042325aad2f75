"""One column sorted alone, where another column of the row, another table or the scans contradict it."""

import pandas as pd
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.preflight import preflight
from ldae.adni.preflight.cross_checks import contradicting_series, sexes
from ldae.adni.study_tables import read_table
from ldae.config import Phantom
from ldae.phantom.visit_schedule import plan_cohort


@pytest.fixture(scope="session")
def with_adni4():
    """An early subject, one who goes on in ADNI4, two enrolled there: with PTDEMOG and the other tables of ADNI4."""
    plans = plan_cohort(Phantom(subjects={"CN": 4, "MCI": 4, "AD": 4}, visits=2, extra_visit_fraction=0, adni4=2), 3)
    rollovers = [plan for plan in plans if len({visit.phase for visit in plan.visits}) == 2]
    return [next(plan for plan in plans if plan.phase == "ADNI1"), rollovers[0], *plans[-2:]]


@pytest.fixture
def new(make_download, with_adni4, tmp_path):
    return make_download(tmp_path / "raw", with_adni4)


def change(download, table, column, function):
    cells = read_table(download.table(table))
    cells[column] = function(cells[column])
    cells.to_csv(download.table(table), index=False)


def rolled(cells):
    return list(cells[1:]) + list(cells[:1])


def blocking(download, **options):
    findings = preflight(download.images, download.tables, **options)
    return [str(finding) for finding in findings if finding.severity == "blocking"]


def test_a_whole_download_contradicts_nothing(new):
    text = said(new)
    assert blocking(new) == [] and "contradicts" not in text and "without a diagnosis" not in text


@pytest.mark.parametrize("table", ["DXSUM_PDXCONV", "PTDEMOG", "MMSE", "REGISTRY"])
def test_rid_and_ptid_of_one_row_that_contradict_each_other_block(new, table):
    change(new, table, "RID", rolled)
    (line,) = [line for line in blocking(new) if line.startswith(f"RID of {table} contradicts PTID at ")]
    assert "sorted or pasted alone" in line
    assert not [line for line in blocking(new, max_contradicted_fraction=1.0) if "contradicts" in line]


def test_sex_exchanged_for_all_contradicts_ptdemog_and_the_scans(new):
    change(new, "ADNIMERGE", "PTGENDER", lambda cells: cells.map({"Male": "Female", "Female": "Male"}))
    lines = blocking(new)
    assert any(line.startswith("PTGENDER of ADNIMERGE contradicts PTDEMOG at 2 of 2 subjects") for line in lines)
    assert any(
        line.startswith("PTGENDER contradicts PatientSex of the scans that were read at 2 of 4 subjects")
        for line in lines
    )


def test_one_subject_whose_sex_differs_is_a_note(download, image):
    now = {"M": "Female", "F": "Male"}[download.sexes[image.ptid]]
    download.edit("ADNIMERGE", {"PTID": image.ptid}, "PTGENDER", now)
    assert sentence(download) == ALL and blocking(download) == []
    assert (
        f"note: PTGENDER contradicts PatientSex of the scans that were read at 1 of 3 subjects: {image.ptid}"
        in said(download)
    )


def test_ages_that_are_not_those_by_the_birth_in_ptdemog_block(new):
    cells = read_table(new.table("ADNIMERGE"))
    ages = cells.groupby("PTID")["AGE"].first().astype(float)
    for shifts, told in (([4, -4], "2 of 2 subjects"), ([4, 0], "1 of 2 subjects")):
        fresh = dict(zip(ages.index, [f"{age:.1f}" for age in ages + shifts], strict=True))
        change(new, "ADNIMERGE", "AGE", lambda _, fresh=fresh: list(cells["PTID"].map(fresh)))
        line = f"AGE of ADNIMERGE contradicts the birth in PTDEMOG at {told}: {ages.index[0]}"
        assert any(found.startswith(line) for found in blocking(new)) == (shifts[1] != 0) and line in said(new)


def test_a_subject_with_two_sexes_has_none():
    names, cells = pd.Series(["1", "1", "2", "2", "3"]), pd.Series(["1", "2", "2.0", "female", "x"])
    assert sexes(names, cells) == {"2": "F"}


def test_series_that_are_not_those_of_the_file_names_block(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    assert "contradicts" not in said(download)
    change(download, "MPRAGEMETA", "SeriesID", rolled)
    assert any(line.startswith("SeriesID contradicts the names of the files at 1") for line in blocking(download))


def test_series_of_the_quality_control_that_are_another_subjects():
    listing = pd.DataFrame(
        [("002_S_0001", "1", "11"), ("002_S_0002", "2", "12")], columns=["SubjectID", "ImageUID", "SeriesID"]
    )
    files = dict.fromkeys(["002_S_0001", "002_S_0002"])
    from ldae.adni.disk import SubjectFiles

    files = {name: SubjectFiles() for name in files}
    marks = pd.DataFrame([("1", "S11"), ("2", "S12")], columns=["RID", "LONIUID"])
    assert contradicting_series(listing, marks, files, 0.1) == []
    (finding,) = contradicting_series(listing, marks.assign(LONIUID=["S12", "S11"]), files, 0.1)
    assert finding.severity == "blocking" and finding.what.startswith("LONIUID contradicts RID at 2 of 2 rows")


def test_diagnoses_of_adni4_that_are_not_there_are_told(new):
    table = read_table(new.table("DXSUM_PDXCONV"))
    phase = "PHASE" if "PHASE" in table else "Phase"
    table[table[phase] != "ADNI4"].to_csv(new.table("DXSUM_PDXCONV"), index=False)
    (line,) = [line for line in said(new).splitlines() if "without a diagnosis" in line]
    assert line.startswith("note: 5 of 5 scanned visits in ADNI4 without a diagnosis")
