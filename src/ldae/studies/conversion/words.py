"""What the report says of conversions in words: losses first, whether y_sem adds, and what the control did."""

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import brief_estimate
from ldae.studies.common.method_styles import in_html
from ldae.studies.common.statistics import FEW_NOTE
from ldae.studies.common.study import ReportSources
from ldae.studies.conversion.names import ADDED, CLINICAL, OURS, PERMUTED, PROTOCOLS, UNO
from ldae.studies.conversion.record import DIFFERENCES, ROWS, SUMMARY
from ldae.studies.conversion.table import judged

SHORT = {"uno_c": "concordance", "auc_36m": "AUC", "brier_36m": "Brier score"}
VERDICTS = {"worse": "worse than", "better": "better than", "not told apart": "not told apart from"}  # losses first
ADDS = {"worse": "makes them worse", "better": "adds to them", "not told apart": "adds nothing that can be told"}
ILL = Markup("<strong>The concordance of permuted times is {}, and should be a half.</strong>")


def findings(sources: ReportSources, public: bool) -> Markup | None:
    """Uno's concordance of y_sem, whom it loses to, whether it adds to the clinical facts, and the control."""
    paths = [sources.evaluate / name for name in (SUMMARY, DIFFERENCES)]
    if not all(path.is_file() for path in paths):
        return None
    summary, compared = map(read_tsv, paths)
    items = [said for protocol in PROTOCOLS if (said := _of(summary, compared, protocol))]
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(said) for said in items))


def _of(summary: pd.DataFrame, compared: pd.DataFrame, protocol: str) -> Markup:
    lines = summary[summary["metric"] == f"{UNO}_{protocol}"].set_index("method")
    ours, words = lines.loc[OURS], PROTOCOLS[protocol].capitalize()
    if pd.isna(ours["value"]):
        return Markup("{}: n/a ({}).").format(words, ours["note"])
    few = f", {FEW_NOTE}" if ours["note"] == FEW_NOTE else ""
    said = Markup("{}, {} subjects{}: concordance {}.").format(
        words, int(ours["n_subjects"]), few, brief_estimate(*ours[["value", "low", "high"]])
    )
    return Markup(" ").join(part for part in (said, _judged(compared, protocol), _control(lines)) if part)


def _judged(compared: pd.DataFrame, protocol: str) -> Markup:
    """Whom y_sem is worse and better than, in which measure; and what it adds to the clinical facts."""
    own = compared[compared["metric"].str.endswith(f"_{protocol}") & compared["value"].notna()]
    alike: dict[str, list[Markup]] = {}
    for _, line in own[own["method"].str.startswith(f"{OURS}-")].iterrows():
        rival, metric = str(line["method"]).removeprefix(f"{OURS}-"), str(line["metric"]).rsplit("_", 1)[0]
        name = Markup("{} ({})").format(in_html(ROWS[rival].label), SHORT[metric])
        alike.setdefault(judged(line), []).append(name)
    told = [
        Markup("{} {}").format(how, Markup(", ").join(alike[judgement]))
        for judgement, how in VERDICTS.items()
        if judgement in alike and judgement != "not told apart"
    ]
    sentences = [Markup("y<sub>sem</sub> is {}.").format(Markup("; ").join(told or ["not told apart from any rival"]))]
    added = own[(own["method"] == f"{ADDED}-{CLINICAL}") & own["metric"].str.startswith(UNO)]
    sentences += [
        Markup("To MMSE, age and volumes it {}: {}.").format(
            ADDS.get(judged(line), judged(line)), brief_estimate(*line[["value", "low", "high"]])
        )
        for _, line in added.iterrows()
    ]
    return Markup(" ").join(sentences)


def _control(lines: pd.DataFrame) -> Markup:
    """A sentence where the interval of permuted times leaves the half out."""
    if PERMUTED not in lines.index or pd.isna(lines.loc[PERMUTED, "low"]):
        return Markup("")
    value, low, high = lines.loc[PERMUTED, ["value", "low", "high"]]
    return Markup("") if low <= 0.5 <= high else ILL.format(brief_estimate(value, low, high))


def subjects(sources: ReportSources, public: bool) -> pd.DataFrame | None:
    """How many subjects with MCI were seen again, converted, did within 36 months, and were followed so long."""
    path = sources.evaluate / "conversion" / "subjects.tsv"
    if public or not path.is_file():  # counts of few people
        return None
    names = {"converted_36m": "AD within 36 months", "stable_36m": "36 months without AD", "converted": "AD at last"}
    return read_tsv(path).rename(columns=names)
