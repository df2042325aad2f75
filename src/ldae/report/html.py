"""The report of a run: one HTML file that needs nothing else, no network, no script, no clock."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ldae.config import Config
from ldae.core.files import digest, read_json, read_tsv, write_text
from ldae.report.captions import CAPTIONS
from ldae.report.differences import differences, missing_weights
from ldae.report.estimate_tables import estimates_table, metric_label
from ldae.report.headline_cards import headline_cards
from ldae.report.plain_tables import Table, demographics_table, in_html, plain_table
from ldae.report.run_description import NAMES, PHANTOM_FLATTERS, run_kind, steps
from ldae.report.sentences import calibration_sentence, reads_sentence
from ldae.studies.common.method_styles import DIRECTIONS, INTERPOLATION, PROBES, RECONSTRUCTION, SAMPLES
from ldae.studies.common.paper_tables import SEEDS_SENTENCE, TABLES
from ldae.studies.probes.table import PUBLISHED, losses

READING = ("reconstruction", "solvers", "interpolation", "manipulation")  # studies of cached x_T
SETTINGS = ("autoencoder", "diffusion", "representation")
RECONSTRUCTION_METRICS = ["ssim_w11_brain", "ssim_w11", "ssim_w3_paper", "mse", "psnr"]
PROBES_CV = ["auc_ad_cv", "balanced_accuracy_ad_cv", "age_mae_cv", "age_r_cv"]
PROBES_TEST = ["auc_ad_test", "balanced_accuracy_ad_test", "sensitivity_ad_test", "specificity_ad_test", "age_mae_test"]
PROBES_PAPER = ["auc_ad", "accuracy_ad", "mcc_ad", "sensitivity_ad", "sensitivity_cn_positive", "age_mae", "age_rmse"]
PROBES_AGAINST = ["auc_ad_cv", "auc_ad_test", "age_mae_cv", "age_mae_test"]
INTERPOLATION_METRICS = [
    "ssim_w11_brain",
    "mse",
    "ventricle_ml_error",
    "ventricle_ml_error_truth",
    "ventricle_ml_error_truth_calibrated_by_kind",
    "ssim_w4_paper",
]
SAMPLE_DISTANCES = ["kernel_y_sem", "kernel_octants", "frechet_y_sem_shrunk", "frechet_octants_shrunk"]
MEMORISATION = [f"nearest_{name}" for name in ("training_rms_median", "ratio_median", "training_rms_auc", "ratio_auc")]
MANIPULATION_METRICS = [
    "ventricle_ml_change_plus_ad",
    "ventricle_ml_change_minus_ad",
    "ventricle_ml_spearman_plus_ad",
    "ventricle_ml_spearman_minus_ad",
    "hippocampus_region_ml_change_plus_ad",
    "brain_ml_change_plus_ad",
    "ssim_w11_outside_ae_gap_plus_ad",
    "intensity_outside_change_plus_ad",
    "probability_reencoded_plus_ad",
    "probability_reencoded_minus_ad",
]


@dataclass(frozen=True)
class ReportSources:
    """The finished files a report is made from."""

    figures: Path  # folder of figure_*.svg (or .png)
    evaluate: Path  # folder of the studies
    table_1: Path  # demographics, TSV
    exclusions: Path  # manifest/exclusions.tsv
    tables: Path  # folder of the paper's tables
    provenance: Mapping[str, Any]  # versions and digests, flat or one level deep
    notes: Path | None = None  # manifest/notes.json; it names subjects
    unseen: Sequence[str] = ()  # sentences on scans that came after a training


@dataclass(frozen=True)
class Picture:
    """A figure ready to be set: its source inside the page, or none when it was not made or is private."""

    name: str
    source: Markup | None
    withheld: bool
    title: Markup
    text: Markup
    alternative: str


def report_html(out: str | Path, sources: ReportSources, config: Config, shown: Collection[str] | None = None) -> None:
    """Write the report of a run: headline numbers, data, flow, every study with its figures, and provenance.

    A figure or study that is missing is said to be missing. Equal inputs give equal bytes.

    Args:
        shown: the figures that may be shown, in a report for others; without single exclusions then. None: everything.
    """
    environment = Environment(
        loader=PackageLoader("ldae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        phantom=config.phantom is not None,
        cohort=NAMES[config.source] if config.phantom is None else "Phantom",
        kind=run_kind(config),
        config_digest=digest(config.model_dump(mode="json")),
        missing_weights=missing_weights(config),
        flatters=PHANTOM_FLATTERS,
        cards=headline_cards(sources.evaluate),
        steps=steps(config),
        differences=differences(config),
        figures={
            name: load_picture(sources.figures, name, withheld=shown is not None and name not in shown)
            for name in CAPTIONS
        },
        tables=study_tables(sources.evaluate),
        reads={study: reads_sentence(sources.evaluate, study) for study in READING},
        calibration=calibration_sentence(sources.evaluate),
        seeds=SEEDS_SENTENCE,
        losses=probe_losses(sources.evaluate),
        table_1=demographics_table(read_tsv(sources.table_1)),
        public=shown is not None,
        exclusions=exclusion_reasons(sources.exclusions) if shown is None else None,
        notes=read_json(sources.notes) if shown is None and sources.notes else [],
        settings={stage: finished_table(sources.tables, f"settings_{stage}") for stage in SETTINGS},
        label_efficiency=finished_table(sources.tables, "label_efficiency"),
        confounds=finished_table(sources.tables, "confounds"),
        solvers=finished_table(sources.tables, "solvers"),
        provenance=list(_flat(sources.provenance)),
        unseen=sources.unseen,
    )
    write_text(out, page)


def study_tables(evaluate: Path) -> dict[str, Table | None]:
    """The tables of estimates of every study; nothing for one that was not run."""
    reconstruction, probes = evaluate / "reconstruction", evaluate / "probes"
    interpolation, manipulation = evaluate / "interpolation", evaluate / "manipulation"
    return {
        "reconstruction": estimates_table(
            reconstruction / "summary.tsv",
            RECONSTRUCTION_METRICS,
            RECONSTRUCTION,
            published=TABLES["reconstruction"].published,
        ),
        "reconstruction_differences": estimates_table(
            reconstruction / "differences.tsv", RECONSTRUCTION_METRICS, RECONSTRUCTION, "difference"
        ),
        "ventricles": estimates_table(reconstruction / "ventricles.tsv", ["r_truth", "r_original"], RECONSTRUCTION),
        "probes_cv": estimates_table(probes / "summary.tsv", PROBES_CV, PROBES, "features"),
        "probes_test": estimates_table(
            probes / "summary.tsv", PROBES_TEST, PROBES, "features", published_in("test", "supervised")
        ),
        "probes_paper": estimates_table(
            probes / "summary.tsv",
            [f"{metric}_test_paper" for metric in PROBES_PAPER],
            PROBES,
            "features",
            published_in("test_paper", "ldae", "dae"),
        ),
        "probes_differences": estimates_table(probes / "differences.tsv", PROBES_AGAINST, PROBES, "difference"),
        "interpolation": estimates_table(
            interpolation / "summary.tsv",
            INTERPOLATION_METRICS,
            INTERPOLATION,
            published=TABLES["interpolation"].published,
        ),
        "interpolation_differences": estimates_table(
            interpolation / "differences.tsv", INTERPOLATION_METRICS, INTERPOLATION, "difference"
        ),
        "samples": estimates_table(evaluate / "samples" / "distances.tsv", SAMPLE_DISTANCES, SAMPLES, "volumes"),
        "memorisation": estimates_table(evaluate / "samples" / "memorisation.tsv", MEMORISATION, SAMPLES, "volumes"),
        "manipulation": estimates_table(manipulation / "summary.tsv", MANIPULATION_METRICS, DIRECTIONS, "direction"),
    }


def published_in(protocol: str, *methods: str) -> dict[tuple[str, str], str]:
    """The paper's numbers of some feature sets under our names for a protocol."""
    return {(name, f"{metric}_{protocol}"): text for (name, metric), text in PUBLISHED.items() if name in methods}


def probe_losses(evaluate: Path) -> list[Markup]:
    """One sentence for each metric in which y_sem is worse than something, by the interval of the paired difference."""
    path = evaluate / "probes" / "differences.tsv"
    if not path.is_file():
        return []
    sentences = []
    for metric, rivals in losses(read_tsv(path)).items():
        labels = Markup(", ").join(in_html(PROBES[name].label if name in PROBES else name) for name in rivals)
        protocol = " (the paper's protocol)" if metric.endswith("_test_paper") else ""
        sentences.append(Markup("{}{}: {}").format(metric_label(metric), protocol, labels))
    return sentences


def load_picture(folder: Path, name: str, withheld: bool = False) -> Picture:
    """A figure as a data URI (SVG before PNG) with its caption."""
    caption = CAPTIONS[name]
    source = None
    for suffix, kind in ((".svg", "image/svg+xml"), (".png", "image/png")):
        path = folder / f"{name}{suffix}"
        if source is None and not withheld and path.is_file():
            source = Markup(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}")
    return Picture(name, source, withheld, Markup(caption.title), Markup(caption.text), caption.alternative)


def exclusion_reasons(path: Path) -> Table | None:
    """How many scans were left out at each step for each reason; nothing when every scan was kept."""
    table = read_tsv(path, dtype=str)
    if table.empty:
        return None
    counts = table.fillna("n/a").groupby(["step", "reason"], sort=True).size().rename("scans").reset_index()
    return plain_table(pd.DataFrame(counts))


def finished_table(folder: Path, name: str) -> Table | None:
    """One of the paper's tables as it was written; nothing when it was not made."""
    path = folder / f"{name}.tsv"
    return plain_table(read_tsv(path, dtype=str)) if path.is_file() else None


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and value of every entry, nested names joined with a dot, sorted."""
    rows: list[tuple[str, str]] = []
    for name, value in sorted(content.items()):
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, "n/a" if value is None else str(value)))
    return rows
