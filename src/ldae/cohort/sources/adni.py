"""ADNI, converted by this workflow: the BIDS dataset beside the status tables of the conversion."""

from pathlib import Path

import pandas as pd

from ldae.cohort.sources.bids_reader import FACTS as TABLE_FACTS
from ldae.cohort.sources.bids_reader import Dataset, read_dataset
from ldae.cohort.sources.visit_times import join_facts
from ldae.config import Bids
from ldae.core.errors import UserError, require_own_reasons
from ldae.core.files import read_tsv
from ldae.core.keys import KEY

FACTS = ["image_id", "scan_date", "field_strength"]


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
    images = dataset.images.drop(columns=[*KEY, "rank", "part", *(name for name in TABLE_FACTS if name not in FACTS)])
    made = converted[done].drop(columns=FACTS).merge(images, left_on="path", right_on="t1w", validate="one_to_one")
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
