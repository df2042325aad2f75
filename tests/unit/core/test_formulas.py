"""Texts of foreign cells that a spreadsheet would compute are written inert, and read as they were given."""

import pandas as pd
import pytest

from ldae.core.files import read_tsv, write_tsv
from ldae.core.formulas import as_given, computes, inert

FORMULAS = (
    "=1", "@SUM(A1)", "|x", "-2+WEBSERVICE(A1)", '+1+HYPERLINK("x")', "-1+cmd|x", "-1 +cmd|' /C calc'!A0", "\uff1d1",
    "\uff0b1+x", "\uff20x", "\u207c1", "\u200b=1", "\ufeff=1", "\t=1", " -1*A1", "- 3+A1", "+ x", "-2.5e-3+A1",
    "-0.1 [-0.2, WEBSERVICE(1)]", "-1 (a|b)", "-A1", "--1", "'=1", "''-x", "-\t1+x",
)  # fmt: skip
NUMBERS = (
    "-2.5e-3", "+1", "- 3", "+ 1", "-", "--", "+", "-inf", "+inf", "-nan", "-.5", "-1,5", "-5%",
    "-0.024 [-0.1, 0.2]", "-0.024 [-0.1, 0.2] (n = 30)",
    "-0.03 (n = 1) (one subject: no interval)", "", "n/a", "'", "''x", "x=1", "a-b", "\N{MINUS SIGN}0.3", "1=1",
)  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_one_apostrophe_which_is_taken_away_again(text):
    assert computes(text) and inert(text) == f"'{text}"
    assert as_given(inert(text)) == text and as_given(inert(inert(text))) == inert(text)


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_and_words_stay_as_they_are(text):
    assert inert(text) == text == as_given(text)


def test_a_table_gives_back_every_text_in_cells_and_heads(tmp_path):
    given = pd.DataFrame({"-2+x": [*FORMULAS, *(text for text in NUMBERS if text not in ("", "n/a"))]})
    write_tsv(tmp_path / "table.tsv", given)
    assert list(read_tsv(tmp_path / "table.tsv", dtype=str)["-2+x"]) == list(given["-2+x"])
    assert not any(
        line.startswith(("=", "-2+", "\uff1d", "+1+")) for line in (tmp_path / "table.tsv").read_text().splitlines()
    )
