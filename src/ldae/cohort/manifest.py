"""scans.tsv: one row per scan with everything the later steps need, and a reason for every scan that is left out."""

import logging
from pathlib import Path

import pandas as pd

from ldae.cohort.shards import shard_of
from ldae.errors import UserError
from ldae.files import read_tsv, write_json, write_tsv

COLUMNS = {
    "participant_id": "Subject",
    "session_id": "Visit",
    "months": "Months since baseline, by the name of the visit",
    "age": "Age at the scan, years",
    "sex": "M or F",
    "diagnosis": "CN, MCI or AD at the visit; n/a where the study tables have none",
    "mmse": "Mini-Mental State Examination at the visit, 0-30",
    "cdr": "Clinical Dementia Rating, global, at the visit",
    "field_strength": "Tesla",
    "image_id": "LONI image ID of the source",
    "t1w": "Image, relative to the BIDS folder",
    "shard": "Preprocessing shard",
    "status": "included or excluded",
    "reason": "Why it is excluded",
}
OLDEST, DAYS_PER_YEAR = 120, 365.25
logger = logging.getLogger("ldae")


def build_manifest(bids: Path, statuses: list[Path], shards: int, scans_tsv: Path, exclusions_tsv: Path) -> None:
    """Join the BIDS dataset (read by pybids) with the status tables of the conversion.

    Writes ``scans_tsv`` (all scans, excluded ones with their reason), its data dictionary beside it (``scans.json``)
    and ``exclusions_tsv`` (participant_id, session_id, step, reason). A scan without a diagnosis stays included: the
    networks are trained without labels, and a study that needs one leaves the scan out itself.

    Raises:
        UserError: an image that a status table promises is not in the dataset or has another size, a scan stands in
            two status tables, or no scan is left.
    """
    converted = read_statuses(statuses)
    images, sessions = read_dataset(bids)
    check_products(converted, images, bids)
    scans = converted.merge(sessions, on=["participant_id", "session_id"], how="left", validate="many_to_one")
    scans = scans.merge(read_participants(bids), on="participant_id", how="left", validate="many_to_one")
    scans["months"] = pd.to_numeric(scans["session_id"].str.extract(r"ses-M(\d+)", expand=False)).astype("Int64")
    scans["age"] = age_at_scan(scans)
    scans["t1w"] = scans["path"]
    scans["shard"] = [shard_of(participant, shards) for participant in scans["participant_id"]]
    scans = scans.sort_values(["participant_id", "months", "state"], kind="stable", ignore_index=True)
    scans = with_reasons(scans)
    included = scans["status"] == "included"
    if not included.any():
        raise UserError(f"No scan of {bids} is left (reasons: {tally(scans)}); run `ldae preflight` on the download.")
    logger.info("%d scans of %d included; %s", included.sum(), len(scans), tally(scans) or "none left out")
    unlabelled = int(scans.loc[included, "diagnosis"].isna().sum())
    if unlabelled:
        logger.info("%d included scans have no diagnosis", unlabelled)
    write_tsv(exclusions_tsv, scans.loc[~included, ["participant_id", "session_id", "step", "reason"]])
    write_json(scans_tsv.with_suffix(".json"), {name: {"Description": text} for name, text in COLUMNS.items()})
    write_tsv(scans_tsv, scans[list(COLUMNS)])


def read_statuses(statuses: list[Path]) -> pd.DataFrame:
    """The rows of all shards' status tables.

    Raises:
        UserError: a scan stands in two tables.
    """
    table = pd.concat([read_tsv(path, dtype=str) for path in statuses], ignore_index=True)
    table["size"] = pd.to_numeric(table["size"]).astype("Int64")
    table["field_strength"] = pd.to_numeric(table["field_strength"])
    done = table[table["state"] == "done"]
    twice = done[done.duplicated(["participant_id", "session_id"])]
    if len(twice):
        name = " ".join(twice.iloc[0][["participant_id", "session_id"]])
        raise UserError(
            f"{name} stands in two status tables of {statuses[0].parent}, left from another number of shards: "
            "delete these tables and run the conversion again (it keeps what is converted)."
        )
    return table


def read_dataset(bids: Path) -> tuple[set[str], pd.DataFrame]:
    """Paths (relative to ``bids``) of all T1w images, and one row per visit of every sessions.tsv."""
    from bids import BIDSLayout, BIDSLayoutIndexer

    layout = BIDSLayout(bids, indexer=BIDSLayoutIndexer(validate=False, index_metadata=False))
    images = layout.get(suffix="T1w", extension=".nii.gz", return_type="filename")
    tables = []
    for file in layout.get(suffix="sessions", extension=".tsv"):
        table = read_tsv(file.path, dtype=str)
        tables.append(table.assign(participant_id=f"sub-{file.entities['subject']}"))
    columns = ["participant_id", "session_id", "examination_date", "visit_age", "diagnosis", "mmse", "cdr"]
    names = {"age": "visit_age", "MMSE": "mmse", "cdr_global": "cdr"}
    sessions = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    sessions = sessions.rename(columns=names).reindex(columns=columns)
    for column in ("visit_age", "mmse", "cdr"):
        sessions[column] = pd.to_numeric(sessions[column], errors="coerce")
    sessions["examination_date"] = pd.to_datetime(sessions["examination_date"], format="%Y-%m-%d", errors="coerce")
    baseline = sessions[sessions["session_id"] == "ses-M000"].set_index("participant_id")["examination_date"]
    sessions["baseline_date"] = sessions["participant_id"].map(baseline)
    return {Path(image).relative_to(bids.resolve()).as_posix() for image in images}, sessions


def read_participants(bids: Path) -> pd.DataFrame:
    """participant_id, sex and age at baseline."""
    table = read_tsv(bids / "participants.tsv", dtype=str)[["participant_id", "sex", "age_bl"]]
    return table.assign(age_bl=pd.to_numeric(table["age_bl"], errors="coerce"))


def check_products(converted: pd.DataFrame, images: set[str], bids: Path) -> None:
    """Raises:
    UserError: a status table promises an image that is not there, or not of that size.
    """
    done = converted[converted["state"] == "done"]
    bad = [
        path
        for path, size in zip(done["path"], done["size"], strict=True)
        if path not in images or (bids / path).stat().st_size != size
    ]
    if bad:
        raise UserError(
            f"{len(bad)} converted images are missing or changed in {bids}, the first is {bad[0]}: "
            "delete the tables in status/convert and run the conversion again (it redoes these subjects alone)."
        )


def age_at_scan(scans: pd.DataFrame) -> pd.Series:
    """Years, two decimals: age at baseline plus the time from the baseline visit to the scan.

    Clinica's age belongs to the visit; a scan can be weeks away from it. Without a baseline visit, the age at the visit
    plus the time from it to the scan (that age has one decimal).
    """
    scan = pd.to_datetime(scans["scan_date"], format="%Y-%m-%d", errors="coerce")
    from_baseline = scans["age_bl"] + (scan - scans["baseline_date"]).dt.days / DAYS_PER_YEAR
    from_visit = scans["visit_age"] + (scan - scans["examination_date"]).dt.days / DAYS_PER_YEAR
    return from_baseline.fillna(from_visit).round(2)


def with_reasons(scans: pd.DataFrame) -> pd.DataFrame:
    """Add ``status``, ``step`` and the final ``reason``; the first reason that applies is the one given.

    ``scans`` is sorted by subject and months. A visit scanned before an earlier visit is out of order: one of its dates
    is wrong, and with it its age.
    """
    reasons = scans["reason"].astype(object).copy()
    steps = pd.Series(None, index=scans.index, dtype=object).where(reasons.isna(), "convert")
    kept_images: dict[str, str] = {}
    latest: dict[str, str] = {}
    for row in scans[reasons.isna()].itertuples():
        reason = None
        if row.sha256 in kept_images:
            reason = f"same image as: {kept_images[row.sha256]}"
        elif pd.isna(row.age):
            reason = "age unknown"
        elif not 0 <= row.age <= OLDEST:
            reason = f"impossible age: {row.age:g} years"
        elif row.scan_date < latest.get(row.participant_id, ""):
            reason = f"visits out of date order: {row.scan_date} before {latest[row.participant_id]}"
        if reason:
            reasons[row.Index], steps[row.Index] = reason, "manifest"
        else:
            kept_images[row.sha256] = f"{row.participant_id} {row.session_id}"
            latest[row.participant_id] = row.scan_date
    status = reasons.isna().map({True: "included", False: "excluded"})
    return scans.assign(reason=reasons, step=steps, status=status)


def tally(scans: pd.DataFrame) -> str:
    """``3 x split or unfinished series, 1 x age unknown``."""
    kinds = scans.loc[scans["status"] == "excluded", "reason"].str.split(":").str[0].value_counts()
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items())


def all_exclusions(manifest: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """exclusions.tsv with the scans that preprocessing or its quality control lost (``qc`` = qc.tsv)."""
    lost = qc[qc["state"] == "quarantined"].assign(step="preprocess")
    lost["reason"] = lost["reason"].astype(str).str.removeprefix("earlier: ")
    return pd.concat([manifest, lost[["participant_id", "session_id", "step", "reason"]]], ignore_index=True)


def analysed_scans(scans: pd.DataFrame, qc: pd.DataFrame) -> pd.DataFrame:
    """scans.tsv with the scans that preprocessing lost marked as excluded."""
    key = ["participant_id", "session_id"]
    lost = qc.loc[qc["state"] == "quarantined", key].assign(lost=True)
    merged = scans.merge(lost, on=key, how="left")
    return scans.assign(status=scans["status"].where(merged["lost"].isna().to_numpy(), "excluded"))
