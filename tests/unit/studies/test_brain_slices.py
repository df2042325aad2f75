"""Where left, front and top are in a picture, and the scales that panels share."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from ldae.studies.common.brain_sheets import brain_box, cut, difference_limit, picture_sheet, picture_size
from ldae.studies.common.estimate_panels import brief_estimate, forest
from ldae.studies.common.figure_style import STYLE, house_style, new_figure
from ldae.studies.common.method_styles import Method

SHAPE = (6, 8, 10)


def marked(axis: int, position: int) -> np.ndarray:
    """A volume that is 1 on one plane."""
    volume = np.zeros(SHAPE, dtype=np.float32)
    volume[(slice(None),) * axis + (position,)] = 1
    return volume


def test_the_subjects_left_is_on_the_right_of_axial_and_coronal_pictures() -> None:
    left = marked(0, 0)  # axis 0 starts at the subject's left
    for plane in ("axial", "coronal"):
        picture = cut(left, plane)
        assert picture[:, -1].all() and not picture[:, 0].any()


def test_front_and_top_are_up_and_the_front_is_left_in_a_sagittal_picture() -> None:
    assert cut(marked(1, 7), "axial")[0].all()
    assert cut(marked(2, 9), "coronal")[0].all()
    assert cut(marked(2, 9), "sagittal")[0].all()
    assert cut(marked(1, 7), "sagittal")[:, 0].all()


@pytest.mark.parametrize(("plane", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_a_level_is_a_fraction_of_the_box(plane: str, axis: int) -> None:
    assert cut(marked(axis, SHAPE[axis] // 2), plane, 0.5).all()
    assert cut(marked(axis, SHAPE[axis] - 1), plane, 1.0).all()


def test_the_box_holds_the_brain_with_a_margin() -> None:
    volume = np.zeros(SHAPE)
    volume[2:4, 3:5, 0:2] = 1
    assert brain_box(volume) == (slice(1, 5), slice(2, 6), slice(0, 3))
    assert brain_box(np.zeros(SHAPE)) == tuple(slice(0, size) for size in SHAPE)


def test_one_limit_serves_all_difference_maps() -> None:
    small, large = np.full(SHAPE, 0.02), np.full(SHAPE, -0.4)
    assert difference_limit([small, large]) == pytest.approx(0.4)
    assert difference_limit([np.zeros(SHAPE)]) == 0.01


def test_pictures_of_a_sheet_share_one_anatomical_scale() -> None:
    box = tuple(slice(0, size) for size in SHAPE)
    sheet = picture_sheet(box, [["axial", "coronal", "sagittal"]])
    width, height = sheet.figure.get_size_inches()
    for axes, plane in zip(sheet.panels[0], ("axial", "coronal", "sagittal"), strict=True):
        place, voxels = axes.get_position(), picture_size(box, plane)
        assert place.width * width / voxels[0] == pytest.approx(place.height * height / voxels[1])
        assert place.x0 >= 0 and place.x1 <= 1 and place.y0 >= 0 and place.y1 <= 1


def test_the_house_style_does_not_leak_and_does_not_listen_to_the_users() -> None:
    with matplotlib.rc_context({"font.size": 31, "lines.linestyle": ":"}):
        with house_style():
            assert matplotlib.rcParams["font.size"] == STYLE["font.size"]
            assert matplotlib.rcParams["lines.linestyle"] == "-"
        assert matplotlib.rcParams["font.size"] == 31


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.8734, 0.861, 0.8851), "0.873 [0.861, 0.885]"),
        ((-3.81, -4.62, -3.04), "\N{MINUS SIGN}3.8 [\N{MINUS SIGN}4.6, \N{MINUS SIGN}3.0]"),
        ((5.44, 4.81, 6.02), "5.4 [4.8, 6.0]"),
        ((0.00031, 0.00025, 0.00037), "3.1e\N{MINUS SIGN}04 [2.5e\N{MINUS SIGN}04, 3.7e\N{MINUS SIGN}04]"),
        ((0.5, np.nan, np.nan), "0.50"),
        ((np.nan, np.nan, np.nan), "n/a"),
    ],
)
def test_an_estimate_is_printed_with_digits_that_suit_its_interval(numbers: tuple, text: str) -> None:
    assert brief_estimate(*numbers) == text


def test_a_panel_prints_how_many_subjects_each_estimate_rests_on_where_they_differ() -> None:
    columns = ["method", "metric", "value", "low", "high", "n_subjects", "note"]
    rows = [("ldae", "mse", 0.5, 0.4, 0.6, 28, None), ("ae", "mse", 0.3, 0.2, 0.4, 23, None)]
    table = pd.DataFrame([*rows, ("dae", "mse", 0.3, 0.2, 0.4, 5, "too few")], columns=columns)
    shown = {name: Method(name, "k") for name in ("ldae", "ae")}
    axes = new_figure(80, 40).subplots()
    forest(axes, table, "mse", shown)
    assert [text.get_text() for text in axes.texts] == ["0.50 [0.40, 0.60] (n = 28)", "0.30 [0.20, 0.40] (n = 23)"]
    assert axes.get_xlabel().endswith("\n23 to 28 subjects")  # not those of what is not drawn
