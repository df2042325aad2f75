"""What the report says of the study in words: whether the probabilities are right, and for whom the probe errs."""

from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.inference.conformal import COVERAGE
from ldae.studies.calibration.names import AGE_COVERAGE, CALL_ALL, PROTOCOLS
from ldae.studies.calibration.record import DECISIONS, GAPS, SUBGROUPS, SUMMARY
from ldae.studies.common.chance import chance_words
from ldae.studies.common.estimate_panels import brief_estimate, metric_label
from ldae.studies.common.method_styles import PROBES, in_html
from ldae.studies.common.statistics import ALPHA, OURS
from ldae.studies.common.study import ReportSources

GROUPINGS = {"sex": "sex", "age": "thirds of age", "site": "sites", "field_strength": "field strength",
             "study_phase": "study phases"}  # fmt: skip
EXTREME, TIMID = "too extreme", "not extreme enough"
BEHIND = "{}: the Brier score of y<sub>sem</sub> is {:.3f}; smaller by the point estimates: {}."
USELESS = (
    "{}: by the point estimates a decision by y<sub>sem</sub> is worth less than calling everybody, or nobody, at "
    "thresholds of {}."
)
SLOPE = "{}: the calibration slope of y<sub>sem</sub> is {}{}."
UNEVEN = Markup(
    "<strong>The probe of y<sub>sem</sub> errs unevenly, by more than chance, between {}.</strong> P-values are "
    "adjusted for as many groupings as can be compared."
)
MISSED = "The interval of age of 90 %, set by all others, holds too few ages of {} (cross-validated)."
EVEN = Markup("No gap between groups is told apart from chance (p-values adjusted for their number).")


def findings(sources: ReportSources, public: bool) -> Markup | None:
    """Who has a smaller Brier score and where a decision is of no use (losses first), whether the probabilities are
    told apart from right ones, the gaps that chance does not explain, and whose ages lie outside the interval."""
    paths = [sources.evaluate / name for name in (SUMMARY, DECISIONS, GAPS, SUBGROUPS)]
    if not all(path.is_file() for path in paths):
        return None
    summary, decisions, gaps, groups = map(read_tsv, paths)
    sentences = [
        *_behind(summary),
        *_useless(decisions),
        *_slopes(summary[summary["method"] == OURS]),
        _uneven(gaps[gaps["method"] == OURS]),
        _missed(groups[groups["method"] == OURS]),
    ]
    return Markup(" ").join(Markup(sentence) for sentence in sentences if sentence)


def gaps(sources: ReportSources, public: bool) -> pd.DataFrame | None:
    """The largest gap of the probe of y_sem in every grouping, cross-validated, beside chance."""
    path = sources.evaluate / GAPS
    lines = _ours(path) if path.is_file() else pd.DataFrame()
    if lines.empty:
        return None
    lines = lines[lines["metric"].str.contains(r"_cv(?:_|$)")].dropna(subset=["value"])
    return pd.DataFrame(
        {
            "metric": [metric_label(name) for name in lines["metric"]],
            "between": lines["grouping"].map(GROUPINGS),
            "largest gap": [brief_estimate(*row) for row in lines[["value", "low", "high"]].to_numpy(float)],
            "by chance": [
                chance_words(*row) for row in lines[["chance", "chance_low", "chance_high", "p"]].to_numpy(float)
            ],
            "p, adjusted": [f"{p:.2g}" for p in lines["p_holm"]],
        }
    )


def _ours(path: Path) -> pd.DataFrame:
    table = read_tsv(path)
    return table[table["method"] == OURS]


def _behind(summary: pd.DataFrame) -> list[str]:
    """Feature sets without truth whose Brier score is smaller, by the point estimates."""
    sentences = []
    for protocol, words in PROTOCOLS.items():
        found = summary[summary["metric"] == f"brier_ad_{protocol}"].set_index("method")["value"].dropna()
        rivals = found.drop(labels=["oracle"], errors="ignore").sort_values()
        if OURS in rivals and len(before := rivals[rivals < rivals[OURS]]):
            said = ", ".join(f"{in_html(PROBES[str(name)].label)} {value:.3f}" for name, value in before.items())
            sentences.append(BEHIND.format(words.capitalize(), rivals[OURS], said))
    return sentences


def _useless(decisions: pd.DataFrame) -> list[str]:
    """Thresholds at which y_sem is worth less than calling everybody, or nobody, by the point estimates."""
    sentences = []
    for protocol, words in PROTOCOLS.items():
        own = decisions[decisions["metric"] == f"net_benefit_ad_{protocol}"]
        worth = own.pivot_table(index="threshold", columns="method", values="value")
        if {OURS, CALL_ALL} <= set(worth):
            less = worth.index[worth[OURS] < worth[CALL_ALL].clip(lower=0)]
            if len(less):
                sentences.append(USELESS.format(words.capitalize(), ", ".join(f"{place:g}" for place in less)))
    return sentences


def _slopes(summary: pd.DataFrame) -> list[str]:
    sentences = []
    for protocol, words in PROTOCOLS.items():
        found = summary[(summary["metric"] == f"calibration_slope_ad_{protocol}")].dropna(subset=["value", "low"])
        if len(found):
            value, low, high = found.iloc[0][["value", "low", "high"]].astype(float)
            said = f": the probabilities are {EXTREME if high < 1 else TIMID}" if not low <= 1 <= high else ""
            sentences.append(SLOPE.format(words.capitalize(), brief_estimate(value, low, high), said))
    return sentences


def _uneven(gaps: pd.DataFrame) -> Markup | None:
    known = gaps.dropna(subset=["p_holm"])
    if known.empty:
        return None
    beyond = known[known["p_holm"] < ALPHA]
    said = [
        f"{GROUPINGS[str(line['grouping'])]} ({metric_label(str(line['metric']))}: gap {line['value']:.2g}, by chance "
        f"{line['chance']:.2g})"
        for _, line in beyond.iterrows()
    ]
    return UNEVEN.format("; ".join(said)) if said else EVEN


def _missed(groups: pd.DataFrame) -> str | None:
    """Groups of enough subjects, the interval of whose coverage lies below what was promised."""
    known = groups[(groups["metric"] == f"{AGE_COVERAGE}_cv") & groups["note"].isna()]
    below = known[known["high"] < COVERAGE]
    said = [f"{level} ({brief_estimate(*row)})" for level, *row in below[["level", "value", "low", "high"]].to_numpy()]
    return MISSED.format(", ".join(said)) if said else None
