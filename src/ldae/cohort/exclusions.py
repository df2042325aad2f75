"""Why a scan is left out: the reasons of the manifest, and those that later steps add."""

import re
from collections.abc import Collection

import pandas as pd

from ldae.core.keys import KEY

ADNI_SITE = re.compile(r"sub-ADNI(\d{3})S\d{4,}$")
OLDEST = 120
NO_DIAGNOSIS = "the tables have no CN, MCI or AD for this visit"
CLASSES = ("CN", "MCI", "AD")


def with_reasons(
    scans: pd.DataFrame, require_diagnosis: bool, source_step: str, excluded_sites: Collection[str] = ()
) -> pd.DataFrame:
    """Add ``status``, ``step`` and the final ``reason``; the first reason that applies is the one given.

    A scan without an age stays: the networks are trained on it, what needs an age leaves it out.

    Args:
        scans: sorted by subject and months. A visit scanned before an earlier visit is out of order: one of its dates
            is wrong, and with it its age.
        source_step: the step that gave the reasons which ``scans`` already carries.
        excluded_sites: of ADNI, three digits each.
    """
    reasons = scans["reason"].astype(object).copy()
    steps = pd.Series(None, index=scans.index, dtype=object).where(reasons.isna(), source_step)
    kept_images: dict[str, str] = {}
    latest: dict[str, str] = {}
    for row in scans[reasons.isna()].itertuples():
        before = latest.get(row.participant_id, "")
        reason = None
        if (site := ADNI_SITE.match(row.participant_id)) and site.group(1) in excluded_sites:
            reason = f"site excluded: {site.group(1)} stands in manifest.exclude_sites"
        elif row.content in kept_images:
            reason = f"duplicate: the same image as {kept_images[row.content]}"
        elif not (pd.isna(row.age) or 0 <= row.age <= OLDEST):
            reason = f"impossible age: {row.age:g} years"
        elif isinstance(row.date, str) and row.date < before:
            reason = f"visits out of date order: {row.date} before {before}"
        elif require_diagnosis and row.diagnosis not in CLASSES:
            why = row.no_diagnosis if isinstance(row.no_diagnosis, str) else NO_DIAGNOSIS
            reason = f"diagnosis missing: {why}"
        if reason:
            reasons[row.Index], steps[row.Index] = reason, "manifest"
            continue
        if isinstance(row.content, str):
            kept_images[row.content] = f"{row.participant_id} {row.session_id}"
        if isinstance(row.date, str):
            latest[row.participant_id] = row.date
    status = reasons.isna().map({True: "included", False: "excluded"})
    return scans.assign(reason=reasons, step=steps, status=status)


def tally(scans: pd.DataFrame) -> str:
    """``3 x split or unfinished series, 1 x age unknown``."""
    kinds = scans.loc[scans["status"] == "excluded", "reason"].str.split(":").str[0].value_counts()
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items())


def commonest(phrases: pd.Series) -> str:
    """Of the commonest kind of some phrases (what stands before the colon) the commonest phrase; empty without any."""
    known = phrases.dropna().astype(str)
    kinds = known.str.split(":").str[0]
    mode = known[kinds == kinds.mode().iloc[0]].mode() if len(known) else known
    return str(mode.iloc[0]) if len(mode) else ""


def all_exclusions(manifest: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """exclusions.tsv with the scans that preprocessing or its quality control lost (``qc`` = qc.tsv)."""
    lost = qc[qc["state"] == "quarantined"].assign(step="preprocess")
    lost["reason"] = lost["reason"].astype(str).str.removeprefix("earlier: ")
    return pd.concat([manifest, lost[[*KEY, "step", "reason"]]], ignore_index=True)


def analysed_scans(scans: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """scans.tsv with the scans that preprocessing lost marked as excluded."""
    lost = qc.loc[qc["state"] == "quarantined", KEY].assign(lost=True)
    merged = scans.merge(lost, on=KEY, how="left")
    return scans.assign(status=scans["status"].where(merged["lost"].isna().to_numpy(), "excluded"))
