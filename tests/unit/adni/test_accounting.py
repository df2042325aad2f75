import pandas as pd
import pytest

from ldae.adni.accounting import (
    absence,
    failed_series,
    mistaken_visit,
    nearest_visit,
    read_listing,
    refused_images,
    visits_left_out,
    write_readable_tables,
)
from ldae.adni.disk import ImageFiles, SubjectFiles, subject_files
from ldae.adni.study_tables import read_table

RATING = ["loni_image", "series_type", "series_quality", "series_selected"]


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
    images = pd.DataFrame([("002_S_0295", "bl", "12")], columns=["SubjectID", "Visit", "ImageUID"])
    assert refused_images(table, images) == ({"12"} if refused else set())


@pytest.mark.parametrize(
    ("visits", "refused"), [(("bl", "bl"), {"12", "13"}), (("bl", "m06"), set()), (("bl", None), set())]
)
def test_of_two_images_of_a_visit_that_are_selected_clinica_believes_neither(visits, refused):
    table = pd.DataFrame([("I12", "T1", "4", "1"), ("I13", "T1", "4", "1")], columns=RATING)
    images = pd.DataFrame(
        [("002_S_0295", visit, image) for visit, image in zip(visits, ("12", "13"), strict=True) if visit],
        columns=["SubjectID", "Visit", "ImageUID"],
    )
    assert refused_images(table, images) == refused


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


def test_absence_tells_a_missing_image_from_one_that_was_not_staged():
    disk = SubjectFiles(images={"1": ImageFiles(dicom=["a"]), "2": ImageFiles(dicom=["b"])}, empty=["4"])
    assert absence("2", disk, {"2": "unreadable DICOM: so"}) == "unreadable DICOM: so"
    assert absence("3", disk, {}).startswith("not downloaded: no file is named after I3")
    assert absence("4", disk, {}) == "empty files: the folder I4 has no file in it"


def test_every_visit_on_disk_is_chosen_or_has_a_reason(download):
    """Clinica's choices are taken away one by one; nothing else changes."""
    listing = read_listing(download.tables)
    ptid = download.plans[0].subject.ptid
    chosen = download.chosen(ptid)
    disk = subject_files(download.images / ptid)
    ids = {str(image.image_id) for image in chosen}
    assert ids <= disk.ids
    assert visits_left_out(ptid, listing, disk, ids, set(), {}) == []
    (lost,) = visits_left_out(ptid, listing, disk, {str(chosen[0].image_id)}, set(), {})
    assert (lost["session_id"], lost["image_id"]) == (f"ses-M{chosen[1].months:03d}", str(chosen[1].image_id))
    assert lost["reason"].startswith("left out by Clinica: ") and lost["scan_date"] == str(chosen[1].acquired.date())
    (again,) = visits_left_out(ptid, listing, disk, {str(chosen[0].image_id)}, {lost["session_id"]}, {})
    assert again["session_id"] is None
    assert visits_left_out(ptid, listing, SubjectFiles(), set(), set(), {}) == []


def test_readable_tables_lack_the_rows_clinica_dies_on_and_the_download_stays(download, tmp_path):
    image = download.chosen(download.plans[1].subject.ptid)[1]
    download.edit("MPRAGEMETA", {"ImageUID": str(image.image_id)}, "ScanDate", "03/10/2012")
    faulty = {"PTID": download.plans[0].subject.ptid, "VISCODE": "bl"}
    download.edit("ADNIMERGE", faulty, "ORIGPROT", "ADNI4")
    before = {path.name: path.read_bytes() for path in download.tables.iterdir()}
    listing = read_listing(download.tables)
    write_readable_tables(download.tables, listing, listing.shown({}), tmp_path / "tables")
    assert {path.name: path.read_bytes() for path in download.tables.iterdir()} == before
    shown = {name: pd.read_csv(tmp_path / "tables" / f"{name}.csv", dtype=str) for name in ("MPRAGEMETA", "ADNIMERGE")}
    baseline = [str(i.image_id) for i in download.listed if i.ptid == faulty["PTID"] and not i.months]
    gone = {str(image.image_id), *baseline}
    assert set(shown["MPRAGEMETA"]["ImageUID"]) == {str(other.image_id) for other in download.listed} - gone
    merge = shown["ADNIMERGE"]
    assert len(merge) == 5 and not (merge[list(faulty)] == pd.Series(faulty)).all(axis=1).any()
    made = ("MPRAGEMETA", "ADNIMERGE")
    others = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir() if path.stem not in made}
    assert others == {name: content for name, content in before.items() if not name.startswith(made)}


def test_an_image_that_stands_in_for_one_that_is_not_on_disk(download):
    """Of a visit with a usable image on disk the others are not shown to Clinica; without any, all are."""
    early = next(
        plan for plan in download.plans if any(i.passed == 0 for i in download.listed if i.ptid == plan.subject.ptid)
    )
    ptid = early.subject.ptid
    first, second = download.chosen(ptid)
    table = read_table(download.table("MPRAGEMETA"))
    row = table[table["ImageUID"] == str(first.image_id)].assign(
        **{"Orig/Proc": "Processed", "Sequence": "MPR; ; N3; Scaled", "ImageUID": "77", "SeriesID": "78"}
    )
    pd.concat([table, row]).to_csv(download.table("MPRAGEMETA"), index=False)
    listing = read_listing(download.tables)
    for had, chosen in (({str(first.image_id)}, str(first.image_id)), ({"77"}, "77"), (set(), "77")):
        shown = listing.shown({ptid: had})
        choices = {choice.code: choice.image for choice in listing.rules(shown).choices(ptid)}
        assert choices == {"bl": chosen, f"m{second.months}": str(second.image_id)}


def test_a_visit_given_by_its_date_alone_must_be_near(download):
    """Clinica gives an image the only visit that is left, however far it is."""
    late = next(plan for plan in download.plans if plan.phase in ("ADNI2", "ADNI3"))
    ptid = late.subject.ptid
    image = download.chosen(ptid)[1]
    row = {"ImageUID": str(image.image_id)}
    for name, days, mistaken in (("x", 100, False), ("x", 400, True), (image.visit_name, 400, False)):
        far = (late.visits[1].exam_date + pd.Timedelta(days=days)).strftime("%Y-%m-%d")
        download.edit("MPRAGEMETA", row, "ScanDate", far)
        download.edit("MPRAGEMETA", row, "Visit", name)
        listing = read_listing(download.tables)
        rules = listing.rules(listing.shown({}))
        (choice,) = [choice for choice in rules.choices(ptid) if choice.code != "bl"]
        assert choice.image == str(image.image_id)
        reason = mistaken_visit(ptid, choice.code, choice.image, rules)
        assert (reason is not None) == mistaken and (not mistaken or "400 days" in reason)
