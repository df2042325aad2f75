"""What the report says of the forecasts in words: losses first, and whether the controls behaved."""

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import brief_estimate
from ldae.studies.common.method_styles import in_html
from ldae.studies.common.statistics import FEW_NOTE
from ldae.studies.common.study import ReportSources
from ldae.studies.forecasting.estimates import COPYING, LATENT, MOVING
from ldae.studies.forecasting.names import (
    CODE,
    COPY,
    MEAN_SLOPE,
    OURS,
    REVERSED,
    SHUFFLED,
    SLOPE,
    TRUE_CODE,
    UNMOVED,
    VENTRICLES,
)
from ldae.studies.forecasting.record import DIFFERENCES, ONE, ROWS, TWO
from ldae.studies.forecasting.table import judged

ASKED = "Does a straight line of the code know the next visit better than a copy of the last one does?"
KNOWN = {1: (ONE, "one visit"), 2: (TWO, "two visits")}
SHORT = {
    "ssim_w11_brain": "SSIM",
    "mae_brain": "error of the picture",
    "ventricle_ml_step_error": "change of the ventricles",
    "ventricle_ml_step_error_truth": "change of the true ventricles",
    "hippocampus_region_ml_step_error": "change of the hippocampal region",
    "code_error": "the code",
    "auc_future_ad": "future diagnosis",
    "future_mmse_mae": "future MMSE",
}
VERDICTS = {"worse": "worse in", "better": "better in", "not told apart": "not told apart in"}  # losses first
BY = {VENTRICLES: "the ventricles", CODE: "the code"}
QUESTIONS = {
    COPYING: "against a copy of the last scan",
    MOVING: "against the last scan decoded",
    LATENT: "against the same line through the latents",
}
ERRORS = Markup("Error of the ventricles' change from {}, {} subjects{}: {}.")
WELL = (
    "The controls did as they must: by the ventricles and by the code the line turned round and another subject's "
    "slope are worse than the line itself, and the true next code is better than the last one."
)
UNCLEAR = Markup("Controls that are not told apart from what they are compared with: {}.")
ILL = Markup("<strong>A control did not do as it must: {}.</strong>")


def findings(sources: ReportSources, public: bool) -> Markup | None:
    """Where our forecasts lose, win, and are not told apart; how large the errors are; what the controls did."""
    path = sources.evaluate / DIFFERENCES
    compared = read_tsv(path) if path.is_file() else pd.DataFrame()
    if compared.empty:
        return None
    sentences = [
        said
        for known, (source, words) in KNOWN.items()
        for said in (
            *(_judged(compared, known, words, question) for question in QUESTIONS),
            _errors(read_tsv(sources.evaluate / source), words),
        )
    ]
    items = Markup("").join(Markup("<li>{}</li>").format(said) for said in (*sentences, _controls(compared)) if said)
    return Markup("<p>{}</p><ul>{}</ul>").format(ASKED, items)


def _judged(compared: pd.DataFrame, known: int, words: str, question: str) -> Markup:
    """In what our forecasts are worse, better, and (against the copy) not told apart; those alike in one sentence."""
    own = compared[(compared["visits_known"] == known) & (compared["question"] == question)]
    alike: dict[str, list[Markup]] = {}
    for method in OURS:
        lines = own[own["method"].str.startswith(f"{method}-")]
        verdicts = {SHORT[line["metric"]]: judged(line) for _, line in lines.iterrows()}
        said = [
            f"{how} {', '.join(names)}"
            for judgement, how in VERDICTS.items()
            if (judgement != "not told apart" or question == COPYING)
            and (names := [name for name, found in verdicts.items() if found == judgement])
        ]
        if len(lines):
            alike.setdefault("; ".join(said) or "not told apart", []).append(in_html(ROWS[method].label))
    parts = [Markup("{}: {}").format(Markup("; ").join(methods), said) for said, methods in alike.items()]
    return (
        Markup("From {}, {}. {}.").format(words, QUESTIONS[question], Markup(". ").join(parts)) if parts else Markup("")
    )


def _errors(table: pd.DataFrame, words: str) -> Markup:
    """The ventricles' error of our forecasts, of the same lines elsewhere, and of copying."""
    lines = table[table["metric"] == VENTRICLES].dropna(subset=["value"]).set_index("method")
    shown = [name for name in ROWS if name in lines.index and name not in (REVERSED, SHUFFLED, TRUE_CODE, UNMOVED)]
    if COPY not in shown:
        return Markup("")
    few = f", {FEW_NOTE}" if lines.loc[COPY, "note"] == FEW_NOTE else ""
    parts = [
        Markup("{} {}").format(in_html(ROWS[name].label), brief_estimate(*lines.loc[name, ["value", "low", "high"]]))
        for name in (*OURS, "latent_slope", "latent_mean_change", "volume_ridge", COPY)
        if name in shown
    ]
    return ERRORS.format(words, lines.loc[COPY, "n_subjects"], few, Markup("; ").join(parts))


def _controls(compared: pd.DataFrame) -> Markup:
    """Whether what must fail does worse than the line, and the true code better than the last one.

    A control that does what it must not counts without Holm's correction, as every loss does.
    """
    expected = {(REVERSED, SLOPE): "worse", (REVERSED, MEAN_SLOPE): "worse", (SHUFFLED, SLOPE): "worse"}
    expected[TRUE_CODE, UNMOVED] = "better"
    wrong: list[Markup] = []
    open_: list[Markup] = []
    for _, line in compared[compared["metric"].isin(BY)].iterrows():
        first, second = line["method"].split("-", 1)
        wanted = expected.get((first, second))
        if wanted is None or judged(line) == wanted:
            continue
        few = f", {FEW_NOTE}" if line["note"] == FEW_NOTE else ""
        words = (in_html(ROWS[first].label), KNOWN[line["visits_known"]][1], BY[line["metric"]], few)
        contrary = line["high"] < 0 if wanted == "worse" else line["low"] > 0  # of an error less is better
        (wrong if contrary else open_).append(Markup("{} ({}, by {}{})").format(*words))
    if not wrong and not open_:
        return Markup(WELL)
    said = [words.format(Markup("; ").join(names)) for words, names in ((ILL, wrong), (UNCLEAR, open_)) if names]
    return Markup(" ").join(said)


def drawn(sources: ReportSources, public: bool) -> str | None:
    """How many next visits were forecast where not all of them were (``forecasting.visits``)."""
    path = sources.evaluate / "forecasting" / "drawn.tsv"
    counts = read_tsv(path) if path.is_file() else pd.DataFrame(columns=["visits_known", "next_visits", "measured"])
    part = counts[counts["measured"] < counts["next_visits"]]
    if part.empty:
        return None
    said = [f"{row.measured:,} of {row.next_visits:,} from {KNOWN[row.visits_known][1]}" for row in part.itertuples()]
    return f"Next visits that were forecast, drawn by a hash of their names (forecasting.visits): {'; '.join(said)}."
