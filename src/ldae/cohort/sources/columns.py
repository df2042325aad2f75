"""The columns that every source gives, before the manifest decides which scans stay."""

import pandas as pd

from ldae.core.keys import KEY

COLUMNS = (
    *KEY,
    "months",  # since baseline, Int64
    "age",  # years, at the time that age_from names
    "age_from",  # scan | visit | months | table
    "sex",  # M or F
    "diagnosis",  # CN, MCI or AD
    "mmse",
    "cdr",
    "field_strength",  # Tesla
    "study_phase",  # as the dataset names it, ADNI: ADNI1, ADNIGO, ADNI2, ADNI3
    "image_id",
    "date",  # of the scan, or of its visit where the scan has none: YYYY-MM-DD
    "t1w",  # path from the root of the dataset
    "content",  # equal for equal images
    "reason",  # why the source itself leaves the scan out, or missing
)


def complete(scans: pd.DataFrame) -> pd.DataFrame:
    """The columns of :data:`COLUMNS` in their order; those that the source does not know are missing values."""
    return scans.reindex(columns=list(COLUMNS)).astype(
        {"months": "Int64", "diagnosis": object, "sex": object, "reason": object, "date": object, "study_phase": object}
    )
