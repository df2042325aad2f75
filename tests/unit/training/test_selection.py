"""By whom the step of a supervised encoder is chosen."""

import numpy as np
import pytest

from ldae.training.selection import FEWEST, Selection, chosen_by, select

CLASSES = {0.0: "CN", 1.0: "AD"}


def people(prefix: str, cn: int, ad: int, visits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Subjects and classes of their scans."""
    names = [f"{prefix}{number:03d}" for number in range(cn + ad) for _ in range(visits)]
    kinds = [float(number >= cn) for number in range(cn + ad) for _ in range(visits)]
    return np.array(names, dtype=object), np.array(kinds)


def chosen(train: tuple[int, int], validation: tuple[int, int], how: str = "enough", seed: int = 1) -> Selection:
    parts = people("t", *train), people("v", *validation)
    return select(how, [part[0] for part in parts], [part[1] for part in parts], CLASSES, seed)


def test_enough_validation_subjects_choose_alone() -> None:
    found = chosen((40, 40), (FEWEST, FEWEST + 2))
    assert found.chooses and found.train.all() and not found.set_aside.any()
    assert found.words == "best step by 22 subjects (10 CN, 12 AD) of the validation split"


def test_the_missing_ones_are_set_aside_from_training_with_all_their_scans() -> None:
    found, subjects = chosen((60, 50), (3, 0)), people("t", 60, 50)[0]
    aside = set(subjects[found.set_aside])
    assert found.chooses and (found.train == ~found.set_aside).all()
    assert len(aside) == 7 + 10 and not aside & set(subjects[found.train])
    assert sum(int(name[1:]) < 60 for name in aside) == 7
    assert found.words == "best step by 20 subjects (10 CN, 10 AD), 17 of them set aside from the training split"


def test_who_is_set_aside_depends_on_seed_and_name_alone() -> None:
    first, again, other = (set(people("t", 60, 50)[0][chosen((60, 50), (3, 0), seed=s).set_aside]) for s in (1, 1, 2))
    assert first == again != other
    names, kinds = people("t", 60, 50)
    order = np.random.default_rng(0).permutation(len(names))
    none = np.array([], dtype=object), np.array([])
    shuffled = select("enough", [names[order], none[0]], [kinds[order], none[1]], CLASSES, 1)
    plain = select("enough", [names, none[0]], [kinds, none[1]], CLASSES, 1)
    assert set(names[order][shuffled.set_aside]) == set(names[plain.set_aside])


@pytest.mark.parametrize(("train", "validation"), [((25, 25), (1, 1)), ((200, 40), (5, 1)), ((30, 0), (0, 0))])
def test_too_small_a_cohort_gets_its_last_step(train: tuple[int, int], validation: tuple[int, int]) -> None:
    """More than a fifth of a class's training subjects would have to be set aside."""
    found = chosen(train, validation)
    assert not found.chooses and found.train.all() and not found.set_aside.any()
    assert found.words.startswith(
        "last step: 10 subjects of each of CN and AD would have to choose another, and at most 20%"
    )


def test_the_papers_way_is_the_validation_split_however_small() -> None:
    found = chosen((60, 50), (1, 1), "validation")
    assert found.chooses and found.train.all()
    assert found.words == "best step by 2 subjects (1 CN, 1 AD) of the validation split"
    assert chosen((60, 50), (0, 0), "validation").words == "last step: no validation scan has this label"


def test_ages_need_ten_subjects_of_any_diagnosis() -> None:
    parts = people("t", 60, 0), people("v", 4, 0)
    subjects, ages = [part[0] for part in parts], [part[1] for part in parts]
    found = select("enough", subjects, ages, {0.0: "with an age"}, 1)
    assert found.words == "best step by 10 subjects, 6 of them set aside from the training split"
    none = select("enough", [part[:2] for part in subjects], [part[:2] for part in ages], {0.0: "with an age"}, 1)
    assert none.words.startswith("last step: 10 subjects would have to choose another")


def test_the_papers_way_has_the_fingerprint_of_before() -> None:
    assert chosen_by("validation") == {} and chosen_by("enough") == {"selection": "enough"}
