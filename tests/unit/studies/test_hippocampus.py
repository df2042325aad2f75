"""The region lies where the hippocampi are, and loses tissue as fluid takes its place."""

import numpy as np
import pytest

from ldae.phantom.grid import ORIGIN
from ldae.phantom.structures import hippocampi, load_template, ventricles
from ldae.studies.common.anatomy import Grid, hippocampus_region, hippocampus_region_ml

PAPER = Grid((128, 160, 128), 1.5, (-0.5, -17.5, 18.5))


def test_the_region_holds_the_templates_hippocampi() -> None:
    """Against the phantom's own delineation on the template's 1 mm grid."""
    template = load_template()
    mask = hippocampi(template, ventricles(template))
    centre = ORIGIN + (np.array(mask.shape) - 1) / 2
    grid = Grid(mask.shape, 1.0, tuple(centre.tolist()))
    region = hippocampus_region(grid)
    assert (mask & region).sum() / mask.sum() > 0.95


def test_tissue_replaced_by_fluid_is_lost() -> None:
    region = hippocampus_region(PAPER)
    volume = np.full(PAPER.shape, 0.8)
    volume[60:68, 70:90, 60:70] = 0.2  # fluid for the lower end of the contrast
    whole = hippocampus_region_ml(volume, PAPER, region)
    places = np.flatnonzero(region)
    volume.ravel()[places[: len(places) // 4]] = 0.2
    assert whole == pytest.approx(region.sum() * PAPER.voxel_ml, rel=0.01)
    assert hippocampus_region_ml(volume, PAPER, region) == pytest.approx(0.75 * whole, rel=0.01)


def test_the_region_is_the_same_on_both_sides() -> None:
    grid = Grid((101, 128, 101), 1.5, (0.0, -17.5, 10.0))
    region = hippocampus_region(grid)
    np.testing.assert_array_equal(region, region[::-1])
