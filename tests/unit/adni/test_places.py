"""Subjects and tables in places, under names and in encodings that nobody planned: read where that takes no guess, else
named and counted."""

import re
import shutil

import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.study_tables import BY_NAME, read_table
from ldae.core.text_tables import read_text_table
from ldae.phantom.loni_tables import write_todays_tables


@pytest.fixture
def ptid(download):
    return download.plans[0].subject.ptid


@pytest.mark.parametrize(
    "form",
    [".{}", "{0:.6}{1}", "patient one", "\u0661\u0662", "{0:.3}\u2010\u0405\u2010{0:.4s}"],
    ids=["hidden", "fewer digits", "of another name", "in other digits", "look-alikes"],
)
def test_a_folder_whose_name_is_no_subject_s_is_counted_by_the_names_of_its_files(download, ptid, form):
    name = form.format(ptid, int(ptid[-4:]))
    if "\u2010" in form:
        name = ptid.replace("_", "\u2010").replace("S", "\u0405")
    (download.images / ptid).rename(download.images / name)
    assert sentence(download) == "4 of 6 visits on disk will arrive"
    assert re.search(rf"lost: 2 x in a place that is passed over: {ptid} \(", said(download))


def test_files_of_several_subjects_in_one_folder_are_counted_by_their_names(download):
    (download.images / "all").mkdir()
    for path in list(download.images.rglob("*_S_*.dcm")):
        path.rename(download.images / "all" / path.name)
    for plan in download.plans[:2]:
        shutil.rmtree(download.images / plan.subject.ptid)
    text = said(download)
    assert sentence(download) == "0 of 6 visits on disk will arrive"
    assert "its files are those of 3 subjects: sort them into folders of the subjects' names" in text
    assert "lost: 6 x in a place that is passed over" in text


def test_a_subject_s_folder_that_is_a_link_to_nowhere_is_counted(download, ptid):
    (download.images / ptid).rename(download.images.parent / "elsewhere")
    (download.images / ptid).symlink_to("/nowhere/at/all")
    assert sentence(download) == "4 of 5 visits on disk will arrive"
    text = said(download)
    assert f"lost: 1 x in a place that is passed over: {ptid} ({ptid})" in text
    assert "it is a link to nowhere: mount or copy what it leads to" in text


def test_a_subject_s_folder_without_an_image_is_named(download, ptid):
    (download.images / ptid).rename(download.images.parent / "elsewhere")
    (download.images / ptid / "MPRAGE").mkdir(parents=True)
    text = said(download)
    assert f"note: 1 empty subject folder: {ptid} (" in text
    assert sentence(download) == "4 of 4 visits on disk will arrive (beside them 2 not downloaded)"


def test_tables_behind_a_link_are_found(download, tmp_path):
    download.tables.rename(tmp_path / "there")
    download.tables.mkdir()
    (download.tables / "tables").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "up").symlink_to(tmp_path)
    assert sentence(download) == ALL


def test_a_table_that_is_a_folder_is_named(download):
    path = download.table("ADNIMERGE")
    content = path.read_bytes()
    path.unlink()
    path.mkdir()
    (path / "export.csv").write_bytes(content)
    assert f"{path.name} is a folder: take the table out of it" in said(download)
    (path / "export.csv").rename(path / path.name)
    assert sentence(download) == ALL


HEADS = {
    "a separator": (b"sep=,\r\n", "utf-8", "the first line, sep=,, is no row"),
    "a separator in quotes": (b'"sep=,"\n', "utf-8", "is no row"),
    "titles": (b"Study data\nexported, on 1 May\n\n", "utf-8", "3 lines above the header left out: Study data"),
    "UTF-32": (b"", "utf-32", "UTF-32"),
    "UTF-32 without a mark": (b"", "utf-32-le", "UTF-32"),
    "UTF-16 without a mark": (b"", "utf-16-be", "UTF-16"),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["ADNIMERGE", "MPRAGEMETA", "MRIQUALITY"])
def test_what_stands_above_a_header_is_no_row(download, head, name):
    first, code, note = HEADS[head]
    path = download.table(name)
    before = adapt_tables(download.images, download.tables)[name].content
    path.write_bytes((first.decode() + path.read_text()).encode(code))
    item = adapt_tables(download.images, download.tables)[name]
    assert any(note in change for change in item.changes)
    assert item.content.to_dict() == before.to_dict()


def test_a_separator_that_is_said_is_believed(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\na,b;c\n1,5;2\n")
    table = read_text_table(tmp_path / "t.csv")
    assert (table.header, table.rows) == (["a,b", "c"], [["1,5", "2"]])


def with_a_comma(download, column, image, cell):
    """Write a cell with a comma and without quotes into the row of an image; the number of the row."""
    path = download.table("MPRAGEMETA")
    lines = path.read_text().splitlines()
    old = read_table(path).set_index("ImageUID").loc[str(image.image_id), column]
    place = next(number for number, line in enumerate(lines) if str(image.image_id) in line)
    lines[place] = lines[place].replace(old, cell)
    path.write_text("\n".join(lines) + "\n")
    return place


def test_a_row_that_a_comma_has_shifted_is_read_where_the_other_rows_tell_how(download):
    image = download.chosen(download.plans[0].subject.ptid)[1]
    place = with_a_comma(download, "Sequence", image, "MPRAGE, again")
    item = adapt_tables(download.images, download.tables)["MPRAGEMETA"]
    row = item.content.set_index("ImageUID").loc[str(image.image_id)]
    assert (row["Sequence"], row["ScanDate"]) == ("MPRAGE, again", f"{image.acquired:%Y-%m-%d}")
    assert f"1 row longer than the header read with the comma inside a cell: row {place}: " in "; ".join(item.changes)
    assert sentence(download) == ALL


def test_a_row_that_cannot_be_read_is_named(download):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    place = with_a_comma(download, "ScanDate", image, "May, 2012")
    text = said(download)
    assert f"quarantine: table MPRAGEMETA: 1 row with more cells than the header (row {place}: " in text
    assert "put quotes around the cell that has the comma" in text


def test_a_comma_in_a_row_with_empty_cells_at_its_end_is_seen(download):
    path = download.table("ADNIMERGE")
    before = read_table(path)
    lines = path.read_text().splitlines()
    assert lines[1].endswith(",") and before["PTRACCAT"][0] in lines[1]
    lines[1] = lines[1].replace(before["PTRACCAT"][0], "Other, told")
    path.write_text("\n".join(lines) + "\n")
    after = adapt_tables(download.images, download.tables)["ADNIMERGE"].content
    known = ["PTID", "VISCODE", "EXAMDATE", "AGE", "PTGENDER", "MMSE"]
    assert after[known].to_dict() == before[known].to_dict()
    assert sentence(download) == ALL


def test_blank_cells_at_the_end_of_all_rows_say_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("RID,DAY,N\n" + "".join(f"{n},2010-01-0{n},{n},\n" for n in range(1, 6)))
    assert read_text_table(tmp_path / "t.csv").notes == ()


def test_of_several_cells_that_a_comma_may_be_in_nothing_is_taken(tmp_path):
    rows = "".join(f"{n},a{n},b,2010-01-0{n},{n}\n" for n in range(1, 6))
    (tmp_path / "t.csv").write_text(f"RID,ONE,TWO,DAY,X\n{rows}6,x,y,z,2010-01-06,6\n7,8,9,10,11,12\n")
    table = read_text_table(tmp_path / "t.csv")
    assert table.rows[5] == ["6", "", "", "2010-01-06", "6"] and table.rows[6] == ["7", "8", "9", "10", "11"]
    assert any("1 row with more cells than the header (row 7: 7, 8, 9)" in note for note in table.notes)


def test_all_images_without_what_mriqc_has_asks_for_mriqc(download, tmp_path):
    write_todays_tables(tmp_path / "today", download.plans, download.listed, 3)
    path = next((tmp_path / "today").glob("*All_Images*"))
    for other in (tmp_path / "today").glob("*MRIQC*"):
        other.unlink()
    table = read_table(path)
    table.drop(columns=[name for name in table if "field" in name.lower()]).to_csv(path, index=False)
    (line,) = [line for line in said(download, tmp_path / "today").splitlines() if "columns missing" in line]
    assert line.startswith("blocking: columns missing: MagStrength")
    assert "put MRIQC beside it" in line and BY_NAME["MPRAGEMETA"].page not in line


def test_of_several_collections_each_is_named(download):
    raw = download.images.parent / "raw"
    for number, subject in enumerate(sorted(download.images.iterdir())):
        place = raw / f"NEW{min(number, 1)}" / "ADNI"
        place.mkdir(parents=True, exist_ok=True)
        subject.rename(place / subject.name)
    download.images = raw
    line = said(download).splitlines()[0]
    assert line.startswith("blocking: no subject folder named NNN_S_NNNN")
    assert "they lie in NEW1/ADNI (2 subject folders), NEW0/ADNI (1 subject folder)" in line


def test_what_adni4_lacks_is_told_beside_a_missing_adnimerge(download, ptid):
    download.table("ADNIMERGE").unlink()
    (download.images / ptid).rename(download.images / f"{ptid}7")
    text = said(download)
    for name in ("ADNIMERGE", "PTDEMOG", "MAYOADIRL_MRI_QUALITY_ADNI3"):
        assert f"blocking: table {name} is missing" in text
