"""Whom the study asks: subjects at their first scan with MCI, how long they were followed, and who became a patient."""

import numpy as np
import pandas as pd

from ldae.core.keys import KEY
from ldae.studies.conversion.names import HORIZON

COARSE = 3  # months; times that come from ages are rounded to them, as visits are planned
COLUMNS = [*KEY, "row", "split", "months", "converted"]


def conversions(scans: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """One row per subject with a scan with MCI and a later visit with a known diagnosis, in subject order.

    ``row``: place of the first scan with MCI in ``scans``. ``months``: from that scan to the first visit with AD
    (``converted`` 1), or to the last visit (``converted`` 0). A conversion is seen at a visit and happened before it.
    Who had AD before, or is not seen again, is not among them.

    Args:
        scans: those with codes: participant_id, session_id, months, age, diagnosis, split.
        manifest: scans.tsv. Every visit with a diagnosis counts, also where its scan was excluded.
    """
    visits = manifest.dropna(subset=["diagnosis"]) if "diagnosis" in manifest else manifest.iloc[:0]
    of_subject = dict(iter(visits.groupby("participant_id")))
    found = []
    for name, own in scans[scans["diagnosis"] == "MCI"].groupby("participant_id"):
        known = of_subject.get(name)
        time = None if known is None else _months(known)
        if known is None or time is None:
            continue
        when = dict(zip(known["session_id"], time, strict=True))
        starts = {row: when[session] for row, session in own["session_id"].items() if session in when}
        if not starts:
            continue
        row = min(starts, key=starts.__getitem__)
        ad = (known["diagnosis"] == "AD").to_numpy()
        after, patient = time - starts[row], time[ad] - starts[row]
        if after.max() <= 0 or (patient <= 0).any():
            continue
        converted = len(patient) > 0
        months = float(patient.min() if converted else after.max())
        found.append((*scans.loc[row, KEY], row, scans.loc[row, "split"], months, int(converted)))
    return pd.DataFrame(found, columns=COLUMNS).astype({"row": int, "months": float, "converted": int})


def _months(known: pd.DataFrame) -> np.ndarray | None:
    """Of every visit of a subject: its nominal months, or ages in months; None where neither is known of all."""
    months = known["months"].to_numpy(float, na_value=np.nan)
    if np.isfinite(months).all():
        return months
    age = known["age"].to_numpy(float, na_value=np.nan)
    return np.round(12 * (age - age.min()) / COARSE) * COARSE if np.isfinite(age).all() else None


def staying(months: np.ndarray, converted: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(len(at),) probability of still being followed just before these months: Kaplan and Meier's estimate for the end
    of the follow-up (inverse probability of censoring weights are one over it).

    Who converts at a visit does so before anybody's follow-up ends there.
    """
    ends = np.unique(months[converted == 0])
    left = []
    for end in ends:
        here = (months == end) & (converted == 0)
        at_risk = (months > end) | here
        left.append(1 - here.sum() / at_risk.sum())
    curve = np.cumprod([1.0, *left])
    return curve[np.searchsorted(ends, at, side="left")]


def with_weights(course: pd.DataFrame) -> pd.DataFrame:
    """Conversions with what is known at 36 months and how much each subject stands for.

    ``weight``: one over the probability of still being followed just before ``months``. ``converted_36m``: 1 where AD
    was seen within 36 months, 0 where it was first seen later or a visit at 36 months or later was without, missing
    where the follow-up ended before. ``weight_36m``: one over the probability that this is known.
    """
    months, converted = course["months"].to_numpy(float), course["converted"].to_numpy()
    by_then = (converted == 1) & (months <= HORIZON)
    label = np.where(by_then, 1.0, np.where(months >= HORIZON, 0.0, np.nan))
    weight = 1 / np.maximum(staying(months, converted, months), 1e-9)
    then = 1 / np.maximum(staying(months, converted, np.minimum(months, HORIZON)), 1e-9)
    return course.assign(weight=weight, converted_36m=label, weight_36m=np.where(np.isnan(label), np.nan, then))
