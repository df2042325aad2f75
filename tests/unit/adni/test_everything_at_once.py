"""A hundred subjects, one in a hundred harmed in each of the ways that downloads are harmed: the others arrive."""

import re
import shutil
import zipfile
from pathlib import Path

from ldae.adni.preflight import preflight
from ldae.config import Phantom
from ldae.phantom.visit_schedule import plan_cohort

HARMLESS, LOST = {}, {}  # name -> what is done to the folder of a subject's image


def harmless(function):
    HARMLESS[function.__name__] = function


def lost(function):
    LOST[function.__name__] = function


@harmless
def files_of_macos(folder: Path, _):
    for path in list(folder.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(78))


@harmless
def metadata_beside(folder: Path, subject: Path):
    (subject / "ADNI_metadata.xml").write_text("<xml/>")


@harmless
def siemens_names(folder: Path, _):
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(".IMA"))


@harmless
def slices_copied_twice(folder: Path, _):
    for path in list(folder.iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem} (1).dcm"))


@harmless
def another_sequence(folder: Path, subject: Path):
    shutil.copytree(folder, subject / "Axial_T2_FLAIR" / folder.parent.name / "I9")


@lost
def left_packed(folder: Path, subject: Path):
    with zipfile.ZipFile(subject.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.relative_to(subject.parent))
    shutil.rmtree(subject)


@lost
def a_second_copy_of_the_folder(folder: Path, subject: Path):
    subject.rename(subject.with_name(f"{subject.name} (1)"))


@lost
def never_downloaded(folder: Path, subject: Path):
    shutil.rmtree(subject)


@lost
def without_a_byte(folder: Path, _):
    for path in folder.iterdir():
        path.write_bytes(b"")


@lost
def dead_links(folder: Path, _):
    for path in list(folder.iterdir()):
        path.unlink()
        path.symlink_to("/nowhere/else.dcm")


@lost
def a_dead_link_to_the_folder(folder: Path, _):
    shutil.rmtree(folder)
    folder.symlink_to("/nowhere/at/all")


@lost
def pointers(folder: Path, _):
    for path in folder.iterdir():
        path.write_text("/annex/objects/MD5E-s1--0\n")


@lost
def unfinished(folder: Path, _):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"{path.name}.crdownload"))


@lost
def half_of_the_slices(folder: Path, _):
    for path in sorted(folder.iterdir())[::2]:
        path.unlink()


def test_all_healthy_visits_arrive_and_every_other_is_named(make_download, tmp_path):
    settings = Phantom(subjects={"CN": 34, "MCI": 33, "AD": 33}, visits=1, extra_visit_fraction=0)
    download = make_download(tmp_path, plan_cohort(settings, 3))
    names = [plan.subject.ptid for plan in download.plans]
    harms = HARMLESS | LOST
    harmed = dict(zip(harms, names[:: len(names) // len(harms)], strict=False))
    for name, ptid in harmed.items():
        (image,) = download.chosen(ptid)
        for other in download.listed:  # repeats of the same visit, which would arrive in its place
            if other.ptid == ptid and not other.chosen:
                shutil.rmtree(download.images / other.folder)
        harms[name](download.images / image.folder, download.images / ptid)
    shifted = next(name for name in names if name not in harmed.values())  # its row was cut at a comma too many
    download.edit("ADNIMERGE", {"PTID": shifted}, "ORIGPROT", "")
    findings = preflight(download.images, download.tables)
    gone = {harmed[name] for name in LOST} | {shifted}
    assert findings.arrivals.losing("unusable visit") == {shifted}
    assert {ptid for ptid, _ in findings.arrivals.arriving} == set(names) - gone
    said = "\n".join(map(str, findings))
    for name in LOST.keys() - {"never_downloaded"}:  # nothing of that one is in the download
        (image,) = download.chosen(harmed[name])
        assert harmed[name] in said or f"I{image.image_id}" in said, name
        assert harmed[name] in findings.arrivals.told, name
    others = {str(image.image_id) for image in download.listed if image.ptid not in gone}
    assert not others & set(re.findall(r"I(\d+)", said)), "a healthy image is complained of"
