"""What the report says of the probes: where y_sem is worse than something else, how its rivals were selected."""

from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import brief_estimate, metric_label
from ldae.studies.common.method_styles import PROBES, in_html
from ldae.studies.common.study import ReportSources
from ldae.studies.probes.record import COMPARED, DIFFERENCES, SUMMARY
from ldae.studies.probes.table import lost_to, supervised_steps

BEHIND = Markup("Why y<sub>sem</sub> stays behind the PCA of voxels.")
NOT_BEHIND = Markup(
    "Cross-validated, y<sub>sem</sub> and the PCA of voxels are not told apart in the AUC of the diagnosis."
)
TOLD = 0.5  # share of a component's variance from which on y_sem is said to tell it


def losses(sources: ReportSources, public: bool) -> Markup:
    """The metrics in which y_sem is worse, by the interval of the paired difference; or that there is none."""
    sentences = loss_sentences(sources.evaluate)
    if sentences:
        rows = Markup("\n").join(Markup("  <li>{}</li>").format(sentence) for sentence in sentences)
        found = Markup(
            "<p>y<sub>sem</sub> is worse (the interval of the paired difference leaves 0 out) in</p>\n<ul>\n{}\n</ul>"
        ).format(rows)
    else:
        path = sources.evaluate / DIFFERENCES
        computed = path.is_file() and read_tsv(path)["metric"].isin(COMPARED).any()
        found = Markup(
            "<p>No paired difference shows y<sub>sem</sub> to be worse than another feature set{}.</p>"
        ).format("" if computed else ": none was computed")
    return found + behind_pca(sources.evaluate)


def behind_pca(evaluate: Path) -> Markup:
    """Whether y_sem stays behind the PCA of voxels and where it loses what that keeps; empty where it does not."""
    summary, components = evaluate / SUMMARY, evaluate / "probe_checks/components.tsv"
    if not all(path.is_file() for path in (summary, components, evaluate / DIFFERENCES)):
        return Markup()
    known = read_tsv(summary).set_index(["method", "metric"])["value"]
    names = [(method, "auc_ad_cv") for method in ("ldae", "pca_voxels", "pca_voxels_once")]
    apart = read_tsv(evaluate / DIFFERENCES).set_index(["method", "metric"])
    gap = ("ldae-pca_voxels", "auc_ad_cv")
    told = read_tsv(components).dropna(subset=["value"]).sort_values("component")
    if any(pd.isna(known.get(name)) for name in names) or gap not in apart.index or told.empty:
        return Markup()
    ours, anew, once = (float(known[name]) for name in names)
    if ours >= anew:
        return Markup()
    behind = apart.loc[gap, "high"] < 0
    difference = brief_estimate(*(float(apart.loc[gap, column]) for column in ("value", "low", "high")))
    kept = told.loc[told["value"] > TOLD, "component"].astype(int)
    which = f"{len(kept)} (number {', '.join(map(str, kept))})" if len(kept) else "none"
    return Markup(
        "<p>{} By its AUC of the diagnosis ({:.3f}, cross-validated) it is below principal components that are fitted "
        "anew in every fold ({:.3f}; difference {}) and {} those that are fitted once, on the training subjects, as "
        "its encoder is ({:.3f}). Of the {} strongest components of the voxels y<sub>sem</sub> tells {} in test "
        "subjects (R² above {:g}).</p>"
    ).format(
        BEHIND if behind else NOT_BEHIND, ours, anew, difference, "above" if ours > once else "not above", once,
        len(told), which, TOLD,
    )  # fmt: skip


def steps(sources: ReportSources, public: bool) -> str | None:
    """How the delivered step of each supervised encoder was chosen."""
    words = supervised_steps(sources.evaluate)
    return f"Supervised encoders, which step was delivered. {words[0].upper()}{words[1:]}." if words else None


def loss_sentences(evaluate: Path) -> list[Markup]:
    """One sentence for each metric in which y_sem is worse than something, by the interval of the paired difference."""
    path = evaluate / DIFFERENCES
    if not path.is_file():
        return []
    sentences = []
    for metric, rivals in lost_to(read_tsv(path)).items():
        labels = Markup(", ").join(in_html(PROBES[name].label if name in PROBES else name) for name in rivals)
        protocol = " (the paper's protocol)" if metric.endswith("_test_paper") else ""
        sentences.append(Markup("{}{}: {}").format(metric_label(metric), protocol, labels))
    return sentences
