"""Any BIDS dataset with T1w images: OASIS-3, AIBL, a clinic's own cohort."""

from pathlib import Path

import pandas as pd

from ldae.cohort.sources.bids_reader import FACTS, read_dataset
from ldae.cohort.sources.columns import content_keys
from ldae.cohort.sources.visit_times import join_facts
from ldae.config import Bids
from ldae.core.errors import UserError
from ldae.core.keys import KEY

NO_MAGNITUDE = {"phase", "real", "imag"}
POINTER_BYTES = 1024


def bids_scans(settings: Bids) -> pd.DataFrame:
    """One row per T1w image; of several images of a visit the one of the best rank stays (:func:`tree.rank`), the
    others get a reason. What was noticed of the tables is in its ``attrs["notes"]``.

    Raises:
        UserError: the dataset has no T1w image that ``bids.filters`` lets through, or a table cannot be read.
    """
    dataset = read_dataset(settings)
    images = dataset.images
    if images.empty:
        asked = f" with {settings.filters}" if settings.filters else ""
        near = "".join(f"; {note}" for note in dataset.notes if "not read, although" in note)
        raise UserError(f"{settings.path} has no T1w image{asked} (sub-*/[ses-*/]anat/*_T1w.nii[.gz]){near}.")
    paths = [dataset.root / path for path in images["t1w"]]
    named = images.rename(columns={name: f"scan:{name}" for name in FACTS})
    scans = join_facts(named.assign(content=content_keys(paths), reason=None), dataset, settings)
    reasons = [unusable(path, part) for path, part in zip(paths, images["part"], strict=True)]
    return one_per_visit(scans.assign(reason=reasons), images["rank"])


def unusable(path: Path, part: str | None) -> str | None:
    """Why an image cannot be read at all, seen without opening more than its first bytes."""
    if part in NO_MAGNITUDE:
        return f"no magnitude image: part-{part}"
    if not path.exists():
        return "image not on disk: a link to nowhere (run `datalad get`)"
    if not path.is_file():
        return "image not on disk: a folder or a device has its name"
    if path.stat().st_size == 0:
        return "empty file: 0 bytes"
    if path.stat().st_size <= POINTER_BYTES:
        with open(path, "rb") as handle:
            start = handle.read(32)
        if start.startswith((b"/annex/objects/", b"version https://git-lfs")):
            return "image not on disk: a pointer to it (run `datalad get` or `git lfs pull`)"
    return None


def one_per_visit(scans: pd.DataFrame, ranks: pd.Series) -> pd.DataFrame:
    """Give all but the best usable image of a visit a reason."""
    usable = scans[scans["reason"].isna()].assign(rank=ranks).sort_values("rank")
    best = usable.drop_duplicates(KEY).set_index(KEY)["t1w"].str.rsplit("/").str[-1]
    reasons = scans["reason"].copy()
    for row in usable[usable.duplicated(KEY)].itertuples():
        name = best[row.participant_id, row.session_id]
        reasons[row.Index] = f"another image of the visit is used: {name}"
    return scans.assign(reason=reasons)
