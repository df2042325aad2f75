"""The files of a BIDS dataset that the manifest is made of, by name alone: T1w images, scans and sessions tables.

Images are looked for in ``sub-*/[ses-*/]anat`` and nowhere else, so ``derivatives``, ``sourcedata`` and a subject's own
``figures`` never give one. Names are read by pybids; its index of a whole dataset is not used, since it refuses one
without a description. What ``.bidsignore`` hides is not seen. A file that its author may well have meant as a T1w
image, but whose name or place is not what BIDS asks for, is a near miss and is named.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bids.layout import Config, parse_file_entities
from pathspec import GitIgnoreSpec

from ldae.cohort.notes import Notes
from ldae.cohort.unread import NEAR_ANAT, NEAR_SESSION, NEAR_SUBJECT, Unread
from ldae.core.cells import cut
from ldae.core.errors import UserError
from ldae.core.folders import is_folder, walk
from ldae.core.text_tables import count, listed

SUBJECT, SESSION = re.compile(r"sub-[A-Za-z0-9+]+"), re.compile(r"ses-[A-Za-z0-9+]+")
NO_SESSION = "ses-M000"  # the name that the only visit gets in a dataset without sessions
INDEXED = {"run", "echo", "inv", "flip", "chunk"}
EXTENSIONS = (".nii", ".nii.gz")
STARS = re.compile(r"\*{3,}")  # of .bidsignore: more than two in a row mean what one means
MOST_STARS = 8  # in one pattern
VOLUME = re.compile(r"\.(nii|nii\.gz|img|mgz|mgh|nrrd|nhdr|mnc|mha|mhd)$", re.IGNORECASE)
MEANT = re.compile(rf"((^|[_-])t1w?|_t1w(\b|_).*){VOLUME.pattern}", re.IGNORECASE)
OTHER_KIND = re.compile(  # in the name of an image that is no T1w image
    r"(^|[^a-z])(t2\w*|pd\w*|flair|swi|dwi|dti|bold|asl|cbf|angio|tof|mra|inplane\w*|[rt][12]?s?map|mtr?s?|"
    r"magnitude\d?|phase\w*|fieldmap|loc(alizer)?|scout|\w*mask\w*|\w*seg\w*|\w*label\w*|roi)([^a-z]|$)",
    re.IGNORECASE,
)
NO_SUBJECTS = {"derivatives", "sourcedata", "rawdata", "code", "stimuli", "phenotype"}
GOOD_ACQUISITIONS, POOR_ACQUISITIONS = (
    ("mprage", "mpr", "spgr", "uni"),
    ("low", "fast", "loc", "scout", "survey", "test"),
)


@dataclass(frozen=True)
class ImageFile:
    """``path``: from the root; ``entities``: by pybids' names, ``suffix`` and ``extension`` among them."""

    path: str
    participant: str
    session: str | None
    entities: dict[str, str]


@dataclass
class Tree:
    """What was found in a dataset.

    Attributes:
        images: T1w images that may be read.
        scans, sessions: their tables.
        near_misses, ignored, renamed: paths from the root of files that look like images and are not read, that
            ``.bidsignore`` hides, and whose name contradicts their folder.
        misplaced: images that bear the name of another subject or visit of the dataset, and that name.
        empty: folders of subjects and visits in which there is nothing.
        unread: what is no image of BIDS, and may be meant as one.
    """

    images: list[ImageFile] = field(default_factory=list)
    scans: list[Path] = field(default_factory=list)
    sessions: list[Path] = field(default_factory=list)
    near_misses: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    misplaced: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    unread: Unread = field(default_factory=Unread)


def read_tree(root: Path, filters: dict, notes: Notes) -> Tree:
    """T1w images (or what ``filters`` ask for) and the tables of visits and scans, in the order of their names.

    Raises:
        UserError: a filter is no BIDS entity.
    """
    wanted = wanted_entities(filters)
    hidden, tree = read_ignored(root), Tree()
    for item in sorted(os.scandir(root), key=lambda item: item.name):
        if not is_folder(item):
            tree.unread.add(root, "", item.name)
    for subject in folders(root):
        if SUBJECT.fullmatch(subject.name):
            read_visit(root, subject, subject.name, None, wanted, hidden, tree)
            for visit in folders(subject):
                if SESSION.fullmatch(visit.name):
                    read_visit(root, visit, subject.name, visit.name, wanted, hidden, tree)
                    tree.unread.folders += near_folders(root, visit, NEAR_ANAT)
                elif visit.name != "anat" and (visit / "anat").is_dir():
                    tree.near_misses += near_misses(root, visit / "anat")
            tree.unread.folders += near_folders(root, subject, NEAR_ANAT, NEAR_SESSION)
        elif is_near_subject(subject):
            near = [path for place in below(subject) for path in near_misses(root, place)]
            tree.near_misses += near
            tree.unread.folders += [] if near or is_bare(subject) else [subject.name]
        elif not is_passed_over(subject):
            tree.unread.folders += deeper_subjects(root, subject)
    known = {path.split("/")[0] for path in (*tree.near_misses, *tree.ignored, *tree.unread.folders, *tree.empty)}
    known |= {image.participant for image in tree.images} | {path.split("/")[0] for path in tree.unread.dicom}
    tree.unread.bare = [path.name for path in folders(root) if SUBJECT.fullmatch(path.name) and path.name not in known]
    tree.misplaced = {image.path: other for image in tree.images if (other := another_named(image, root)) is not None}
    tree.renamed = [path for path in tree.renamed if path not in tree.misplaced]
    if tree.near_misses:
        notes.say(
            f"{count(len(tree.near_misses), 'file')} not read, although the name is near to "
            f"sub-*/[ses-*/]anat/*_T1w.nii[.gz]: {listed(tree.near_misses)}; rename what is NIfTI and shall be "
            "read, and convert other formats (.mgz with mri_convert)"
        )
    if tree.ignored:
        notes.say(f"{count(len(tree.ignored), 'image')} hidden by .bidsignore: {listed(tree.ignored)}")
    if tree.renamed:
        notes.say(
            f"{count(len(tree.renamed), 'image')} whose name does not repeat its folders, which are believed: "
            f"{listed(tree.renamed)}"
        )
    if tree.empty:
        notes.say(f"{count(len(tree.empty), 'empty folder')}, left over it seems: {listed(tree.empty)}")
    notes.say_all(tree.unread.sentences())
    return tree


def another_named(image: ImageFile, root: Path) -> str | None:
    """The subject, or the visit of the same subject, after which an image is named, though it lies in another's folder;
    None where the dataset has no such folder, since names of old are nobody's."""
    own, named = image.participant, f"sub-{image.entities.get('subject', image.participant[4:])}"
    if named == own and image.session is not None:
        own, named = f"{own}/{image.session}", f"{own}/ses-{image.entities.get('session', image.session[4:])}"
    return named if named != own and (root / named).is_dir() else None


def is_near_subject(place: Path) -> bool:
    """Whether a folder is named nearly as a subject's, or holds ``anat`` as a subject's does (``005/anat``)."""
    if NEAR_SUBJECT.fullmatch(place.name):
        return True
    if is_passed_over(place):
        return False
    with suppress(PermissionError):
        visits = [path for path in folders(place) if NEAR_SESSION.fullmatch(path.name)]
        return any((path / "anat").is_dir() for path in (place, *visits))
    return False


def is_passed_over(place: Path) -> bool:
    """Whether a folder of the root is one in which nobody looks for the dataset's images."""
    return place.name.startswith(".") or place.name.casefold() in NO_SUBJECTS


def deeper_subjects(root: Path, place: Path) -> list[str]:
    """Subjects in a folder of the root that lie nowhere else: ``patients/sub-01``."""
    with suppress(PermissionError):
        inside = [path for path in folders(place) if SUBJECT.fullmatch(path.name) and not (root / path.name).exists()]
        return [path.relative_to(root).as_posix() for path in inside if not is_bare(path)]
    return []


def near_folders(root: Path, place: Path, *patterns: re.Pattern[str]) -> list[str]:
    """Folders in a folder of a subject or visit that are named nearly as BIDS asks for, and are not empty."""
    known = [path for path in folders(place) if path.name != "anat" and not SESSION.fullmatch(path.name)]
    near = [path for path in known if any(pattern.fullmatch(path.name) for pattern in patterns)]
    return [path.relative_to(root).as_posix() for path in near if not is_bare(path) and not (path / "anat").is_dir()]


def is_bare(place: Path) -> bool:
    """Whether there is no file in a folder, however deep."""
    return not any(names for _, _, names in walk(place, closed=True))


def folders(place: Path) -> list[Path]:
    """Folders in a folder, by name."""
    return sorted((Path(item.path) for item in os.scandir(place) if is_folder(item)), key=lambda path: path.name)


def below(place: Path) -> list[Path]:
    """A folder and every folder below it."""
    return [place, *(Path(folder) / name for folder, names, _ in walk(place) for name in sorted(names))]


def near_misses(root: Path, place: Path) -> list[str]:
    """Files of a folder that may be meant as T1w images, as paths from the root."""
    if not place.is_dir():
        return []
    names = sorted(item.name for item in os.scandir(place))
    return [
        (place / name).relative_to(root).as_posix() for name in names if not name.startswith(".") and MEANT.search(name)
    ]


def read_visit(
    root: Path, place: Path, subject: str, session: str | None, wanted: dict, hidden: GitIgnoreSpec, tree: Tree
) -> None:
    """Tables and images of a subject's folder, or of one of its visits."""
    where = f"{subject}/{session}" if session else subject
    anat, names, holds = False, list[str](), False
    for item in sorted(os.scandir(place), key=lambda item: item.name):
        name = item.name
        holds |= name != "anat" and not name.startswith(".")
        if name.endswith("_scans.tsv") and name.startswith("sub-"):
            tree.scans.append(place / name)
        elif name.endswith("_sessions.tsv") and name.startswith("sub-") and session is None:
            tree.sessions.append(place / name)
        elif name == "anat":
            anat = True
        elif not name.startswith(".") and MEANT.search(name):
            tree.near_misses.append(f"{where}/{name}")
        elif not is_folder(item):
            tree.unread.add(root, where, name)
    if anat and (place / "anat").is_dir():
        names = sorted(item.name for item in os.scandir(place / "anat"))
    if not holds and all(name.startswith(".") for name in names):
        tree.empty.append(where)
    before, maybe = len(tree.images) + len(tree.ignored), list[str]()
    for name in names:
        path = f"{where}/anat/{name}"
        tree.unread.add(root, f"{where}/anat", name)
        if name.startswith(".") or not VOLUME.search(name):
            continue
        entities, exact = entities_of(name)
        if entities is None or entities["suffix"] not in wanted["suffix"]:
            meant = MEANT.search(name) or (entities and entities["suffix"].casefold() in ("t1w", "t1"))
            if (meant or not OTHER_KIND.search(name)) and not hidden.match_file(path):
                (tree.near_misses if meant else maybe).append(path)
        elif hidden.match_file(path):
            tree.ignored.append(path)
        elif "desc" in entities:
            maybe.append(path)
        elif fits(entities, subject, session, wanted):
            if (
                not exact
                or entities.get("subject") != subject[4:]
                or entities.get("session", session and session[4:]) != (session and session[4:])
            ):
                tree.renamed.append(path)
            tree.images.append(ImageFile(path, subject, session, entities))
    if len(tree.images) + len(tree.ignored) == before:  # then anything there may be meant as the visit's image
        tree.near_misses += maybe
        for deeper in below(place / "anat")[1:] if anat else []:
            inside = deeper.relative_to(root).as_posix()
            tree.near_misses += near_misses(root, deeper)
            for name in sorted(item.name for item in os.scandir(deeper)):
                tree.unread.add(root, inside, name)


@cache
def grammar() -> list[Config]:
    """The entities of raw BIDS and of its derivatives, as pybids knows them."""
    return [Config.load("bids"), Config.load("derivatives")]


def entities_of(name: str) -> tuple[dict[str, str] | None, bool]:
    """Entities of a file's name, and whether it is spelt as BIDS asks (``sess-d0129`` is not, yet it can be read)."""
    stem = name.removesuffix(".gz").removesuffix(".nii")
    *pairs, suffix = stem.split("_")
    if stem == name or not all(re.fullmatch(r"[a-z]+-[A-Za-z0-9+]+", pair) for pair in pairs):
        return None, False
    found = parse_file_entities(f"/{name}", config=grammar())
    if found.get("suffix") != suffix or found.get("extension") not in EXTENSIONS:
        return None, False
    return {key: str(value) for key, value in found.items()}, not any(pair.startswith("sess-") for pair in pairs)


def wanted_entities(filters: dict) -> dict[str, set[str]]:
    """Filters by the long names of entities; values as text."""
    known = {entity for config in grammar() for entity in config.entities}
    unknown = sorted(set(filters) - known)
    if unknown:
        raise UserError(f"bids.filters: {unknown[0]!r} is no BIDS entity; use one of {', '.join(sorted(known))}.")
    wanted = {"suffix": {"T1w"}, "extension": set(EXTENSIONS)}
    for name, value in filters.items():
        wanted[name] = {str(item) for item in (value if isinstance(value, list) else [value])}
    return wanted


def fits(entities: dict[str, str], subject: str, session: str | None, wanted: dict[str, set[str]]) -> bool:
    """Whether the entities of a file, of this subject and session, are the wanted ones; ``run-01`` is run 1."""
    if "desc" in entities:  # of a derivative, wherever it lies
        return False
    own = entities | {"subject": subject[4:], "session": (session or "")[4:]}
    for name, values in wanted.items():
        value = own.get(name, "")
        if name in INDEXED and value.isdecimal():
            if int(value) not in {int(item) for item in values if item.isdecimal()}:
                return False
        elif value not in values:
            return False
    return True


def rank(image: ImageFile) -> tuple:
    """The order in which images of one visit are preferred; the smallest is used.

    A magnitude image (part) before an unnamed one, never a phase; without contrast agent (ce) before with; without
    inversion number (inv) before with; combined echoes (no echo) before single ones, early before late; an acquisition
    called mprage, spgr or uni before others, those called lowres, fast or scout last; without reconstruction name (rec)
    before with; the first run by number; at last the name.
    """
    get = image.entities.get
    acquisition = get("acquisition", "").casefold()
    quality = 0 if any(word in acquisition for word in GOOD_ACQUISITIONS) else 1
    quality = 2 if any(word in acquisition for word in POOR_ACQUISITIONS) else quality
    numbers = [index(get(name)) for name in ("inv", "echo")]
    return (
        "ceagent" in image.entities,
        *numbers,
        quality,
        "reconstruction" in image.entities,
        index(get("run")),
        image.path,
    )


def index(value: str | None) -> int:
    """Number of an indexed entity: 0 where it is absent, and after all numbers where it is none."""
    return 0 if value is None else int(value) if value.isdecimal() else 1 << 30


def read_ignored(root: Path) -> GitIgnoreSpec:
    """Patterns of ``.bidsignore``, which are those of .gitignore; none where the file is missing."""
    path = root / ".bidsignore"
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    lines = [STARS.sub("*", line) for line in text.splitlines()]
    for line in lines:
        if line.count("*") > MOST_STARS and not line.startswith("#"):
            raise UserError(
                f"{path} has a line with {line.count('*')} asterisks ({cut(line, 30)}): write it with fewer, to match "
                "so many may take for ever."
            )
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:  # of pathspec
        raise UserError(f"{path} has a line that is no pattern of .gitignore: {error}") from None
