"""What a page that leaves may do and hold: nothing that runs or loads, no drawing but those beside it."""

import re
from html.parser import HTMLParser
from pathlib import Path

from ldae.report.identifiers import TAGS, Names, identifier, numbered, plain
from ldae.report.leaving_people import SERIES, fault_of_rows, rows_of_people
from ldae.report.leaving_words import DATA_URI, PROGRAM, decoded, look_at_data

RUNS = frozenset(
    {
        "script",
        "iframe",
        "object",
        "embed",
        "applet",
        "base",
        "form",
        "video",
        "audio",
        "source",
        "image",
        "link",
        "frame",
        "feimage",
        "svg",
        "math",
    }
)
LOADS = re.compile(r"@import|image-set\(|url\(\s*[\"']?\s*(?!#|data:image/svg)", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a page must not do."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.tables: list[list[list[str]]] = []  # rows of cells
        self.comments: list[str] = []

    def handle_comment(self, data: str) -> None:
        """Keep what a comment says."""
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        """Words between two tags."""
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One tag with its attributes."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append("")
        if tag in RUNS or (tag == "meta" and "http-equiv" in dict(attrs)):
            self.fault = f"an element <{tag}>, which no report needs"
        for name, value in attrs:
            if name.startswith("on"):
                self.fault = f"an attribute {name}, which runs something"
            elif name in {"src", "srcset"} and not (value or "").startswith("data:image/svg+xml"):
                self.fault = f"a picture from {(value or '')[:40]!r}"
            elif name in {"background", "ping", "formaction", "action", "poster", "manifest", "data"}:
                self.fault = f"an attribute {name}, which loads or tells something"
            elif name in {"href", "xlink:href"} and not re.match(r"#|https://|tables/\w+\.tsv$", value or ""):
                self.fault = f"a link to {(value or '')[:40]!r}"


def look_at_html(path: Path, names: Names) -> str | None:
    """Of the report: nothing that runs or loads, drawings opened, words without the drawings."""
    text = decoded(path.read_bytes())
    page = Page()
    page.feed(text)
    if re.search(r"<style\b[^>]*>[^<]*<(?!/style)", text, re.IGNORECASE):
        page.fault = "an element inside a style, which is no style"
    if page.fault is None and (found := PROGRAM.search(plain(DATA_URI.sub("", text))) or LOADS.search(text)):
        page.fault = f"{found.group()!r}, which runs or loads something"
    page.fault = page.fault or rows_of_people("\n".join(page.comments), names)
    items = re.sub(r"<(?:li|p|dt|dd|div|br)\b[^>]*>", "\n", DATA_URI.sub("", text), flags=re.IGNORECASE)
    if series := numbered(SERIES.findall(TAGS.sub("", items))):
        page.fault = page.fault or f"lines about {', '.join(series[:3])}, ..., which may be people"
    for rows in page.tables:
        page.fault = page.fault or fault_of_rows(rows, names)
    hidden = page.fault or look_at_data(text, names)
    return hidden or identifier(DATA_URI.sub("", text), names)
