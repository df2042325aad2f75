"""What the report says of the probes: where y_sem is worse than something else, how its rivals were selected."""

from pathlib import Path

from markupsafe import Markup

from ldae.core.files import read_tsv
from ldae.studies.common.estimate_panels import metric_label
from ldae.studies.common.method_styles import PROBES, in_html
from ldae.studies.common.study import ReportSources
from ldae.studies.probes.record import COMPARED, DIFFERENCES
from ldae.studies.probes.table import lost_to, supervised_steps


def losses(sources: ReportSources, public: bool) -> Markup:
    """The metrics in which y_sem is worse, by the interval of the paired difference; or that there is none."""
    sentences = loss_sentences(sources.evaluate)
    if sentences:
        rows = Markup("\n").join(Markup("  <li>{}</li>").format(sentence) for sentence in sentences)
        return Markup(
            "<p>y<sub>sem</sub> is worse (the interval of the paired difference leaves 0 out) in</p>\n<ul>\n{}\n</ul>"
        ).format(rows)
    path = sources.evaluate / DIFFERENCES
    computed = path.is_file() and read_tsv(path)["metric"].isin(COMPARED).any()
    return Markup("<p>No paired difference shows y<sub>sem</sub> to be worse than another feature set{}.</p>").format(
        "" if computed else ": none was computed"
    )


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
