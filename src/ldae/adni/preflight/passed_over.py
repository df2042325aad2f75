"""Subjects that lie where no converter looks, and what of them would arrive if they lay in their place.

Such folders (``ADNI/ADNI/<subject>``, ``<subject> (1)``, ``942_s_0001``) and the subjects in zip files are read by
their names as those in place are, and the prediction is made a second time with them: the difference is lost.
"""

import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from ldae.adni.disk import SubjectFiles, add_file, days_of, subject_files
from ldae.adni.file_names import image_of_folder
from ldae.adni.inventory import ARCHIVE, Outsider, subject_meant
from ldae.adni.preflight.arrivals import PASSED_OVER, Arrivals
from ldae.core.files import escaped
from ldae.core.keys import PTID

Held = list[tuple[str, str, SubjectFiles]]  # name of the subject, place from the root, files


def passed_over(
    images: Path, beside: list[Outsider], files: Mapping[str, SubjectFiles], listed: Mapping[str, str]
) -> Held:
    """The subjects beside the subject folders, those in zip files (of which the list of contents is read), and images
    in the folder of another subject.

    Args:
        files: PTID -> files in place, whose zip files are looked into too.
        listed: image ID -> PTID, of the list of images.
    """
    found: Held = []
    archives = [Path(path) for item in files.values() for path in item.archives]
    for name, held in files.items():
        for image, own in held.images.items():
            if (whose := listed.get(image, name)) != name:
                found.append((whose, name, SubjectFiles({image: own})))
    for item in beside:
        found += [(name, place, subject_files(images / place)) for name, place in item.subjects]
        if ARCHIVE.fullmatch(item.path) and (images / item.path).is_file():
            archives.append(images / item.path)
    for path in archives:
        place = path.relative_to(images).as_posix()
        found += [(name, place, held) for name, held in zipped_subjects(path, place.split("/")[0]).items()]
    return found


def zipped_subjects(path: Path, beside: str) -> dict[str, SubjectFiles]:
    """Subject -> files in a zip file, by the names in it; none where it is no zip file or cannot be read.

    Args:
        beside: the folder that the archive lies in, which names the subject where nothing in the archive does.
    """
    if not path.is_file():  # to open a pipe would wait for ever
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return {}
    found: dict[str, SubjectFiles] = {}
    for item in members:
        parts = PurePosixPath(item.filename).parts
        if not parts:
            continue  # a member named `.`
        name = next((meant for part in parts[:-1] if (meant := subject_meant(part))), subject_meant(beside))
        if name is not None and not parts[-1].startswith("."):
            folder = image_of_folder(parts[-2]) if len(parts) > 1 else None
            place = f"{path}/{item.filename}"
            add_file(found.setdefault(name, SubjectFiles()), place, parts[-1], folder, partial(int, item.file_size))
    return found


def needless(held: Held, files: Mapping[str, SubjectFiles]) -> set[str]:
    """Folders and archives at the top of the tree (or in it) of which every image lies in its place too."""
    lying: dict[str, bool] = {}
    for name, place, item in held:
        here = files.get(name, SubjectFiles()).ids
        own = bool(item.ids) and item.ids <= here
        for known in {place, place.split("/")[0]}:
            lying[known] = lying.get(known, True) and own
    return {place for place, own in lying.items() if own}


def count_passed_over(
    arrivals: Arrivals,
    held: Held,
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
    places: dict[str, list[str]] = {}
    whole: dict[str, SubjectFiles] = {}
    days: dict[str, set[str]] = {}
    for name, place, item in held:
        here = files.get(name, SubjectFiles())
        images = {image: found for image, found in item.images.items() if image not in here.ids}
        if not images:
            continue  # it lies in place as well
        places.setdefault(name, []).append(place)
        merged = whole.setdefault(name, SubjectFiles(dict(here.images)))
        merged.images.update({image: found for image, found in images.items() if image not in merged.ids})
        days.setdefault(name, set()).update(days_of(images))
    known = {name: item for name, item in whole.items() if PTID.fullmatch(name)}
    then = predict(known) if known else None
    in_place = {name: files[name] for name in known if name in files}
    if then is not None and in_place and (first := predict(in_place)) is not None:
        arrivals.ordinary -= first.ordinary - then.ordinary  # not downloaded, it seemed, and lies elsewhere
    now = {entry for entry in arrivals.arriving if entry[0] in known}
    more = Counter(name for name, code in (then.arriving if then else []) if (name, code) not in now)
    before, after = losses(arrivals), losses(then) if then else Counter()
    told = (then.told if then else set()) | {name for name, _ in now}
    for name, where in places.items():
        number = more[name] + max(after[name] - before[name], 0)
        if name not in told and not more[name]:
            number = len(days[name])
        for _ in range(number):
            arrivals.add(name, f"{PASSED_OVER}: {escaped(where[0])}")


def losses(arrivals: Arrivals) -> Counter[str]:
    """Subject -> number of its visits that will not arrive."""
    return Counter(entry.split(" (")[0] for entries in arrivals.lost.values() for entry in entries)
