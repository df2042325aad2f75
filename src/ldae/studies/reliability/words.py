"""What the report says of reliability in words: the goal first, then what the controls and ComBat add to it."""

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import brief_estimate
from ldae.studies.common.statistics import verdict
from ldae.studies.common.study import ReportSources
from ldae.studies.reliability.names import GOAL, HARMONISED, NOISE, ORACLE, OURS, UNTRAINED
from ldae.studies.reliability.record import DIFFERENCES, SUMMARY
from ldae.studies.reliability.verdict import judged

FIRST = Markup(
    "<strong>y<sub>sem</sub>: {}.</strong> ICC(2,1) of the logit of AD {}, of the predicted age {} ({} heads)."
)
DIMENSION = Markup("Of its dimensions the median is {}; {:.0%} are above .75.")
SCANNER = Markup("The scanner of {} of its scans is read rightly (chance {:.0%}, p {:.3f}){}.")
AFTER = Markup("; after ComBat {} (p {:.3f}), and the ICC of the logit is {}")
UNTRAINED_IS = Markup("Against the encoder before its training, by the ICC of the logit: {}.")
SAID = {
    "ldae better": "more reliable",
    "ldae worse": "<strong>less reliable</strong>",
    "not told apart": "not told apart, so that nothing shows that the training made it reliable",
}
WELL = Markup("The controls did as they must: the true volumes have {}, noise {}.")
ILL = Markup("<strong>A control did not do as it must: the true volumes have {}, noise {}.</strong>")


def findings(sources: ReportSources, public: bool) -> Markup | None:
    """Whether the goal is reached, the code's dimensions, the scanner read from it, and the controls."""
    paths = [sources.evaluate / name for name in (SUMMARY, DIFFERENCES)]
    if not all(path.is_file() for path in paths):
        return None
    table, compared = (read_tsv(path) for path in paths)
    own = {str(name): lines.set_index("metric") for name, lines in table.groupby("method")}
    ours = own.get(OURS, pd.DataFrame())
    if ours.empty or pd.isna(ours.loc["icc_2_1_ad", "value"]):
        return None
    heads = int(ours.loc["icc_2_1_ad", "n_subjects"])
    sentences = [
        FIRST.format(judged(ours), _estimate(ours, "icc_2_1_ad"), _estimate(ours, "icc_2_1_age"), heads),
        _dimensions(ours),
        _scanner(ours, own.get(OURS + HARMONISED)),
        _untrained(compared),
        _controls(own),
    ]
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(one) for one in sentences if one))


def controls_hold(own: dict[str, pd.DataFrame]) -> bool:
    """True volumes reach the goal, and noise lies below .5, for both predictions.

    Args:
        own: method -> its estimates, by metric.
    """
    passes = all(own[ORACLE].loc[f"icc_2_1_{task}", "value"] >= GOAL for task in ("ad", "age"))
    return passes and all(own[NOISE].loc[f"icc_2_1_{task}", "value"] < 0.5 for task in ("ad", "age"))


def _estimate(lines: pd.DataFrame, metric: str) -> str:
    return brief_estimate(*lines.loc[metric, ["value", "low", "high"]].astype(float))


def _dimensions(ours: pd.DataFrame) -> Markup:
    if pd.isna(ours.loc["icc_2_1_code_good", "value"]):
        return Markup("")
    return DIMENSION.format(_estimate(ours, "icc_2_1_code_median"), ours.loc["icc_2_1_code_good", "value"])


def _scanner(ours: pd.DataFrame, after: pd.DataFrame | None) -> Markup:
    further = Markup("")
    if after is not None:
        read = f"{after.loc['scanner_accuracy', 'value']:.0%}"
        further = AFTER.format(read, after.loc["scanner_p", "value"], _estimate(after, "icc_2_1_ad"))
    read, chance, p = (ours.loc[f"scanner_{name}", "value"] for name in ("accuracy", "chance", "p"))
    return SCANNER.format(f"{read:.0%}", chance, p, further)


def _untrained(compared: pd.DataFrame) -> Markup:
    lines = compared[(compared["method"] == f"{OURS}-{UNTRAINED}") & (compared["metric"] == "icc_2_1_ad")]
    if lines.empty:
        return Markup("")
    said = verdict(lines.iloc[0], larger_is_better=True)
    return UNTRAINED_IS.format(Markup(SAID[said])) if said in SAID else Markup("")


def _controls(own: dict[str, pd.DataFrame]) -> Markup:
    if not {ORACLE, NOISE} <= own.keys():
        return Markup("")
    words = [_estimate(own[name], "icc_2_1_ad") for name in (ORACLE, NOISE)]
    return (WELL if controls_hold(own) else ILL).format(*words)
