"""The pages of quality control in a real browser, from a folder, without a network: by keys, and as it is read aloud.

Every test ends with a look at the console: nothing was written there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium
from qc_cohort import NASTY, cohort, page_of

from ldae.preprocessing.review import read_review

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chromium")]
WIDTHS = (390, 820, 1280)
ROWS = "document.querySelectorAll('#shown tbody tr').length"
FIRST = "document.querySelector('#shown tbody th').textContent"
NAME = "document.getElementById('name').textContent"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, downloads) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"), downloads)
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium) -> Iterator[Chromium]:
    chromium.leave()
    chromium.troubles.clear()
    chromium.resize(1280)
    yield chromium
    assert chromium.troubles == []


def chosen(browser: Chromium, field: str, value: str) -> None:
    browser.run(f"$('{field}').value = {value!r}; $('{field}').dispatchEvent(new Event('input', {{bubbles: true}}))")


def downloaded(folder: Path, name: str, browser: Chromium) -> Path:
    for old in folder.glob("*"):
        old.unlink()
    browser.run(f"document.getElementById('save-{'exclude' if 'exclude' in name else 'ratings'}').click()")
    for _ in range(400):
        if (folder / name).is_file() and (folder / name).stat().st_size:
            return folder / name
        browser.wait_for("new Promise(done => setTimeout(() => done(true), 20))")
    raise AssertionError(f"{name} was not downloaded")


def test_rated_by_keys_kept_over_a_reload_and_downloaded_for_the_configuration(browser, downloads, tmp_path):
    page = page_of(tmp_path, cohort(60, lost=2), {("sub-0001", "ses-M000"): "given before"})
    browser.open(page)
    assert browser.run(ROWS) == 50 and "60 scans" in browser.run("$('summary').textContent")
    browser.press("n")
    browser.wait_for(f"{ROWS} === 10")
    browser.press("p")
    browser.run("document.querySelector('#shown tbody a').click()")
    browser.wait_for("!$('one').hidden")
    assert browser.run(NAME) == "sub-0000 ses-M000"
    assert browser.run("document.activeElement.id") == "name"  # a screen reader begins here
    browser.press("k")
    browser.wait_for(f"{NAME} === 'sub-0000 ses-M012'")
    browser.press("u")
    browser.wait_for(f"{NAME} === 'sub-0000 ses-M024'")
    browser.press("x")
    browser.wait_for("document.activeElement.id === 'reason'")
    browser.type('a "ring"\tof x and n')  # letters here are no commands
    browser.press("Enter")
    browser.wait_for(f"{NAME} === 'sub-0001 ses-M000'")
    assert browser.run("$('reason').value") == "given before"
    browser.press("ArrowRight", "x", "Enter")  # without a reason
    browser.wait_for(f"{NAME} === 'sub-0001 ses-M024'")
    browser.reload()
    browser.wait_for("!$('one').hidden")
    assert "5 rated, 3 excluded" in browser.run("$('summary').textContent")
    excluded = read_review(downloaded(downloads, "qc_exclude.tsv", browser))
    assert excluded == {
        ("sub-0000", "ses-M024"): 'a "ring" of x and n',
        ("sub-0001", "ses-M000"): "given before",
        ("sub-0001", "ses-M012"): "excluded at visual inspection",
    }
    ratings = downloaded(downloads, "qc_ratings.tsv", browser)
    kept = tmp_path / "kept.tsv"
    kept.write_bytes(ratings.read_bytes())
    browser.press("Escape")
    browser.wait_for("$('one').hidden")
    assert browser.run("document.activeElement.textContent") == "sub-0001 ses-M024"  # a walk goes on there
    (downloads / "qc_exclude.tsv").unlink(missing_ok=True)
    browser.press("d")
    browser.wait_for("$('said').textContent.startsWith('qc_exclude.tsv')")
    browser.run("localStorage.clear()")
    browser.reload()
    assert "1 rated" in browser.run("$('summary').textContent")
    browser.give_file("#load", kept)
    browser.wait_for("$('said').textContent.startsWith('5 ratings read')")
    assert read_review(downloaded(downloads, "qc_exclude.tsv", browser)) == excluded
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    browser.give_file("#load", tmp_path / "other.tsv")
    browser.wait_for("$('said').textContent.includes('is no table of ratings')")
    browser.run("document.querySelector('#shown tbody a').click()")
    browser.wait_for("!$('one').hidden")
    browser.press("c")  # what is given can be taken back
    browser.run("location.hash = ''")
    chosen(browser, "rated", "exclude")
    browser.wait_for(f"{ROWS} === 3")


def test_sorted_filtered_and_shown_as_mosaic(browser, tmp_path):
    table = cohort(60)
    table.loc[7, "ncc_template"], table.loc[9, "ncc_template"], table.loc[11, "noise"] = 0.2, 0.25, float("nan")
    table.loc[7, ["qc", "qc_reason"]] = ["fail", "does not look like the template's"]
    browser.open(page_of(tmp_path, table))
    browser.run("document.querySelector('button[data-column=ncc_template]').click()")
    browser.wait_for(f"{FIRST} === 'sub-0002 ses-M012'")
    assert browser.run("document.querySelector('th[aria-sort]').textContent").startswith("ncc_template")
    assert browser.run("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    assert browser.run("document.querySelectorAll('td.fail').length") == 2
    browser.run("document.querySelector('button[data-column=ncc_template]').click()")
    browser.wait_for("document.querySelector('th[aria-sort]').getAttribute('aria-sort') === 'descending'")
    browser.run("document.querySelector('button[data-column=noise]').click()")
    browser.run("$('page').value = 2; $('page').dispatchEvent(new Event('change'))")
    browser.wait_for(
        "[...document.querySelectorAll('#shown tbody tr')].at(-1).textContent.includes('sub-0003 ses-M024')"
    )
    browser.run("document.querySelector('#filters button[type=reset]').click()")
    chosen(browser, "metric", "ncc_template")
    chosen(browser, "high", "0.3")
    browser.wait_for(f"{ROWS} === 2")
    chosen(browser, "flag", "fail")
    browser.wait_for(f"{ROWS} === 1")
    assert browser.run("$('said').textContent") == "1 scans, page 1 of 1."
    address = browser.run("location.hash")
    browser.open(tmp_path / "index.html", address)
    assert browser.run(ROWS) == 1 and browser.run("$('flag').value") == "fail"
    browser.run("document.querySelector('#filters button[type=reset]').click()")
    chosen(browser, "q", "TEMPLATE'S")
    browser.wait_for(f"{ROWS} === 1")
    chosen(browser, "q", "nobody")
    browser.wait_for("document.querySelector('#shown tbody').textContent === 'No scan is like that.'")
    chosen(browser, "q", "")
    chosen(browser, "order", "ncc_template:worst")
    chosen(browser, "view", "mosaic")
    browser.wait_for("document.querySelectorAll('#mosaic li').length === 60")
    assert "ncc_template 0.2" in browser.run("document.querySelector('#mosaic li').textContent")
    chosen(browser, "view", "")
    chosen(browser, "numbers", "z")
    browser.wait_for("document.querySelector('#shown tbody td.fail').textContent.startsWith('-')")


def test_one_scan_shows_mask_template_histogram_and_metrics(browser, tmp_path):
    browser.open(page_of(tmp_path, cohort(30)), "#scan=sub-0003%09ses-M012")
    browser.wait_for(
        "!$('one').hidden && [...document.images].filter(i => i.closest('.block')).every(i => i.naturalWidth)"
    )
    pixel = """(node => { const b = node.getBoundingClientRect(), i = node.querySelector('img').getBoundingClientRect();
        return Math.round((b.top - i.top) / b.height); })"""  # which block of the sheet is seen
    blocks = f"[...document.querySelectorAll('.block')].map({pixel})"
    assert browser.run(blocks) == [1, 2]  # the scan with its mask; the result
    browser.press("m")
    assert browser.run(blocks) == [0, 2]
    browser.press("t")
    assert browser.run("document.querySelectorAll('.block img.off').length") == 1
    browser.run("$('blend').focus()")
    browser.press("ArrowRight")  # moves the slider, not the page
    assert browser.run("$('blend').value") == "1" and browser.run(NAME) == "sub-0003 ses-M012"
    assert browser.run("$('blend').getAttribute('aria-valuetext')") == "1 % template"
    assert browser.run("document.querySelectorAll('svg polyline').length") == 2
    assert browser.run("document.querySelectorAll('#one tbody tr').length") > 15
    browser.run("$('keys').checked = false")
    browser.press("k", "n")
    assert browser.run(NAME) == "sub-0003 ses-M012" and browser.run("ratingOf(view.scan).rating") == ""
    browser.press("Tab")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_and_everything_has_a_name(browser, tmp_path, width):
    table = cohort(30, lost=1)
    table.loc[0, ["determinant", "bias_range"]] = 5.0  # flags are words that only a screen reader is told
    page = page_of(tmp_path, table)
    browser.resize(width)
    for address in ("", "#view=mosaic", "#scan=sub-0001%09ses-M000", "#scan=sub-0003%09ses-M024"):
        browser.open(page, address)
        assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), address
        heard = browser.accessible()
        asked = {
            "button",
            "link",
            "textbox",
            "searchbox",
            "combobox",
            "checkbox",
            "radio",
            "slider",
            "spinbutton",
            "image",
        }
        asked |= {"heading", "figure", "table", "columnheader", "rowheader", "region"}
        assert [role for role, name in heard if role in asked and not name.strip()] == []
        assert {"main", "status", "heading"} <= {role for role, _ in heard}


def test_words_of_the_data_stay_words(browser, tmp_path):
    table = cohort(25)
    table.loc[0, ["participant_id", "qc_reason", "qc"]] = [NASTY, NASTY, "warn"]
    browser.open(
        page_of(tmp_path, table, {("sub-0001", "ses-M000"): NASTY}, pictures=False), "#order=qc:up&columns=none"
    )
    browser.wait_for(f"{ROWS} === 25")
    assert browser.run(FIRST).startswith(NASTY)
    browser.run("document.querySelector('#shown tbody a').click()")
    browser.wait_for("!$('one').hidden")
    assert browser.run(NAME) == f"{NASTY} ses-M000" and browser.run("window.hit") is None


def test_ten_thousand_scans(browser, tmp_path):
    page = page_of(tmp_path, cohort(10_340), pictures=False)
    browser.open(page)
    seconds = browser.run(
        "(() => { const t = performance.now(); drawList(); return (performance.now() - t) / 1000; })()"
    )
    assert seconds < 1  # a tenth on an idle machine
    assert browser.run("$('last').textContent") == "207"
    assert page.stat().st_size < 6e6


def test_pictures_that_somebody_took_away_are_said_to_be_missing(browser, tmp_path):
    page = page_of(tmp_path, cohort(3))
    for picture in (tmp_path / "pictures/sub-0000").glob("sub-0000_ses-M000*"):
        picture.unlink()
    browser.open(page)
    browser.wait_for("document.querySelector('#shown tbody td').textContent === 'no picture'")
    assert browser.run("document.querySelectorAll('#shown img').length") == 2
    browser.run("document.querySelector('#shown tbody a').click()")
    browser.wait_for("document.querySelectorAll('.block .blank').length === 2")
    assert all("ERR_FILE_NOT_FOUND" in each for each in browser.troubles) and len(browser.troubles) == 2
    browser.troubles.clear()


def test_a_browser_that_keeps_nothing_says_so_and_still_downloads(browser, downloads, tmp_path):
    forbid = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('forbidden'); }});"
    script = browser.send("Page.addScriptToEvaluateOnNewDocument", source=forbid)["identifier"]
    browser.open(page_of(tmp_path, cohort(3)))
    assert browser.run("$('kept').textContent").startswith("This browser keeps nothing")
    browser.run("document.querySelector('#shown tbody a').click()")
    browser.wait_for("!$('one').hidden")
    browser.press("x")
    assert len(read_review(downloaded(downloads, "qc_exclude.tsv", browser))) == 1
    browser.run("said.clear()")  # it would ask whether to leave
    browser.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


@pytest.mark.parametrize(("size", "lost"), [(0, 0), (1, 0), (2, 2)])
def test_no_scan_one_scan_and_none_that_came_through(browser, tmp_path, size, lost):
    browser.open(page_of(tmp_path, cohort(size, lost)))
    assert f"{size} scans" in browser.run("$('summary').textContent")
    assert browser.run(ROWS) == max(size, 1)
    if size:
        browser.run("document.querySelector('#shown tbody a').click()")
        browser.wait_for("!$('one').hidden")
        browser.press("x", "Enter", "Escape")
        browser.wait_for("$('one').hidden")
        assert "1 excluded" in browser.run("$('summary').textContent")
