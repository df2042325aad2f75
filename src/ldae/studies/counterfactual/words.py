"""What the report says of the benchmark in words: which edit is least wrong, and whether the controls behaved."""

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import brief_estimate
from ldae.studies.common.method_styles import in_html
from ldae.studies.common.statistics import FEW_NOTE
from ldae.studies.common.study import ReportSources
from ldae.studies.counterfactual.names import (
    AGE,
    EDITS,
    INDEPENDENT,
    NO_EDIT,
    NOISE,
    RANDOM,
    TRUE_AE,
    TRUE_CODE,
    UNTRAINED,
)
from ldae.studies.counterfactual.record import DIFFERENCES, ROWS, SUMMARY
from ldae.studies.counterfactual.table import judged

VERDICTS = {
    "better": "Closer to the truth than no edit",
    "worse": "Further from it than no edit",
    "not told apart": "Not told apart from no edit",
}
ASKED = (
    "Does an edit of the code show the brain that this person would have with the other diagnosis? On phantoms that "
    "brain is known, and this is how near the edits come to it."
)
LEAST = Markup("Least wrong by its point estimate: {} (error {}, {} subjects{}; the truth has 0{}, no edit 1).")
REBUILT = ", what the autoencoder leaves of it {:.2f}"
BY_SUBJECT = Markup("Who changes more? Correlation over subjects of the ventricles' change and the true one: {}.")
BEYOND_AGE = Markup("Changes the right voxels more than a step along age does: {}.")
OPINION = Markup("The independent probe tells AD from CN among {} test subjects with an AUC of {}.")
WELL = (
    "The controls did as they must: neither a random direction nor the untrained model nor noise comes closer to the "
    "truth, and the true change through the autoencoder does."
)
ILL = Markup("<strong>A control did not do as it must: {}.</strong>")


def findings(sources: ReportSources, public: bool) -> Markup | None:
    """The edit with the least error, how each stands to no edit, who changes more, and whether the controls did as they
    must."""
    paths = [sources.evaluate / name for name in (SUMMARY, DIFFERENCES)]
    if not all(path.is_file() for path in paths):
        return None
    table, compared = (read_tsv(path) for path in paths)
    errors = table[(table["metric"] == "image_error") & table["method"].isin(EDITS)].dropna(subset=["value"])
    if errors.empty:
        return None
    said = verdicts(compared, NO_EDIT, "image_error")
    sentences = (
        _least(errors, table),
        _against_nothing(said),
        _beyond_age(verdicts(compared, AGE, "image_cosine")),
        _by_subject(table),
        _opinion(table),
        _controls(said),
    )
    items = Markup("").join(Markup("<li>{}</li>").format(sentence) for sentence in sentences if sentence)
    return Markup("<p>{}</p><ul>{}</ul>").format(ASKED, items)


def verdicts(compared: pd.DataFrame, second: str, metric: str) -> dict[str, str]:
    """Method -> how it stands to the second one.

    Args:
        compared: differences.tsv of the study.
    """
    own = compared[(compared["metric"] == metric) & compared["method"].str.endswith(f"-{second}")]
    return {str(line["method"]).removesuffix(f"-{second}"): judged(line) for _, line in own.iterrows()}


def _least(errors: pd.DataFrame, table: pd.DataFrame) -> Markup:
    """The edit with the least error, and the least that an edit of latents could have."""
    best = errors.loc[errors["value"].astype(float).idxmin()]
    few = f", {FEW_NOTE}" if best["note"] == FEW_NOTE else ""
    error = brief_estimate(best["value"], best["low"], best["high"])
    floor = table.loc[(table["method"] == TRUE_AE) & (table["metric"] == "image_error"), "value"].dropna()
    rebuilt = REBUILT.format(floor.iloc[0]) if len(floor) else ""
    return LEAST.format(_name(best["method"]), error, best["n_subjects"], few, rebuilt)


def _against_nothing(said: Mapping[str, str]) -> Markup:
    """Of the four edits, those that are closer to the truth than no edit, further from it, and not told apart."""
    parts = []
    for judgement, words in VERDICTS.items():
        names = [_name(name) for name in EDITS if said.get(name) == judgement]
        if names:
            parts.append(Markup("{}: {}.").format(words, Markup("; ").join(names)))
    return Markup(" ").join(parts)


def _beyond_age(said: Mapping[str, str]) -> Markup:
    """The edits that are better than growing older."""
    if not said:
        return Markup("")
    names = [_name(name) for name in EDITS if said.get(name) == "better"]
    return BEYOND_AGE.format(Markup("; ").join(names) if names else "none of the four edits")


def _opinion(table: pd.DataFrame) -> Markup:
    """How good the independent probe is."""
    lines = table[table["method"] == INDEPENDENT].dropna(subset=["value"])
    if lines.empty:
        return Markup("")
    line = lines.iloc[0]
    return OPINION.format(line["n_subjects"], brief_estimate(line["value"], line["low"], line["high"]))


def _by_subject(table: pd.DataFrame) -> Markup:
    """Whether those change more who truly would: r of each edit, and of what the encoder itself sees."""
    lines = table[table["metric"] == "ventricle_ml_r_truth"].dropna(subset=["value"]).set_index("method")
    parts = [
        Markup("{} {}").format(_name(name), brief_estimate(*lines.loc[name, ["value", "low", "high"]]))
        for name in (*EDITS, TRUE_CODE)
        if name in lines.index
    ]
    return BY_SUBJECT.format(Markup("; ").join(parts)) if parts else Markup("")


def _controls(said: Mapping[str, str]) -> Markup:
    """Whether what must fail fails, and what must pass passes."""
    wrong = [name for name in (RANDOM, UNTRAINED, NOISE) if said.get(name) == "better"]
    wrong += [TRUE_AE] if said.get(TRUE_AE, "better") != "better" else []
    return ILL.format(Markup(", ").join(_name(name) for name in wrong)) if wrong else Markup(WELL)


def _name(method: str) -> Markup:
    return in_html(ROWS[method].label)
