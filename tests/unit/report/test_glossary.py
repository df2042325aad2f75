"""docs/metrics.md explains every metric and every method that a table can name."""

from pathlib import Path

import pytest

from ldae.report.glossary import ENDINGS, FAMILIES, METHODS, METRICS, explain, metrics_page, said
from ldae.studies.common.estimate_panels import METRIC_LABELS
from ldae.studies.common.study import Estimates, Headline
from ldae.studies.interpolation import measure as interpolation
from ldae.studies.manipulation import record as manipulation
from ldae.studies.probes import estimates as probes
from ldae.studies.probes.reading import COMPONENT_R2
from ldae.studies.reconstruction import record as reconstruction
from ldae.studies.reconstruction import solvers
from ldae.studies.registry import STUDIES, headline

ROOT = Path(__file__).parents[3]
SHOWN = [shown for study in STUDIES for section in study.sections for shown in section.shows]
NAMES = {
    "labels of figures": METRIC_LABELS,
    "report": [name for shown in SHOWN if isinstance(shown, Estimates) for name in shown.metrics],
    "headline": [number.metric for number in headline(STUDIES)],
    "reconstruction": reconstruction.IN_TABLE.metrics,
    "solvers": solvers.METRICS,
    "interpolation": interpolation.METRICS,
    "manipulation": manipulation.IN_TABLE.metrics,
    "probes": [
        f"{name}_{protocol}"
        for name in (*probes.AD_METRICS, *probes.CN_METRICS, *probes.AGE_METRICS)
        for protocol in ("cv", "test", "test_paper")
    ],
    "confounds": [
        f"{name}_{confound}_cv"
        for name in ("auc", "balanced_accuracy")
        for confound in ("field_strength", "study_phase")
    ],
    "components": [COMPONENT_R2],
}


def test_the_page_is_in_step_with_the_table():
    assert (ROOT / "docs/metrics.md").read_text(encoding="utf-8") == metrics_page(), "run `make docs`"


@pytest.mark.parametrize("place", NAMES)
def test_every_metric_is_explained(place):
    assert NAMES[place] and [name for name in NAMES[place] if explain(name) is None] == []


def test_a_name_that_nobody_explained_is_found():
    assert explain("auc_ad_of_the_moon") is None and explain("moon_test") is None


def test_the_longest_ending_is_meant():
    metric, ending = explain("age_mae_test_paper")
    assert (metric.name, ending) == ("age_mae", "_test_paper")
    metric, ending = explain("ventricle_ml_change_plus_minus_ad")
    assert (metric.name, ending) == ("ventricle_ml_change", "_plus_minus_ad")


def test_every_metric_says_what_it_is_and_which_way_is_better():
    assert sum(map(len, FAMILIES.values())) == len(METRICS)
    for metric in METRICS.values():
        assert len(metric.words.split()) >= 3 and metric.range and metric.better, metric.name


def test_every_ending_is_used_and_every_method_of_the_headline_is_explained():
    used = {found[1] for names in NAMES.values() for name in names if (found := explain(name))}
    rare = {"_cv_cn", "_test_cn", "_cv_within_field_strength", "_test_within_field_strength"}  # of confounds.tsv
    assert set(ENDINGS) - rare - {"_minus_ad_mean"} <= used
    known = {name for methods in METHODS.values() for name in methods}
    assert {part for number in headline(STUDIES) for part in number.method.split("-")} <= known


@pytest.mark.parametrize(
    ("number", "better"),
    [
        (Headline("a", "x", "ldae", "auc_ad_cv"), "higher"),
        (Headline("a", "x", "ldae-oracle", "age_mae_cv"), "below 0"),
        (Headline("a", "x", "ldae-oracle", "auc_ad_cv", turned=True), "below 0"),
        (Headline("a", "x", "probe", "ventricle_ml_change_minus_ad"), "below 0"),
        (Headline("a", "x", "probe", "ventricle_ml_spearman_minus_ad"), "near -1"),
        (Headline("a", "x", "random", "ventricle_ml_change_plus_minus_ad"), "near 0"),
    ],
)
def test_which_way_is_better(number, better):
    assert said(number)[1] == better
