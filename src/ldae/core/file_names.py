"""What a file or folder of a raw download is, by its name alone: which image's, a slice, packed, or not yet whole."""

import re
from pathlib import PurePath

IMAGE_FILE = re.compile(r"_I0*(\d+)\.[^.]", re.IGNORECASE)
SUBJECT_IN_NAME = re.compile(r"(?<!\d)\d{3}_S_\d{4,5}(?!\d)", re.IGNORECASE)  # of LONI's files: ADNI_002_S_0295_MR_...
IMAGE_FOLDER = re.compile(r"I0*(\d+)", re.IGNORECASE)
DICOM_SUFFIX = re.compile(r"\.(dcm|ima|dicom)|\.\d+|", re.IGNORECASE)  # some scanners number their files
# With what a disc (ISO 9660: the version) and a mail program or a browser put behind it.
SLICE = re.compile(r"\.(dcm|ima|dicom)(;\d+)?(\.txt)?$", re.IGNORECASE)
NIFTI_SUFFIX = re.compile(r".*\.nii(\.gz)?", re.IGNORECASE)
SMALLEST = 200  # bytes; a slice has more in its header alone, pointers of git-annex and Git LFS have about 130
PACKED = r"\.(?:zip|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|z|7z|rar)"  # endings of what has to be unpacked
PIECE = re.compile(rf"(.*{PACKED})\.\d{{2,4}}|(.*)\.[zr]\d\d", re.IGNORECASE)  # of an archive in several files
ARCHIVE = re.compile(rf".*{PACKED}(?:\.\d{{2,4}})?|.*\.[zr]\d\d", re.IGNORECASE)
NO_IMAGE = re.compile(  # files without an ending that lie beside slices without one
    r"readme|dicomdir|licen[cs]e|version|lockfile|change(s|log)|notes?|md5(sums?)?|sha\d+(sums?)?|checksums?|manifest|"
    r"thumbs|index|makefile|authors|copying|disclaimer|info",
    re.IGNORECASE,
)
# What browsers, Windows and copying programs call a file that they have not finished.
UNFINISHED = re.compile(r"(.+)\.(?:crdownload|part|partial|filepart|download|opdownload|aria2|!ut)", re.IGNORECASE)
MAYBE_UNFINISHED = re.compile(r"(.+)(?:\.te?mp|~)", re.IGNORECASE)  # where the rest is the name of an image's file
UNFINISHED_FOLDER = re.compile(r".+\.download", re.IGNORECASE)  # of Safari
RSYNC = re.compile(r"\.(.+\.(?:dcm|ima|dicom|nii|gz|zip))\.[A-Za-z0-9]{6}", re.IGNORECASE)
ICLOUD = re.compile(r"\.(.+)\.icloud", re.IGNORECASE)  # what iCloud leaves of a file that it keeps for itself
BY_ICLOUD = "let iCloud download them: Download Now in the Finder"
FORMS = (ICLOUD, UNFINISHED, RSYNC, MAYBE_UNFINISHED)
# What leads to a file or folder in Windows or macOS, and nowhere in another system.
SHORTCUT = re.compile(r"(.+?)(?: - shortcut(?: \(\d+\))?)?\.(?:lnk|url|webloc)", re.IGNORECASE)
COPY_OF_LONI = re.compile(r"(_S\d+_I\d+)_\d{1,2}(?=\.[^.]*$)", re.IGNORECASE)  # ..._S123_I456_1.dcm
COPY = re.compile(
    r"^copy(?: \(?\d+\)?)? of |(?: ?\(\d+\)| - copy(?: \(\d+\))?| copy(?: \d+)?)(?=\.[^.]*$|$)", re.IGNORECASE
)


def image_of_folder(name: str) -> str | None:
    """``I123`` and ``I00123`` -> ``123``; None for any other name of a folder."""
    found = IMAGE_FOLDER.fullmatch(name)
    return found.group(1) if found else None


def kind_of(name: str) -> str | None:
    """What a file is by its name: ``dicom``, ``nifti``, ``packed`` or ``unfinished``; None: nothing that an image
    needs."""
    if name.endswith(".dcm"):  # nearly all files
        return "dicom"
    if UNFINISHED.fullmatch(name) or RSYNC.fullmatch(name) or ICLOUD.fullmatch(name):
        return "unfinished"
    if (found := MAYBE_UNFINISHED.fullmatch(name)) and kind_of(found.group(1)) is not None:
        return "unfinished"
    if PIECE.fullmatch(name):
        return "packed"
    if DICOM_SUFFIX.fullmatch(PurePath(name).suffix) or SLICE.search(name):
        return None if NO_IMAGE.fullmatch(name) or name.endswith("~") else "dicom"
    if NIFTI_SUFFIX.fullmatch(name):
        return "nifti"
    return "packed" if ARCHIVE.fullmatch(name) else None


def intended_name(name: str) -> str:
    """The name that an unfinished file was to have; any other name as it is."""
    if kind_of(name) != "unfinished":
        return name
    found = next((match for form in FORMS if (match := form.fullmatch(name))), None)
    return found.group(1) if found else name


def shortcut_to(name: str) -> str | None:
    """``002_S_0295 - Shortcut.lnk`` -> ``002_S_0295``: what a shortcut leads to; None for any other name."""
    found = SHORTCUT.fullmatch(name) if name.lower().endswith((".lnk", ".url", ".webloc")) else None
    return found.group(1) if found else None


def is_archive(name: str) -> bool:
    """Whether a file is an archive, a piece of one, or was to be one once it is finished."""
    name = intended_name(name)
    return ARCHIVE.fullmatch(name) is not None and NIFTI_SUFFIX.fullmatch(name) is None


def plain_name(name: str) -> str:
    """A name without what marks a copy: ``IM1 (2).dcm``, ``Copy of IM1.dcm`` and ``IM1 - Copy.dcm`` -> ``im1.dcm``."""
    return COPY_OF_LONI.sub(r"\1", COPY.sub("", name)).casefold()


def shape(name: str) -> str:
    """A name without its numbers, by which slices of a series are alike: ``IM0001`` -> ``im#``."""
    numbers = re.compile(r"[0-9a-f]+")
    return numbers.sub(lambda run: "#" if re.search(r"\d", run.group()) else run.group(), name.casefold())
