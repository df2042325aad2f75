"""Any BIDS dataset with T1w images: OASIS-3, AIBL, a clinic's own cohort."""

import pandas as pd

from ldae.cohort.sources.columns import KEY
from ldae.cohort.sources.content import content_keys
from ldae.cohort.sources.dataset import read_dataset
from ldae.cohort.sources.visits import join_facts
from ldae.config import Bids
from ldae.errors import UserError


def bids_scans(settings: Bids) -> pd.DataFrame:
    """One row per T1w image; of several images of a visit the first by name stays, the others get a reason.

    Raises:
        UserError: the dataset has no T1w image that ``bids.filters`` lets through.
    """
    dataset = read_dataset(settings)
    images = dataset.images
    if images.empty:
        asked = f" with {settings.filters}" if settings.filters else ""
        raise UserError(f"{settings.path} has no T1w image{asked} (sub-*/[ses-*/]anat/*_T1w.nii[.gz]).")
    paths = [dataset.root / path for path in images["t1w"]]
    scans = join_facts(images.assign(content=content_keys(paths), reason=None), dataset, settings)
    return scans.assign(reason=[unusable(path) for path in paths]).pipe(one_per_visit)


def unusable(path) -> str | None:
    """Why an image cannot be read at all, seen without opening it."""
    if not path.exists():
        return "image not on disk: a link to nowhere (run `datalad get`)"
    return "empty file: 0 bytes" if path.stat().st_size == 0 else None


def one_per_visit(scans: pd.DataFrame) -> pd.DataFrame:
    """Give all but the first usable image of a visit a reason."""
    usable = scans[scans["reason"].isna()]
    chosen = usable.groupby(KEY)["t1w"].transform("first")
    repeats = usable.index[usable["t1w"] != chosen]
    reasons = "another image of the visit is used: " + chosen[repeats].str.rsplit("/").str[-1]
    return scans.assign(reason=scans["reason"].where(~scans.index.isin(repeats), reasons.reindex(scans.index)))
