"""What every metric of the tables means: formula, unit, range, which way is better, and where it comes from.

Names are built of a base and of endings (``auc_ad`` + ``_test``), which are explained once, the bases in
``glossary.yaml``. ``docs/metrics.md`` is made of both, and tests hold every name of the studies against them.
"""

import re
from pathlib import Path

import yaml

from ldae.studies.common.method_styles import DIRECTIONS, INTERPOLATION, PROBES, RECONSTRUCTION, SAMPLES, Method
from ldae.studies.common.study import Headline, Metric
from ldae.studies.registry import STUDIES, headline

FAMILIES: dict[str, tuple[Metric, ...]] = {
    family: tuple(Metric(name, **fields) for name, fields in metrics.items())
    for family, metrics in yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")).items()
} | {f"The study {study.name} alone": study.metrics for study in STUDIES if study.metrics}
METRICS = {metric.name: metric for family in FAMILIES.values() for metric in family}

ENDINGS = {
    "_cv": "cross-validated over all subjects, folds that never split a subject",
    "_test": "measured on test subjects, fitted on training and validation subjects",
    "_test_paper": "the same test subjects, fitted by the paper's protocol (gradient descent, best epoch)",
    "_cv_cn": "cross-validated, controls alone",
    "_test_cn": "on test subjects, controls alone",
    "_cv_within_field_strength": "cross-validated, among the scans of one field strength",
    "_test_within_field_strength": "on test subjects, among the scans of one field strength",
    "_plus_ad": "at the largest of `evaluation.probabilities`: towards AD",
    "_minus_ad": "at the smallest of `evaluation.probabilities`: away from AD",
    "_plus_minus_ad": "`_plus_ad` minus `_minus_ad`",
    "_cn_to_ad": "controls, moved towards AD",
    "_ad_to_cn": "patients, moved towards CN",
    "_plus_ad_mean": "`_plus_ad`, mean over subjects instead of the median",
    "_minus_ad_mean": "`_minus_ad`, mean over subjects instead of the median",
    "_spearman": "Spearman's rank correlation with the dose, per subject (median over subjects); above 0: it grows",
    "_spearman_mean": "the same, mean over subjects",
    "_spearman_plus_ad": "the same over the doses towards AD",
    "_spearman_minus_ad": "the same with the distance away from AD, so -1 says that it falls all the way",
}
METHODS: dict[str, dict[str, Method]] = {
    "Reconstruction": RECONSTRUCTION,
    "Interpolation": INTERPOLATION,
    "Probes": PROBES,
    "Directions of a manipulation": DIRECTIONS,
    "Samples": SAMPLES,
} | {f"The study {study.name}": dict(study.methods) for study in STUDIES if study.methods}
HEAD = """<!-- Written by `make docs` from src/ldae/report/glossary.py. -->

# What the numbers mean

Every summary below `evaluate/` has one row per `method` and `metric`: the `value`, its 95 % interval from `low` to
`high`, and the number of subjects behind it. [statistics.md](statistics.md) says how the intervals are made, and
[outputs.md](outputs.md) what the files and their columns hold. This page explains the metrics, the endings of their
names, the methods, and every key of `paper/headline.json`.

TP, FN, TN and FP count scans with AD called AD, with AD called CN, of controls called CN, and of controls called AD. In
a table of differences the method reads `first-second`, and the value is the first minus the second.
"""


def explain(name: str) -> tuple[Metric, str | None] | None:
    """The base of a metric's name and the ending that it has; none where nobody has explained it."""
    if name in METRICS:
        return METRICS[name], None
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.endswith(ending) and name.removesuffix(ending) in METRICS:
            return METRICS[name.removesuffix(ending)], ending
    return None


def metrics_page() -> str:
    """The text of ``docs/metrics.md``, in Markdown."""
    lines = [HEAD]
    for title, family in FAMILIES.items():
        lines += [f"## {title}", "", "| metric | what it is | unit | range | better | defined by |", row(*["---"] * 6)]
        for metric in family:
            cells = (metric.unit, metric.range, metric.better, metric.source)
            lines.append(row(f"`{metric.name}`", metric.words, *cells))
        lines.append("")
    lines += ["## Endings", "", "| ending | meaning |", row("---", "---")]
    lines += [row(f"`{ending}`", words) for ending, words in ENDINGS.items()]
    lines += ["", "## Methods", "", "| table | method | what it is |", row(*["---"] * 3)]
    for title, methods in METHODS.items():
        lines += [row(title, f"`{name}`", plain(method.label)) for name, method in methods.items()]
    lines += ["", "## Every key of headline.json", ""]
    lines += ["| key | method | metric | better |", row(*["---"] * 4)]
    lines += [row(f"`{number.key}`", f"`{number.method}`", *said(number)) for number in headline(STUDIES)]
    return "\n".join(lines) + "\n"


def said(number: Headline) -> tuple[str, str]:
    """The metric of a number of the headline, and which way is better."""
    found = explain(number.metric)
    assert found is not None  # held by a test
    better = wanted(found[0], found[1] or "")
    if number.method == "random":  # a control: nothing should follow from it
        better = "near 0"
    if "-" in number.method:
        turn = {"higher": "lower", "lower": "higher"} if number.turned else {}
        better = {"higher": "above 0", "lower": "below 0"}.get(turn.get(better, better), better)
    return f"`{number.metric}`{', second - first' if number.turned else ''}", better


def wanted(metric: Metric, ending: str) -> str:
    """Which way is better for a metric with an ending."""
    if "_spearman" in ending:
        return "near -1" if ending.endswith("_minus_ad") else "near 1"
    if ending == "_plus_minus_ad":
        return "above 0"
    if metric.better.startswith("above 0"):
        return "below 0" if ending in ("_minus_ad", "_ad_to_cn", "_minus_ad_mean") else "above 0"
    return metric.better


def plain(label: str) -> str:
    """A label of a figure without matplotlib's marks: ``y$_{sem}$`` is y_sem."""
    return re.sub(r"\$_\{?(\w+)\}?\$", r"_\1", label)


def row(*cells: str) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
