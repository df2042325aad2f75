"""Subjects that lie where no converter looks, and what of them would arrive if they lay in their place.

Such folders (``ADNI/ADNI/<subject>``, ``<subject> (1)``, ``942_s_0001``) and the subjects in archives are read by their
names as those in place are, and the prediction is made a second time with them: the difference is lost.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ldae.adni.archives import DAMAGED, NESTED, UNSEEN, Contents, contents_of
from ldae.adni.disk import SubjectFiles, add_file, days_of, subject_files
from ldae.adni.inventory import MACOS, SIBLING, Outsider, subject_meant
from ldae.adni.preflight.arrivals import DISAGREEING, PASSED_OVER, Arrivals
from ldae.adni.preflight.finding import Finding, shortened
from ldae.adni.slices import missing_numbers
from ldae.adni.troubles import Trouble
from ldae.core.file_names import SUBJECT_IN_NAME, image_of_folder, is_archive
from ldae.core.files import escaped
from ldae.core.keys import PTID


class Held(NamedTuple):
    """Files of a ``subject`` that lie in another ``place`` (from the root), where no converter looks for them;
    ``kind``: of the reason why they will not arrive."""

    subject: str
    place: str
    files: SubjectFiles
    kind: str = PASSED_OVER


def contents_of_archives(
    images: Path, beside: list[Outsider], files: Mapping[str, SubjectFiles], known: Mapping[str, Contents]
) -> dict[str, Contents]:
    """Path from the root -> what is in it, of every archive, finished or not, beside the subjects and in their
    folders.

    Args:
        known: the same, of those that were looked into before.
    """
    paths = [Path(path) for item in files.values() for path in item.archives + item.unfinished]
    paths += [images / path for item in beside for path in item.archives if path_is_there(images / path)]
    places = {path.relative_to(images).as_posix(): path for path in paths}
    return {place: known[place] if place in known else contents_of(path) for place, path in places.items()}


def path_is_there(path: Path) -> bool:
    """Whether there is such a file or folder, and no link to nowhere."""
    return path.is_file() or path.is_dir()


def passed_over(
    images: Path,
    beside: list[Outsider],
    files: Mapping[str, SubjectFiles],
    listed: Mapping[str, str],
    archives: Mapping[str, Contents],
    contradicted: Collection[tuple[str, str]] = (),
) -> list[Held]:
    """The subjects beside the subject folders, those in archives, and images in the folder of another subject.

    Args:
        files: PTID -> files in place.
        listed: image ID -> PTID, of the list of images.
        archives: path from the root -> what an archive holds.
        contradicted: (folder's PTID, image ID) of images that by their own account are none of the listed subject's.
    """
    found: list[Held] = []
    for name, held in files.items():
        for image, own in held.images.items():
            if (whose := listed.get(image, name)) != name:
                strange = (name, image) in contradicted or not PTID.fullmatch(whose)
                kind = DISAGREEING if strange else PASSED_OVER
                found.append(Held(whose, name, SubjectFiles({image: own}), kind))
    for item in beside:
        if item.loose:
            found.append(Held(item.subjects[0][0], item.path, loose_files(images, item.loose)))
            continue
        several = len({place for _, place in item.subjects}) < len(item.subjects)
        for name, place in item.subjects:
            held = subject_files(images / place)
            found.append(Held(name, place, named_after(name, held) if several else held))
    for place, contents in archives.items():
        found += [Held(name, place, held) for name, held in archived_subjects(images / place, place, contents).items()]
    return found


def loose_files(images: Path, names: Collection[str]) -> SubjectFiles:
    """The images of slices that lie beside the subjects' folders themselves."""
    found = SubjectFiles()
    for name in names:
        add_file(found, str(images / name), name, None, partial(size_at, images / name))
    return found


def size_at(path: Path) -> int | None:
    """Bytes of a file; None for a link to nowhere."""
    return path.stat().st_size if path.is_file() else None


def named_after(subject: str, held: SubjectFiles) -> SubjectFiles:
    """The images of one subject in a folder of several, by the names of their files."""
    mine = {
        image: own for image, own in held.images.items() if any(subject in PurePosixPath(path).name for path in own.all)
    }
    return SubjectFiles(mine)


def archived_subjects(path: Path, place: str, contents: Contents) -> dict[str, SubjectFiles]:
    """Subject -> files in an archive, by the names in it.

    Args:
        place: the archive's path from the root: the folders that it lies in, or its own name, tell the subject where
            nothing in the archive does.
    """
    above = subject_of_place(place)
    found: dict[str, SubjectFiles] = {}
    for member, size in contents.files:
        parts = PurePosixPath(member).parts
        if not parts or MACOS in parts:
            continue  # a member named `.`, or what macOS adds
        name = next((meant for part in parts[:-1] if (meant := subject_meant(part))), above)
        if name is None and (match := SUBJECT_IN_NAME.search(parts[-1])):
            name = match.group().upper()
        if name is not None and not parts[-1].startswith("."):
            folder = image_of_folder(parts[-2]) if len(parts) > 1 else None
            add_file(found.setdefault(name, SubjectFiles()), f"{path}/{member}", parts[-1], folder, partial(int, size))
    return found


def subject_of_place(place: str) -> str | None:
    """The subject after whom a file, or a folder that it lies in, is named."""
    return next((meant for part in place.split("/") if (meant := subject_meant(part))), None)


def needless(held: list[Held], files: Mapping[str, SubjectFiles]) -> set[str]:
    """Folders and archives at the top of the tree (or in it) of which every image lies in its place too."""
    lying: dict[str, bool] = {}
    for name, place, item, _ in held:
        here = files.get(name, SubjectFiles())
        own = bool(item.ids) and item.ids <= here.ids and not any(whole_in(item, here))
        for known in {place, top_of(place)}:
            lying[known] = lying.get(known, True) and own
    return {place for place, own in lying.items() if own}


def top_of(place: str) -> str:
    """The folder or file at the top of the tree (or beside its root) in which a place lies."""
    parts = place.split("/")
    return "/".join(parts[: 2 if place.startswith(SIBLING) else 1])


def whole_in(item: SubjectFiles, here: SubjectFiles) -> Iterator[str]:
    """Images that cannot be used as they lie in their place, and are whole, as far as names and sizes tell, elsewhere.

    Args:
        item: files of a subject that lie elsewhere; here: those in their place.
    """
    for image in here.troubles:
        own, other = here.images.get(image), item.images.get(image)
        if own is not None and other is not None and other.dicom and other.trouble(image) is None:
            names = [path.rpartition("/")[2] for path in other.dicom]
            if len(names) > len(own.dicom) and not missing_numbers(names):
                yield image


def whole_elsewhere(held: list[Held], files: Mapping[str, SubjectFiles], images: Path) -> list[Finding]:
    """Where images are whole that are not in their place."""
    found = [
        f"I{image} is whole in {escaped(place)}"
        for name, place, item, _ in held
        for image in whole_in(item, files.get(name, SubjectFiles()))
    ]
    if not found:
        return []
    fix = "copy these images over those in the subjects' folders"
    return [Finding("quarantine", shortened(found), str(images), fix, "finding the files of an image")]


def count_passed_over(
    arrivals: Arrivals,
    held: list[Held],
    files: Mapping[str, SubjectFiles],
    predict: Callable[[dict[str, SubjectFiles]], Arrivals | None],
) -> None:
    """Add to ``arrivals`` the visits that will not arrive because their subjects lie elsewhere.

    A subject of whom the tables tell nothing (or whose name is none of ADNI's) has as many visits as its folders have
    days.

    Args:
        files: PTID -> files in place.
        predict: the prediction for some subjects, by their files.
    """
    places: dict[str, str] = {}
    whole: dict[str, SubjectFiles] = {}
    days: dict[str, set[str]] = {}
    for name, place, item, kind in held:
        here = files.get(name, SubjectFiles())
        images = {image: found for image, found in item.images.items() if image not in here.ids}
        if not images:
            continue  # it lies in place as well
        places.setdefault(name, f"{kind}: {escaped(place)}")
        merged = whole.setdefault(name, SubjectFiles(dict(here.images)))
        merged.images.update({image: found for image, found in images.items() if image not in merged.ids})
        days.setdefault(name, set()).update(days_of(images))
    known = {name: item for name, item in whole.items() if PTID.fullmatch(name)}
    then = predict(known) if known else None
    in_place = {name: files[name] for name in known if name in files}
    if then is not None and in_place and (first := predict(in_place)) is not None:
        arrivals.ordinary -= first.ordinary - then.ordinary  # not downloaded, it seemed, and lies elsewhere
    if then is not None:
        forget_empty(arrivals, then, set(known))
    now = {entry for entry in arrivals.arriving if entry[0] in known}
    more = Counter(name for name, code in (then.arriving if then else []) if (name, code) not in now)
    before, after = losses(arrivals), losses(then) if then else Counter()
    told = (then.told if then else set()) | {name for name, _ in now}
    for name, reason in places.items():
        number = more[name] + max(after[name] - before[name], 0)
        if name not in told and not more[name]:
            number = len(days[name])
        for _ in range(number):
            arrivals.add(name, reason)


def forget_empty(arrivals: Arrivals, then: Arrivals, subjects: Set[str]) -> None:
    """Take visits whose folder is empty and whose files lie elsewhere out of what is lost: they are counted there.

    Args:
        then: what would arrive of some ``subjects`` if those files lay in their place.
    """
    entries, still = arrivals.lost.pop(Trouble.EMPTY, []), then.lost.get(Trouble.EMPTY, [])
    kept = [entry for entry in entries if entry.split(" (")[0] not in subjects or entry in still]
    if kept:
        arrivals.lost[Trouble.EMPTY] = kept


def count_unseen(
    arrivals: Arrivals, beside: list[Outsider], archives: Mapping[str, Contents], files: Mapping[str, SubjectFiles]
) -> None:
    """Add to ``arrivals`` one visit for each subject of whom nothing can be seen: whose folder is a link to nowhere, or
    whose archive (by its name, or the folder that it lies in) is not looked into, holds nothing that can be read, or
    lies in another archive."""
    places = {meant: item.path for item in beside if item.nowhere and (meant := subject_meant(item.path))}
    for place, contents in archives.items():
        nothing = contents.trouble == UNSEEN or (contents.trouble == DAMAGED and not contents.files)
        if nothing and (meant := subject_of_place(place)):
            places.setdefault(meant, place)
        if contents.trouble == NESTED:
            inner = (name for name, _ in contents.files if is_archive(PurePosixPath(name).name))
            places = {meant: place for name in inner if (meant := subject_of_place(name))} | places
    for name, place in places.items():
        if name not in arrivals.losing(PASSED_OVER) and not files.get(name, SubjectFiles()).ids:
            arrivals.add(name, f"{PASSED_OVER}: {escaped(place)}")


def losses(arrivals: Arrivals) -> Counter[str]:
    """Subject -> number of its visits that will not arrive."""
    return Counter(entry.split(" (")[0] for entries in arrivals.lost.values() for entry in entries)
