"""Cells that Clinica takes for numbers, in anybody's row: what cannot be read is left out, said once and counted, and
costs nobody else a scan."""

import shutil

import pandas as pd
import pytest
from preflight_words import ALL, said, sentence

from ldae.adni.clinica_cells import UNKNOWN_SERIES
from ldae.adni.clinica_tables import adapt_tables
from ldae.adni.conversion import convert_shard
from ldae.adni.spelling import plain_number, subject_id, visit_code
from ldae.adni.study_tables import read_table
from ldae.adni.table_adapter import write_adapted_tables
from ldae.config import Convert
from ldae.core.files import read_tsv
from ldae.core.keys import participant_id

MAYO = "MAYOADIRL_MRI_IMAGEQC_05_07_15"


def of_a_stranger(download, name: str, **cells: str) -> None:
    """Add a row of a subject who is not on disk; what is not given is that of the first row."""
    table = read_table(download.table(name))
    more = table.iloc[[0]].assign(**cells)
    pd.concat([table, more]).to_csv(download.table(name), index=False)


NOBODY = {"RID": "9999"}
STRANGERS = {  # table, cells, what is said
    "an image": ("MPRAGEMETA", {"SubjectID": "999_S_9999", "ImageUID": "1000999*"}, "ImageUID is no number"),
    "an image without a number": ("MPRAGEMETA", {"SubjectID": "999_S_9999", "ImageUID": ""}, "ImageUID is no number"),
    "an image of 20 digits": ("MPRAGEMETA", {"SubjectID": "999_S_9999", "ImageUID": "9" * 20}, "ImageUID is no number"),
    "a series": ("MPRAGEMETA", {"SubjectID": "999_S_9999", "ImageUID": "5", "SeriesID": "x"}, "SeriesID: 'x' (1)"),
    "words of quality": (MAYO, NOBODY | {"loni_image": "I5", "series_quality": "Good"}, "series_quality: 'Good' (1)"),
    "a code": (MAYO, NOBODY | {"loni_image": "I5", "series_quality": "-4"}, "series_quality: '-4' (1) taken for -1"),
    "a selection": (MAYO, NOBODY | {"loni_image": "I5", "series_selected": "Yes"}, "series_selected: 'Yes' (1) taken"),
    "Mayo's roster": (MAYO, {"RID": "n.a.?", "loni_image": "I5"}, "1 row left out whose RID is no number: 'n.a.?'"),
    "a pass": ("MRIQUALITY", NOBODY | {"LONIUID": "S5", "PASS": "Pass"}, "PASS: 'Pass' (1) read as 1 (passed)"),
    "an odd pass": ("MRIQUALITY", NOBODY | {"LONIUID": "S5", "PASS": "?!"}, "1 row left out whose PASS is no number"),
    "a roster": ("MRIQUALITY", {"RID": "total", "LONIUID": "S5"}, "1 row left out whose RID is no number: 'total'"),
    "a subject": (
        "ADNIMERGE",
        {"PTID": "Total"},
        "1 row left out whose PTID is no subject of ADNI (NNN_S_NNNN): 'Total' (1)",
    ),
    "a subject of five digits": (
        "ADNIMERGE",
        {"PTID": "999_S_99999", "VISCODE": "m00"},
        "VISCODE: 1 cell will be",
    ),
    "a diagnosis": ("DXSUM_PDXCONV", {"PTID": "999_S_9999", "DIAGNOSIS": "?"}, "DIAGNOSIS: '?' (1) read as nothing"),
    "a rating of nobody": ("CDR", {"RID": "total"}, "1 row left out whose RID is no number: 'total' (1)"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_cell_costs_nobody_a_scan_and_is_said(download, name):
    table, cells, note = STRANGERS[name]
    of_a_stranger(download, table, **cells)
    assert sentence(download) == ALL
    (line,) = [line for line in said(download).splitlines() if note in line]
    assert line.startswith(f"note: table {table}: ")


def test_an_own_image_without_a_number_is_a_visit_that_does_not_arrive(download):
    visits = [(image.ptid, image.months) for image in download.listed]
    image = next(item for item in download.listed if visits.count((item.ptid, item.months)) == 1)
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "ImageUID", f"{image.image_id}*")
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"lost: 1 x no image ID: {image.ptid} (ImageUID of the list of images is no number" in said(download)


def test_an_image_with_two_dates_is_of_neither_visit(download):
    ptid = download.plans[0].subject.ptid
    one, two = download.chosen(ptid)
    table = read_table(download.table("MPRAGEMETA"))
    other = table[table["ImageUID"] == str(two.image_id)].assign(ImageUID=str(one.image_id))
    same = table[table["ImageUID"] == str(two.image_id)].assign(Visit="again")
    pd.concat([table, same]).to_csv(download.table("MPRAGEMETA"), index=False)
    assert sentence(download) == ALL
    pd.concat([table, other]).to_csv(download.table("MPRAGEMETA"), index=False)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"lost: 1 x listed for two visits: {ptid} (" in said(download)


def test_a_scan_without_a_visit_goes_by_its_date_and_a_series_without_a_number_comes_last(download):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    row = {"ImageUID": str(image.image_id)}
    download.edit("MPRAGEMETA", row, "Visit", "NA")
    download.edit("MPRAGEMETA", row, "SeriesID", "")
    assert sentence(download) == ALL
    table = adapt_tables(download.images, download.tables)["MPRAGEMETA"].content.set_index("ImageUID")
    read = table.loc[str(image.image_id)]
    assert (read["Visit"], read["SeriesID"]) == (f"scanned {image.acquired:%Y-%m-%d}", UNKNOWN_SERIES)


def of_two_strengths(download, image) -> None:
    """A second image of the visit on disk; one of the two has another field strength, the other none that is known."""
    table = read_table(download.table("MPRAGEMETA"))
    own = table["ImageUID"] == str(image.image_id)
    more = table[own].assign(ImageUID="77777777", SeriesID="8888888", MagStrength="1.5")
    table.loc[own, "MagStrength"] = ""
    pd.concat([table, more]).to_csv(download.table("MPRAGEMETA"), index=False)
    here = download.images / image.folder
    shutil.copytree(here, here.with_name("I77777777"))
    for number, path in enumerate(sorted(here.with_name("I77777777").iterdir())):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # else it were a copy of the other
        path.rename(path.with_name(f"IM{number}.dcm"))


def test_a_visit_without_the_field_strength_that_clinica_prefers_costs_no_other(download):
    image = download.chosen(download.plans[1].subject.ptid)[0]
    of_two_strengths(download, image)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    assert f"lost: 1 x left out by Clinica: {image.ptid} (" in said(download)
    assert "(field strengths '', '1.5')" in said(download)


@pytest.mark.parametrize("cell", ["948_S_OOO1", "of 948"])
def test_an_image_that_the_list_gives_to_nobody_is_counted(download, cell):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "SubjectID", cell)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    text = said(download)
    assert f"1 image that the list gives to no subject of ADNI: I{image.image_id} in {image.ptid} ({cell!r})" in text


@pytest.mark.parametrize(("cell", "mark"), [("Passed", "1"), ("yes", "1"), ("FAIL: motion", "0"), ("No", "0")])
def test_words_for_a_pass(download, cell, mark):
    table = read_table(download.table("MRIQUALITY"))
    table.assign(PASS=cell).to_csv(download.table("MRIQUALITY"), index=False)
    assert set(adapt_tables(download.images, download.tables)["MRIQUALITY"].content["PASS"]) == {mark}


@pytest.mark.parametrize(("cell", "pair"), [("34", ("3", "4")), ("e3e4", ("3", "4")), ("x", ("", ""))])
def test_genotypes_that_clinica_cannot_split(download, cell, pair):
    table = read_table(download.table("APOERES")).drop(columns=["APGEN1", "APGEN2"], errors="ignore")
    table.assign(GENOTYPE=cell).to_csv(download.table("APOERES"), index=False)
    content = adapt_tables(download.images, download.tables)["APOERES"].content
    assert set(content[["APGEN1", "APGEN2"]].itertuples(index=False, name=None)) == {pair}


@pytest.mark.parametrize(
    ("code", "read"),
    [("m0012", "m12"), ("M6", "m06"), ("m0", "bl"), ("m000", "bl"), ("\u043c12", "m12"), ("m\u0661\u0662", "m12")],
)
def test_a_session_has_one_code(code, read):
    assert visit_code(code) == read


def test_a_visit_that_stands_there_under_two_codes_is_one_session(download):
    plan = download.plans[1]
    months = plan.visits[1].months
    table = read_table(download.table("ADNIMERGE"))
    own = table[table["PTID"] == plan.subject.ptid]
    more = own.assign(VISCODE=["m0", f"m00{months:02d}"], MMSE=["11", "12"])
    pd.concat([table, more]).to_csv(download.table("ADNIMERGE"), index=False)
    assert sentence(download) == ALL
    assert f"2 visits twice with different cells: {plan.subject.ptid} bl, {plan.subject.ptid} m" in said(download)


def test_letters_and_hyphens_that_look_like_those_of_a_keyboard():
    assert subject_id("002\u2010\u0405\u20110295") == subject_id("002\uff3f\uff33\uff3f0295") == "002_S_0295"
    assert plain_number("\uff11\u0662\u096b") == "125"


@pytest.mark.slow
def test_clinica_converts_everybody_beside_all_strangers_cells(download, tmp_path):
    """Without the adapter each of the first five ends Clinica for all, the sixth refuses every series of ADNI1."""
    for table, cells, _ in STRANGERS.values():
        of_a_stranger(download, table, **cells)
    lost, own = download.chosen(download.plans[1].subject.ptid)
    download.edit("MPRAGEMETA", {"ImageUID": str(own.image_id)}, "Visit", "NA")
    of_two_strengths(download, lost)
    write_adapted_tables(download.images, download.tables, tmp_path / "tables")
    status = tmp_path / "status" / "0.tsv"
    folders = (download.images, tmp_path / "tables", tmp_path / "bids")
    convert_shard(*folders, 0, Convert(shards=1), status, tmp_path / "scratch")
    table = read_tsv(status, dtype=str)
    chosen = {str(image.image_id) for image in download.listed if image.chosen} - {str(lost.image_id)}
    assert set(table.loc[table["state"] == "done", "image_id"]) == chosen
    assert set(table.loc[table["state"] != "done", "participant_id"]) == {participant_id(lost.ptid)}
    assert (tmp_path / "scratch" / "0" / "clinica.log").read_text().count("$ clinica convert") == 1
