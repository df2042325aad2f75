"""ADNI4: what Clinica cannot convert arrives by dcm2niix, chosen by the study's quality table, with its facts."""

import numpy as np
import pandas as pd
import pytest

from ldae.adni import conversion, publication
from ldae.adni.adni4_scans import Part, choices
from ldae.adni.adni4_tables import chosen_order, nearest_visit
from ldae.adni.adni4_visits import birth_month, months_of
from ldae.adni.bids_tables import merge_bids
from ldae.adni.conversion import convert_shard
from ldae.adni.disk import ImageFiles, SubjectFiles
from ldae.adni.preflight import preflight
from ldae.adni.study_tables import read_table
from ldae.adni.table_adapter import split_tables, write_adapted_tables
from ldae.cohort.bids import adni_scans
from ldae.cohort.manifest import write_manifest
from ldae.config import Convert, Manifest, Phantom
from ldae.core.errors import UserError
from ldae.core.files import read_json, read_tsv
from ldae.phantom.loni_tables import write_todays_tables
from ldae.phantom.visit_schedule import plan_cohort

SEED = 3
ADNIMERGE_ERA = ("ADNIMERGE", "MPRAGEMETA", "MRIQUALITY", "MAYOADIRL_MRI_IMAGEQC_05_07_15", "APOERES")


@pytest.fixture(scope="session")
def cohort():
    """One subject of each phase up to ADNI3, two who go on in ADNI4, two enrolled there."""
    plans = plan_cohort(Phantom(subjects={"CN": 4, "MCI": 4, "AD": 4}, visits=2, extra_visit_fraction=0, adni4=2), SEED)
    rollovers = [plan for plan in plans if len({visit.phase for visit in plan.visits}) == 2]
    first = [next(plan for plan in plans if plan.phase == phase) for phase in ("ADNI1", "ADNI2")]
    return [*first, *rollovers, *plans[-2:]]


@pytest.fixture
def new(make_download, cohort, tmp_path):
    """A download of the two subjects of ADNI4 alone."""
    return make_download(tmp_path / "raw", cohort[-2:])


def convert(download, results, tables=None, settings=None):
    """Adapter, conversion of one shard, merging, manifest: scans.tsv."""
    settings = settings or Convert(shards=1, max_quarantined_fraction=0.9)
    status = results / "status" / "0.tsv"
    write_adapted_tables(download.images, tables or download.tables, results / "tables", settings.adni4)
    convert_shard(download.images, results / "tables", results / "bids", 0, settings, status, results / "scratch")
    merge_bids([status], results / "bids", settings.max_quarantined_fraction)
    scans = results / "manifest" / "scans.tsv"
    found = adni_scans(results / "bids", [status])
    write_manifest(found, "adni", Manifest(require_diagnosis=False), 1, scans, scans.with_name("exclusions.tsv"))
    return read_tsv(scans, dtype={"image_id": str, "reason": str})


def require_truth(scans, download):
    """Every visit is there: right phase, age (to the half month of a birthday), diagnosis, image and converter."""
    rows = {(row.participant_id, row.session_id): row for row in scans.itertuples()}
    visits = [(plan, visit) for plan in download.plans for visit in plan.visits]
    assert set(rows) == {(plan.subject.participant_id, f"ses-{visit.session}") for plan, visit in visits}
    images = {(image.ptid, image.months): image for image in download.listed if image.chosen}
    for plan, visit in visits:
        row, image = rows[plan.subject.participant_id, f"ses-{visit.session}"], images[plan.subject.ptid, visit.months]
        assert (row.study_phase, row.diagnosis, row.sex) == (visit.phase, plan.diagnosis(visit), plan.subject.sex)
        assert row.image_id == str(image.image_id) and row.field_strength == visit.field_strength
        assert row.converted_by == ("dcm2niix" if visit.phase == "ADNI4" else "clinica")
        born_to_the_month = 16 / 365.25 if plan.phase == "ADNI4" else 0.06  # ADNIMERGE rounds to a tenth of a year
        assert abs(row.age - plan.subject.age - visit.elapsed_years) <= born_to_the_month
        assert (row.status, row.age_from) == ("included", "scan") and pd.notna(row.mmse) and pd.notna(row.cdr)


@pytest.mark.slow
@pytest.mark.parametrize("names", ["of 2023", "of today"])
def test_adni1_to_adni4_arrive_with_the_real_clinica_and_dcm2niix(
    make_download, cohort, tmp_path, names, require_valid_bids
):
    download = make_download(tmp_path / "raw", cohort)
    tables = download.tables
    if names == "of today":
        tables = tmp_path / "today"
        write_todays_tables(tables, download.plans, download.listed, SEED)
    findings = preflight(download.images, tables)
    assert not [finding for finding in findings if finding.severity != "note"]
    scans = convert(download, tmp_path, tables)
    assert findings.arrivals.sentence() == f"{len(scans)} of {len(scans)} visits on disk will arrive"
    assert set(scans["study_phase"]) == {"ADNI1", "ADNI2", "ADNI3", "ADNI4"}
    require_truth(scans, download)
    require_valid_bids(tmp_path / "bids")


def test_subjects_of_adni4_alone_need_neither_adnimerge_nor_clinica(new, tmp_path, monkeypatch, require_valid_bids):
    for name in ADNIMERGE_ERA:
        new.table(name).unlink()
    findings = preflight(new.images, new.tables)
    assert {finding.severity for finding in findings} == {"note"}
    assert findings.arrivals.sentence() == "4 of 4 visits on disk will arrive"

    def refuse(*_):
        raise AssertionError("Clinica was called")

    monkeypatch.setattr(conversion, "run_clinica", refuse)
    scans = convert(new, tmp_path)
    require_truth(scans, new)
    require_valid_bids(tmp_path / "bids")
    import nibabel

    for row in scans.itertuples():
        image = next(image for image in new.listed if str(image.image_id) == row.image_id)
        made = nibabel.load(tmp_path / "bids" / row.t1w)
        assert np.corrcoef(new.volume(image).ravel(), made.get_fdata().ravel())[0, 1] > 0.9999
        assert nibabel.aff2axcodes(made.affine) == ("R", "A", "S")
        sidecar = read_json(tmp_path / "bids" / row.t1w.replace(".nii.gz", ".json"))
        assert sidecar["ConversionSoftware"] == "dcm2niix" and sidecar["MagneticFieldStrength"] == 3.0
    for path in (tmp_path / "bids").rglob("*.json"):
        assert not any(image.ptid in path.read_text() for image in new.listed)


def test_a_second_run_converts_only_what_changed(new, tmp_path, monkeypatch):
    first = convert(new, tmp_path)
    calls = []

    def counted(source, *arguments):
        calls.append(source.name)
        return convert_image(source, *arguments)

    convert_image = publication.convert_image
    monkeypatch.setattr(publication, "convert_image", counted)
    assert convert(new, tmp_path).equals(first) and calls == []
    subject = new.plans[0].subject
    new.edit("MMSE", {"PTID": subject.ptid, "VISCODE": "4_m12"}, "MMSCORE", "7")
    second = convert(new, tmp_path)
    assert calls == [f"I{image.image_id}" for image in new.chosen(subject.ptid)]
    mine = second[second["participant_id"] == subject.participant_id]
    assert mine["mmse"].iloc[1] == 7 and list(mine["diagnosis"]) == [subject.diagnosis] * 2


def test_adni4_may_be_left_out(make_download, cohort, tmp_path):
    new = make_download(tmp_path / "raw", [cohort[0], *cohort[-2:]])
    findings = preflight(new.images, new.tables, adni4=False)
    assert any("five digits" in finding.what for finding in findings)
    status = tmp_path / "status" / "0.tsv"
    write_adapted_tables(new.images, new.tables, tmp_path / "tables", adni4=False)
    settings = Convert(shards=1, adni4=False)
    convert_shard(new.images, tmp_path / "tables", tmp_path / "bids", 0, settings, status, tmp_path / "scratch")
    table = read_tsv(status).set_index("participant_id")
    left = table.loc[[plan.subject.participant_id for plan in cohort[-2:]]]
    assert left["reason"].str.startswith("phase not converted").all() and len(left) == 2
    assert (table.drop(left.index)["converted_by"] == "clinica").all()
    write_adapted_tables(new.images, new.tables, tmp_path / "tables")
    assert (tmp_path / "tables" / "adni4_images.tsv").is_file()
    write_adapted_tables(new.images, new.tables, tmp_path / "tables", adni4=False)
    assert not list((tmp_path / "tables").glob("adni4_*"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PTDEMOG", "table PTDEMOG is missing"),
        ("MAYOADIRL_MRI_QUALITY_ADNI3", "table MAYOADIRL_MRI_QUALITY_ADNI3 is missing"),
        ("MRIQC", "table MRIQC (or All_Images) is missing, or has no T1w image of"),
        ("DXSUM_PDXCONV", "table DXSUM_PDXCONV is missing (today's name: DXSUM)"),
    ],
)
def test_a_table_that_is_missing_blocks_in_one_sentence(new, tmp_path, name, said):
    if name == "DXSUM_PDXCONV":
        new.table("REGISTRY").unlink()
    new.table(name).unlink()
    blocking = [finding for finding in preflight(new.images, new.tables) if finding.severity == "blocking"]
    (finding,) = [finding for finding in blocking if "REGISTRY" not in finding.what]
    assert said in str(finding) and "convert.adni4: false" in finding.fix and "LONI IDA" in finding.fix
    with pytest.raises(UserError, match=f"run ldae preflight and mend .*{name}"):
        write_adapted_tables(new.images, new.tables, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("PTDEMOG", "PTGENDER", "columns missing: PTGENDER"),
        ("PTDEMOG", ("PTDOB", "PTDOBYY"), "columns missing: PTDOB or PTDOBYY"),
        ("MAYOADIRL_MRI_QUALITY_ADNI3", "SERIES_QUALITY", "columns missing: SERIES_QUALITY"),
    ],
)
def test_a_column_that_is_missing_blocks_in_one_sentence(new, name, column, said):
    path = new.table(name)
    read_table(path).drop(columns=[column] if isinstance(column, str) else list(column)).to_csv(path, index=False)
    (finding,) = [finding for finding in preflight(new.images, new.tables) if finding.severity == "blocking"]
    assert finding.what == said and finding.where == path.name


def respell(new, name, change):
    change(read_table(new.table(name))).to_csv(new.table(name), index=False)


def split(new):
    """What is of ADNI4, and what the preflight says of it."""
    return split_tables(new.images, new.tables, adni4=True)[1], preflight(new.images, new.tables)


SPELLINGS = {
    "PHASE as COLPROT": ("DXSUM_PDXCONV", lambda t: t.rename(columns={"PHASE": "COLPROT"})),
    "words for diagnoses": (
        "DXSUM_PDXCONV",
        lambda t: t.assign(DIAGNOSIS=t["DIAGNOSIS"].map({"1": "CN", "2": "MCI", "3": "Dementia"})),
    ),
    "dates in REGISTRY alone": ("DXSUM_PDXCONV", lambda t: t.drop(columns="EXAMDATE")),
    "no VISCODE2": ("DXSUM_PDXCONV", lambda t: t.assign(VISCODE2="")),
    "words for sex": ("PTDEMOG", lambda t: t.assign(PTGENDER=t["PTGENDER"].map({"1": "Male", "2": "Female"}))),
    "year and month of birth apart": (
        "PTDEMOG",
        lambda t: t.drop(columns="PTDOB").assign(PTDOBMM=t["PTDOB"].str[:2], PTDOBYY=t["PTDOBYY"] + ".0"),
    ),
    "lower-case columns": ("PTDEMOG", lambda t: t.rename(columns=str.lower)),
    "no RID": ("MMSE", lambda t: t.drop(columns="RID")),
    "image numbers without a letter": (
        "MAYOADIRL_MRI_QUALITY_ADNI3",
        lambda t: t.assign(LONI_IMAGE=t["LONI_IMAGE"].str[1:] + ".0"),
    ),
    "no visit in the list": ("MRIQC", lambda t: t.drop(columns="VISCODE2")),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_known_from_public_sources_give_the_same_tables(new, name):
    before, _ = split(new)
    respell(new, *SPELLINGS[name])
    after, findings = split(new)
    assert not [finding for finding in findings if finding.severity != "note"]
    for table in ("subjects", "visits", "images"):
        pd.testing.assert_frame_equal(getattr(after, table), getattr(before, table))


@pytest.mark.parametrize("year", ["2052", "1852", "2019"])
def test_a_birth_that_cannot_be_is_quoted_and_the_age_is_na(new, year):
    respell(new, "PTDEMOG", lambda t: t.assign(PTDOB=f"03/{year}", PTDOBYY=year))
    found, findings = split(new)
    (note,) = [finding.what for finding in findings if "without a year of birth" in finding.what]
    assert f"'03/{year}' (" in note and f"'{year}' (" in note
    alone = found.subjects[~found.subjects["clinica"]]
    assert len(alone) and alone["age_bl"].isna().all()


def test_of_a_damaged_adnimerge_the_damage_is_told_and_nothing_of_adni4(make_download, cohort, tmp_path):
    new = make_download(tmp_path / "raw", [plan for plan in cohort if len({visit.phase for visit in plan.visits}) == 2])
    assert any("in ADNI4" in finding.what for finding in split(new)[1])
    path = new.table("ADNIMERGE")
    whole = path.read_text()
    for damaged in (whole.replace("COLPROT", "X", 1), whole.rstrip("\n")[:-20].rpartition(",")[0], ""):
        path.write_text(damaged)
        _, findings = split(new)
        assert not [str(finding) for finding in findings if "ADNI4" in finding.what]
        assert [finding for finding in findings if finding.severity == "blocking" and finding.where == path.name]


def test_what_the_tables_contradict_or_lack_is_noted_and_na(new):
    respell(new, "DXSUM_PDXCONV", lambda t: pd.concat([t, t.iloc[[0]].assign(DIAGNOSIS="1")]))
    respell(new, "PTDEMOG", lambda t: t[t["RID"] != "10001"])
    found, findings = split(new)
    name = new.plans[0].subject.ptid
    said = "\n".join(finding.what for finding in findings)
    for what in (f"1 visit of ADNI4 with different diagnoses, which are n/a: {name} 4_bl AD or CN",
                 f"1 subject of ADNI4 without a year of birth, the age is n/a: {name}",
                 f"1 subject of ADNI4 without a sex: {name}"):  # fmt: skip
        assert what in said
    first = found.visits[found.visits["PTID"] == name].iloc[0]
    assert first[["diagnosis", "age"]].isna().all() and first["MMSE"] is not None


def test_visits_without_any_date_are_named_one_by_one(new, tmp_path):
    for name in ("DXSUM_PDXCONV", "REGISTRY"):
        respell(new, name, lambda t: t.assign(EXAMDATE=""))
    (finding,) = [finding for finding in preflight(new.images, new.tables) if finding.severity == "blocking"]
    assert "0 of 5 visits on disk will arrive; lost: 5 x no visit near" in finding.what
    with pytest.raises(UserError, match=r"5 of 5 scans cannot be used \(5 x no visit near"):
        convert(new, tmp_path)
    respell(new, "MRIQC", lambda t: t.assign(StudyDate="soon"))
    said = [finding.what for finding in preflight(new.images, new.tables) if finding.severity == "blocking"]
    assert "5 x unreadable scan date" in said[0]


def test_who_went_on_in_adni4_without_a_row_in_adnimerge_has_all_visits_by_dcm2niix(make_download, cohort, tmp_path):
    """Their earlier visits too, with the phase, age and diagnosis of each; nothing of Clinica's is needed."""
    rollover = next(plan for plan in cohort if len({visit.phase for visit in plan.visits}) == 2)
    download = make_download(tmp_path / "raw", [rollover])
    for name in ADNIMERGE_ERA[:1]:
        download.table(name).unlink()
    assert preflight(download.images, download.tables).arrivals.sentence() == "3 of 3 visits on disk will arrive"
    scans = convert(download, tmp_path)
    assert list(scans["study_phase"]) == ["ADNI3", "ADNI3", "ADNI4"] and set(scans["converted_by"]) == {"dcm2niix"}
    for row, visit in zip(scans.itertuples(), rollover.visits, strict=True):
        assert row.session_id == f"ses-{visit.session}" and row.diagnosis == rollover.diagnosis(visit)
        assert abs(row.age - rollover.subject.age - visit.elapsed_years) <= 16 / 365.25
    participants = read_tsv(tmp_path / "bids" / "participants.tsv")
    assert participants["original_study"].item() == "ADNI3"
    assert abs(participants["age_bl"].item() - rollover.subject.age) <= 16 / 365.25


def listed(**rows):
    """A list of images; rows: image -> (sequence, field strength)."""
    return pd.DataFrame(
        [
            {"SubjectID": "941_S_10001", "ImageUID": image[1:], "ScanDate": "2024-01-01", "session_id": "ses-M000"}
            | {"SeriesID": ""}
            | {"Sequence": sequence, "MagStrength": strength, "Orig/Proc": "Original"}
            for image, (sequence, strength) in rows.items()
        ]
    )


def marks(**rows):
    """Mayo's table; rows: image -> (quality, selected)."""
    rows = [(image, quality, selected) for image, (quality, selected) in rows.items()]
    return pd.DataFrame(rows, columns=["LONI_IMAGE", "SERIES_QUALITY", "SERIES_SELECTED"])


NAME = "Accelerated Sagittal MPRAGE"


@pytest.mark.parametrize(
    ("images", "rated", "order"),
    [
        ({"I1": (f"{NAME}_ND", "3.0"), "I2": (NAME, "3.0")}, {}, ["2", "1"]),
        ({"I1": (f"{NAME} Repeat", "3.0"), "I2": (NAME, "3.0")}, {}, ["2", "1"]),
        ({"I1": (NAME, "1.5"), "I2": (NAME, "3.0")}, {}, ["2", "1"]),
        ({"I1": (NAME, "3.0"), "I2": (NAME, "3.0")}, {"I1": ("3", "0"), "I2": ("1", "0")}, ["2", "1"]),
        ({"I1": (NAME, "3.0"), "I2": (NAME, "3.0")}, {"I1": ("1", "0"), "I2": ("2", "1")}, ["2", "1"]),
        ({"I1": (NAME, "3.0"), "I2": (NAME, "3.0")}, {"I1": ("-1", "0"), "I2": ("3", "0")}, ["2", "1"]),
        ({"I10": (NAME, "3.0"), "I9": (NAME, "3.0")}, {}, ["9", "10"]),
    ],
)
def test_the_best_image_of_a_visit_comes_first(images, rated, order):
    assert list(chosen_order(listed(**images), marks(**rated))["ImageUID"]) == order


@pytest.mark.parametrize(
    ("rated", "refused"),
    [
        ({"I1": ("4", "0")}, True),
        ({"I1": ("", "")}, False),
        ({"I1": ("good", "yes")}, False),
        ({"I1": ("4", "0"), "I2": ("1", "1")}, True),
        ({"I1": ("4", "1")}, False),
        ({"I1": ("-1", "0")}, False),
        ({}, False),
    ],
)
def test_what_mayo_rejects_is_refused(rated, refused):
    (refusal,) = chosen_order(listed(I1=(NAME, "3.0")), marks(**rated))["refusal"]
    assert (refusal is not None) == refused


def test_a_series_that_failed_is_refused():
    images = listed(I1=(NAME, "3.0"), I2=(NAME, "3.0")).assign(SeriesID=["71", "72"])
    refusals = chosen_order(images, None, {"71"}).set_index("ImageUID")["refusal"]
    assert refusals["1"].startswith("refused by the study: MRIQUALITY") and refusals["2"] is None


def test_a_visit_takes_the_next_image_where_the_best_is_not_whole():
    images = [
        {"ImageUID": number, "session_id": "ses-M000", "refusal": refusal, "ScanDate": "2024-01-01"}
        for number, refusal in (("1", None), ("2", "refused by the study: so"), ("3", None))
    ]
    part = Part({}, [], [*images, images[0] | {"ImageUID": "4", "session_id": None}])
    disk = SubjectFiles({number: ImageFiles(dicom=["x"]) for number in ("1", "2", "3", "4")})
    by_date, visit = choices(part, disk, {})
    assert visit.image["ImageUID"] == "1" and by_date.reason.startswith("no visit near")
    assert choices(part, disk, {"1": "unreadable DICOM: so"})[1].image["ImageUID"] == "3"
    assert choices(part, disk, {"1": "unreadable DICOM: a", "3": "b"})[1].reason == "unreadable DICOM: a"
    (nothing,) = choices(part, SubjectFiles(), {})
    assert nothing.reason.startswith("not downloaded: no file is named after I1")
    alone = SubjectFiles({"2": ImageFiles(dicom=["x"])})
    assert choices(part, alone, {})[0].reason == "refused by the study: so (I2)"
    (unknown,) = choices(Part({}, [], []), alone, {})
    assert unknown.reason == "unknown images: no list of images has a row of this subject"


def test_the_visit_of_a_scan():
    day = pd.Timestamp
    visits = [
        {"code": "m24", "day": day("2020-01-01"), "adni4": False},
        {"code": "4_init", "day": day("2023-01-01"), "adni4": True},
        {"code": "4_m12", "day": day("2024-01-01"), "adni4": True},
    ]
    assert nearest_visit(visits, "4_init", day("2023-06-01"))["code"] == "4_init"  # by its code, within half a year
    assert nearest_visit(visits, "", day("2023-03-01"))["code"] == "4_init"
    assert nearest_visit(visits, "4_init", day("2024-01-10"))["code"] == "4_m12"  # a code that the date contradicts
    assert nearest_visit(visits, "", day("2020-02-01"))["code"] == "m24"
    assert nearest_visit(visits, "", day("2021-06-01")) is None
    assert nearest_visit(visits, "4_init", pd.NaT) is None
    assert nearest_visit([], "4_init", day("2021-06-01")) is None


@pytest.mark.parametrize(
    ("code", "code2", "enrolled_here", "taken", "months"),
    [
        ("4_sc", "4_sc", True, set(), 0),
        ("4_bl", "", True, set(), 0),
        ("4_m12", "4_m12", True, set(), 12),
        ("4_m24", "m24", True, set(), 24),
        ("4_init", "m72", False, set(), 72),
        ("4_init", "", False, set(), 72),  # 2195 days are 72.1 months
        ("4_init", "", False, {"m72"}, 72),
        ("4_m12", "4_m12", False, {"m66"}, 72),
    ],
)
def test_months_since_baseline(code, code2, enrolled_here, taken, months):
    row = {"code": code, "code2": code2, "day": pd.Timestamp("2017-01-01") + pd.Timedelta(days=2195)}
    assert months_of(row, pd.Timestamp("2017-01-01"), enrolled_here, taken) == months


@pytest.mark.parametrize(
    ("cell", "month"),
    [
        *[(cell, 3) for cell in ("03/1950", "3/15/1950", "1950-03-01", "1950-03-01 00:00:00", "3.0")],
        *[(cell, None) for cell in ("/1950", "1950", "", "13/1950")],
    ],
)
def test_month_of_birth(cell, month):
    assert birth_month(cell) == month


def test_scans_that_cannot_be_had_have_their_reason_and_the_rest_arrives(make_download, cohort, tmp_path):
    images = make_download(tmp_path / "whole", cohort[-2:])
    first, second = (images.chosen(plan.subject.ptid) for plan in cohort[-2:])
    download = make_download(tmp_path / "raw", cohort[-2:], broken={first[1].image_id})
    image = {"LONI_IMAGE": f"I{second[0].image_id}"}
    download.edit("MAYOADIRL_MRI_QUALITY_ADNI3", image, "SERIES_QUALITY", "4")
    download.edit("MAYOADIRL_MRI_QUALITY_ADNI3", image, "SERIES_SELECTED", "0")
    scans = convert(download, tmp_path).set_index("image_id")
    assert list(scans["status"]).count("included") == 2
    broken, refused = scans.loc[str(first[1].image_id)], scans.loc[str(second[0].image_id)]
    assert broken["status"] == "excluded" and f"I{first[1].image_id}" in broken["reason"]
    assert refused["reason"].startswith("refused by the study: Mayo's quality table rejects it")
    assert pd.isna(refused["converted_by"])


def test_a_cohort_with_adni4_leaves_the_others_as_they_are():
    settings = {"subjects": {"CN": 4, "MCI": 4, "AD": 4}, "visits": 2, "extra_visit_fraction": 0}
    without = plan_cohort(Phantom(**settings), SEED)
    with_adni4 = plan_cohort(Phantom(**settings, adni4=1), SEED)
    pairs = list(zip(without, with_adni4, strict=False))
    assert len(with_adni4) == len(without) + 1 and with_adni4[-1].subject.ptid.endswith("_S_10001")
    assert sum(old == new for old, new in pairs) == len(without) - 1
    (old, new) = next((old, new) for old, new in pairs if old != new)
    assert new.visits[:-1] == old.visits and new.visits[-1].phase == "ADNI4" and new.subject == old.subject
    assert "adni4" not in Phantom(**settings).described() and Phantom(**settings, adni4=1).described()["adni4"] == 1


def of_today(download, tmp_path):
    """The tables under the names of today, whose list of images goes on to ADNI4."""
    write_todays_tables(tmp_path / "today", download.plans, download.listed, SEED)
    return tmp_path / "today"


def test_visits_of_adni4_are_no_loss_where_they_are_not_wanted(make_download, cohort, tmp_path):
    """``convert.adni4: false`` is the remedy that the preflight itself names."""
    download = make_download(tmp_path / "raw", cohort[:4])
    today = of_today(download, tmp_path)
    findings = preflight(download.images, today, adni4=False)
    visits = sum(visit.phase != "ADNI4" for plan in download.plans for visit in plan.visits)
    others = sum(visit.phase == "ADNI4" for plan in download.plans for visit in plan.visits)
    assert {finding.severity for finding in findings} <= {"note"} and others == 2
    beside = f"(beside them {others} phase not converted)"
    assert findings.arrivals.sentence() == f"{visits} of {visits} visits on disk will arrive {beside}"


def test_a_visit_of_adni4_that_no_table_dates_names_the_tables_that_would(make_download, cohort, tmp_path):
    download = make_download(tmp_path / "raw", cohort[:4])
    today = of_today(download, tmp_path)
    for path in (next(today.glob("DXSUM*")), next(today.glob("REGISTRY*"))):
        read_table(path).assign(EXAMDATE="").to_csv(path, index=False)
    findings = preflight(download.images, today)
    (line,) = [str(finding) for finding in findings if finding.severity == "blocking"]
    assert "2 x unknown visit of ADNI4" in line and "download the newest DXSUM and REGISTRY" in line
    assert "or leave ADNI4 out (convert.adni4: false)" in line


def test_a_missing_registry_that_is_needed_is_not_called_dispensable(new):
    new.table("REGISTRY").unlink()
    respell(new, "DXSUM_PDXCONV", lambda table: table.assign(EXAMDATE=""))
    (line,) = [str(item) for item in preflight(new.images, new.tables) if item.severity == "blocking"]
    assert line.startswith("table REGISTRY is missing (") and "n/a" not in line
    new.table("DXSUM_PDXCONV").unlink()
    (line,) = [str(item) for item in preflight(new.images, new.tables) if item.severity == "blocking"]
    assert line.startswith("table DXSUM_PDXCONV is missing")


def test_without_adnimerge_what_subjects_with_five_digits_lack_is_said_too(make_download, cohort, tmp_path):
    download = make_download(tmp_path / "raw", cohort)
    download.table("ADNIMERGE").unlink()
    download.table("PTDEMOG").unlink()
    findings = preflight(download.images, download.tables)
    first, second = [str(finding) for finding in findings if finding.severity == "blocking"]
    assert first.startswith("table ADNIMERGE is missing") and findings.arrivals is None
    assert second.startswith("table PTDEMOG is missing") and "leave ADNI4 out" in second
