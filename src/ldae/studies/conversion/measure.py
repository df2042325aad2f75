"""Time from the first scan with MCI to AD: Cox's model on the code and on what needs less."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Evaluation
from ldae.core.files import write_tsv
from ldae.core.keyed import study_stream
from ldae.core.keys import KEY
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.linear_probes import outer_folds
from ldae.studies.conversion.course import conversions, with_weights
from ldae.studies.conversion.cox import RidgeCox, Unfitted
from ldae.studies.conversion.estimates import differences, summary, thirds
from ldae.studies.conversion.features import Described, described
from ldae.studies.conversion.names import FEWEST, HORIZON, NO_TRUTH, ORACLE, OURS, PERMUTED

OUTCOME = ["months", "converted", "weight", "converted_36m", "weight_36m"]
COLUMNS = [*KEY, "split", "protocol", "features", "fold", *OUTCOME, "by_36m", "risk", "logit"]
CERTAIN = 1e-6  # a risk is no nearer to 0 or 1 than this
SPLITS = {"train": "training and validation", "validation": "training and validation", "test": "test"}
Reasons = dict[str, str]
"""Protocol, or feature set -> why it has no number."""


def run_conversion(
    inputs: Inputs,
    manifest: pd.DataFrame,
    settings: Evaluation,
    seed: int,
    out: Path,
    held_out: bool = False,
) -> None:
    """Write predictions, summary, differences, thirds and subjects (.tsv) into ``out``.

    No volume or code is read where there are too few conversions.

    Args:
        manifest: scans.tsv, which knows the later visits.
        settings: ``batch``, ``bootstrap`` and ``folds`` are read.
        held_out: the test subjects were chosen: the cross-validation leaves them out, too.
    """
    course = with_weights(conversions(inputs.scans, manifest))
    folded = outer_folds(inputs.scans, settings.folds, seed, held_out)
    course = course.assign(fold=folded[course["row"].to_numpy()])
    reasons = too_few(course)
    sets: dict[str, Described] = {}
    if len(reasons) < 2:
        sets = described(inputs, course["row"].to_numpy(), settings.batch)
    predictions, failed = predict_all(inputs.scans, course, sets, folded, reasons, seed)
    write_tsv(out / "predictions.tsv", predictions)
    write_tsv(out / "subjects.tsv", counted(course))
    reasons |= failed if not sets or ORACLE in sets else failed | {ORACLE: NO_TRUTH}
    write_tsv(out / "summary.tsv", summary(predictions, reasons, settings.bootstrap, seed))
    write_tsv(out / "differences.tsv", differences(predictions, reasons, settings.bootstrap, seed))
    write_tsv(out / "thirds.tsv", thirds(predictions, reasons, settings.bootstrap, seed))


def counted(course: pd.DataFrame) -> pd.DataFrame:
    """Of each part of the subjects: how many, who converted, who did within 36 months, and who was followed so long."""
    rows = []
    for part in ("training and validation", "test"):
        own = course[course["split"].map(SPLITS) == part]
        label = own["converted_36m"]
        rows.append((part, len(own), int(own["converted"].sum()), int((label == 1).sum()), int((label == 0).sum())))
    return pd.DataFrame(rows, columns=["part", "subjects", "converted", "converted_36m", "stable_36m"])


def too_few(course: pd.DataFrame) -> Reasons:
    """Protocol -> why it has no number: fewer than five conversions to fit on, or within 36 months to measure on. It
    holds no count, which would be one of few people in a table that may leave."""
    early = (course["converted"] == 1) & (course["months"] <= HORIZON)
    test, inside = course["split"] == "test", course["fold"] >= 0
    fitted = {"test": [int(course.loc[~test, "converted"].sum())]}
    folds = sorted(set(course.loc[inside, "fold"]))
    fitted["cv"] = [int(course.loc[inside & (course["fold"] != fold), "converted"].sum()) for fold in folds] or [0]
    asked = {"test": int(early[test].sum()), "cv": int(early[inside].sum())}
    reasons = {}
    for protocol, who in (("cv", "all subjects"), ("test", "the test subjects")):
        if asked[protocol] < FEWEST:
            reasons[protocol] = f"fewer than {FEWEST} conversions to AD within {HORIZON} months are known of {who}"
        elif min(fitted[protocol]) < FEWEST:
            reasons[protocol] = f"fewer than {FEWEST} conversions to AD are left to fit on"
    return reasons


def predict_all(
    scans: pd.DataFrame,
    course: pd.DataFrame,
    sets: dict[str, Described],
    folded: np.ndarray,
    reasons: Reasons,
    seed: int,
) -> tuple[pd.DataFrame, Reasons]:
    """One row per subject, feature set and protocol: what happened, and the risk of AD within 36 months that is said;
    and which feature sets cannot be fitted.

    ``permuted_times``: y_sem, where the courses of the subjects that are fitted on have changed places, in the
    cross-validation within each fold, and are measured there. A number that finds nothing is 0.5 with them.

    Args:
        folded: (scans,) fold of every scan, -1 for none.
    """
    tables: list[pd.DataFrame] = []
    failed: Reasons = {}
    split = scans["split"].to_numpy()
    jobs = [("test", np.nan, course["split"] == "test", course["split"] != "test", np.flatnonzero(split != "test"))]
    for fold in sorted(set(course.loc[course["fold"] >= 0, "fold"])):
        asked, other = course["fold"] == fold, (course["fold"] >= 0) & (course["fold"] != fold)
        jobs.append(("cv", fold, asked, other, np.flatnonzero((folded >= 0) & (folded != fold))))
    shuffled = permuted(course, seed)
    for name, features in (sets | ({PERMUTED: sets[OURS]} if sets else {})).items():
        try:
            for protocol, fold, asked, other, named in jobs:
                if protocol in reasons:
                    continue
                fitted_on = shuffled[protocol] if name == PERMUTED else course
                known = shuffled["cv"] if name == PERMUTED and protocol == "cv" else course
                rows = [course.loc[part, "row"].to_numpy() for part in (other, asked)]
                seen, wanted = features(named, *rows)
                time, event = fitted_on.loc[other, "months"].to_numpy(), fitted_on.loc[other, "converted"].to_numpy()
                risk = RidgeCox.choose(seen, time, event, seed).risk(wanted, HORIZON)
                keys = {"protocol": protocol, "features": name, "fold": fold}
                tables.append(
                    known[asked].drop(columns="fold").assign(**keys, risk=np.clip(risk, CERTAIN, 1 - CERTAIN))
                )
        except Unfitted as error:
            failed[name] = str(error)
    if not tables:
        return pd.DataFrame(columns=COLUMNS), failed
    table = pd.concat(tables, ignore_index=True)
    by_then = ((table["converted"] == 1) & (table["months"] <= HORIZON)).astype(float)
    table = table.assign(by_36m=by_then, logit=np.log(table["risk"] / (1 - table["risk"])))
    return table[~table["features"].isin(failed)][COLUMNS], failed


def permuted(course: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Protocol -> the subjects with each other's courses: within the folds, or among those who are no test subjects."""
    found = {}
    for protocol, groups in (("cv", course["fold"]), ("test", course["split"] == "test")):
        own = course.copy()
        for number, (_, rows) in enumerate(course.groupby(groups)):
            drawn = study_stream(seed, "permuted times", protocol, number).permutation(rows.index.to_numpy())
            own.loc[rows.index, OUTCOME] = course.loc[drawn, OUTCOME].to_numpy()
        found[protocol] = own
    return found
