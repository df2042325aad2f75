"""What lies beside the subject folders, one finding for each kind of it; and a RAW that is a part of the download."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from ldae.adni.inventory import SHORTCUT_FIX, SIBLING, Outsider, subject_folders, subject_meant
from ldae.adni.preflight.finding import Finding, Severity, shortened
from ldae.core.file_names import UNFINISHED_FOLDER, image_of_folder, is_archive, kind_of
from ldae.core.files import escaped
from ldae.core.folders import is_kernels, leads_back
from ldae.core.keys import PTID
from ldae.core.text_tables import count

USED = "finding the files of an image"
SHOWN = 3
HARMLESS = re.compile(r"nothing\b")


def too_deep(images: Path) -> Finding | None:
    """The finding for the folder of a single subject or image where that of all subjects belongs."""
    if subject_folders(images):
        return None
    fix = "give the folder that holds one folder per subject (raw.images)"
    place = images.absolute()
    for above in (place, *place.parents):
        if PTID.fullmatch(above.name):
            what = f"{images} is the folder of a single subject" if above == place else f"{images} lies in {above}"
            return Finding("blocking", what, "RAW", f"{fix}: {above.parent}", USED)
    slices = any(kind_of(item.name) == "dicom" and item.suffix and item.is_file() for item in images.iterdir())
    if image_of_folder(images.name) or slices:
        what = f"{images} is the folder of a single image" if slices else f"{images} is named like that of an image"
        return Finding("blocking", what, "RAW", f"{fix}, which lies further up than {place.parent}", USED)
    return None


def outsider_findings(beside: Iterable[Outsider], images: Path, needless: Collection[str] = ()) -> list[Finding]:
    """One finding for each kind of what lies beside the subject folders.

    Args:
        needless: paths of what holds no image that does not lie in its place too.
    """
    groups: dict[tuple[Severity, str, str, bool], list[tuple[Outsider, str]]] = {}
    findings = []
    for item in beside:
        above = item.path.startswith(SIBLING)
        if above and (item.subjects or item.archives != (item.path,)) and not item.nowhere:
            findings.append(copy_finding(item, images, item.path in needless))
            continue
        severity, noun, fix = kind_of_outsider(item, images, item.path in needless)
        fix = re.sub("^unpack it here", f"unpack it in {images.name}", fix) if above else fix
        groups.setdefault((severity, noun, general(fix), above), []).append((item, fix))
    for (severity, noun, fix, above), members in groups.items():
        items, where = [item for item, _ in members], images.parent if above else images
        beside_what = images.name if above else "the subject folders"
        if len(members) == 1:
            lies, are = ("lie", "are") if items[0].loose else ("lies", "is")
            what, fix = f"{items[0].name} {lies} beside {beside_what} and {are} passed over", members[0][1]
        else:
            names = shortened((escaped(item.name) for item in items), SHOWN)
            what = f"{len(items)} {plural(noun)} lie beside {beside_what} and are passed over: {names}"
        findings.append(Finding(severity, f"{what} ({contents(items, noun)})", str(where), fix, USED))
    return findings


def copy_finding(item: Outsider, images: Path, needless: bool) -> Finding:
    """The finding for a folder beside the images' root that is named as another copy of it (macOS's ``ADNI 2``)."""
    inside = within(item)
    held = f"{count(len(inside), 'subject folder')}" if inside else f"{count(len(item.archives), 'archive')}"
    what = f"{item.name} lies beside {images.name} with {held} and is passed over"
    if needless:
        return Finding("note", what, str(images.parent), "none needed: its images lie in their place too", USED)
    fix = f"move its subject folders into {images} (merge those of the same name)"
    fix = fix if inside else f"unpack what is packed in it, and move the subject folders into {images}"
    return Finding("quarantine", what, str(images.parent), fix, USED)


def contents(items: list[Outsider], noun: str) -> str:
    """``2 files, 3.4 GiB, 5 subject folders``: what lies in some outsiders."""
    files, inside = sum(item.files for item in items), sum(len(within(item)) for item in items)
    parts = [] if len(items) == files and noun != "folder" and len(items) > 1 else [count(files, "file")]
    parts.append(size(sum(item.bytes for item in items)))
    return ", ".join(parts + ([count(inside, "subject folder")] if inside else []))


def within(item: Outsider) -> list[str]:
    """Names of the subjects that have a folder in an outsider."""
    return [name for name, place in item.subjects if place != item.path]


def kind_of_outsider(item: Outsider, images: Path, needless: bool) -> tuple[Severity, str, str]:
    """Severity, what several of the kind are called, and what to do about this one."""
    path = images / item.path
    if item.nowhere and item.fix == SHORTCUT_FIX:
        return "quarantine" if subject_meant(item.path) else "note", "shortcut", item.fix
    if item.nowhere:
        return "quarantine" if subject_meant(item.path) else "note", "link to nowhere", item.fix
    if path.is_dir() and not is_folder_of_files(path):
        return "note", "link", "none needed: it leads back to where it lies, or into the operating system"
    noun = "folder" if path.is_dir() else "file"
    if needless:
        return "note", noun, "none needed: its images lie in their place too"
    if not item.files and noun == "folder":
        return "note", "empty folder", "none needed: there is nothing in it"
    if item.loose:
        return "quarantine", "set of loose slices", item.fix
    if HARMLESS.match(item.fix):
        suffix = PurePosixPath(item.path).suffix if noun == "file" else ""
        return "note", f"{suffix[1:]} file" if suffix.isascii() and len(suffix) > 1 else noun, item.fix
    if kind_of(item.path) == "unfinished" or (UNFINISHED_FOLDER.fullmatch(item.path) and item.archives):
        return "quarantine", "unfinished download", item.fix
    if is_archive(item.path) and noun == "file":
        return "quarantine", "archive", item.fix
    return "quarantine", noun, merging(item, images)


def is_folder_of_files(path: Path) -> bool:
    """Whether a folder is no link, or a link to one whose files may be looked at."""
    return not path.is_symlink() or not (leads_back(path) or is_kernels(path))


def plural(noun: str) -> str:
    """``links to nowhere``, ``sets of loose slices``, ``xml files``."""
    first, mark, rest = noun.partition(" of " if " of " in noun else " to ")
    return f"{first}s{mark}{rest}"


def merging(item: Outsider, images: Path) -> str:
    """What to do about a folder with images: where subjects of the same name are there, it is merged with them."""
    inside, there = within(item), []
    meant = subject_meant(item.path)
    if not inside and meant and PTID.fullmatch(meant):
        own = f"if its images are those of {meant}"
        if (images / meant).is_dir():
            return f"{own}: move what is in it into the folder {meant}, which is there (merge the two)"
        return f"{own}: rename it {meant}"
    there = [name for name in inside if (images / name).is_dir()]
    if not there:
        return item.fix
    if len(there) == len(inside):
        return f"merge each of its subject folders with the one of the same name beside it: {shortened(there, SHOWN)}"
    more = f"; merge those of {shortened(there, SHOWN)} with the folders of that name, which are there"
    return f"{item.fix}{more}"


def general(fix: str) -> str:
    """What to do about several of a kind, without the names and numbers of one."""
    fix = re.sub(r"if its images are those of .*?: move what .*", "move what is in each into its subject's folder", fix)
    fix = re.sub(r"if its images are those of .*?: rename it .*", "give each the name of its subject (NNN_S_NNNN)", fix)
    fix = re.sub(r"move its \d+ subject folders? up", "move the subject folders in them up", fix)
    fix = re.sub(r"merge (?:each of its|those of) .*", "merge those whose subject has a folder already", fix)
    fix = re.sub(
        r"^download .* again, this is an unfinished (?:one|download \(.*\))",
        "download them again, they are unfinished",
        fix,
    )
    fix = re.sub(r"^move them into the folder \S+,", "move them into the folders of their subjects,", fix)
    fix = re.sub(r"^unpack \d+ archives? in it", "unpack the archives in them", fix)
    for one, several in (
        ("nothing, if it is no image; else put it into its", "nothing, if they are no images; else put each into its"),
        ("nothing, if it holds no images; else move them", "nothing, if there are no images in them; else move these"),
        ("unpack it here", "unpack them here"),
        ("it is a link to nowhere: mount or copy what it leads to", "mount or copy what they lead to"),
        ("it is a shortcut, which leads nowhere in this system: copy what it leads", "copy what they lead"),
        ("unpack it in ", "unpack them in "),
        ("it leads back to where it lies", "they lead back to where they lie"),
        ("its images lie", "their images lie"),
        ("nothing in it", "nothing in them"),
        ("(or set raw.images to the folder that holds them)", ""),
        ("give it the name of its", "give each the name of its"),
    ):
        fix = fix.replace(one, several)
    return fix.rstrip()


def size(number: float) -> str:
    """Bytes as people write them: ``3.4 GiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
