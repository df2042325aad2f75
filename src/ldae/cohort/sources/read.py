"""The scans of a cohort, whatever it comes from."""

from pathlib import Path
from typing import Any

import pandas as pd

from ldae.cohort.sources.adni import adni_scans
from ldae.cohort.sources.authors_csv import csv_scans
from ldae.cohort.sources.bids import bids_scans
from ldae.config import AuthorsCsv, Bids


def read_source(source: str, dataset: Path | dict[str, Any], statuses: list[Path]) -> pd.DataFrame:
    """One row per scan (columns of :mod:`ldae.cohort.sources.columns`).

    Args:
        source: adni, bids or csv.
        dataset: adni: the BIDS folder of the conversion; else the configuration's section of that name.
        statuses: adni: the status tables of the conversion.
    """
    if source == "adni":
        return adni_scans(dataset, statuses)
    if source == "bids":
        return bids_scans(Bids.model_validate(dataset))
    return csv_scans(AuthorsCsv.model_validate(dataset))
