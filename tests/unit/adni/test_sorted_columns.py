"""Columns that a spreadsheet program sorted alone, and dates that it mistook: many contradictions block."""

import pandas as pd
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.preflight import preflight
from ldae.adni.study_tables import read_table


def blocking(download, **options):
    findings = preflight(download.images, download.tables, **options)
    return [str(finding) for finding in findings if finding.severity == "blocking"]


def change(download, table, column, function):
    """Apply a function to one column of a table."""
    cells = read_table(download.table(table))
    cells[column] = function(cells[column])
    cells.to_csv(download.table(table), index=False)


def sorted_alone(cells):
    return sorted(cells, reverse=True)


def all_alike(cells):
    return ["ADNI Screening"] * len(cells)


def upwards(cells):
    return sorted(cells)


def processed(cells):
    return ["Processed"] * len(cells)


def rolled(cells):
    return list(cells[1:]) + list(cells[:1])


def test_diagnoses_that_were_moved_by_a_row_block_and_can_be_accepted(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    change(download, "DXSUM_PDXCONV", "DIAGNOSIS", lambda cells: cells.map({"1": "2", "2": "3", "3": "1"}))
    (line,) = blocking(download)
    assert line.startswith("ADNIMERGE and DXSUM give 10 of 10 visits different diagnoses")
    assert "download both tables again" in line and "raise convert.max_contradicted_fraction" in line
    assert blocking(download, max_contradicted_fraction=1.0) == []


def test_a_single_other_diagnosis_is_a_note(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    subject = plans[0].subject.ptid
    merge = read_table(download.table("ADNIMERGE"))
    here = (merge["PTID"] == subject) & (merge["VISCODE"] == "bl")
    other = {"CN": "MCI", "MCI": "Dementia", "Dementia": "CN"}[merge.loc[here, "DX"].item()]
    download.edit("ADNIMERGE", {"PTID": subject, "VISCODE": "bl"}, "DX", other)
    assert blocking(download) == []
    assert "note: ADNIMERGE and DXSUM give 1 of 10 visits different diagnoses" in said(download)


@pytest.mark.parametrize(
    ("table", "column", "function", "words"),
    [
        ("ADNIMERGE", "EXAMDATE", sorted_alone, "dates contradict the visit's code at"),
        ("ADNIMERGE", "EXAMDATE_bl", rolled, "EXAMDATE_bl differs between the visits of"),
        ("ADNIMERGE", "AGE", rolled, "AGE differs between the visits of 5 of 5 subjects"),
        ("ADNIMERGE", "RID", rolled, "RID is not the end of PTID of 5 of 5 subjects"),
        ("MPRAGEMETA", "ScanDate", sorted_alone, "the list dates"),
        ("MPRAGEMETA", "Visit", sorted_alone, "Visit contradicts the date or the phase at"),
        ("MPRAGEMETA", "Visit", rolled, "Visit contradicts the date or the phase at"),
        ("ADNIMERGE", "COLPROT", upwards, "ORIGPROT and COLPROT contradict each other or the dates at"),
        ("ADNIMERGE", "ORIGPROT", upwards, "ORIGPROT and COLPROT contradict each other or the dates at"),
        ("ADNIMERGE", "MMSE", upwards, "MMSE contradicts the diagnosis, or MMSE_bl,"),
        ("MPRAGEMETA", "MagStrength", sorted_alone, "MagStrength contradicts the headers that were read"),
        ("MPRAGEMETA", "Sequence", sorted_alone, "Sequence contradicts the folders at"),
        ("MPRAGEMETA", "Orig/Proc", processed, "Orig/Proc is 'Processed' in every row and contradicts the description"),
        ("MPRAGEMETA", "Visit", all_alike, "5 of 5 visits in the list have scans that are half a year apart"),
    ],
)
def test_a_column_that_was_moved_alone_blocks(make_download, plans, tmp_path, table, column, function, words):
    download = make_download(tmp_path / "raw", plans)
    change(download, table, column, function)
    assert any(words in line and "sorted or pasted alone" in line for line in blocking(download)), said(download)


def test_the_facts_of_one_subject_in_twenty_are_a_note():
    from ldae.adni.preflight.quality_checks import changing_facts

    rows = [
        {"PTID": f"002_S_{n:04d}", "RID": str(n), "PTGENDER": "Male", "AGE": "70", "EXAMDATE_bl": "2010-01-01"}
        for n in range(1, 21)
        for _ in range(2)
    ]
    rows[1]["AGE"] = "82"
    merge = pd.DataFrame(rows, dtype=object)
    (finding,) = changing_facts(merge, list(merge["PTID"]), 0.1)
    assert (finding.severity, finding.what) == (
        "note", "AGE differs between the visits of 1 of 20 subjects: 002_S_0001 (70, 82)",
    )  # fmt: skip
    assert changing_facts(merge.drop(index=1), list(merge["PTID"]), 0.1) == []


def test_codes_of_a_missing_score_contradict_nothing():
    from ldae.adni.preflight.visit_checks import contradicting_scores

    rows = [("002_S_0001", "bl", "CN", "-4", "29"), ("002_S_0002", "bl", "Dementia", "99", "20")]
    merge = pd.DataFrame(rows, columns=["PTID", "VISCODE", "DX", "MMSE", "MMSE_bl"], dtype=object)
    assert contradicting_scores(merge, list(merge["PTID"]), 0.1) == []
    (finding,) = contradicting_scores(merge.assign(MMSE=["12", "20"]), list(merge["PTID"]), 0.1)
    assert finding.what.startswith(
        "MMSE contradicts the diagnosis, or MMSE_bl, at 1 of 2 visits: 002_S_0001 bl (12, CN)"
    )


def exchanged(cells):
    """ISO dates as a British spreadsheet program leaves American ones: day and month in each other's place."""
    parts = cells.str.split("-", expand=True)
    return pd.Series(
        [f"{y}-{d}-{m}" if int(d) <= 12 else f"{y}-{m}-{d}" for y, m, d in parts.itertuples(index=False)],
        index=cells.index,
    )


def test_exchanged_days_and_months_are_told_by_the_scans(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    merge = read_table(download.table("ADNIMERGE"))
    for place, (year, month, day) in enumerate(merge["EXAMDATE"].str.split("-")):
        merge.loc[place, "EXAMDATE"] = f"{year}-{month}-{int(day) % 12 + 1:02d}"
    merge.to_csv(download.table("ADNIMERGE"), index=False)
    assert blocking(download) == []
    change(download, "ADNIMERGE", "EXAMDATE", exchanged)
    (line,) = [line for line in blocking(download) if "EXAMDATE has day and month exchanged" in line]
    assert "a spreadsheet program took the month for the day" in line


def test_a_list_that_dates_scans_otherwise_than_their_folders(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    image = download.chosen(plans[0].subject.ptid)[0]
    day = str((pd.Timestamp(image.acquired) + pd.Timedelta(days=3)).date())
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "ScanDate", day)
    text = said(download)
    assert f"note: the list dates 1 of 10 arriving scans otherwise than their folders: I{image.image_id}" in text
    change(download, "MPRAGEMETA", "ScanDate", exchanged)
    assert any("day and month are exchanged" in line for line in blocking(download))


def test_dates_before_the_study_are_those_of_another_calendar(download):
    """Excel's calendar from 1904 makes every date four years and a day older."""
    older = pd.Timedelta(days=1462)
    for table, column in (("ADNIMERGE", "EXAMDATE"), ("ADNIMERGE", "EXAMDATE_bl"), ("MPRAGEMETA", "ScanDate")):
        change(download, table, column, lambda cells: (pd.to_datetime(cells) - older).dt.strftime("%Y-%m-%d"))
    assert any("the list dates" in line for line in blocking(download))
    assert sentence(download) == ALL


@pytest.mark.parametrize("function", [sorted_alone, rolled, all_alike])
def test_no_visit_leaves_both_numbers_when_visits_are_called_otherwise(make_download, plans, tmp_path, function):
    download = make_download(tmp_path / "raw", plans)
    change(download, "MPRAGEMETA", "Visit", function)
    arrivals = preflight(download.images, download.tables).arrivals
    assert arrivals.possible == 10 and len(arrivals.arriving) < 10


def test_names_of_visits_as_the_study_gave_them_contradict_nothing():
    from ldae.adni.preflight.date_checks import misnamed_visits

    merge = pd.DataFrame(
        {
            "PTID": ["002_S_0001", "002_S_4001"],
            "ORIGPROT": ["ADNI1", "ADNI2"],
            "EXAMDATE_bl": ["2006-01-10", "2012-01-10"],
        }
    )
    rows = [
        ("002_S_0001", "ADNI Screening", "2005-11-20"),
        ("002_S_0001", "ADNI1/GO Month 36", "2009-02-01"),
        ("002_S_0001", "ADNIGO Month 60", "2011-01-15"),
        ("002_S_0001", "ADNI2 Initial Visit-Cont Pt", "2012-01-15"),
        ("002_S_0001", "ADNI2 Year 1 Visit", "2013-01-20"),
        ("002_S_4001", "ADNI2 Screening MRI-New Pt", "2011-12-01"),
        ("002_S_4001", "ADNI2 Month 6-New Pt", "2012-07-20"),
        ("002_S_4001", "ADNI2 Year 2 Visit", "2014-02-20"),
        ("002_S_4001", "ADNI3 Initial Visit-Cont Pt", "2017-02-20"),
        ("002_S_4001", "scanned 2015-01-01", "2015-01-01"),
    ]
    listing = pd.DataFrame(rows, columns=["SubjectID", "Visit", "ScanDate"])
    people = list(merge["PTID"])
    assert misnamed_visits(merge, listing, people, 0.1) == []
    listing.loc[7, "Visit"] = "ADNI1/GO Month 24"
    (finding,) = misnamed_visits(merge, listing, people, 0.1)
    assert finding.severity == "note" and "at 1 of 10 listed visits: 002_S_4001 scanned 2014-02-20" in finding.what


def test_a_column_of_phases_that_was_sorted_does_not_blame_the_list(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    change(download, "ADNIMERGE", "ORIGPROT", upwards)
    assert not any("Visit contradicts" in line for line in blocking(download))


@pytest.mark.parametrize(
    ("times", "told"),
    [(12, "as if in months"), (10, "as if their decimal point were lost (731 for 73.1)"), (365.25, "as if in days")],
)
def test_ages_in_another_unit_block_and_can_be_accepted(download, times, told):
    change(download, "ADNIMERGE", "AGE", lambda cells: [f"{times * 73.1:.0f}" for _ in cells])
    (line,) = blocking(download)
    assert f"taken for no value, {told}: no age of an adult" in line
    assert "no age of an adult in years; AGE is empty" in line and "AGE is the age at baseline in years" in line
    assert blocking(download, max_contradicted_fraction=1.0) == []


def test_a_column_of_ages_that_is_blank_blocks(download):
    change(download, "ADNIMERGE", "AGE", lambda cells: ["" for _ in cells])
    (line,) = blocking(download)
    assert line.startswith("AGE is empty at 6 of 6 arriving visits") and "AGE is the age at baseline in years" in line


def test_words_that_are_no_diagnosis_cost_their_scans(download):
    change(download, "ADNIMERGE", "DX", lambda cells: ["patient", "NA", *cells[2:]])
    text = said(download)
    assert (
        "quarantine: DX holds 'patient' (1) at 1 of 6 rows; the diagnosis of these visits will be n/a, and their"
        in text
    )


def test_field_strengths_that_lost_their_point_are_read(download):
    change(download, "MPRAGEMETA", "MagStrength", lambda cells: [cell.replace(".", "") for cell in cells])
    assert sentence(download) == ALL
    assert "will be respelt" in said(download) and blocking(download) == []


def test_an_adnimerge_of_some_visits_is_called_so(make_download, plans, tmp_path):
    download = make_download(tmp_path / "raw", plans)
    merge = read_table(download.table("ADNIMERGE"))
    merge[merge["VISCODE"] == "bl"].to_csv(download.table("ADNIMERGE"), index=False)
    text = said(download)
    assert "your ADNIMERGE has 5 rows of the subjects on disk, of the visits bl (5); 5 scans on disk are" in text
    assert "lost: 5 x no visit near" in text and "download the whole ADNIMERGE" in text


def test_a_renamed_folder_is_to_be_renamed(download):
    ptid = download.plans[0].subject.ptid
    (download.images / ptid).rename(download.images / "941_S_9999")
    text = said(download)
    assert f"every image in the folder 941_S_9999 is one of {ptid}, who has no folder" in text
    assert f"rename the folder {ptid}" in text and "download the newest table" not in text


def test_folders_that_hold_each_other_s_images_are_to_be_exchanged(download):
    one, two = sorted(plan.subject.ptid for plan in download.plans[:2])
    for old, new in ((one, "x"), (two, one), ("x", two)):
        (download.images / old).rename(download.images / new)
    assert f"the folders {one} and {two} hold each other's images" in said(download)


@pytest.mark.parametrize("named", [True, False])
def test_exchanged_folders_of_two_visits_do_not_blame_the_list(download, named):
    """The names of the files tell which is which; without names the days of the folders contradict the list."""
    one, two = (download.images / image.folder for image in download.chosen(download.plans[0].subject.ptid))
    for folder in () if named else (one, two):
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"{number}.dcm")
    held = two.parent / one.name, one.parent / two.name
    one.rename(held[0])
    two.rename(held[1])
    if named:
        held[0].rename(two.parent / "x")
        held[1].rename(one)
        (two.parent / "x").rename(two)
    text = said(download)
    assert ("the list dates" in text) != named
    assert ("each lies under the day of another image of the same subject" in text) != named


def test_nothing_is_quoted_twice():
    from ldae.adni.preflight.finding import shortened

    assert shortened(["a", "b", "a", "c"], 2) == "a, b and 1 more"


@pytest.mark.parametrize(
    ("listed", "folder", "same"),
    [
        ("MPR; GradWarp; B1 Correction; N3; Scaled", "MPR__GradWarp__B1_Correction__N3__Scaled", True),
        ("MT1; N3m", "MT1__N3m", True),
        ("MP RAGE (sagittal)", "MP_RAGE__sagittal_", True),
        ("MP-RAGE", "Accelerated_Sagittal_MPRAGE", False),
        ("MP-RAGE", "MPR__GradWarp", False),
        ("MPRAGE", "SAG_IR-SPGR", False),
    ],
)
def test_kinds_of_sequences_as_lists_and_folders_spell_them(listed, folder, same):
    from ldae.adni.short_subjects import kind_of_sequence

    assert (kind_of_sequence(listed) == kind_of_sequence(folder)) == same


@pytest.mark.parametrize("function", [sorted_alone, upwards, rolled])
def test_codes_of_visits_that_were_sorted_alone_do_not_blame_the_list(make_download, plans, tmp_path, function):
    download = make_download(tmp_path / "raw", plans)
    change(download, "ADNIMERGE", "VISCODE", function)
    first, *others = (line for line in blocking(download) if "MMSE" not in line)
    assert first.startswith("VISCODE contradicts the dates, another visit than bl has that of the baseline, at ")
    assert "sorted or pasted alone" in first and not any("the list of images" in line for line in others)
    assert all("mend VISCODE of ADNIMERGE first" in line for line in others)
