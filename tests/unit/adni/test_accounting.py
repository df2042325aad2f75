import pandas as pd
import pytest

from ldae.adni.accounting import (
    OnDisk,
    absence,
    failed_series,
    images_on_disk,
    nearest_visit,
    read_listing,
    refused_images,
    visits_left_out,
    write_readable_tables,
)


@pytest.mark.parametrize(
    ("ratings", "refused"),
    [
        ([("T1", "1", "0")], False),
        ([("T1", "-1", "0")], False),
        ([("T1", "4", "0")], True),
        ([("T1", "4", "1")], False),  # Clinica takes a selected image whatever its quality
        ([("T1", "", "0")], True),
        ([("T1", "4", "0"), ("T1", "2", "0")], False),
        ([("T2", "4", "0")], False),
    ],
)
def test_refused_images(ratings, refused):
    table = pd.DataFrame(ratings, columns=["series_type", "series_quality", "series_selected"]).assign(loni_image="I12")
    assert refused_images(table) == ({"12"} if refused else set())


def test_failed_series_is_that_of_the_first_row():
    rows = [("S1", "1"), ("S2", "0"), ("S3", ""), ("S4", "1.0"), ("S5", "1"), ("S5", "0"), ("S6", "0"), ("S6", "1")]
    assert failed_series(pd.DataFrame(rows, columns=["LONIUID", "PASS"])) == {"2", "3", "6"}


def test_nearest_visit():
    days = pd.to_datetime(["2010-01-10", "2010-07-10", "2012-01-10", None])
    visits = pd.DataFrame({"day": days, "VISCODE": ["bl", "m06", "uns1", "m48"], "COLPROT": "ADNI1"})
    assert nearest_visit(pd.Timestamp("2010-04-09"), visits) == ("ses-M000", "ADNI1")
    assert nearest_visit(pd.Timestamp("2010-04-12"), visits) == ("ses-M006", "ADNI1")
    assert nearest_visit(pd.Timestamp("2012-01-10"), visits) == (None, "ADNI1")
    assert nearest_visit(pd.Timestamp("2011-04-10"), visits) == (None, None)
    assert nearest_visit(pd.NaT, visits) == (None, None)


def test_absence_tells_a_missing_image_from_one_with_other_file_names():
    disk = OnDisk(named=frozenset({"1"}), folders=frozenset({"1", "2"}))
    assert absence("2", disk).startswith("wrong file names: the files of I2 do not end in _I2.dcm")
    assert absence("3", disk).startswith("not downloaded: ")


def test_every_visit_on_disk_is_chosen_or_has_a_reason(download):
    """Clinica's choices are taken away one by one; nothing else changes."""
    listing = read_listing(download.tables)
    ptid = download.plans[0].subject.ptid
    chosen = download.chosen(ptid)
    disk = images_on_disk(download.images / ptid)
    assert {str(image.image_id) for image in chosen} <= disk.named & disk.folders
    ids = {str(image.image_id) for image in chosen}
    assert visits_left_out(ptid, listing, disk, ids, set()) == []
    (lost,) = visits_left_out(ptid, listing, disk, {str(chosen[0].image_id)}, set())
    assert (lost["session_id"], lost["image_id"]) == (f"ses-M{chosen[1].months:03d}", str(chosen[1].image_id))
    assert lost["reason"].startswith("left out by Clinica: ") and lost["scan_date"] == str(chosen[1].acquired.date())
    (again,) = visits_left_out(ptid, listing, disk, {str(chosen[0].image_id)}, {lost["session_id"]})
    assert again["session_id"] is None
    nothing = OnDisk(frozenset(), frozenset())
    assert visits_left_out(ptid, listing, nothing, set(), set()) == []


def test_readable_tables_lack_the_rows_clinica_dies_on_and_the_download_stays(download, tmp_path):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "ScanDate", "03/10/2012")
    before = {path.name: path.read_bytes() for path in download.tables.iterdir()}
    write_readable_tables(download.tables, read_listing(download.tables), tmp_path / "tables")
    assert {path.name: path.read_bytes() for path in download.tables.iterdir()} == before
    listed = pd.read_csv(tmp_path / "tables" / "MPRAGEMETA.csv", dtype=str)["ImageUID"]
    assert set(listed) == {str(other.image_id) for other in download.listed if other != image}
    others = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir() if path.name != "MPRAGEMETA.csv"}
    assert others == {name: content for name, content in before.items() if not name.startswith("MPRAGEMETA")}
