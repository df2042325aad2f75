"""Images that are listed and not on disk, on disk and not listed, and what lies beside the subjects."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ldae.adni.adni4_tables import Adni4
from ldae.adni.archives import DAMAGED, LOCKED, NESTED, PARTLY, UNSEEN, Contents, unpacked_by
from ldae.adni.disk import BEHIND_A_LINK, SubjectFiles, subject_files
from ldae.adni.inventory import FIVE_DIGITS, SIBLING, Outsider, subject_folders
from ldae.adni.preflight.beside_subjects import USED, outsider_findings
from ldae.adni.preflight.date_checks import bad_dates
from ldae.adni.preflight.finding import Finding, Severity, counted, shortened
from ldae.adni.spelling import lost_digits
from ldae.adni.study_tables import BY_NAME
from ldae.adni.troubles import Trouble
from ldae.core.file_names import BY_ICLOUD, kind_of
from ldae.core.files import escaped
from ldae.core.folders import walk
from ldae.core.keys import PTID
from ldae.core.text_tables import count

COLLECTIONS = "LONI IDA, Search & Download > Image Collections > Advanced Search"
NOBODY: Mapping[str, str] = {}
NOTHING: Mapping[str, Contents] = {}


def files_by_subject(images: Path, subjects: list[str]) -> dict[str, SubjectFiles]:
    """PTID -> its image files, by name alone."""
    return {subject: subject_files(images / subject) for subject in subjects}


def image_findings(
    meta: pd.DataFrame,
    files: Mapping[str, SubjectFiles],
    images: Path,
    adni4: Adni4 | None = None,
    owners: Mapping[str, str] = NOBODY,
) -> list[Finding]:
    """Compare MPRAGEMETA with the files, for the subjects on disk.

    Args:
        adni4: images that are not Clinica's.
        owners: image ID -> PTID, of the list of images (:func:`misplaced_images` tells of what lies elsewhere).
    """
    rows = meta[meta["SubjectID"].isin(files)]
    shortened_ids = rows["ImageUID"].map(lost_digits).astype(bool)  # which are told by themselves
    rows = rows[~shortened_ids]
    others = set() if adni4 is None else set(zip(adni4.images["PTID"], adni4.images["ImageUID"], strict=True))
    on_disk = {(subject, number) for subject, item in files.items() for number in item.ids} - others
    listed = set(zip(rows["SubjectID"], rows["ImageUID"], strict=True))
    empty = {(subject, number) for subject, item in files.items() for number in item.empty}
    absent = sorted(f"I{number}" for _, number in listed - on_disk - empty)
    unlisted = sorted(f"I{number}" for name, number in on_disk - listed if owners.get(number, name) == name)
    hollow = sorted(f"I{number}" for _, number in empty & listed - on_disk)
    troubles = {name: item.troubles for name, item in files.items()}
    lost = {pair: troubles[pair[0]].get(pair[1], "") for pair in on_disk & listed}
    kinds: dict[Trouble, list[str]] = {kind: [] for kind in Trouble}
    for (_, number), why in sorted(lost.items(), key=lambda entry: f"I{entry[0][1]}"):
        if (trouble := Trouble.of(why)) is not None:
            kinds[trouble].append(f"I{number}")
    hidden = sorted(f"I{n}" for name, n in listed - on_disk if n in files[name].hidden)
    absent = [image for image in absent if image not in hidden]
    misnamed = sorted(f"I{n}" for s, n in on_disk & listed if files[s].images[n].dicom and not files[s].images[n].named)
    again = f"download them again from {COLLECTIONS}, by image ID"
    findings = [*bad_dates(rows, "ScanDate", "SubjectID", "MPRAGEMETA", "such an image is left out")]

    def add(severity: Severity, names: list[str], what: str, fix: str) -> None:
        if names:
            findings.append(
                Finding(severity, f"{counted(len(names), what)}: {shortened(names)}", str(images), fix, USED)
            )

    add(
        "quarantine",
        kinds[Trouble.NOT_THERE],
        "images have links to nowhere among their files",
        "run `datalad get`, or copy them again",
    )
    add("quarantine", kinds[Trouble.EMPTY], "images have files of 0 bytes", f"copy them again, or {again}")
    small = "images have files too small for a slice (pointers of git-annex or Git LFS, rests of a copy)"
    add("quarantine", kinds[Trouble.STUBS], small, f"`datalad get` or `git lfs pull`; else {again}")
    add("quarantine", kinds[Trouble.GAPS], "images lack slices", again)
    add("quarantine", kinds[Trouble.CUT_OFF], "images have slices that end in the middle", again)
    add("quarantine", kinds[Trouble.UNREADABLE], "images have files that are no DICOM", again)
    add("quarantine", kinds[Trouble.NO_NIFTI], "images have a NIfTI file that is no head", again)
    other = f"look whether the list of images is that of these files, or {again}"
    add("quarantine", kinds[Trouble.OTHER_KIND], "listed images have another modality than MR in their headers", other)
    add("quarantine", kinds[Trouble.COPY], "images have the files of another image", again)
    apart = "sort the files by SeriesInstanceUID, each image's into its own folder I<image ID>"
    add("quarantine", kinds[Trouble.MIXED], "image folders hold several images", f"{again}; or {apart}")
    mine = "change the permissions (chmod -R u+r), or ask whose they are"
    add("quarantine", kinds[Trouble.CLOSED], "images have files that this user must not read", mine)
    what = "image folders hold nothing but files named as another image's"
    add(
        "quarantine",
        kinds[Trouble.CONTRADICTING],
        what,
        f"see which image they are, and rename the folder or the files, or {again}",
    )
    add("quarantine", hidden, "images lie in hidden folders", "take the dot from the folder's name, if it is ADNI's")
    what = "images hold unfinished downloads (.part, .crdownload, .icloud)"
    add("quarantine", kinds[Trouble.UNFINISHED], what, f"{again} (.icloud: {BY_ICLOUD})")
    add("quarantine", kinds[Trouble.PACKED], "images are packed", "unpack their files where they lie (gunzip, unzip)")
    add("quarantine", hollow, "image folders are empty", again)
    add("note", misnamed, "images are known by their folder alone (files do not end _I<image ID>.dcm)", "none needed")
    astray = {(name, number) for name, item in files.items() for _, number in item.misfiled}
    what = "images have files in the folder of another image; their own names are believed"
    add(
        "note",
        sorted(f"I{number}" for _, number in astray & listed),
        what,
        "none needed if the names of the files are right",
    )
    columns = ["SubjectID", "ImageUID", "Visit", "Sequence", "MagStrength", "Orig/Proc"]
    twice = rows[[name for name in columns if name in rows]].drop_duplicates()
    twice = sorted({f"I{number}" for number in twice.loc[twice.duplicated(["SubjectID", "ImageUID"]), "ImageUID"]})
    what = "listed images are in several rows with different cells, of which the first is read"
    add("note", twice, what, "keep only the right row of each in the list of images")
    findings += nameless_findings(files, images, {name for name, _ in listed - on_disk})
    fix = f"if you want them: {COLLECTIONS}, add them by image ID and download them beside the others"
    add("note", absent, "listed images are not on disk", fix)
    fix = f"none needed if they are no T1w images; else a newer list from {BY_NAME['MPRAGEMETA'].page}"
    unlisted = [] if shortened_ids.any() else unlisted
    add("note", unlisted, "images on disk are not listed in MPRAGEMETA", fix)
    return findings


def late_beginnings(first: int, images: Path) -> list[Finding]:
    """That slices may be missing at the beginning of all images alike, which no comparison among them shows.

    Args:
        first: the number of the first slice of most images, in the names of LONI's files.
    """
    if first <= 1:
        return []
    what = f"the slices of most images begin with number {first} in the names of their files, LONI's with 0 or 1: "
    what += "the first ones may be missing in all"
    fix = "download one image again and compare the numbers of its files"
    return [Finding("note", what, str(images), fix, USED)]


def missing_ends(short: list[str], images: Path) -> list[Finding]:
    """That slices may be missing in all images alike, by what their scanners say.

    Args:
        short: images with fewer slices than were taken.
    """
    if not short:
        return []
    what = f"most images have fewer slices than their headers say were taken ({shortened(short, 3)}): "
    what += "some may be missing in all"
    fix = "download one image again and compare the number of its files"
    return [Finding("note", what, str(images), fix, USED)]


def bare_folders(files: Mapping[str, SubjectFiles], images: Path) -> list[Finding]:
    """Subjects' folders in which nothing is that could be an image, and links in them that lead too far."""
    bare = [name for name, item in files.items() if item == SubjectFiles(empty=item.empty)]
    empty = [name for name in bare if not files[name].empty and is_empty(images / name)]
    bare = [name for name in bare if name not in empty]
    findings = []
    if bare:
        what = f"{count(len(bare), 'subject folder')} without a file of an image: {shortened(bare)}"
        fix = f"download the images of these subjects from {COLLECTIONS}, or take the folders away"
        findings.append(Finding("quarantine", what, str(images), fix, USED))
    if empty:
        what = f"{count(len(empty), 'empty subject folder')}: {shortened(empty)}"
        fix = f"none needed if they are left over; else download the images of these subjects from {COLLECTIONS}"
        findings.append(Finding("note", what, str(images), fix, USED))
    if links := [Path(path).relative_to(images).as_posix() for item in files.values() for path in item.endless]:
        what = f"{count(len(links), 'link')} to more than {BEHIND_A_LINK:,} folders, not followed: {shortened(links)}"
        fix = "take such a link away; if images lie behind it, link to their own folder"
        findings.append(Finding("note", what, str(images), fix, USED))
    if cuts := [Path(path).relative_to(images).as_posix() for item in files.values() for path in item.shortcuts]:
        what = f"{count(len(cuts), 'shortcut')} in subjects' folders, leading nowhere in this system: "
        fix = "copy the folders that they lead to in their place"
        findings.append(Finding("quarantine", what + shortened(cuts), str(images), fix, USED))
    return findings


def is_empty(folder: Path) -> bool:
    """Whether there is no file in a folder, however deep."""
    return not any(names for _, _, names in walk(folder, closed=True))


def nameless_findings(files: Mapping[str, SubjectFiles], images: Path, lacking: Collection[str]) -> list[Finding]:
    """Series that nobody can tell which image they are: the names were changed.

    Args:
        lacking: subjects of whom listed images are not on disk.
    """
    findings = []
    severity: Severity
    for severity, names in (
        ("quarantine", [name for name in files if name in lacking]),
        ("note", [name for name in files if name not in lacking]),
    ):
        folders = [Path(path).relative_to(images).as_posix() for name in names for path in files[name].unnamed]
        if folders:
            what = (
                f"{count(len(folders), 'folder')} with files that no name gives an image ID: {shortened(folders, 2)}; "
                "an image is known by files that end _I<image ID>.dcm or by its folder I<image ID>"
            )
            fix = "give files or folders their names back (unpack the download again, without renaming)"
            fix = fix if severity == "quarantine" else f"none needed if they are no T1w images; else {fix}"
            findings.append(Finding(severity, what, str(images), fix, USED))
    return findings


def folder_findings(
    images: Path,
    beside: list[Outsider],
    adni4: bool = True,
    needless: Collection[str] = (),
    archives: Mapping[str, Contents] = NOTHING,
) -> list[Finding]:
    """An empty cohort, subjects that Clinica passes over (unless ``adni4``), and whatever lies ``beside`` them.

    Args:
        needless: paths of what holds no image that does not lie in its place too.
        archives: what is in those beside the subjects.
    """
    findings = []
    broken = damaged_ones(archives)
    beside = [
        replace(item, fix=f"download it again: it is {DAMAGED} (what is seen of it is counted)")
        if item.path in broken
        else item
        for item in beside
    ]
    if not subject_folders(images):
        fix = "set raw.images to the folder that holds one folder per subject, as LONI's zip unpacks (usually ADNI)"
        inside = Counter(place.rpartition("/")[0] for item in beside for _, place in item.subjects if "/" in place)
        packed = [item.path for item in beside if item.archives and not item.subjects]
        if packed and not inside:
            fix = f"unpack {shortened(map(escaped, packed), 3)}, which may hold them"
        folders = [item for item in beside if not item.loose and not item.archives]
        renamed = [(item.path, who) for item in folders for who, place in item.subjects if place == item.path]
        if renamed:
            names = shortened((f"{who} ({escaped(place)})" for place, who in renamed), 3)
            fix = f"give the folders the names of their subjects, by the files in them: {names}"
        if inside:
            (folder, number), *_ = inside.most_common(1)
            fix = f"set raw.images to {images / folder}, which holds {count(number, 'subject folder')}"
            if len(inside) > 1:
                others = ", ".join(f"{place} ({count(n, 'subject folder')})" for place, n in inside.most_common(4))
                fix = f"move all subject folders into one folder and set raw.images to it; they lie in {others}"
        findings.append(Finding("blocking", "no subject folder named NNN_S_NNNN", str(images), fix, USED))
    longer = [path.name for path in subject_folders(images) if FIVE_DIGITS.fullmatch(path.name)]
    if longer and not adni4:
        people = count(len(longer), "subject")
        what = f"{people} of ADNI4 left out (convert.adni4: false), by their five digits: {shortened(longer)}"
        fix = "none needed if you mean it; to convert them too, by dcm2niix: convert.adni4: true"
        findings.append(Finding("quarantine", what, str(images), fix, USED))
    return findings + outsider_findings(beside, images, needless)


def renamed_folders(files: Mapping[str, SubjectFiles], owners: Mapping[str, str]) -> dict[str, str]:
    """Folder -> the subject to whom the list of images gives every image in it, where that is another one."""
    found = {}
    for name, item in files.items():
        whose = {owners.get(image, name) for image in item.ids}
        if len(whose) == 1 and name not in whose:
            found[name] = min(whose)
    return found


def misplaced_images(
    files: Mapping[str, SubjectFiles],
    images: Path,
    owners: Mapping[str, str],
    contradicted: Collection[tuple[str, str]] = (),
) -> list[Finding]:
    """Images in the folder of another subject than the one that the list of images gives them to.

    Args:
        contradicted: (folder's PTID, image ID) of those of which the list is not to be believed.
    """
    findings = []
    pairs = [(owners.get(image, name), name, image) for name, item in files.items() for image in sorted(item.ids)]
    pairs = [pair for pair in pairs if pair[0] != pair[1] and pair[1:] not in contradicted]
    if strange := [pair for pair in pairs if not PTID.fullmatch(pair[0])]:
        cells = shortened(f"I{image} in {name} ({whose!r})" for whose, name, image in strange)
        what = f"{count(len(strange), 'image')} that the list gives to no subject of ADNI: {cells}"
        findings.append(Finding("quarantine", what, "MPRAGEMETA", "correct SubjectID in the list of images", USED))
        pairs = [pair for pair in pairs if pair not in strange]
    unlike = renamed_folders(files, owners)
    for name, whose in unlike.items():
        if unlike.get(whose) == name and name < whose and any(pair[1] == name for pair in pairs):
            pairs = [pair for pair in pairs if pair[1] not in (name, whose)]
            what = f"the folders {name} and {whose} hold each other's images"
            findings.append(Finding("quarantine", what, str(images), "exchange the names of the two folders", USED))
        if whose not in files and any(pair[1] == name for pair in pairs):
            pairs = [pair for pair in pairs if pair[1] != name]
            what = f"every image in the folder {name} is one of {whose}, who has no folder"
            findings.append(Finding("quarantine", what, str(images), f"rename the folder {whose}", USED))
    copies = [pair for pair in pairs if pair[0] in files and pair[2] in files[pair[0]].ids]
    severity: Severity
    for some, severity, fix in (
        ([pair for pair in pairs if pair not in copies], "quarantine", "move each to the folder of its subject"),
        (copies, "note", "none needed: they lie in their place too"),
    ):
        if some:
            cells = shortened(f"I{image} of {whose} in {name}" for whose, name, image in some)
            what = f"{count(len(some), 'image')} in the folder of another subject: {cells}"
            findings.append(Finding(severity, what, str(images), fix, USED))
    return findings


def archive_findings(files: Mapping[str, SubjectFiles], images: Path, needless: Collection[str] = ()) -> list[Finding]:
    """Archives and unfinished downloads in the folders of subjects."""
    findings = []
    for kind, what, fix in (
        ("archives", "not unpacked", "unpack them ({}), without renaming"),
        ("unfinished", "not finished", "download them again, and unpack what is packed"),
    ):
        found = [Path(path).relative_to(images).as_posix() for item in files.values() for path in getattr(item, kind)]
        found = [path for path in found if path not in needless]
        if found:
            noun = "archive" if kind == "archives" else "download"
            what = f"{count(len(found), noun)} {what} in subjects' folders: {shortened(found)}"
            programs = ", ".join(dict.fromkeys(map(unpacked_by, found)))
            findings.append(Finding("quarantine", what, str(images), fix.format(programs), USED))
    return findings


def damaged_ones(archives: Mapping[str, Contents]) -> set[str]:
    """Archives that are no whole ones, though their names say nothing of it."""
    damaged = {place for place, contents in archives.items() if contents.trouble == DAMAGED}
    return {place for place in damaged if kind_of(place.rpartition("/")[2]) != "unfinished"}


def unseen_findings(archives: Mapping[str, Contents], images: Path) -> list[Finding]:
    """Archives of which not everything can be seen, so that visits in them may not be counted."""
    findings, broken = [], damaged_ones(archives)
    for trouble, fix in (
        (DAMAGED, "download them again; what is seen of them is counted"),
        (UNSEEN, "unpack them ({}); of what is in them nothing is counted but one visit of a subject who names them"),
        (NESTED, "unpack them ({}), and what is in them; of the archives inside nothing is counted"),
        (PARTLY, "unpack them ({}); what lies behind the beginning is not counted"),
        (LOCKED, "change their permissions; what is in them is not counted"),
    ):
        found = [place for place, contents in archives.items() if contents.trouble == trouble]
        found = [
            place for place in found if trouble != DAMAGED or (place in broken and "/" in place.removeprefix(SIBLING))
        ]  # else it is said
        if found:
            programs = ", ".join(dict.fromkeys(map(unpacked_by, found)))
            what = f"{count(len(found), 'archive')} {trouble}: {shortened(map(escaped, found))}"
            findings.append(Finding("quarantine", what, str(images), fix.format(programs), USED))
    return findings
