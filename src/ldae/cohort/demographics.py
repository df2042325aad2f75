"""Table 1 of the paper for this cohort, and the counts of the flow chart."""

import pandas as pd

CLASSES = ("CN", "MCI", "AD")
PAPER = {"CN": (965, 3673), "MCI": (1193, 4603), "AD": (748, 2064)}
PAPER_SCANS = 10_340
NOT_ON_DISK = "not downloaded"
STAGES = {"convert": "Converted to BIDS", "manifest": "In the manifest"}


def demographics(scans: pd.DataFrame) -> pd.DataFrame:
    """One row per diagnosis at the scan, and ``all``: subjects, scans, age, MMSE, CDR, sex, and the paper's counts.

    A subject that converts counts in each class it was scanned in, so the classes' subjects add up to more than
    ``all``. Means and standard deviations (ddof 1) are over scans, the share of women is over subjects.
    """
    included = scans[scans["status"] == "included"]
    rows = [summary(name, included[included["diagnosis"] == name]) for name in CLASSES]
    if included["diagnosis"].isna().any():
        rows.append(summary("n/a", included[included["diagnosis"].isna()]))
    return pd.DataFrame([*rows, summary("all", included)]).astype({"paper_subjects": "Int64", "paper_scans": "Int64"})


def summary(name: str, scans: pd.DataFrame) -> dict:
    paper_subjects, paper_scans = PAPER.get(name, (None, PAPER_SCANS if name == "all" else None))
    row = {
        "diagnosis": name,
        "subjects": scans["participant_id"].nunique(),
        "scans": len(scans),
        "age_mean": scans["age"].mean(),
        "age_sd": scans["age"].std(),
        "mmse_mean": scans["mmse"].mean(),
        "mmse_sd": scans["mmse"].std(),
        "cdr_mean": scans["cdr"].mean(),
        "cdr_sd": scans["cdr"].std(),
    }
    sex = scans.drop_duplicates("participant_id")["sex"].dropna()
    row["female_percent"] = 100 * (sex == "F").mean() if len(sex) else float("nan")
    return row | {"paper_subjects": paper_subjects, "paper_scans": paper_scans}


def flow(inventory: pd.DataFrame, scans: pd.DataFrame, exclusions: pd.DataFrame) -> pd.DataFrame:
    """Counts of the flow chart: ``stage``, ``count``, ``reason``, ``subjects``.

    A row without a reason is a stage; the rows with a reason below it say what left it. ``inventory`` is
    raw_inventory.tsv (several image folders per visit), ``scans`` the manifest (one selected image per visit; those
    never downloaded do not take part), ``exclusions`` may hold later steps than the manifest's. A reason is its part
    before the first colon, so the same trouble of two scans counts together.
    """
    images = inventory[inventory["kind"] == "image"]
    reasons = scans["reason"].astype("string").fillna("")
    left = scans.loc[~reasons.str.startswith(NOT_ON_DISK), ["participant_id", "session_id"]].fillna("")
    rows = [
        flow_row("Images downloaded", len(images), "", images["subject"].nunique()),
        flow_row("Images downloaded", len(images) - len(left), "repeat, failed quality control or no visit", None),
        flow_row("Selected by Clinica, one per visit", len(left), "", left["participant_id"].nunique()),
    ]
    known = exclusions[~exclusions["reason"].astype(str).str.startswith(NOT_ON_DISK)].fillna({"session_id": ""})
    for step in dict.fromkeys([*STAGES, *known["step"]]):
        out = known[known["step"] == step]
        kinds = out["reason"].astype(str).str.split(":").str[0]
        for reason, group in sorted(out.groupby(kinds), key=lambda item: (-len(item[1]), item[0])):
            rows.append(flow_row(rows[-1]["stage"], len(group), reason, group["participant_id"].nunique()))
        gone = set(zip(out["participant_id"], out["session_id"], strict=True))
        left = left[[pair not in gone for pair in zip(left["participant_id"], left["session_id"], strict=True)]]
        rows.append(flow_row(STAGES.get(step, f"After {step}"), len(left), "", left["participant_id"].nunique()))
    return pd.DataFrame(rows).astype({"subjects": "Int64"})


def flow_row(stage: str, count: int, reason: str, subjects: int | None) -> dict:
    return {"stage": stage, "count": count, "reason": reason, "subjects": subjects}
