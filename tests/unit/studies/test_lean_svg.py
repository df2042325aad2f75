"""Drawings become smaller and stay the same: coordinates to a hundredth of a point, every pixel as it was."""

import base64
import io
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ldae.studies.common.figure_style import house_style, save_figure
from ldae.studies.common.lean_svg import EMBEDDED, lean

NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


def picture_of(svg: str) -> np.ndarray:
    (found,) = EMBEDDED.findall(svg)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found))).convert("RGBA"))


def drawing(colours: str) -> str:
    with matplotlib.rc_context({"svg.hashsalt": "x"}):
        figure = Figure(figsize=(3, 2))
        axes = figure.subplots()
        axes.imshow(np.random.default_rng(0).random((40, 60)), cmap=colours)
        axes.plot(np.linspace(0, 50, 400), 20 + 15 * np.sin(np.linspace(0, 9, 400)), lw=0.5)
        axes.set_title("sub-01")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


@pytest.mark.parametrize("colours", ["gray", "coolwarm"])
def test_every_pixel_stays_and_every_point_within_a_hundredth(colours):
    given = drawing(colours)
    made = lean(given)
    assert len(made) < len(given) and lean(made) == made
    np.testing.assert_array_equal(picture_of(made), picture_of(given))
    before, after = (NUMBERS.findall(EMBEDDED.sub("", text)) for text in (given, made))
    assert len(before) == len(after)
    np.testing.assert_allclose(np.array(after, float), np.array(before, float), atol=0.005001)


def test_scales_and_pictures_with_holes_stay():
    kept = '<g transform="translate(0 1) scale(0.015625)"><path d="M 1 2" style="opacity: 0.123456"/></g>'
    assert lean(kept) == kept
    assert lean('<path d="M 10.123456 -0.001 z"/>') == '<path d="M 10.12 0 z"/>'
    holes = np.zeros((4, 4, 4), np.uint8)
    holes[0, 0, 3] = 7
    packed = io.BytesIO()
    Image.fromarray(holes).save(packed, "PNG")
    svg = f'<image href="data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"/>'
    np.testing.assert_array_equal(picture_of(lean(svg)), holes)


def test_figures_are_saved_lean(tmp_path):
    with house_style():
        figure = Figure(figsize=(2, 2))
        figure.subplots().plot([0, 1 / 3], [0, 1 / 7])
        save_figure(figure, tmp_path / "figure", on_test_scans=False)
    text = (tmp_path / "figure.svg").read_text()
    assert lean(text) == text
