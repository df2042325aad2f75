"""Where the method loses, over all studies: what the report says before anything else."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from scipy.stats import norm

from ldae.core.files import read_tsv
from ldae.report.estimates import split_estimate
from ldae.studies.common.estimate_panels import metric_label
from ldae.studies.common.method_styles import in_html
from ldae.studies.common.statistics import FEW_NOTE, holm
from ldae.studies.common.study import Estimates, Study
from ldae.studies.registry import STUDIES

SMALLER = ("mse", "lpips", "mae", "rmse", "error")  # in the name of a metric of which less is better
OURS = re.compile(r"ae|ldae(_\w+)?")  # the method and its first stage


@dataclass(frozen=True)
class Losses:
    """One of our methods against one rival.

    Attributes:
        study: its anchor in the report.
        heading: who loses to whom.
        metrics: in which metrics, each with the difference and its interval.
    """

    study: str
    heading: Markup
    metrics: list[Markup]


def losses(evaluate: Path, studies: Sequence[Study] = STUDIES) -> list[Losses] | None:
    """Every paired difference whose interval lies on the rival's side of zero; None where none was computed.

    All studies that show paired differences are looked through, in their order; a pair of two methods of ours says
    nothing about a rival and is left out.

    Args:
        evaluate: folder of the studies' results.
    """
    computed, found = False, []
    for study, heading, lines in compared(evaluate, studies, "{} against {}"):
        computed = True
        worse = [line for line in lines if is_loss(line)]
        if worse:
            found.append(Losses(study.sections[0].anchor, heading, [words_of(line) for line in worse]))
    return found if computed else None


def compared(evaluate: Path, studies: Sequence[Study], words: str) -> Iterator[tuple[Study, Markup, list[pd.Series]]]:
    """Of every study and each of its pairs of a method of ours and a rival: the study, ``words`` with both names, and
    the differences that were computed, with ``p_holm``. What an earlier study has said of a pair is not said again."""
    told: set[tuple[str, str]] = set()
    for study, shown in pairs_shown(studies):
        path = evaluate / shown.source
        if not path.is_file():
            continue
        labels = {name: method.label for name, method in shown.methods.items()}
        computed = with_p(read_tsv(path).dropna(subset=["value", "low"]))
        for pair, table in computed.groupby("method", sort=False):
            ours, rival = str(pair).split("-", 1)
            if not OURS.fullmatch(ours) or OURS.fullmatch(rival) or rival.startswith("permuted"):
                continue
            lines = [line for _, line in table.iterrows() if (str(pair), str(line["metric"])) not in told]
            told |= {(str(pair), str(line["metric"])) for line in lines}
            if lines:
                names = (in_html(labels.get(name, name.replace("_", " "))) for name in (ours, rival))
                yield study, Markup(words).format(*names), lines


def with_p(differences: pd.DataFrame) -> pd.DataFrame:
    """With ``p_holm``. Where a study has none, it is made for all differences of its table, of p-values that follow
    from their 95 % intervals as those of normal errors do (Altman & Bland 2011)."""
    if "p_holm" in differences:
        return differences
    value = differences["value"]
    reach = (value - differences["low"]).where(value > 0, differences["high"] - value)  # on the side of zero
    z = (value.abs() / reach.where(reach > 0)) * norm.ppf(0.975)
    p = pd.Series(2 * norm.sf(z), index=differences.index).where(reach > 0, (value == 0).astype(float))
    return differences.assign(p_holm=holm(p))


def pairs_shown(studies: Sequence[Study]) -> Iterator[tuple[Study, Estimates]]:
    """Every table of paired differences that a study shows."""
    for study in studies:
        for section in study.sections:
            for item in section.shows:
                if isinstance(item, Estimates) and item.first == "difference":
                    yield study, item


def is_loss(line: pd.Series) -> bool:
    """Whether the interval of a difference (ours minus the rival's) lies wholly on the worse side of zero."""
    smaller = any(part in SMALLER for part in str(line["metric"]).split("_"))
    return bool(line["low"] > 0) if smaller else bool(line["high"] < 0)


def words_of(line: pd.Series) -> Markup:
    """A difference: its metric, the number and its interval, and whether it rests on too few."""
    number, interval = split_estimate(line)
    few = f", {FEW_NOTE}" if line["note"] == FEW_NOTE else ""
    return Markup("{} ({} {}{})").format(in_html(metric_label(str(line["metric"]))), number, interval, few)
