"""Rich phantoms have what no two heads share; plain ones are the heads that they always were."""

import dataclasses

import numpy as np
import pytest

from ldae.config import Phantom
from ldae.core.files import read_tsv
from ldae.phantom import scan as scans
from ldae.phantom.cohort import make_bids
from ldae.phantom.grid import jacobian_determinant, subject_shape
from ldae.phantom.population import draw_subject, state_at
from ldae.phantom.scan import make_scan
from ldae.phantom.scanner import draw_acquisition
from ldae.phantom.variety import GREY_SD, draw_marks, folded_shape, marked, varied

SEED, AD = 5, 2


@pytest.fixture(scope="module")
def subject():
    return draw_subject(SEED, AD)


def test_plain_heads_are_made_without_any_of_it(anatomy, subject, monkeypatch):
    usual = make_scan(anatomy, subject, 0, "M000", SEED, voxel_mm=4)

    def never(*_):
        raise AssertionError("a plain head has no variety")

    for name in ("draw_marks", "folded_shape", "marked", "varied"):
        monkeypatch.setattr(scans, name, never)
    plain = make_scan(anatomy, subject, 0, "M000", SEED, voxel_mm=4, rich=False)
    np.testing.assert_array_equal(plain.image, usual.image)
    assert plain.truth == usual.truth and not {"lesion_ml", "focal_atrophy"} & plain.truth.keys()
    with pytest.raises(AssertionError):
        make_scan(anatomy, subject, 0, "M000", SEED, voxel_mm=4, rich=True)


def test_a_plain_cohort_is_described_as_by_versions_that_knew_no_other():
    plain, rich = (Phantom(subjects={"CN": 2}, variety=variety) for variety in ("plain", "rich"))
    assert plain == Phantom(subjects={"CN": 2}) and "variety" not in plain.described().keys() | plain.asked().keys()
    assert rich.described() == plain.described() | {"variety": "rich"}


def test_folds_are_of_small_scale_the_subjects_own_and_never_fold_over():
    first, second = (folded_shape(SEED, rid) - subject_shape(SEED, rid) for rid in (1, 2))
    assert np.array_equal(first, folded_shape(SEED, 1) - subject_shape(SEED, 1))
    assert 0.3 < first.std() < 1.5 and abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    near, far = (np.corrcoef(first[0, :-step].ravel(), first[0, step:].ravel())[0, 1] for step in (1, 6))
    assert near > 0.5 > 0.1 > abs(far)  # 3 mm and 18 mm apart
    assert jacobian_determinant(folded_shape(SEED, 1, 3.0)).min() > 0


def test_focal_atrophy_grows_with_the_stage_at_places_that_tell_nothing(anatomy, subject):
    marks, others = draw_marks(anatomy, SEED, AD), draw_marks(anatomy, SEED, 1)
    assert not np.array_equal(marks.foci, others.foci)
    assert (anatomy.sulci[tuple(marks.foci.astype(int).T)] > 128).all()
    early, late = (dataclasses.replace(state_at(subject, 0), stage=stage) for stage in (0.0, 1.0))
    assert (marks.strength(late) > marks.strength(early)).all()
    at, away = marks.foci.T, marks.foci.T + 60
    assert (marks.focal(at, late) >= marks.strength(late) - 1e-6).all() and marks.focal(away, late).max() < 0.05


def test_lesions_are_dark_lie_in_white_matter_and_become_more(anatomy, subject):
    marks = draw_marks(anatomy, SEED, AD)
    state = state_at(subject, 0)
    none, all_of_them = (dataclasses.replace(state, caps=caps) for caps in (0.0, 1.0))
    places = marks.lesions.T
    assert marks.lesion(places, none).max() == 0 and marks.lesion(places, all_of_them).min() == 1
    assert (anatomy.t1[tuple(marks.lesions.astype(int).T)] >= 224).all()
    signal, t1 = np.array([1.0, 0.66], np.float32), np.array([230, 165], np.float32)  # white, grey
    nothing = np.zeros(2, np.float32)
    spotted, spots = marked(signal, t1, nothing, 0.2, nothing, np.ones(2, np.float32))
    np.testing.assert_allclose(spotted, [0.65, 0.66], rtol=1e-5)
    np.testing.assert_array_equal(spots, [1, 0])
    widened, _ = marked(signal, t1, np.ones(2, np.float32), 0.2, np.full(2, 0.5, np.float32), nothing)
    np.testing.assert_allclose(widened, [0.6, 0.43], rtol=1e-5)


def test_the_truth_of_a_scan_says_how_much_of_it_there_is(anatomy, subject):
    same = {"voxel_mm": 4, "nuisance": False, "shape_field": subject_shape(SEED, AD)}
    rich, plain = (make_scan(anatomy, subject, 0, "M000", SEED, rich=rich, **same) for rich in (True, False))
    changed = (rich.image != plain.image).mean()
    assert 0 < changed < 0.1 and (rich.image <= plain.image).all()  # same head, marks alone, all of them dark
    np.testing.assert_array_equal(rich.labels, plain.labels)
    assert rich.truth["lesion_ml"] > 0 and 0 < rich.truth["focal_atrophy"] < 1
    shared = {name: value for name, value in rich.truth.items() if name in plain.truth}
    assert shared == plain.truth


def test_every_site_has_a_contrast_of_its_own():
    drawn = [draw_acquisition(SEED, 1, session, site, 70) for session in ("M000", "M012") for site in (0, 1)]
    shifts = [varied(one, SEED, place % 2).grey - one.grey for place, one in enumerate(drawn)]
    assert shifts[0] == pytest.approx(shifts[2]) and shifts[1] == pytest.approx(shifts[3])
    assert shifts[0] != shifts[1] and max(map(abs, shifts)) < 4 * GREY_SD


def test_a_rich_cohort_is_another_one_and_says_so(anatomy_file, settings, tmp_path):
    one = settings.model_copy(update={"subjects": {"AD": 1}, "visits": 1, "converter_fraction": 0})
    for variety in ("plain", "rich"):
        make_bids(tmp_path / variety, one.model_copy(update={"variety": variety}), SEED, 1, anatomy_file)
    plain, rich = (read_tsv(tmp_path / variety / "truth.tsv") for variety in ("plain", "rich"))
    assert set(rich.columns) - set(plain.columns) == {"lesion_ml", "focal_atrophy"}
    assert rich["ventricle_ml"][0] == pytest.approx(plain["ventricle_ml"][0], rel=0.1)
    assert rich["jacobian_min"][0] > 0
