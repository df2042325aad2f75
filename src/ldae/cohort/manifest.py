"""scans.tsv: one row per scan with everything the later steps need, and a reason for every scan that is left out."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd

from ldae.cohort.authors_csv import csv_scans
from ldae.cohort.bids import adni_scans, bids_scans
from ldae.cohort.exclusions import ADNI_SITE, commonest, tally, with_reasons
from ldae.config import AuthorsCsv, Bids, Manifest
from ldae.core.errors import UserError
from ldae.core.files import write_json, write_tsv
from ldae.core.keys import KEY, shard_of
from ldae.core.text_tables import count

COLUMNS = {
    "participant_id": {"Description": "Subject"},
    "session_id": {"Description": "Visit; ses-M000 in a dataset without sessions"},
    "months": {"Description": "Time since baseline, by the name of the visit (or its date)", "Units": "months"},
    "age": {"Description": "Age on the day that age_from names", "Units": "years"},
    "age_from": {
        "Description": "What the age is the age at",
        "Levels": {
            "scan": "the scan: age at a visit plus the days from that visit to the scan",
            "visit": "the visit: the date of the scan or of the visit is unknown",
            "months": "baseline plus the months of the visit's name: no date and no age at the visit is known",
            "table": "as the table of source csv has it",
        },
    },
    "sex": {"Description": "Sex", "Levels": {"M": "male", "F": "female"}},
    "diagnosis": {
        "Description": "Diagnosis at the visit; n/a where the tables have none",
        "Levels": {"CN": "cognitively normal", "MCI": "mild cognitive impairment", "AD": "Alzheimer's disease"},
    },
    "mmse": {"Description": "Mini-Mental State Examination at the visit, 0-30"},
    "cdr": {"Description": "Clinical Dementia Rating at the visit, global: 0, 0.5, 1, 2, 3"},
    "field_strength": {"Description": "Field strength of the scanner", "Units": "T"},
    "study_phase": {
        "Description": "Phase of the study at the visit (ADNI1, ADNIGO, ADNI2, ADNI3, ADNI4), a confound of scanners"
    },
    "site": {"Description": "Where the subject was scanned (ADNI: the three digits in the subject's name)"},
    "image_id": {"Description": "Image ID of the source (ADNI: LONI's)"},
    "converted_by": {
        "Description": "What made the NIfTI file, where the source says so",
        "Levels": {"clinica": "Clinica, by its rules", "dcm2niix": "dcm2niix, ADNI4, chosen by this workflow's rules"},
    },
    "t1w": {"Description": "Image, relative to the root of the BIDS dataset (source csv: to the folder of the table)"},
    "shard": {"Description": "Preprocessing shard, a hash of the subject"},
    "status": {"Description": "included or excluded"},
    "reason": {"Description": "Why it is excluded; exclusions.tsv names the step as well"},
}
NOTES = "notes.json"
ADVICE = {
    "adni": "run `ldae preflight` on the download",
    "bids": "see bids.columns and bids.values in the configuration",
    "csv": "see the columns of the table",
}
logger = logging.getLogger("ldae")


def write_manifest(
    scans: pd.DataFrame,
    source: str,
    settings: Manifest,
    shards: int,
    scans_tsv: Path,
    exclusions_tsv: Path,
    findings: Sequence[str] = (),
) -> None:
    """Decide which scans stay, and write down why the others do not.

    Writes ``scans_tsv`` (all scans, excluded ones with their reason), its column dictionary beside it (``scans.json``),
    what was noticed of the tables (``notes.json``, sentences for the report) and ``exclusions_tsv`` (participant_id,
    session_id, step, reason).

    Args:
        scans: the table of a source (columns of :mod:`ldae.cohort.columns`).
        source: adni, bids or csv.
        findings: what the preflight noticed, for the report.

    Raises:
        UserError: no scan is left.
    """
    notes = [*findings, *scans.attrs.get("notes", ())]
    scans = scans.assign(shard=[shard_of(participant, shards) for participant in scans["participant_id"]])
    scans = decided(scans, source, settings)
    included = scans["status"] == "included"
    if (refusal := nobody_left(scans, source)) is not None:
        raise UserError(refusal)
    notes += say(scans, included)
    write_tsv(exclusions_tsv, scans.loc[~included, [*KEY, "step", "reason"]])
    write_json(scans_tsv.with_suffix(".json"), COLUMNS)
    write_json(scans_tsv.with_name(NOTES), notes)
    write_tsv(scans_tsv, scans[list(COLUMNS)])


def decided(scans: pd.DataFrame, source: str, settings: Manifest) -> pd.DataFrame:
    """The scans of a source in the order of the manifest, each with its status and its reason."""
    order = ["participant_id", "months", "session_id", "reason"]
    scans = scans.sort_values(order, kind="stable", na_position="first", ignore_index=True)
    named = scans["participant_id"].str.extract(ADNI_SITE, expand=False)
    scans["site"] = named.where(named.notna(), scans["site"])
    step = "convert" if source == "adni" else "read"
    return with_reasons(scans, settings.require_diagnosis, step, settings.exclude_sites)


def nobody_left(scans: pd.DataFrame, source: str) -> str | None:
    """What is wrong where not one scan is included; None otherwise."""
    if (scans["status"] == "included").any():
        return None
    lost = scans.loc[scans["status"] == "excluded", "reason"]
    kind, _, why = commonest(lost).partition(": ")
    return f"No scan is left (reasons: {tally(scans)}): {why or kind}; {advice(scans, source)}."


def advice(scans: pd.DataFrame, source: str) -> str:
    """What to do when nothing is left."""
    if scans["reason"].str.startswith("diagnosis missing").any():
        return f"{ADVICE[source]}, or set manifest.require_diagnosis: false to train without labels"
    return ADVICE[source]


def say(scans: pd.DataFrame, included: pd.Series) -> list[str]:
    """What the manifest holds, for the log; returns what the report should say as well."""
    logger.info("%d scans of %d included; %s", included.sum(), len(scans), tally(scans) or "none left out")
    kept = scans[included]
    found = []
    if inexact := kept["age_from"].isin(["visit", "months"]).sum():
        are = "age is that" if inexact == 1 else "ages are those"
        found.append(f"{inexact} {are} of a visit or a table, not of the day of the scan (age_from in scans.tsv)")
    for number, lacks, effect in (
        (
            kept["age"].isna().sum(),
            f"no age{because(kept['no_age'])}",
            ": such a scan trains the networks and is left out where an age is needed",
        ),
        (kept["diagnosis"].isna().sum(), f"no diagnosis{because(kept['no_diagnosis'])}", ""),
        (kept["months"].isna().sum(), "no place in time", ": set bids.session_pattern, or give dates"),
    ):
        if number:
            found.append(f"{count(number, 'included scan')} {'has' if number == 1 else 'have'} {lacks}{effect}")
    times = set(kept["months"].dropna().astype(int))
    if len(times) > 1 and times == set(range(1, len(times) + 1)):
        found.append(
            f"the visits are at months {', '.join(map(str, sorted(times)))}, none at 0: if their names count scans, "
            "not months, set bids.session_pattern to what never matches, such as 'none(x)'"
        )
    for sentence in found:
        logger.warning("%s", sentence)
    return found


def because(phrases: pd.Series) -> str:
    """`` (mostly: ...)``: the commonest cause, where one is known."""
    return f" (mostly: {why})" if (why := commonest(phrases)) else ""


def read_source(source: str, dataset: Path | dict[str, Any], statuses: list[Path]) -> pd.DataFrame:
    """One row per scan (columns of :mod:`ldae.cohort.columns`).

    Args:
        source: adni, bids or csv.
        dataset: adni: the BIDS folder of the conversion; else the configuration's section of that name.
        statuses: adni: the status tables of the conversion.
    """
    if source == "adni":
        return adni_scans(cast(Path, dataset), statuses)
    if source == "bids":
        return bids_scans(Bids.model_validate(dataset))
    return csv_scans(AuthorsCsv.model_validate(dataset))
