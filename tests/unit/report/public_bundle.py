"""A bundle that may leave, as small as one can be, and what changes it into one that must not."""

import base64
import json
import random
import struct
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.ft2font import FT2Font

from ldae.studies.common.figure_style import house_style, new_figure, save_figure
from ldae.studies.common.paper_tables import write_table

SUBJECT, IMAGE, OTHERS = "sub-ADNI941S0053", "1234567", "sub-OAS30001"
FIGURE, TABLE = "figure_solvers", "label_efficiency"
SVG, TSV, CARD, PAGE = f"figures/{FIGURE}.svg", f"tables/{TABLE}.tsv", "MODEL_CARD.md", "report.html"


def write_bundle(folder: Path) -> None:
    """A bundle with a real figure and tables with many numbers."""
    (folder / "figures").mkdir(parents=True)
    (folder / "tables").mkdir()
    rng = random.Random(0)
    with house_style():
        figure = new_figure(120, 80)
        axes = figure.subplots()
        axes.plot([rng.randrange(10**6) for _ in range(140)], label="SSIM, 11 voxels")
        axes.set_title("24 months, n = 120")
        axes.legend()
        save_figure(figure, folder / "figures" / FIGURE, estimates())
    (folder / "figures" / f"{FIGURE}.png").unlink()
    rows = [(method, fraction) for method in ("ldae", "dae", "oracle", "pca_voxels") for fraction in range(1, 26)]
    table = pd.DataFrame(
        {
            "method": [method for method, _ in rows],
            "metric": "auc_ad_test",
            "fraction": [fraction / 25 for _, fraction in rows],
            "n_train_subjects": [rng.randrange(30000, 1700000) for _ in rows],
            "estimate": [f"{rng.random():.6f} [-0.024, {rng.randrange(10**6)}]" for _ in rows],
            "subjects": [rng.randrange(10, 999) for _ in rows],
        }
    )
    write_table(table, folder / "tables" / TABLE)
    number = {"value": 0.8, "low": None, "high": 115200, "n_subjects": 40}
    (folder / "headline.json").write_text(json.dumps({"auc_ad_cv": number, "data": "adni"}))
    (folder / "MODEL_CARD.md").write_text(
        "# Card\n\n| stage | digest |\n| --- | --- |\n| diffusion | e80287a96308b50c |\n"
    )
    drawing = base64.b64encode((folder / "figures" / f"{FIGURE}.svg").read_bytes()).decode()
    (folder / "report.html").write_text(
        f'<!DOCTYPE html><html><body><h1>Report</h1><img src="data:image/svg+xml;base64,{drawing}"></body></html>'
    )


def estimates():
    """The numbers of a figure, as many as there are kinds of solvers."""
    columns = ["method", "metric", "solver", "steps", "value", "low", "high", "n_subjects"]
    rows = [("ldae_encoded", "mse", "ddim", steps, 1 / steps, 0.0, 1.0, 40) for steps in range(1, 8)]
    return pd.DataFrame(rows, columns=columns)


def add(name, words):
    """Something more at the end of a file."""

    def leak(folder):
        path = folder / name
        path.write_text(path.read_text() + words)

    return leak


def inside(name, before, words):
    """Something more inside a file."""

    def leak(folder):
        path = folder / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, words + before, 1))

    return leak


def file(name, content):
    """A file that nobody listed."""

    def leak(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return leak


def png(words=b""):
    chunk = struct.pack(">I", len(words)) + b"tEXt" + words + b"\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk


def utf_16(folder):
    (folder / "MODEL_CARD.md").write_text(f"seen in {SUBJECT}", encoding="utf-16")


def table(column, cells):
    def leak(folder):
        write_table(pd.DataFrame({"method": ["x"] * len(cells), column: cells}), folder / "tables" / TABLE)

    return leak


def drawn(draw):
    """What a study of a user's own may draw under the name of a public figure, beside a table of aggregates."""

    def leak(folder):
        with house_style():
            figure = new_figure(120, 80)
            draw(figure.subplots(), random.Random(3))
            save_figure(figure, folder / "figures" / FIGURE, estimates())
        (folder / "figures" / f"{FIGURE}.png").unlink()

    return leak


def drawn_word(folder):
    """A name drawn letter by letter, without a comment that says it."""
    path = folder / "figures" / f"{FIGURE}.svg"
    uses = "".join(f'<use xlink:href="#DejaVuSans-{ord(letter):x}"/>' for letter in "941_S_0053")
    path.write_text(path.read_text().replace("</svg>", f"<g>{uses}</g></svg>"))


def spelled(words, order=1, comment=None):
    """Words drawn as matplotlib draws them: by the numbers that letters have in its font."""
    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf")).get_charmap()
    uses = [
        f'<use xlink:href="#DejaVuSans-{font[ord(letter)]:x}" transform="translate({64 * place} 0)"/>'
        for place, letter in enumerate(words)
    ]
    said = "" if comment is None else f"<!-- {comment} -->"
    return f'{said}<g style="fill: #1d2733" transform="translate(1 1)">{"".join(uses[::order])}</g>'


def in_svg(words):
    """Something more at the end of the drawing, which the report shows as well."""

    def leak(folder):
        inside(SVG, "</svg>", words)(folder)
        drawing = base64.b64encode((folder / SVG).read_bytes()).decode()
        page = (folder / PAGE).read_text()
        head, _, rest = page.partition(";base64,")
        (folder / PAGE).write_text(f"{head};base64,{drawing}{rest[rest.index(chr(34)) :]}")

    return leak


def number(**changed):
    """A number of the headline that says otherwise on how many it rests."""

    def leak(folder):
        content = json.loads((folder / "headline.json").read_text())
        content["auc_ad_cv"] = {"value": 0.8, "low": None, "high": None, "n_subjects": 40} | changed
        (folder / "headline.json").write_text(json.dumps(content))

    return leak


def counted(cells):
    """The cohort's table with other numbers of subjects."""

    def leak(folder):
        table = pd.DataFrame({"diagnosis": ["CN", "AD"], "subjects": cells, "age_mean": ["74.1", "75.3"]})
        write_table(table, folder / "tables/cohort")

    return leak


def in_drawing_of_report(words):
    def leak(folder):
        drawing = base64.b64encode(f'<svg xmlns="http://www.w3.org/2000/svg">{words}</svg>'.encode()).decode()
        add("report.html", f'<img src="data:image/svg+xml;base64,{drawing}">')(folder)

    return leak


def people(columns, forms=(".tsv", ".md", ".tex"), name=f"tables/{TABLE}"):
    """A table of 41 people in the place of a declared one."""

    def leak(folder):
        rng = random.Random(2)
        makers = {
            "method": lambda row: "ldae", "who": lambda row: f"P{row:02d}", "row": lambda row: row + 1,
            "age": lambda row: round(rng.uniform(55, 90), 2), "sex": lambda row: rng.choice("MF"),
            "pairs": lambda row: "-".join(["ldae"] * (row + 1)), "list": lambda row: "71 " * 20,
            "fraction": lambda row: row / 41, "subjects": lambda row: 40, "count": lambda row: 1,
        }  # fmt: skip
        table = pd.DataFrame({title: [makers[kind](row) for row in range(41)] for title, kind in columns.items()})
        write_table(table, folder / "people")
        for form in (".tsv", ".md", ".tex"):
            written = (folder / "people").with_suffix(form)
            if form in forms:
                written.replace((folder / name).with_suffix(form))
            else:
                written.unlink()

    return leak


def scatter(folder):
    """A point per scan under the name of a public figure."""
    points = "".join(f'<use xlink:href="#m1" x="{place}" y="{place * 7 % 90}"/>' for place in range(60))
    inside(SVG, "</svg>", f'<g><defs><path id="m1" d="M 0 0 L 1 1"/></defs>{points}</g>')(folder)
