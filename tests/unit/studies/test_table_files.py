"""One table in three forms."""

from pathlib import Path

import numpy as np
import pandas as pd

from ldae.report.identifiers import Names
from ldae.report.leaving import fault_of_text
from ldae.studies.common.paper_tables import write_table

TABLE = pd.DataFrame({"method": ["ldae", "a|b & 5 %"], "ssim_w11": [0.87342, np.nan], "subjects": [28, 3]})


def test_tsv_markdown_and_latex_hold_the_same_cells(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table")
    assert (tmp_path / "table.tsv").read_text().splitlines()[2] == "a|b & 5 %\tn/a\t3"
    assert (tmp_path / "table.md").read_text().splitlines() == [
        "| method     | ssim_w11 | subjects |",
        "| ---------- | -------: | -------: |",
        "| ldae       |   0.8734 |       28 |",
        "| a\\|b & 5 % |      n/a |        3 |",
    ]
    latex = (tmp_path / "table.tex").read_text()
    assert r"\begin{tabular}{lrr}" in latex
    assert r"method & ssim\_w11 & subjects \\" in latex
    assert r"a|b \& 5 \% & n/a & 3 \\" in latex


def test_a_long_note_is_whole_and_its_rule_is_nothing_encoded(tmp_path: Path) -> None:
    """The look at what leaves the machine refuses long runs of letters, digits and dashes."""
    note = "the last step, since too few subjects would choose " * 6
    write_table(TABLE.assign(note=[note, None]), tmp_path / "table")
    text = (tmp_path / "table.md").read_text()
    assert note in text and fault_of_text(text, Names.of([])) is None


def test_an_empty_table_is_a_head_alone(tmp_path: Path) -> None:
    write_table(TABLE.iloc[:0], tmp_path / "table")
    assert len((tmp_path / "table.md").read_text().splitlines()) == 2


def test_words_of_somebody_s_tables_are_neither_computed_nor_run(tmp_path: Path) -> None:
    given = ['=HYPERLINK("http://x")', "@SUM(A1)", "+cmd", " -cmd|x", "<script>1</script>", "-0.024 [-0.1, 0.2]", "+1"]
    write_table(pd.DataFrame({"=name": given}), tmp_path / "table")
    safe = ["'=name", '\'=HYPERLINK("http://x")', "'@SUM(A1)", "'+cmd", "' -cmd|x", "<script>1</script>"]
    rows = pd.read_csv(tmp_path / "table.tsv", sep="\t", header=None, dtype=str)[0]
    assert [*rows] == [*safe, "-0.024 [-0.1, 0.2]", "+1"]
    markdown = (tmp_path / "table.md").read_text()
    assert "&lt;script>1&lt;/script>" in markdown and "<" not in markdown
