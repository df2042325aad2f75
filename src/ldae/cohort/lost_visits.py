"""Visits of a BIDS dataset that have no T1w image that is read, but something that may be meant as one.

Each counts as a scan that is left out, with what to do about it: a subject whose image is called ``_mprage`` or lies
there as DICOM is not to vanish from the number of scans.
"""

import re
from collections.abc import Iterator

from ldae.cohort.tree import NO_SESSION, SUBJECT, Tree

PREFIX = re.compile(r"sub(?:ject|j)?[-_ ]?", re.IGNORECASE)
VISIT = re.compile(r"(?:session|sess|ses|visit)[-_ ]?([A-Za-z0-9+]+)", re.IGNORECASE)
NIFTI = (".nii", ".nii.gz")
RENAME = "rename it, sub-*/[ses-*/]anat/*_T1w.nii[.gz]"


def lost_visits(tree: Tree) -> list[tuple[str, str, str]]:
    """participant_id, session_id and reason of each; what names no visit counts where its subject has none at all."""
    known = {(image.participant, image.session or NO_SESSION) for image in tree.images}
    known |= {(visit[0], visit[1] or NO_SESSION) for path in tree.ignored if (visit := visit_meant(path))}
    meant = [(visit, reason) for path, reason in misses(tree) if (visit := visit_meant(path))]
    lost: dict[tuple[str, str], str] = {}
    for (subject, session), reason in sorted(meant, key=lambda item: item[0][1] is None):
        place = (subject, session or NO_SESSION)
        if place not in known and (session or all(subject != other for other, _ in (*known, *lost))):
            lost.setdefault(place, reason)
    return [(*place, reason) for place, reason in sorted(lost.items())]


def misses(tree: Tree) -> Iterator[tuple[str, str]]:
    """Paths from the root, each with the reason why nothing is read there; the likeliest images first."""
    unread = tree.unread
    for path in tree.near_misses:
        if path.lower().endswith(NIFTI):
            yield path, f"T1w image under another name: {path} ({RENAME})"
        else:
            yield path, f"T1w image in another format: {path} (convert it to NIfTI)"
    for kind, paths, advice in (
        ("T1w image as DICOM", unread.dicom, "convert the series with dcm2niix"),
        ("folder under another name", unread.folders, RENAME),
        ("unfinished download", unread.unfinished, "download it again"),
        ("archive not unpacked", unread.archives, "unpack it"),
        ("shortcut", unread.shortcuts, "copy what it leads to"),
    ):
        yield from ((path, f"{kind}: {path} ({advice})") for path in paths)


def visit_meant(path: str) -> tuple[str, str | None] | None:
    """``sub_02/ses01/anat/x.nii`` -> (``sub-02``, ``ses-01``); no session where none is named, None without subject."""
    top, *rest = path.split("/")
    if rest and SUBJECT.fullmatch(rest[0]):  # patients/sub-01
        top, *rest = rest
    if not rest and "." in top and not SUBJECT.match(top):  # a file of the root
        return None
    name = PREFIX.sub("", top, count=1)
    label = re.sub(r"[^A-Za-z0-9+]", "", name if rest else re.split(r"[._ ]", name)[0])
    if not label:
        return None
    session = next((found.group(1) for part in rest if (found := VISIT.match(part))), None)
    if session is None and len(rest) > 2 and rest[1] == "anat":  # sub-01/baseline/anat/...
        session = re.sub(r"[^A-Za-z0-9+]", "", rest[0])
    return f"sub-{label}", f"ses-{session}" if session else None
