"""The report in a real browser: whole at every width and on paper, figures that grow, long tables to filter."""

import base64
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from chromium import Chromium

from ldae.core.files import write_tsv
from ldae.report.html import report_html

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chromium")]
LONG = 74  # rows
SHOWN = "[...document.querySelectorAll('table.long tbody tr')].filter(row => !row.hidden)"


@pytest.fixture(scope="module")
def page(sources, config, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"method": [f"row {n:03}" for n in range(LONG)], "value": rng.normal(0, 100, LONG).round(2)})
    write_tsv(sources.tables / "confounds.tsv", table)
    write_tsv(
        sources.tables / "solvers.tsv",
        pd.DataFrame({f"measure_{n:02}_published": ["0.123 [0.045, 0.678]"] for n in range(18)}),
    )
    report_html(out, sources, config)
    for name in ("confounds", "solvers"):
        (sources.tables / f"{name}.tsv").unlink()
    return out


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium, page) -> Iterator[Chromium]:
    chromium.leave()
    chromium.troubles.clear()
    chromium.resize(1280)
    chromium.open(page)
    yield chromium
    assert chromium.troubles == []


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_sticks_out_and_what_scrolls_can_be_reached_by_key(browser, width):
    browser.resize(width)
    assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    scrolling = "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1"
    scrolling += " && getComputedStyle(e).overflowX === 'auto')"
    assert browser.run(f"{scrolling}.every(e => e.tabIndex === 0 && e.getAttribute('aria-label'))")


def test_a_long_table_is_folded_and_can_be_filtered_and_sorted(browser):
    assert browser.run("document.querySelectorAll('details.long').length") == 1
    assert not browser.run("document.querySelector('details.long').open")
    browser.run("document.querySelector('details.long').open = true")
    browser.run("document.querySelector('.filter input').focus()")
    browser.type("ROW 072")
    assert browser.run(f"{SHOWN}.map(row => row.cells[0].textContent)") == ["row 072"]
    browser.run("var f = document.querySelector('.filter input'); f.value = ''; f.dispatchEvent(new Event('input'))")
    assert browser.run(f"{SHOWN}.length") == LONG
    values = f"{SHOWN}.map(row => parseFloat(row.cells[1].textContent.replace('−', '-')))"
    for order in ("ascending", "descending"):
        browser.run("document.querySelectorAll('table.long th button')[1].click()")
        found = browser.run(values)
        assert found == sorted(found, reverse=order == "descending")
        assert browser.run("document.querySelectorAll('table.long th')[1].getAttribute('aria-sort')") == order


def test_a_figure_grows_by_mouse_and_by_key(browser):
    width = "document.querySelector('.picture img').getBoundingClientRect().width"
    small = browser.run(width)
    browser.run("document.querySelector('.picture label').click()")
    assert browser.run(width) > 1.9 * small
    browser.run("document.querySelector('.picture input').focus()")
    browser.press(" ")
    assert browser.run(width) == small


def test_on_paper_tables_are_whole_and_long_ones_stay_with_their_file(browser):
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.resize(720)
    try:
        hidden = "[...document.querySelectorAll('nav, details.long, .zoom')].every(e => !e.getClientRects().length)"
        assert browser.run(hidden)
        assert browser.run("document.body.textContent.includes('tables/confounds.tsv')")
        wide = (
            "[...document.querySelectorAll('.table')].filter(e => getComputedStyle(e).overflowX !== 'visible').length"
        )
        assert browser.run(wide) == 0
        assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        pages = base64.b64decode(browser.send("Page.printToPDF")["data"])
        assert len(re.findall(rb"/Type /Page\b", pages)) >= 2
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")


def test_a_screen_reader_is_told_of_figures_tables_and_the_verdict(browser):
    names = browser.accessible()
    roles = {role for role, _ in names}
    assert {"heading", "table", "image", "navigation", "main"} <= roles
    assert ("heading", "What this run does not show") in names
    assert all(name for role, name in names if role in {"image", "button", "link", "checkbox", "searchbox", "region"})
