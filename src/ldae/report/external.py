"""External validation: the results of another cohort beside the model's own test results.

The two cohorts are independent samples of subjects. Each interval is a bootstrap over the subjects of its own cohort;
that of the difference is made of the two (MOVER, Zou & Donner 2008), so that the model's folder needs no single scan.
What depends on how many have AD (accuracy, precision, F1, Matthews) is given once more with this cohort's scans
weighted to the prevalence of the model's test scans.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.config import Config, read_recipe
from ldae.core.contamination import known_subjects, read_contamination
from ldae.core.files import read_json, read_tsv
from ldae.core.keys import KEY_TYPES
from ldae.studies.common.paper_tables import format_estimate
from ldae.studies.common.statistics import OURS, Estimate, estimate_of, independent_difference, not_available
from ldae.studies.probes.estimates import AD_METRICS, at_prevalence

RESULTS = "test"  # of reference.json: the model's own test results
OWN, ADJUSTED = "as it is", "at the model's prevalence"
BY_PREVALENCE = ("accuracy_ad", "precision_ad", "f1_ad", "mcc_ad")
HEADS = {"ours": "this cohort", "model": "the model's own test", "difference": "difference"}
SIDES = tuple(HEADS)
BOUNDS = ("value", "low", "high")
COLUMNS = ["quantity", "basis", *(f"{side}_{bound}" for side in SIDES for bound in BOUNDS)]
COLUMNS += ["ours_subjects", "model_subjects", "note"]


def results_of(results: Path) -> dict[str, Any] | None:
    """Test results of a finished run, as ``reference.json`` of its model holds them; none without a headline.

    Numbers of the cross-validation are no test results, since the networks have seen the scans.
    """
    path = results / "paper" / "headline.json"
    if not path.is_file():
        return None
    headline = read_json(path)
    numbers = {key: item for key, item in headline.items() if isinstance(item, dict) and not cross_validated(key)}
    known = {key: item for key, item in numbers.items() if item["value"] is not None}
    labelled = diagnosed(results / "evaluate" / "probes" / "predictions.tsv")
    counts = {"prevalence_ad": prevalence(labelled), "subjects_ad_cn": int(labelled["participant_id"].nunique())}
    return {"numbers": known, "data": headline["data"], "config_digest": headline["config_digest"]} | counts


def cross_validated(key: str) -> bool:
    """Whether a number of headline.json comes from the cross-validation."""
    return "_cv" in key


def diagnosed(predictions: Path) -> pd.DataFrame:
    """What the probe of y_sem says of the test scans with AD or CN."""
    table = read_tsv(predictions, dtype=KEY_TYPES)
    return table[(table["protocol"] == "test") & (table["features"] == OURS) & (table["task"] == "ad")]


def prevalence(labelled: pd.DataFrame) -> float | None:
    """Share of AD among the scans with AD or CN."""
    return float(labelled["target"].mean()) if len(labelled) else None


def comparison(
    headline: Mapping[str, Any], reference: Mapping[str, Any] | None, predictions: Path, bootstrap: int, seed: int
) -> pd.DataFrame:
    """One row per quantity and basis: this cohort, the model's own test, and their difference (:data:`COLUMNS`).

    Args:
        headline: headline.json of this cohort.
        reference: what :func:`results_of` said of the model; none: it does not know its own results.
        predictions: predictions.tsv of this cohort.
    """
    known = (reference or {}).get("numbers", {})
    keys = [key for key, item in headline.items() if isinstance(item, dict) and not cross_validated(key)]
    rows = []
    for key in keys:
        ours, theirs = estimate_from(headline[key]), estimate_from(known.get(key))
        if ours.value is not None or theirs.value is not None:
            rows.append(compared(key, OWN, ours, theirs))
    rows += adjusted(known, (reference or {}).get("prevalence_ad"), diagnosed(predictions), bootstrap, seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def adjusted(
    known: Mapping[str, Any], share: float | None, labelled: pd.DataFrame, bootstrap: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of what depends on the prevalence, at that of the model's test scans."""
    if share is None or labelled.empty:
        return
    for metric in BY_PREVALENCE:
        statistic = at_prevalence(AD_METRICS[metric], share)
        ours = estimate_of(labelled, "ad", statistic, bootstrap, seed)
        yield compared(f"{metric}_test", ADJUSTED, ours, estimate_from(known.get(f"{metric}_test")))


def estimate_from(item: Mapping[str, Any] | None) -> Estimate:
    """An entry of headline.json."""
    if item is None:
        return not_available("the model's folder does not say it")
    if item["value"] is None:
        return not_available(item["reason"])
    bounds = (item["value"], item.get("low"), item.get("high"))
    return Estimate(*bounds, n_subjects=item["n_subjects"], note=item.get("note"))


def compared(key: str, basis: str, ours: Estimate, model: Estimate) -> dict[str, Any]:
    """One row: both numbers, and the first minus the second."""
    gap = independent_difference(ours, model)
    found: dict[str, Any] = {"quantity": key, "basis": basis}
    for side, estimate in zip(SIDES, (ours, model, gap), strict=True):
        found |= {f"{side}_{bound}": getattr(estimate, bound) for bound in BOUNDS}
    found |= {"ours_subjects": ours.n_subjects, "model_subjects": model.n_subjects}
    notes = [f"this cohort: {ours.note}" if ours.note else "", f"the model: {model.note}" if model.note else ""]
    return found | {"note": "; ".join(note for note in notes if note) or None}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison for the report: words, numbers with intervals."""
    names = table["quantity"].str.replace("_", " ") + table["basis"].map({OWN: "", ADJUSTED: f" ({ADJUSTED})"})
    cells = {head: [cell(row, side) for _, row in table.iterrows()] for side, head in HEADS.items()}
    subjects = {"subjects here": table["ours_subjects"], "subjects of the model": table["model_subjects"]}
    return pd.DataFrame({"quantity": names, **cells, **subjects})


def cell(row: pd.Series, side: str) -> str:
    """``0.873 [0.861, 0.884]`` of one side of a row, or n/a."""
    return format_estimate(pd.Series({bound: row[f"{side}_{bound}"] for bound in BOUNDS} | {"note": None}))


def sentences(model: Path, config: Config, tested: Mapping[str, Any] | None) -> list[str]:
    """What a reader of the comparison has to know.

    Args:
        tested: what the model says of its own test (:func:`results_of`).
    """
    recipe = read_recipe(model)
    said = [
        *unseen(model, config),
        f"The networks, probes and recipe are those of the model {recipe['stages']['representation']}, unchanged; "
        "every scan of this cohort is a test scan, and nothing was fitted on it.",
        "The two cohorts are independent samples: each interval is a bootstrap over the subjects of its own cohort, "
        "that of a difference is made of the two (MOVER, Zou & Donner 2008).",
    ]
    if tested is None:
        said.append("The model's folder does not hold its own test results: export it again to have them beside these.")
    elif tested["prevalence_ad"] is not None:
        said.append(
            f"Of the model's own test scans with AD or CN {tested['prevalence_ad']:.0%} had AD. Accuracy, precision, "
            "F1 and Matthews' coefficient depend on that share and stand here once more with this cohort's scans "
            "weighted to it; AUC, sensitivity, specificity and balanced accuracy do not."
        )
    if recipe["phantom"] != (config.phantom is not None):
        trained, here = ("a phantom", "real scans") if recipe["phantom"] else ("real scans", "a phantom")
        said.append(f"The model was trained on {trained}, and this cohort is {here}.")
    return said


def unseen(model: Path, config: Config) -> list[str]:
    """That nobody can see whether subjects of this cohort are among those that the model was trained on; where it can
    be seen, and where it is to be feared, the report says so at its head (:mod:`ldae.core.contamination`)."""
    known = known_subjects(model, config.seed if config.phantom else None)
    listed = known.subjects is not None or config.imported.training_subjects is not None
    if listed or read_contamination(config.results_dir / "evaluate") is not None:
        return []
    return [
        "The model's folder names no subject: whether it was trained on some of this cohort cannot be seen here, "
        "unless imported.training_subjects lists its training subjects."
    ]
