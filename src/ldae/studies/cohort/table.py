"""Table 1 of the paper for this cohort, and the counts of the flow chart."""

import pandas as pd

from ldae.core.keys import KEY

CLASSES = ("CN", "MCI", "AD")
PAPER = {"CN": (965, 3673), "MCI": (1193, 4603), "AD": (748, 2064)}
PAPER_SCANS = 10_340
KNOWN = ("age", "mmse", "cdr", "sex")  # what may not be known of every subject
NOT_ON_DISK = "not downloaded"
STAGES = {
    "read": "Readable, one per visit",
    "convert": "Converted to BIDS",
    "manifest": "In the manifest",
    "preprocess": "Preprocessed",
}


def demographics(scans: pd.DataFrame) -> pd.DataFrame:
    """One row per diagnosis at the scan, and ``all``: subjects, scans, age, MMSE, CDR, sex, and the paper's counts.

    A subject that converts counts in each class it was scanned in, so the classes' subjects add up to more than
    ``all``. ``age_subjects`` and the like: of how many it is known. Means and standard deviations (ddof 1) are over
    scans, the share of women is over subjects.
    """
    included = scans[scans["status"] == "included"]
    rows = [summary(name, included[included["diagnosis"] == name]) for name in CLASSES]
    if included["diagnosis"].isna().any():
        rows.append(summary("n/a", included[included["diagnosis"].isna()]))
    return pd.DataFrame([*rows, summary("all", included)]).astype({"paper_subjects": "Int64", "paper_scans": "Int64"})


def summary(name: str, scans: pd.DataFrame) -> dict:
    """A row of Table 1: subjects, scans, age (years), MMSE, CDR and sex, beside the paper's counts."""
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
    row |= {f"{name}_subjects": scans.loc[scans[name].notna(), "participant_id"].nunique() for name in KNOWN}
    return row | {"paper_subjects": paper_subjects, "paper_scans": paper_scans}


def subjects_of(column: str) -> str:
    """Which column of Table 1 counts the subjects that another one rests on."""
    name = "sex" if column == "female_percent" else column.split("_")[0]
    return f"{name}_subjects" if name in KNOWN else "subjects"


def flow(scans: pd.DataFrame, exclusions: pd.DataFrame, inventory: pd.DataFrame | None = None) -> pd.DataFrame:
    """Counts of the flow chart: ``stage``, ``count``, ``reason``, ``subjects``.

    A row without a reason is a stage; the rows with a reason below it say what left it. A reason is its part before the
    first colon, so the same trouble of two scans counts together.

    Args:
        scans: the manifest. Of ADNI, it holds one selected image per visit; those never downloaded do not take part.
        exclusions: may hold later steps than the manifest's; a scan of theirs is named by subject and visit.
        inventory: raw_inventory.tsv of ADNI (several image folders per visit); None for other sources.
    """
    reasons = scans["reason"].astype("string").fillna("")
    left = scans[~reasons.str.startswith(NOT_ON_DISK)]
    known = exclusions[~exclusions["reason"].astype(str).str.startswith(NOT_ON_DISK)]
    if inventory is None:
        rows, steps = [stage_row("T1-weighted images in the dataset", left)], ["read", "manifest"]
    else:
        rows, steps = [*downloaded(inventory, left)], ["convert", "manifest"]
    for step in dict.fromkeys([*steps, *known["step"]]):
        out = known[known["step"] == step]
        if step == "read" and out.empty:
            continue
        kinds = out["reason"].astype(str).str.split(":").str[0]
        for reason, group in sorted(out.groupby(kinds), key=lambda item: (-len(item[1]), item[0])):
            rows.append(flow_row(rows[-1]["stage"], len(group), reason, group["participant_id"].nunique()))
        left = without(left, out, by_reason=step in steps)
        rows.append(stage_row(STAGES.get(step, f"After {step}"), left))
    return pd.DataFrame(rows).astype({"subjects": "Int64"})


def downloaded(inventory: pd.DataFrame, selected: pd.DataFrame) -> list[dict]:
    """The stages of ADNI before the conversion: image folders, then the one image of each visit."""
    images = inventory[inventory["kind"] == "image"]
    lost = "repeat, failed quality control or no visit"
    return [
        flow_row("Images downloaded", len(images), "", images["subject"].nunique()),
        flow_row("Images downloaded", len(images) - len(selected), lost, None),
        stage_row("Selected by Clinica, one per visit", selected),
    ]


def without(scans: pd.DataFrame, out: pd.DataFrame, by_reason: bool) -> pd.DataFrame:
    """The scans that do not stand in ``out``. Two images of one visit are told apart by their reason alone."""
    key = [*KEY, *(["reason"] if by_reason else [])]
    gone = set(out[key].fillna("").itertuples(index=False, name=None))
    rows = scans[key].fillna("").itertuples(index=False, name=None)
    return scans[[row not in gone for row in rows]]


def stage_row(stage: str, scans: pd.DataFrame) -> dict:
    """A row of the flow: the scans that reach a stage, and their subjects."""
    return flow_row(stage, len(scans), "", scans["participant_id"].nunique())


def flow_row(stage: str, count: int, reason: str, subjects: int | None) -> dict:
    """A row of the flow; ``reason``: why these ``count`` scans left before the stage, empty for those that reach it."""
    return {"stage": stage, "count": count, "reason": reason, "subjects": subjects}
