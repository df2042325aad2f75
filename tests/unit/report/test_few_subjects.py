"""Numbers of few subjects are left out of every public table, and of the figures drawn from it."""

import inspect
import json
import shutil

import pandas as pd
import pytest

from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_json, write_text, write_tsv
from ldae.report import few_subjects
from ldae.report.model_card import estimate_words
from ldae.report.public import bundle_public
from ldae.report.public_tables import declared, few
from ldae.studies.cohort.table import demographics
from ldae.studies.common.paper_tables import cell_text, write_table

NEWCOMERS = "figure_toy"  # where docs/contributing is followed: these results have nothing of its study


def estimates(counts):
    rows = [("ldae", "auc", 0.8, 0.7, 0.9, count, 2 * count, 1.0, 9, None) for count in counts]
    columns = ["method", "metric", "value", "low", "high", "n_subjects", "n_rows", "redrawn", "n_replicates", "note"]
    return pd.DataFrame(rows, columns=columns)


def test_an_estimate_of_few_subjects_keeps_its_row_and_says_why():
    left = few_subjects.without_few(estimates([1, 9, 10, 40]), 10)
    assert left["value"].isna().tolist() == left["low"].isna().tolist() == [True, True, False, False]
    assert left["n_subjects"].tolist() == [0, 0, 10, 40]
    assert left["n_rows"].isna().tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert left["note"].tolist()[:2] == ["fewer than 10 subjects"] * 2
    assert few_subjects.without_few(left, 10).equals(left)


def test_what_few_subjects_codes_are_read_at_by_chance_is_left_out_too():
    chance = dict.fromkeys(("chance", "chance_low", "chance_high", "chance_p", "p", "p_holm", "sd_of_draws"), 0.4)
    left = few_subjects.without_few(estimates([4, 40]).assign(**chance), 10)
    assert left[list(chance)].isna().to_numpy().tolist() == [[True] * 7, [False] * 7]
    table = pd.DataFrame([{"method": "ldae", "subjects": "4", "chance": "0.460 [0.380, 0.560], p = 0.04"}])
    assert few_subjects.table_without_few(table, 10)["chance"].tolist() == ["n/a"]


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (
            {"method": "ldae", "subjects": "9", "auc": "0.87 [0.8, 0.9]", "auc_published": "0.9", "note": "too few"},
            {"subjects": "<10", "auc": "n/a", "auc_published": "0.9", "note": "too few"},
        ),
        (
            {
                "method": "l",
                "subjects_ad": "4",
                "subjects_age": "30",
                "auc_ad": "0.87",
                "age_mae": "5.1",
            },  # nobody says which counts
            {"subjects_ad": "<10", "subjects_age": "30", "auc_ad": "n/a", "age_mae": "n/a"},
        ),
        (
            {"method": "ldae", "subjects": "3", "a": "about .7", "b": "inf", "verdict": "ldae better"},
            {"subjects": "<10"} | dict.fromkeys(("a", "b", "verdict"), "n/a"),
        ),
        ({"method": "ldae", "auc": "0.87", "n_training_seeds": "1"}, {"auc": "n/a"}),
        ({"method": "ldae", "subjects": "30", "auc": "0.87 (n = 3)", "mse": "1 (n = 20)"}, {"auc": "n/a"}),
        (
            {"diagnosis": "AD", "subjects": "1", "scans": "3", "age_mean": "71.3", "paper_subjects": "20"},
            {"subjects": "<10", "scans": "n/a", "age_mean": "n/a", "paper_subjects": "20"},
        ),
        ({"method": "ldae", "fraction": "0.01", "n_train_subjects": "1", "subjects": "30", "auc": "0.8"}, {}),
    ],
)
def test_cells_of_a_table_of_the_paper(row, left):
    found = few_subjects.table_without_few(pd.DataFrame([row]), 10)
    assert found.iloc[0].to_dict() == row | left


def test_every_metric_of_the_probes_is_counted_by_its_own_task(tmp_path):
    """4 subjects with AD or CN, 30 with an age: what is left of the table are exactly the numbers of the 30."""
    from ldae.studies.probes import estimates as probes
    from ldae.studies.probes.table import probe_table
    from ldae.studies.registry import STUDIES, tables

    ages = {*probes.AGE_METRICS, *probes.CORRECTED}
    others = {metric for (_, metric) in probes_published()} | {*probes.AD_METRICS}
    lines = estimates([30] * len(ages) + [4] * len(others - ages)).assign(note=None)
    names = [*sorted(ages), *sorted(others - ages)]
    write_tsv(tmp_path / "probes/summary.tsv", lines.assign(metric=[f"{name}_cv" for name in names]))
    write_tsv(
        tmp_path / "probes/differences.tsv", lines.assign(method="ldae-x", metric=lines["metric"], p=0.5, p_holm=1.0)
    )
    table = probe_table(tmp_path).astype(str)
    plan = next(table for table in tables(STUDIES) if table.name == "probes")
    left = few_subjects.table_without_few(table, 10, few_subjects.counting(plan)).iloc[0]
    assert {name for name in names if left[name] != "n/a"} == ages
    assert len(others - ages) > len(probes.AD_METRICS)  # those with CN as the positive class


def probes_published():
    from ldae.studies.probes.record import PUBLISHED

    return PUBLISHED


def test_table_1_counts_each_of_its_columns_and_no_hidden_group_follows_from_the_others():
    from ldae.studies.cohort.table import demographics
    from ldae.studies.registry import STUDIES, tables

    plan = next(table for table in tables(STUDIES) if table.name == "cohort")
    groups = {"CN": 20, "MCI": 15, "AD": 3}
    scans = pd.DataFrame(
        [
            (f"sub-{group}{number}", 70.0 + number, "F", group, 25.0 if number < 2 else None, 1.0, "included")
            for group, many in groups.items()
            for number in range(many)
        ],
        columns=["participant_id", "age", "sex", "diagnosis", "mmse", "cdr", "status"],
    )
    table = demographics(scans).astype(str)
    left = few_subjects.table_without_few(table, 10, few_subjects.counting(plan)).set_index("diagnosis")
    assert left["age_mean"].eq("n/a").to_dict() == {"CN": False, "MCI": True, "AD": True, "all": False}
    assert left["mmse_mean"].eq("n/a").all()  # known of six
    assert left["scans"].eq("n/a").to_dict() == {"CN": False, "MCI": True, "AD": True, "all": False}
    assert left["subjects"].to_list() == ["20", "n/a", "<10", "38"]
    two = table[table["diagnosis"].isin(["AD", "all"])].reset_index(drop=True)
    assert few_subjects.table_without_few(two, 10, few_subjects.counting(plan))["age_mean"].to_list() == ["n/a"] * 2
    alone = few_subjects.also_hidden(pd.Series([4, 5, 30]), pd.Series([True, True, False]), 10)
    assert alone.to_list() == [False, False, True]  # nine together


def test_a_hidden_level_takes_another_with_it():
    counts = [9, 12, 40]
    table = estimates(counts).assign(grouping="gap_months", level=[12, 24, 36])
    assert few_subjects.without_few(table, 10)["value"].isna().to_list() == [True, True, False]
    assert few_subjects.without_few(estimates(counts), 10)["value"].isna().to_list() == [True, False, False]


@pytest.mark.parametrize(
    ("splits", "left"),
    [
        ({"train": 40, "validation": 3}, {"loss"}),
        ({"train": 40, "validation": 30}, {"loss", "validation_loss"}),
        ({"train": 4, "validation": 3}, None),
        ({}, None),
    ],
)
def test_curves_of_a_split_of_few_are_not_drawn(tmp_path, splits, left):
    rows = [("diffusion", step, name, 1 / step) for step in (1, 2) for name in ("loss", "validation_loss")]
    write_tsv(tmp_path / "figure_training.tsv", pd.DataFrame(rows, columns=["stage", "step", "metric", "value"]))
    (tmp_path / "figure_training.svg").write_text("<svg/>")
    few_subjects.redraw_training(tmp_path, tmp_path / "again", 10, splits)
    assert (tmp_path / "figure_training.svg").exists() == (left is not None)
    assert left is None or set(read_tsv(tmp_path / "figure_training.tsv")["metric"]) == left
    if left == {"loss"}:
        assert "validation" not in (tmp_path / "figure_training.svg").read_text().replace("<!-- validation -->", "")


def test_numbers_of_whole_splits_leave_only_with_them(tmp_path):
    """A distance of a hundred samples from three held-out subjects is one of three subjects."""
    table = pd.DataFrame({"kind": ["unconditional"], "n_training_seeds": [1], "kernel_y_sem": ["0.2 [0.1, 0.3]"]})
    for folder, splits in {"few": {"train": 40, "test": 3}, "many": {"train": 40, "test": 12}}.items():
        write_table(table, tmp_path / folder / "samples")
        few_subjects.reduce_tables(tmp_path / folder, 10, splits)
        shown = read_tsv(tmp_path / folder / "samples.tsv", dtype=str).fillna("n/a")
        assert (shown["kernel_y_sem"] == "n/a").all() == (folder == "few")
        write_tsv(tmp_path / "evaluate/samples/distances.tsv", estimates([100]))
        few_subjects.reduce_estimates(tmp_path / "evaluate", tmp_path / folder, 10, splits)
        assert read_tsv(tmp_path / folder / "samples/distances.tsv")["value"].isna().all() == (folder == "few")


def numbers_of_few(table: pd.DataFrame, fewest: int) -> pd.DataFrame:
    return table[(table["n_subjects"] < fewest) & table["value"].notna()]


@pytest.mark.parametrize("fewest", [20, 1000])
def test_every_public_table_and_figure_of_a_real_cohort(tmp_path, results, sources, config, fewest):
    """The tiny results have a dozen subjects here, two there, as if they were people; 1000: nothing is left."""
    paper = tmp_path / "results/paper"
    shutil.copytree(results / "paper/figures", paper / "figures")
    (paper / "tables").mkdir()
    write_table(pd.DataFrame({"method": ["ldae"], "subjects": [3], "auc_ad_cv": ["0.78"]}), paper / "tables/probes")
    item = {"value": 0.78, "low": 0.7, "high": 0.9, "n_subjects": 3}
    write_json(paper / "headline.json", {"auc_ad_cv": item, "data": "adni"})
    write_text(paper / "MODEL_CARD.md", f"AUC: {estimate_words(item)}\n")
    real = config.model_copy(update={"phantom": None, "public_subjects": fewest})
    out = tmp_path / "results/public"
    bundle_public(out, paper, sources, real, names={"sub-nobody"})
    tables = [read_tsv(path) for path in out.rglob("*.tsv")]
    assert all(numbers_of_few(table, fewest).empty for table in tables if "n_subjects" in table)
    again = {
        name
        for name in few_subjects.redrawn()
        if (out / f"figures/{name}.svg").read_bytes() != (paper / f"figures/{name}.svg").read_bytes()
    }
    assert {"figure_8_interpolation", "figure_reconstruction_methods", "figure_solvers"} <= again
    assert fewest == 20 or again == set(few_subjects.redrawn()) - {NEWCOMERS}
    assert read_tsv(out / "tables/probes.tsv", dtype=str).fillna("n/a").iloc[0]["auc_ad_cv"] == "n/a"
    assert "0.78" not in (out / "tables/probes.md").read_text() + (out / "tables/probes.tex").read_text()
    assert json.loads((out / "headline.json").read_text())["auc_ad_cv"] == {
        "value": None,
        "reason": f"fewer than {fewest} subjects",
    }
    assert (out / "MODEL_CARD.md").read_text() == f"AUC: n/a (fewer than {fewest} subjects)\n"
    assert f"fewer than {fewest} subjects" in (out / "report.html").read_text()


def test_public_figures_of_estimates_can_be_drawn_again():
    from ldae.studies.registry import STUDIES, figures, public

    assert set(few_subjects.redrawn()) <= set(public(figures(STUDIES)))
    assert {"figure_arena", "figure_8_interpolation", "figure_probes", "figure_solvers"} <= set(few_subjects.redrawn())
    for name, tables in few_subjects.redrawn().items():
        assert len(inspect.signature(few_subjects.drawing(name)).parameters) == len(tables) + 1, name
    with pytest.raises(UserError, match=r"No figure\*\.py of the studies has figure_99"):
        few_subjects.drawing("figure_99")


def test_a_public_figure_whose_table_counts_subjects_says_what_it_is_drawn_from():
    from ldae.studies.registry import STUDIES, figures, public

    without_estimates = {"figure_1_method", "figure_2_encoder", "figure_training"}
    assert set(public(figures(STUDIES))) == set(few_subjects.redrawn()) | without_estimates


@pytest.mark.parametrize(("subjects", "left"), [(4, False), (40, True)])
def test_a_figure_that_nobody_can_draw_again_stays_where_it_counts_few(tmp_path, subjects, left):
    row = {"method": "a", "value": 0.5, "low": 0.4, "high": 0.6, "n_subjects": subjects}
    write_tsv(tmp_path / "figure_mine.tsv", pd.DataFrame([row]))
    write_tsv(tmp_path / "figure_probes.tsv", pd.DataFrame([row]))  # drawn again, before
    (tmp_path / "figure_mine.svg").write_text("<svg/>")
    assert few_subjects.withhold(tmp_path, 10, {}) == ([] if left else ["figure_mine"])
    assert (tmp_path / "figure_mine.svg").exists() == (tmp_path / "figure_mine.tsv").exists() == left
    assert (tmp_path / "figure_probes.tsv").exists()


def test_a_class_that_nobody_is_of_leaves_with_its_zeros() -> None:
    """Table 1 of a cohort without diagnoses; a number beside a count of 0 is refused all the same."""
    scans = pd.DataFrame({name: [None] * 30 for name in ("diagnosis", "mmse", "cdr")}).assign(
        participant_id=[f"sub-{number:02d}" for number in range(30)], age=70.5, sex="F", status="included"
    )
    words = demographics(scans).map(cell_text)
    assert set(words.loc[words["subjects"] == "0", "scans"]) == {"0"}
    plan = declared("tables", "cohort")
    assert plan is not None and few(words, plan, 10, {"train": 30}) is None
    filled = words.assign(age_mean=words["age_mean"].where(words["subjects"] != "0", "71.2"))
    assert "rest on 0 subjects" in (few(filled, plan, 10, {"train": 30}) or "")
