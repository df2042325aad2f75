"""Images on disk that no list has: T1w scans of a filtered list are lost, other sequences are none."""

import shutil
from datetime import timedelta

from preflight_words import ALL, said, sentence

from ldae.adni.accounting import read_listing, visits_left_out
from ldae.adni.disk import subject_files
from ldae.adni.image_listing import named_otherwise, named_t1w
from ldae.adni.preflight import preflight
from ldae.adni.study_tables import read_table


def keep(download, rows):
    """Keep the rows of the list of images of which a function of the image says so."""
    table = read_table(download.table("MPRAGEMETA"))
    kept = {str(image.image_id) for image in download.listed if rows(image)}
    table[table["ImageUID"].isin(kept)].to_csv(download.table("MPRAGEMETA"), index=False)


def other_sequence(download, ptid, sequence, number, day="2012-03-04"):
    """Files of another sequence, as LONI names them."""
    image = download.listed[0]
    folder = download.images / ptid / sequence / f"{day}_10_00_00.0" / f"I{number}"
    folder.mkdir(parents=True)
    for path in sorted((download.images / image.folder).iterdir()):
        shutil.copy(path, folder / path.name.replace(image.ptid, ptid).replace(f"I{image.image_id}", f"I{number}"))


def test_visits_that_a_filtered_list_lacks_are_lost_and_it_is_said_what_it_holds(download):
    keep(download, lambda image: image.months == 0)
    assert sentence(download) == "3 of 6 visits on disk will arrive"
    findings = preflight(download.images, download.tables)
    (account,) = [finding for finding in findings if finding.severity == "blocking"]
    assert "3 x missing in the list of images" in account.what and "with all visits" in account.fix
    (held,) = [finding for finding in findings if finding.what.startswith("your MPRAGEMETA lists only")]
    assert held.what.endswith("; on disk are T1w scans of 3 visits that it does not list") and "Screening" in held.what


def test_scans_that_no_visit_of_adnimerge_is_near_are_no_loss(download):
    """As those of ADNI4 are none to Clinica, whose list ends before it."""
    image = download.chosen(download.plans[0].subject.ptid)[1]
    keep(download, lambda other: other is not image)
    assert sentence(download) == "5 of 6 visits on disk will arrive"
    download.remove("ADNIMERGE", {"PTID": image.ptid, "VISCODE": f"m{image.months:02d}"})
    assert sentence(download) == "5 of 5 visits on disk will arrive"


def test_visits_that_a_filtered_adnimerge_lacks_are_lost_for_want_of_them(download):
    """Also those less than half a year from the baseline, which has another name in the list."""
    for image in download.listed:
        if image.months:
            download.remove("ADNIMERGE", {"PTID": image.ptid, "VISCODE": f"m{image.months:02d}"})
    late = [image for image in download.listed if image.months and image.chosen]
    for image in late:
        first = next(other for other in download.chosen(image.ptid) if not other.months)
        day = f"{first.acquired.date() + timedelta(days=150)}"
        download.edit("MPRAGEMETA", {"SubjectID": image.ptid, "Visit": image.visit_name}, "ScanDate", day)
    findings = preflight(download.images, download.tables)
    account = next(finding for finding in findings if "will arrive" in finding.what)
    assert account.severity == "blocking"
    assert f"{len(late)} x no visit near" in account.what and "look whether ADNIMERGE has all visits" in account.fix


def test_the_conversion_counts_them_as_well(download):
    keep(download, lambda image: image.months == 0)
    image = next(image for image in download.listed if image.months > 0)
    files = subject_files(download.images / image.ptid)
    listing = read_listing(download.tables)
    chosen = set(listing.images.loc[listing.images["SubjectID"] == image.ptid, "ImageUID"])
    (entry,) = visits_left_out(image.ptid, listing, files, chosen, set(), {})
    assert entry["reason"].startswith("missing in the list of images: MPRAGEMETA has no image of ")
    assert entry["scan_date"] == str(image.acquired.date())


def test_another_image_of_a_listed_day_is_no_visit_more(download):
    image = download.listed[0]
    here = download.images / image.folder
    shutil.copytree(here, here.with_name("I77"))
    for path in here.with_name("I77").iterdir():
        path.rename(path.with_name(path.name.replace(f"I{image.image_id}", "I77")))
    assert sentence(download) == ALL
    assert "note: 1 image on disk is not listed in MPRAGEMETA: I77" in said(download)


def test_without_loni_s_folders_its_file_names_tell_sequence_and_session(download):
    for image in download.listed:
        (download.images / image.folder).rename(download.images / image.ptid / f"I{image.image_id}")
    assert sentence(download) == ALL
    other = next(image for image in download.listed if not image.chosen)
    keep(download, lambda image: image is not other)
    assert sentence(download) == ALL  # another scan of that day is listed
    keep(download, lambda image: image.months == 0)
    assert sentence(download).startswith("3 of 6 visits on disk will arrive")


def test_subjects_with_other_sequences_alone_are_no_loss(download):
    for number, sequence in enumerate(("Axial_FLAIR", "Axial_DTI", "Axial_T2-FLAIR", "Resting_State_fMRI"), 80):
        other_sequence(download, f"941_S_{number:04d}", sequence, number)
    assert sentence(download) == f"{ALL} (beside them 4 no T1w image)"
    findings = preflight(download.images, download.tables)
    assert not [finding for finding in findings if finding.severity == "blocking"]


def test_a_t1w_scan_of_a_subject_that_no_list_has_is_lost_among_other_sequences(download):
    other_sequence(download, "941_S_9001", "Axial_FLAIR", 80)
    other_sequence(download, "941_S_9001", "MPRAGE", 81, "2013-03-04")
    assert sentence(download) == "6 of 7 visits on disk will arrive"


def test_a_day_of_other_sequences_alone_is_no_visit(download):
    other_sequence(download, download.plans[0].subject.ptid, "Axial_FLAIR", 80)
    assert sentence(download) == ALL


def test_names_of_loni_s_folders():
    t1w = (
        *("MP-RAGE", "MPRAGE", "Accelerated_Sagittal_MPRAGE", "MPR__GradWarp__B1_Correction__N3__Scaled", "IR-FSPGR"),
        *("Sag_IR-SPGR", "MP-RAGE_REPEAT", "MPRAGE_SENSE2", "SAG_MP_RAGE", "Accelerated_Sag_IR-FSPGR", "MT1__N3m"),
    )
    others = (
        *("Axial_FLAIR", "Sagittal_3D_FLAIR", "Axial_DTI", "Axial_PD_T2_FSE", "Double_TSE", "3_Plane_Localizer"),
        *("B1-Calibration_Body", "Field_Mapping", "Axial_T2_Star", "Perfusion_Weighted", "HighResHippocampus"),
        *("Resting_State_fMRI", "Axial_rsfMRI__Eyes_Open_", "ASL_PERFUSION", "relCBF", "Calibration_Scan"),
    )
    assert all(named_t1w(name) and not named_otherwise(name) for name in t1w)
    assert all(named_otherwise(name) and not named_t1w(name) for name in others)
    assert not named_t1w("Sagittal_3D_T1") and not named_otherwise("Sagittal_3D_T1")
