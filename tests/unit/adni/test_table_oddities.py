"""Study tables that are damaged, doubled or huge, or hold what cannot be: named, quoted, counted, never believed."""

import tarfile
import time
import zipfile

import pandas as pd
import pytest
from preflight_words import said

from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.preflight import preflight
from ldae.adni.study_tables import BY_NAME, read_table
from ldae.core.text_tables import CUT, read_text_table


@pytest.mark.parametrize(("name", "read"), [("DXSUM_15Dec2025", False), ("DXSUM_PDXCONV_ADNIALL_15Dec2025", True)])
def test_of_two_diagnostic_summaries_the_one_that_is_read_is_named(download, name, read):
    table = read_table(download.table("DXSUM_PDXCONV"))
    visits = table.index[table["PTID"] == download.plans[0].subject.ptid]
    table.loc[visits, "DIAGNOSIS"] = table.loc[visits, "DIAGNOSIS"].map({"1": "2", "2": "3", "3": "1"})
    table.to_csv(download.tables / f"{name}.csv", index=False)
    names = (f"{name}.csv", download.table("DXSUM_PDXCONV").name)
    used, other = names if read else reversed(names)
    (line,) = [line for line in said(download).splitlines() if "two diagnostic summaries" in line]
    dated = table.loc[table["PTID"].isin([plan.subject.ptid for plan in download.plans]), ["PTID", "VISCODE2"]]
    differ = len(table.loc[visits].drop_duplicates("VISCODE2"))
    assert f"{used} is read, {other} is not; they differ in {differ} of {len(dated.drop_duplicates())} visits" in line
    assert f"{download.plans[0].subject.ptid} " in line and line.startswith("note")
    table = adapt_tables(download.images, download.tables)["DXSUM_PDXCONV"]
    assert [path.name for path in table.paths] == [used]


def test_an_equal_summary_under_another_name_says_nothing(download):
    copy = download.tables / "DXSUM_15Dec2025.csv"
    copy.write_bytes(download.table("DXSUM_PDXCONV").read_bytes())
    assert said(download) == ""


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("AGE", "0", "AGE is empty at 2 of 6 arriving visits"),
        ("AGE", "999", "AGE is empty at 2 of 6 arriving visits"),
        ("DX", "", "DX is empty at 2 of 6 arriving visits"),
        ("DX", "NA", "DX is empty at 2 of 6 arriving visits"),
        ("PTGENDER", "x", "PTGENDER is empty or holds 'x' (2) at 2 of 6 arriving visits"),
    ],
)
def test_facts_that_cannot_be_are_counted_and_quoted(download, column, cell, sentence):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid}, column, cell)
    text = said(download)
    assert f"note: {sentence}: {ptid} bl, {ptid} m" in text
    assert ("'0' (2) taken for no value" in text) == (cell == "0")
    assert (f"{cell!r} (2)" in text) == (cell not in ("", "NA"))


@pytest.mark.parametrize("harm", ["empty", "numbers", "no column"])
def test_a_cohort_without_diagnoses_is_not_ready(download, harm):
    """Its scans would arrive, and none would be in the manifest."""
    table = read_table(download.table("ADNIMERGE"))
    whole = table["DX"].copy()
    table["DX"] = {"empty": "", "numbers": "1", "no column": ""}[harm]
    (table.drop(columns="DX") if harm == "no column" else table).to_csv(download.table("ADNIMERGE"), index=False)
    assert "blocking: 6 of 6 arriving visits without a diagnosis that is known" in said(download)
    assert "without a diagnosis" not in "\n".join(
        map(str, preflight(download.images, download.tables, max_contradicted_fraction=1))
    )
    first = download.plans[0].subject.ptid  # a third without one is what ADNI has
    table["DX"] = whole.where(table["PTID"] != first, "")
    table.to_csv(download.table("ADNIMERGE"), index=False)
    assert "without a diagnosis" not in said(download)


@pytest.mark.parametrize(
    ("cell", "sex"),
    [("female", "Female"), ("F", "Female"), ("2.0", "Female"), ("Woman", "Female"), ("1", "Male"), ("MEN", "Male")],
)
def test_words_and_codes_of_sex(download, cell, sex):
    ptid = download.plans[1].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid}, "PTGENDER", cell)
    table = adapt_tables(download.images, download.tables)["ADNIMERGE"].content
    assert set(table.loc[table["PTID"] == ptid, "PTGENDER"]) == {sex}
    assert "PTGENDER is empty" not in said(download)


def test_a_table_that_was_cut_off_is_named_and_blocks(download):
    path = download.table("ADNIMERGE")
    whole = path.read_text()
    path.write_text(whole.rstrip("\n")[:-20].rpartition(",")[0])
    line = said(download).splitlines()[0]
    assert line.startswith(f"blocking: table ADNIMERGE {CUT} ({path.name}, ")
    assert line.endswith(f"download it again from {BY_NAME['ADNIMERGE'].page}")
    path.write_text(whole.rstrip("\n"))  # without the last line break it is whole
    assert said(download) == ""


def test_a_huge_cell_in_quotes_is_one_cell(tmp_path):
    path = tmp_path / "table.csv"
    cell = 'a ""word"", and\n' * 40_000
    path.write_text(f'RID,NOTE,PASS\n1,"{cell}",1\n2,x,0\n')
    table = read_text_table(path)
    assert (
        table.notes == () and [row[0] for row in table.rows] == ["1", "2"] and [r[2] for r in table.rows] == ["1", "0"]
    )
    assert table.rows[0][1] == cell.replace('""', '"').strip()


def test_of_very_many_columns_those_that_are_needed_are_read(download):
    path = download.table("ADNIMERGE")
    table = read_table(path)
    before = adapt_tables(download.images, download.tables)["ADNIMERGE"].content
    more = pd.DataFrame("1", index=table.index, columns=[f"C{number}" for number in range(30_000)])
    pd.concat([more, table], axis=1).to_csv(path, index=False)
    start = time.process_time()
    text = said(download)
    assert time.process_time() - start < 5
    assert f" of {30_000 + len(table.columns)} columns are read" in text and text.startswith("note")
    after = adapt_tables(download.images, download.tables)["ADNIMERGE"].content
    names = list(BY_NAME["ADNIMERGE"].required + BY_NAME["ADNIMERGE"].used)
    pd.testing.assert_frame_equal(after[names], before[names])
    assert len(after.columns) < 60


def harmed(download, name: str, ending: str):
    """A table saved or packed in another way."""
    path = download.table(name)
    content = path.read_bytes()
    path.unlink()
    path.with_name(f"{path.name}{ending}").write_bytes(content)
    return f"{path.name}{ending}"


@pytest.mark.parametrize("ending", [".crdownload", ".part", ".filepart", ".tmp", "~"])
def test_a_table_that_is_not_wholly_there_is_named(download, ending):
    name = harmed(download, "MRIQUALITY", ending)
    (line,) = said(download).splitlines()
    assert line.startswith("blocking: table MRIQUALITY is missing") and "is an unfinished download" in line
    assert name in line


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2", ".zip", ".zst"])
def test_a_packed_table_is_named(download, ending):
    name = harmed(download, "ADNIMERGE", ending)
    assert f"{name} cannot be read: save it as CSV, or unpack it" in said(download).splitlines()[0]


@pytest.mark.parametrize("kind", ["T.zip", "T.tar.gz", "T.tar.xz"])
def test_all_tables_in_one_archive_are_named(download, kind):
    archive = download.tables / kind
    paths = sorted(download.tables.glob("*.csv"))
    if kind == "T.zip":
        with zipfile.ZipFile(archive, "w") as handle:
            for path in paths:
                handle.write(path, f"ADNI/{path.name}")
    else:
        with tarfile.open(archive, f"w:{kind[6:]}") as handle:
            for path in paths:
                handle.add(path, f"ADNI/{path.name}")
    for path in paths:
        path.unlink()
    lines = [line for line in said(download).splitlines() if line.startswith("blocking: table")]
    assert len(lines) == len([table for table in BY_NAME.values() if not table.optional])
    for line in lines:
        name = line.split()[2]
        assert f"{kind} holds {name}_01Jan2025.csv: unpack it here" in line


def test_an_archive_that_is_none_and_one_of_something_else_say_nothing(download):
    for name in ("T.zip", "T.tar.gz"):
        (download.tables / name).write_bytes(b"PK")
    with zipfile.ZipFile(download.tables / "other.zip", "w") as handle:
        handle.writestr("ADNI/notes.txt", "mine")
    download.table("MRIQUALITY").unlink()
    (line,) = said(download).splitlines()
    assert ".zip" not in line and ".tar" not in line


def test_mayo_s_ratings_without_a_row_are_told(download):
    path = download.table("MAYOADIRL_MRI_IMAGEQC_05_07_15")
    path.write_text(path.read_text().splitlines()[0] + "\n")
    (line,) = said(download).splitlines()
    assert line.startswith("note: table MAYOADIRL_MRI_IMAGEQC_05_07_15 has a header and no row: it rates no scan")


def test_an_empty_date_of_a_visit_without_an_image_says_nothing(download):
    table = read_table(download.table("ADNIMERGE"))
    row = table[table["PTID"] == download.plans[0].subject.ptid].iloc[[0]].assign(VISCODE="m48", EXAMDATE="")
    pd.concat([table, row]).to_csv(download.table("ADNIMERGE"), index=False)
    assert said(download) == ""


@pytest.mark.parametrize("cell", ["inf", "-inf", "nan", "1e400", "5000 x 9", "", "-1", "²", "0x1f", "1_000"])
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("ADNIMERGE", "RID"), ("ADNIMERGE", "VISCODE"), ("ADNIMERGE", "AGE"), ("ADNIMERGE", "EXAMDATE"),
        ("MPRAGEMETA", "ImageUID"), ("MPRAGEMETA", "SeriesID"), ("MPRAGEMETA", "MagStrength"), ("MPRAGEMETA", "Visit"),
        ("MRIQUALITY", "LONIUID"), ("MRIQUALITY", "PASS"), ("DXSUM_PDXCONV", "VISCODE2"),
        ("DXSUM_PDXCONV", "DIAGNOSIS"), ("CDR", "RID"), ("MAYOADIRL_MRI_IMAGEQC_05_07_15", "series_quality"),
    ],
)  # fmt: skip
def test_whatever_a_cell_holds_the_preflight_ends(download, name, column, cell):
    cell = "9" * 5000 if cell == "5000 x 9" else cell
    for code in (cell, f"m{cell}") if column in ("VISCODE", "VISCODE2", "Visit") else (cell,):
        ptid = download.plans[0].subject.ptid
        rows = {"RID": str(int(ptid[-4:]))}
        if name in ("ADNIMERGE", "MPRAGEMETA", "DXSUM_PDXCONV"):
            rows = {"SubjectID" if name == "MPRAGEMETA" else "PTID": ptid}
        download.edit(name, rows, column, code)
        findings = preflight(download.images, download.tables)
        assert all(len(str(finding)) < 8000 for finding in findings)


@pytest.mark.parametrize("ending", [".txt", ".tsv"])
def test_a_table_that_only_has_another_ending_is_to_be_renamed(download, ending):
    path = download.table("ADNIMERGE")
    path.rename(path.with_suffix(ending))
    line = said(download).splitlines()[0]
    assert f"{path.stem}{ending} is it but for its ending: rename it {path.name}; else" in line


def test_dates_that_cannot_be_read_are_quoted(download):
    """Which of day and month comes first cannot be told where both orders occur."""
    one, two, _ = (plan.subject.ptid for plan in download.plans)
    download.edit("ADNIMERGE", {"PTID": one}, "EXAMDATE", "25/03/2010")
    download.edit("ADNIMERGE", {"PTID": two}, "EXAMDATE", "03/04/2010")
    table = download.table("ADNIMERGE")
    table.write_text(table.read_text().replace("25/03/2010", "03/25/2010", 1))
    assert "EXAMDATE holds '03/04/2010' (2), not YYYY-MM-DD, for" in said(download)


def test_a_table_pasted_below_another_is_told_by_its_header(download):
    """The same columns: the header is no row. Other columns: what stands below is not read by those above."""
    path = download.table("ADNIMERGE")
    whole, table = path.read_text(), read_table(path)
    path.write_text(whole + whole)
    (note,) = said(download).splitlines()
    line = f"line {len(table) + 2} repeats the header and is no row: two tables pasted below each other"
    assert note.startswith(f"note: table ADNIMERGE: {line}")
    path.write_text(whole + table[list(table)[::-1]].assign(DX="Dementia").to_csv(index=False))
    (line,) = said(download).splitlines()
    what = f"{path} is two tables, one pasted below the other: line {len(table) + 2} is a second header"
    assert line.startswith(f"blocking: {what}")


@pytest.mark.parametrize(
    ("table", "column", "cause"),
    [
        (
            "ADNIMERGE",
            "PTID",
            "no row of table ADNIMERGE can be used: 6 rows left out whose PTID is no subject of ADNI",
        ),
        ("MPRAGEMETA", "SubjectID", "SubjectID is no subject of ADNI (NNN_S_NNNN) in "),
    ],
)
def test_anonymised_names_are_one_cause(download, table, column, cause):
    cells = read_table(download.table(table))
    cells.assign(**{column: "P007"}).to_csv(download.table(table), index=False)
    (line,) = said(download).splitlines()
    assert line.startswith(f"blocking: {cause}") and "'P007'" in line


def test_a_few_anonymised_names_are_told_beside_the_subjects_they_cost(download):
    ptid = download.plans[0].subject.ptid
    download.edit("ADNIMERGE", {"PTID": ptid}, "PTID", "P007")
    assert f"1 subject without a row: {ptid}; Clinica leaves them out" in (text := said(download))
    assert "no subject of ADNI (NNN_S_NNNN): 'P007' (2): give these rows the study's names" in text
