"""The report: complete, self-contained, the same bytes twice, honest about what is missing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd
import pytest
from result_files import estimates

from ldae.config import Config, parse_config
from ldae.core.files import write_json, write_tsv
from ldae.report.differences import differences, missing_weights
from ldae.report.estimates import estimates_table, headline_cards, plain_table, without_unavailable
from ldae.report.html import ReportSources, data_uri, report_html
from ldae.report.run_description import flatters
from ldae.studies.common.chance import CHANCE
from ldae.studies.common.estimate_panels import METRIC_LABELS
from ldae.studies.common.method_styles import PROBES, in_html
from ldae.studies.common.study import Estimates
from ldae.studies.registry import STUDIES, figures

VOID = {"meta", "img", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def page(sources: ReportSources, config: Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "report.html"
    report_html(out, sources, config)
    return out.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Collects ids, links, pictures, and tags that were not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.ids, self.links, self.pictures, self.open, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        values = dict(attributes)
        self.tags.add(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        if tag == "img":
            self.pictures.append(values)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def test_degenerate_models_are_said_at_the_head(sources: ReportSources, config: Config, tmp_path: Path) -> None:
    said = replace(sources, degenerate=["Stage 1 has collapsed: <nothing> is left."])
    for number, words in enumerate((sources, said)):
        report_html(tmp_path / f"{number}.html", words, config)
    healthy, page = ((tmp_path / f"{number}.html").read_text(encoding="utf-8") for number in (0, 1))
    assert 'id="degenerate"' not in healthy
    assert "<li>Stage 1 has collapsed: &lt;nothing&gt; is left.</li>" in page.split('id="run"')[0]


def test_the_page_needs_nothing_from_outside(page: str, outline: Outline) -> None:
    assert not re.search(r"https?://", page)
    assert not outline.tags & {"link", "iframe"} and page.count("<script>") == 1
    assert "@import" not in page and "url(" not in page
    assert outline.open == []


def test_a_public_page_runs_nothing(sources: ReportSources, config: Config, tmp_path: Path) -> None:
    report_html(tmp_path / "report.html", sources, config, public=True)
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_file_is_embedded_in_the_shorter_of_two_forms() -> None:
    text, pictures = b'<path d="M 1 2 L 3 4"/>' * 40, b"QUJDREVGR0hJ" * 40
    for content, form in ((text, ";base64,"), (pictures, "xml,")):
        uri = str(data_uri("image/svg+xml", content))
        assert form in uri and urlopen(uri).read() == content


def test_every_picture_is_inside_and_has_words(outline: Outline) -> None:
    assert len(outline.pictures) == len(figures(STUDIES)) - 1
    for picture in outline.pictures:
        assert picture["src"].startswith("data:image/svg+xml")
        assert len(picture["alt"]) > 20


def test_every_entry_of_the_contents_leads_somewhere_once(page: str, outline: Outline) -> None:
    contents = Outline()
    contents.feed(page[: page.index("</nav>")])
    targets = [link.removeprefix("#") for link in contents.links]
    anchors = {section.anchor for study in STUDIES for section in study.sections}
    assert len(targets) == len(set(targets)) and anchors <= set(targets)
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_numbers_come_with_interval_and_subjects(page: str) -> None:
    assert '0.80 <span class="interval">[0.75, 0.85]</span>' in page
    assert "24 subjects" in page
    assert "too few" in page


def test_a_number_on_other_subjects_than_its_row_says_on_how_many(tmp_path: Path) -> None:
    columns = ["method", "metric", "value", "low", "high", "n_subjects", "note"]
    rows = [("ldae", "age_mae_cv", 4.0, 3.5, 4.5, 92, None), ("ldae", "auc_ad_cv", 0.8, 0.75, 0.85, 77, None)]
    rows += [("oracle", "auc_ad_cv", 0.9, 0.85, 0.95, 77, None), ("oracle", "age_mae_cv", None, None, None, 0, "none")]
    write_tsv(tmp_path / "summary.tsv", pd.DataFrame(rows, columns=columns))
    table = estimates_table(tmp_path / "summary.tsv", Estimates("", ("auc_ad_cv", "age_mae_cv"), PROBES, ""))
    found = {row[0]: row[1:] for row in table.rows}
    ours, oracle = found[in_html(PROBES["ldae"].label)], found[in_html(PROBES["oracle"].label)]
    assert "[0.75, 0.85] (n = 77)" in ours[0] and "n =" not in ours[1] and ours[2] == "92"
    assert "n =" not in oracle[0] and oracle[2] == "77"


def test_a_column_of_nothing_makes_room_and_leaves_its_reason() -> None:
    table = plain_table(
        pd.DataFrame(
            {"method": ["a", "b"], "mse": ["1", None], "lpips": ["n/a (no weights)", None], "note": [None, None]}
        )
    )
    left = without_unavailable(table)
    assert (left.head, left.rows, left.notes) == (
        ["method", "mse"],
        [["a", "1"], ["b", "n/a"]],
        ["lpips: n/a (no weights)"],
    )
    alone = plain_table(pd.DataFrame({"method": ["a", "b"], "lpips": [None, None]}))
    assert without_unavailable(alone).head == ["method", "lpips"]  # nobody says why: the gap is shown


def test_values_of_a_column_stand_across_in_their_order_and_chance_below_a_number(tmp_path: Path) -> None:
    columns = ["method", "metric", "n_train_subjects", "value", "low", "high", "n_subjects", "note", *CHANCE]
    none = (None, None, None, None)
    rows = [("ldae", "auc_ad_test", size, 0.1 * size, None, None, 30, None, *none) for size in (8, 2, 10)]
    rows += [("oracle", "auc_ad_test", 2, None, None, None, 0, "one class", *none)]
    rows += [("ldae", "auc_field_strength_cv", None, 0.7, 0.6, 0.8, 30, None, 0.45, 0.4, 0.5, 0.03)]
    write_tsv(tmp_path / "long.tsv", pd.DataFrame(rows, columns=columns))
    across = Estimates("", ("auc_ad_test",), PROBES, "", across="n_train_subjects", across_words="{} labelled")
    table = estimates_table(tmp_path / "long.tsv", across)
    assert [str(cell) for cell in table.head[1:]] == ["2 labelled", "8 labelled", "10 labelled", "subjects"]
    oracle, ours = table.rows  # in the order of the words
    assert [cell.split(" <")[0] for cell in ours[1:4]] == ["0.20", "0.80", "1.0"]
    assert all("n/a" in cell for cell in oracle[1:4]) and table.notes == ["one class"]
    read = estimates_table(tmp_path / "long.tsv", Estimates("", ("auc_field_strength_cv",), PROBES, ""))
    assert "chance 0.45 [0.40, 0.50], p = 0.03" in read.rows[0][1]


def test_the_papers_number_stands_below_ours(page: str) -> None:
    assert '<span class="interval">[0.75, 0.85]</span><br><span class="paper">paper 0.8948</span>' in page
    assert "not to be compared with a phantom's" in page


def test_what_is_missing_is_said(page: str) -> None:
    assert page.count("This figure was not made in this run.") == 1  # figure_qc
    for words in ("UK Biobank", "ImageNet", "SqueezeNet", "flatters", "truncated DICOM series"):
        assert words in page


def test_what_flatters_is_that_of_the_phantom(config: Config) -> None:
    """Heads with folds and lesions of their own are not said to lack them, and no sentence is said of real heads."""
    plain, rich = (
        " ".join(flatters(config.phantom.model_copy(update={"variety": variety}))) for variety in ("plain", "rich")
    )
    for words in ("same folds", "no lesions", "move five structures (both ventricles, both hippocampi, the cortex)"):
        assert words in plain
    assert "same folds" not in rich and "no lesions" not in rich and "differ between subjects" in rich
    assert flatters(None) == ()


def test_the_columns_of_every_table_have_words() -> None:
    parts = [part for study in STUDIES for section in study.sections for part in section.shows]
    metrics = {metric for part in parts if isinstance(part, Estimates) for metric in part.metrics}
    newcomers = {"age_mean"}  # of the study that docs/contributing adds: under its own name
    assert not sorted(metrics - set(METRIC_LABELS) - newcomers)


def test_what_was_read_and_fitted_is_said_in_one_line_each(page: str) -> None:
    assert page.count("Cached x_T") == 1  # the other studies of this run wrote no list
    assert (
        "Cached x_T, with y_sem (model 1f3) and unconditional (model 2e4), of 14 scans by DDIM in 20 steps, DPM++2M in "
        "10 steps: 420 network calls, made once; at every use it would be 580."
    ) in page
    assert "1.10 × measured \N{MINUS SIGN} 17.9 ml for scans and averages of their voxels (146 training and" in page
    assert "1.90 × measured + 33.0 ml for decoded volumes (reconstructions of 128 training" in page


def test_values_from_files_are_escaped(page: str) -> None:
    assert "libraries.&lt;b&gt;" in page and "libraries.<b>" not in page


def test_what_the_tables_left_open_is_told_and_stays_with_the_data(
    sources: ReportSources, config: Config, tmp_path: Path
) -> None:
    write_json(tmp_path / "notes.json", ["participants.tsv: no row for <sub-03>"])
    told = replace(sources, notes=tmp_path / "notes.json")
    for public, seen in ((False, True), (True, False)):
        report_html(tmp_path / "report.html", told, config, public)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert ("no row for &lt;sub-03&gt;" in page) == seen


def test_equal_inputs_give_equal_bytes(page: str, sources: ReportSources, config: Config, tmp_path: Path) -> None:
    report_html(tmp_path / "again.html", sources, config)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_where_trainings_started_is_said_and_loudly_where_it_must_be(
    page: str, sources: ReportSources, config: Config, tmp_path: Path
) -> None:
    told = replace(sources, starts=["The model of dae started", "CONTAMINATED: a", "SUBJECTS UNKNOWN: b"])
    report_html(tmp_path / "report.html", told, config)
    said = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<li>The model of dae started</li>" in said
    assert all(f"<li><strong>{words}</strong></li>" in said for words in told.starts[1:])
    assert "Trainings that went on from other weights" in said and "went on from other weights" not in page


def test_a_run_without_any_study_still_has_a_report(sources: ReportSources, config: Config, tmp_path: Path) -> None:
    bare = ReportSources(tmp_path, tmp_path, sources.table_1, sources.exclusions, tmp_path, {})
    report_html(tmp_path / "report.html", bare, config)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No study was evaluated in this run." in page
    assert page.count("This figure was not made in this run.") == len(figures(STUDIES))


def test_a_headline_that_could_not_be_computed_keeps_its_reason(tmp_path: Path) -> None:
    write_tsv(
        tmp_path / "interpolation/summary.tsv",
        estimates({("ldae", "ssim_w11_brain"): np.nan}, note="no test subject has three visits"),
    )
    (card,) = headline_cards(tmp_path)
    assert (card.value, card.interval, card.note) == ("n/a", "", "no test subject has three visits")


def test_ventricles_fall_back_to_the_scan_where_no_truth_is_known(tmp_path: Path) -> None:
    values = {("ldae_encoded", "r_truth"): np.nan, ("ldae_encoded", "r_original"): 0.9}
    write_tsv(tmp_path / "reconstruction/ventricles.tsv", estimates(values, note="no truth"))
    (card,) = headline_cards(tmp_path)
    assert (card.value, card.interval) == ("0.90", "[0.85, 0.95]")


def test_differences_follow_the_configuration(config: Config) -> None:
    as_paper = {subject for subject, _, _ in differences(config)}
    assert not as_paper & {"Registration", "Grid", "Size of the networks", "Semantic encoder"}
    content = config.model_dump()
    content["preprocessing"]["registration"]["transform"] = "affine"
    content["preprocessing"]["conform"] |= {"shape": (96, 96, 96), "spacing_mm": 2.0}
    content["representation"]["backbone"] = "convnext_atto"
    content["representation"]["backbone_weights"] = "weights.safetensors"
    changed = parse_config(content)
    assert {"Registration", "Grid", "Semantic encoder"} <= {subject for subject, _, _ in differences(changed)}
    assert len(missing_weights(changed)) == len(missing_weights(config)) - 1 == 2


@pytest.mark.parametrize(("source", "section"), [("bids", {"path": "x"}), ("csv", {"path": "x.csv"})])
def test_another_cohort_is_not_called_adni(
    source: str, section: dict, sources: ReportSources, config: Config, tmp_path: Path
) -> None:
    other = parse_config(config.model_dump() | {"source": source, source: section, "phantom": None})
    report_html(tmp_path / "report.html", sources, other)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "another cohort, given by the user" in page
    assert "Clinica" not in page and ("bias field by N4" in page) == (source == "bids")
