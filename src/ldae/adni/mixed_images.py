"""Folders of one image in which several images lie, whose files have lost their names.

Names say nothing of it then, so headers are read: a few of an image, and all where these are of several series.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from ldae.adni.disk import A_SERIES, SubjectFiles
from ldae.adni.image_files import ImageFiles

LOOKED_AT = 400  # images, those with the most files first
READ_WHOLLY = 20  # of these, each file of them
FOLDERS = 8  # in the folder of an image, of each of which a file is read


def look_for_mixed_images(files: Mapping[str, SubjectFiles], listed: Collection[str]) -> None:
    """Fill in ``gaps`` of each subject.

    Args:
        files: PTID -> files on disk.
        listed: image IDs that may be converted.
    """
    from ldae.adni.staging import mixed, sizes_of_mixed

    likely = [
        (len(own.dicom), name, image)
        for name, item in files.items()
        for image, own in item.images.items()
        if image in listed and image not in item.gaps and not own.named and len(own.dicom) >= 2 * A_SERIES
    ]
    wholly = 0
    for _, name, image in sorted(likely, reverse=True)[:LOOKED_AT]:
        own = files[name].images[image]
        if len(series_among(sample(own))) < 2 or wholly >= READ_WHOLLY:
            continue
        wholly += 1
        if (sizes := sizes_of_mixed(series_among(own.dicom))) is not None:
            files[name].gaps[image] = mixed(image, sizes)


def sample(own: ImageFiles) -> list[str]:
    """Some files of an image: neighbours, since copies have names that are near, and one of each folder."""
    paths, middle = own.dicom, len(own.dicom) // 2
    folders = {path.rpartition("/")[0]: path for path in paths}
    some = [*paths[:3], *paths[middle - 1 : middle + 2], paths[-1], *list(folders.values())[:FOLDERS]]
    return list(dict.fromkeys(some))


def series_among(paths: Collection[str]) -> Counter[tuple[str, ...]]:
    """Number of files of each series, by their headers; files without one are not counted."""
    from ldae.adni.dicom_headers import header_of, series_of

    headers = (header_of(Path(path)) for path in paths)
    return Counter(series_of(header) for header in headers if header is not None)
