"""Any BIDS dataset with T1w images: OASIS-3, AIBL, a clinic's own cohort, and ADNI as this workflow converted it.

Beside ADNI's dataset lie the status tables of the conversion.
"""

from pathlib import Path

import pandas as pd

from ldae.cohort.bids_reader import FACTS, Dataset, read_dataset
from ldae.cohort.columns import content_keys
from ldae.cohort.visit_times import join_facts
from ldae.config import Bids
from ldae.core.errors import UserError, require_own_reasons
from ldae.core.files import read_tsv
from ldae.core.folders import saying_what_is_closed
from ldae.core.image_starts import no_nifti
from ldae.core.keys import KEY

NO_MAGNITUDE = {"phase", "real", "imag"}
POINTER_BYTES = 1024
ANOTHER = "another image of the visit is used"


@saying_what_is_closed()
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
    reasons = [unusable(*image) for image in zip(paths, images["part"], images["misplaced"], strict=True)]
    images = images.assign(content=content_keys(paths), reason=reasons)
    images = pd.concat([images, dataset.lost], ignore_index=True) if len(dataset.lost) else images
    scans = join_facts(images.rename(columns={name: f"scan:{name}" for name in FACTS}), dataset, settings)
    return one_per_visit(scans, images["rank"])


def unusable(path: Path, part: str | None, misplaced: str | None) -> str | None:
    """Why an image cannot be used at all, seen without opening more than its ends."""
    if misplaced is not None:
        return f"named after another subject or visit: {misplaced} (move the image to that folder, or rename it)"
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
    return no_nifti(path)


def one_per_visit(scans: pd.DataFrame, ranks: pd.Series) -> pd.DataFrame:
    """Give all but the best usable image of a visit a reason."""
    usable = scans.assign(rank=ranks)[scans["reason"].isna()].sort_values("rank")
    best = usable.drop_duplicates(KEY).set_index(KEY)["t1w"].str.rsplit("/").str[-1]
    reasons = scans["reason"].copy()
    for row in usable[usable.duplicated(KEY)].itertuples():
        name = best[row.participant_id, row.session_id]
        reasons[row.Index] = f"{ANOTHER}: {name}"
    return scans.assign(reason=reasons)


STATUS_FACTS = ["image_id", "scan_date", "field_strength", "converted_by"]


def adni_scans(bids: Path, statuses: list[Path]) -> pd.DataFrame:
    """One row per scan that the conversion listed, quarantined ones with its reason.

    Raises:
        UserError: an image that a status table promises is not in the dataset or has another size, or a scan stands in
            two status tables.
    """
    settings = Bids(path=bids)
    converted, dataset = read_statuses(statuses), read_dataset(settings, all_visits_scanned=False)
    check_products(converted, dataset)
    done = converted["state"] == "done"
    images = dataset.images.drop(
        columns=[*KEY, "rank", "part", "misplaced", *(name for name in FACTS if name not in STATUS_FACTS)]
    )
    made = (
        converted[done].drop(columns=STATUS_FACTS).merge(images, left_on="path", right_on="t1w", validate="one_to_one")
    )
    scans = pd.concat([table for table in (made, converted[~done].assign(t1w=None)) if len(table)], ignore_index=True)
    return join_facts(scans.rename(columns={"sha256": "content"}), dataset, settings)


def read_statuses(statuses: list[Path]) -> pd.DataFrame:
    """The rows of all shards' status tables.

    Raises:
        UserError: a scan stands in two tables, or was left out for an error of the machine.
    """
    table = pd.concat([read_tsv(path, dtype=str) for path in statuses], ignore_index=True)
    table["size"] = pd.to_numeric(table["size"]).astype("Int64")
    table["field_strength"] = pd.to_numeric(table["field_strength"])
    require_own_reasons(table["reason"].dropna())
    done = table[table["state"] == "done"]
    if "converted_by" not in table:  # tables of versions that knew Clinica alone
        table["converted_by"] = None
    table.loc[done.index, "converted_by"] = done.get("converted_by", table["converted_by"]).fillna("clinica")
    twice = done[done.duplicated(KEY)]
    if len(twice):
        name = " ".join(twice.iloc[0][KEY])
        raise UserError(
            f"{name} stands in two status tables of {statuses[0].parent}, left from another number of shards: "
            "delete these tables and run the conversion again (it keeps what is converted)."
        )
    return table


def check_products(converted: pd.DataFrame, dataset: Dataset) -> None:
    """Raises:
    UserError: a status table promises an image that is not there, or not of that size.
    """
    done, images = converted[converted["state"] == "done"], set(dataset.images["t1w"])
    bad = [
        path
        for path, size in zip(done["path"], done["size"], strict=True)
        if path not in images or (dataset.root / path).stat().st_size != size
    ]
    if bad:
        raise UserError(
            f"{len(bad)} converted images are missing or changed in {dataset.root}, the first is {bad[0]}: "
            "delete the tables in status/convert and run the conversion again (it redoes these subjects alone)."
        )
