"""The first words of the report: what this run shows, and what it does not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ldae.report.losses import compared, is_loss, words_of
from ldae.studies.common.statistics import ALPHA, FEW_NOTE
from ldae.studies.common.study import Study
from ldae.studies.registry import STUDIES

LONGEST = 6  # comparisons that are told in words
OWN_TARGET = re.compile(r"_vs_ae$|^ssim_w4_paper$")  # against what the autoencoder makes of the scan


@dataclass(frozen=True)
class Verdict:
    """Paired differences of the method against its rivals, over all studies.

    Attributes:
        better: of each pair with a difference in our favour, in words; at most :data:`LONGEST`.
        n_better, n_worse, n_open: differences in our favour, in the rival's, and those that are not told apart. As in
            the studies' own tables a gain counts after Holm's correction, a loss without.
        sections: of each study its heading in the report, the differences in our favour, those of them that rest on
            too few subjects, and all that were compared; most gains first.
        n_own: gains that are not counted, since they are measured against the autoencoder's own output: it blurs our
            predictions as it blurs what they are held against, and a rival's scan it does not.
    """

    better: list[Markup]
    n_better: int
    n_worse: int
    n_open: int
    sections: list[tuple[Markup, int, int, int]]
    n_own: int = 0

    @property
    def n_all(self) -> int:
        """All differences, on whichever side."""
        return self.n_better + self.n_worse + self.n_open


def verdict(evaluate: Path, studies: Sequence[Study] = STUDIES) -> Verdict | None:
    """Count the paired differences of every study; None where none was computed.

    Those of two methods of ours are left out, as in :func:`ldae.report.losses.losses`.

    Args:
        evaluate: folder of the studies' results.
    """
    better: list[Markup] = []
    counts = {"better": 0, "worse": 0, "open": 0, "own": 0}
    sections: dict[str, list[int]] = {}  # better, of them on too few, all
    for study, heading, lines in compared(evaluate, studies, "{} is ahead of {}"):
        sides = [side_of(line) for line in lines]
        tally = sections.setdefault(study.sections[0].title, [0, 0, 0])
        for line, side in zip(lines, sides, strict=True):
            counts[side] += 1
            tally[0] += side == "better"
            tally[1] += side == "better" and line["note"] == FEW_NOTE
            tally[2] += side != "own"
        ahead = [words_of(line) for line, side in zip(lines, sides, strict=True) if side == "better"]
        if ahead:
            more = Markup("") if len(ahead) == 1 else Markup(", and {} more").format(len(ahead) - 1)
            better.append(
                Markup('<a href="#{}">{}</a>: {}{}').format(study.sections[0].anchor, heading, ahead[0], more)
            )
    if not sum(counts.values()):
        return None
    rows = [(Markup(title), gains, few, everything) for title, (gains, few, everything) in sections.items()]
    rows.sort(key=lambda row: -row[1])
    return Verdict(better[:LONGEST], counts["better"], counts["worse"], counts["open"], rows, counts["own"])


def side_of(line: pd.Series) -> str:
    """``worse``, ``better`` or ``open``, as :func:`ldae.studies.common.statistics.verdict` judges a difference; ``own``
    for a gain against the autoencoder's own output."""
    if is_loss(line):
        return "worse"
    mirrored = line.copy()
    mirrored["low"], mirrored["high"] = -line["high"], -line["low"]
    if not is_loss(mirrored) or line["p_holm"] >= ALPHA:
        return "open"
    return "own" if OWN_TARGET.search(str(line["metric"])) else "better"
