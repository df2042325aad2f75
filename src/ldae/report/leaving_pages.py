"""What a page that leaves may do and hold: nothing that runs or loads, no drawing but those beside it."""

import re
from html.parser import HTMLParser
from pathlib import Path

from ldae.report.identifiers import TAGS, Names, identifier, numbered, plain
from ldae.report.leaving_people import SERIES, fault_of_rows, lines_of_people, lists_of_people
from ldae.report.leaving_words import DATA_URI, PROGRAM, decoded, look_at_data

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "nav", "main", "header", "section", "h1", "h2", "h3",
    "h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "table", "thead", "tbody", "tr", "th", "td",
    "caption", "a", "strong", "em", "b", "i", "small", "code", "pre", "sub", "sup", "br", "figure",
    "figcaption", "img", "label", "input", "details", "summary",
}  # fmt: skip
SAID = ("alt", "aria-label", "title", "content")  # attributes that hold words
ATTRIBUTES = dict.fromkeys(SAID, re.compile(r".{0,600}", re.DOTALL)) | {
    "class": re.compile(r"[a-z][a-z -]{0,40}"), "id": re.compile(r"[A-Za-z][\w.-]{0,60}"),
    "src": re.compile(r"data:image/svg\+xml.*", re.DOTALL), "href": re.compile(r"#[\w.-]+|https://.*|tables/\w+\.tsv"),
    "scope": re.compile("col|row"), "role": re.compile("[a-z]{1,20}"), "tabindex": re.compile("0"),
    "type": re.compile("checkbox"), "lang": re.compile("en"), "charset": re.compile("utf-8"),
    "name": re.compile("viewport|description|color-scheme"), "open": re.compile(""),
    "colspan": re.compile(r"\d{1,2}"), "rowspan": re.compile(r"\d{1,2}"),
}  # fmt: skip
STYLE = Path(__file__).parent / "templates/report.css"
TABLE = re.compile(r"<table\b.*?</table>", re.IGNORECASE | re.DOTALL)  # judged by its rows
PLAIN = re.compile(r"<style\b.*?</style>", re.IGNORECASE | re.DOTALL)
INLINE = re.compile(r"</?(?:a|b|i|em|strong|span|code|sub|sup|small)\b[^<>]*>", re.IGNORECASE)
LOADS = re.compile(r"@import|image-set\(|url\(\s*[\"']?\s*(?!#|data:image/svg)", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a page must not do."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.tables: list[list[list[str]]] = []  # rows of cells
        self.comments: list[str] = []
        self.said: list[str] = []  # words in attributes
        self.in_style, self.style = False, ""

    def handle_comment(self, data: str) -> None:
        """Keep what a comment says."""
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        """Words between two tags."""
        if self.in_style:
            self.style += data
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
        self.in_style = tag == "style"
        if tag not in ELEMENTS:
            self.fault = f"an element <{tag}>, which no report needs"
        for name, value in attrs:
            form = ATTRIBUTES.get(name)
            if form is None or not form.fullmatch(value or ""):
                self.fault = f"an attribute {name} of <{tag}>, {(value or '')[:40]!r}, which no report has"
            elif name in SAID:
                self.said.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        """The end of a style, after which words are words."""
        self.in_style = False

    def handle_pi(self, data: str) -> None:
        """Nothing of this kind is in a report."""
        self.fault = f"an instruction {data[:40]!r}, which no report needs"

    def unknown_decl(self, data: str) -> None:
        """Nothing of this kind is in a report."""
        self.fault = f"a declaration {data[:40]!r}, which no report needs"


def look_at_html(path: Path, names: Names) -> str | None:
    """Of the report: nothing that runs or loads, drawings opened, words without the drawings."""
    text = decoded(path.read_bytes())
    page = Page()
    page.feed(text)
    if re.search(r"<style\b[^>]*>[^<]*<(?!/style)", text, re.IGNORECASE):
        page.fault = "an element inside a style, which is no style"
    if page.fault is None and (found := PROGRAM.search(plain(DATA_URI.sub("", text))) or LOADS.search(text)):
        page.fault = f"{found.group()!r}, which runs or loads something"
    if page.style.strip() not in ("", STYLE.read_text(encoding="utf-8").strip()):
        page.fault = page.fault or "a style that is not the report's"
    if page.comments:
        page.fault = page.fault or f"a comment ({page.comments[0].strip()[:40]!r}), which no report needs"
    page.fault = page.fault or lists_of_people("\n".join(page.said))
    items = re.sub(r"<(?:li|p|dt|dd|div|br)\b[^>]*>", "\n", DATA_URI.sub("", text), flags=re.IGNORECASE)
    if series := numbered(SERIES.findall(TAGS.sub("", items))):
        page.fault = page.fault or f"lines about {', '.join(series[:3])}, ..., which may be people"
    beside = TABLE.sub("", PLAIN.sub("", items))
    page.fault = page.fault or lines_of_people(TAGS.sub("", beside))
    page.fault = page.fault or lists_of_people(TAGS.sub("\n", INLINE.sub("", PLAIN.sub("", DATA_URI.sub("", text)))))
    for rows in page.tables:
        page.fault = page.fault or fault_of_rows(rows, names)
    hidden = page.fault or look_at_data(text, names)
    return hidden or identifier(DATA_URI.sub("", text), names)
