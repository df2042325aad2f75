"""Dates as spreadsheet programs and people write them: read where that takes no guess, else quoted."""

import pandas as pd
import pytest

from ldae.core.cells import Reading, read_dates


def read(cells, **options):
    return read_dates(cells, Reading(), **options)


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        (["4/25/13", "4/5/13"], ["2013-04-25", "2013-04-05"]),  # the 25 is neither a month nor, in the middle, a year
        (["25/4/13", "30/4/13", "4/5/13"], ["2013-04-25", "2013-04-30", "2013-05-04"]),  # 30 is no year yet
        (["13/4/25", "4/5/13"], [None, None]),  # 13 April 2025 or 25 April 2013
        (["4/5/13"], [None]),
        (["4/25/98", "4/25/60"], ["1998-04-25", None]),
        (["25.4.13", "4.5.2013"], ["2013-04-25", "2013-05-04"]),
        (["25-Apr-13", "5 April 2013", "1-Sept-2012", "Apr. 5, 2013"],
         ["2013-04-25", "2013-04-05", "2012-09-01", "2013-04-05"]),
        (["25-Avr-13", "31-Feb-13", "25-Aprx-13"], [None, None, None]),
        (["41389"], [None]),
    ],
)  # fmt: skip
def test_a_date_is_read_where_the_column_tells_its_order(cells, days):
    assert read(cells) == days


def test_a_year_of_two_digits_is_told_by_today(monkeypatch):
    monkeypatch.setattr(pd.Timestamp, "today", staticmethod(lambda: pd.Timestamp(2032, 1, 1)))
    assert read(["30/4/13", "4/5/13"]) == [None, None]  # 2030 may be meant now


def test_numbers_of_days_are_read_where_they_are_asked_for():
    cells = ["41389", "41389.0", "41389.5", "99999", "1234", "20000"]
    assert read(cells, serials=True) == ["2013-04-25", "2013-04-25", "2013-04-25", None, None, None]


def test_what_was_read_by_a_rule_is_counted():
    reading = Reading()
    read_dates(["2013-04-25", "25-Apr-13", "4/25/13", "soon"], reading)
    assert reading.otherwise == {"25-Apr-13": 1, "4/25/13": 1} and reading.unread == {"soon": 1}
