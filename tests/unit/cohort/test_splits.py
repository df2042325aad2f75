"""Invariants of the splits over random cohorts."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from ldae.cohort.manifest import COLUMNS as MANIFEST
from ldae.cohort.splits import all_test, check_splits, last_diagnosis, make_splits, shares
from ldae.config import Splits
from ldae.config.cohort import HeldBy
from ldae.core.errors import UserError

CLASSES = ("CN", "MCI", "AD")
LENIENT = Splits(test_fraction=0.2, validation_fraction=0.1, min_test_subjects_per_class=1)


def cohort(random: np.random.Generator, subjects: int, first: int = 0) -> pd.DataFrame:
    """Scans of subjects numbered from ``first``: one to four visits, some converters, some without a diagnosis."""
    rows = []
    for number in range(first, first + subjects):
        state = int(random.integers(3))
        for visit in range(int(random.integers(1, 5))):
            state = min(2, state + int(random.random() < 0.1))
            diagnosis = CLASSES[state] if random.random() < 0.9 else None
            rows.append((f"sub-ADNI000S{number:04d}", f"ses-M{12 * visit:03d}", 12 * visit, diagnosis, "included"))
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "months", "diagnosis", "status"])


@pytest.mark.parametrize("protocol", ["stratified", "paper"])
def test_every_subject_has_one_split_and_none_is_empty(protocol):
    settings = LENIENT.model_copy(update={"protocol": protocol})
    for seed in range(10):
        random = np.random.default_rng(seed)
        scans = cohort(random, int(random.integers(40, 120)))
        splits = make_splits(scans, settings, seed)
        assert sorted(splits["participant_id"]) == sorted(scans["participant_id"].unique())
        assert set(splits["split"]) == {"train", "validation", "test"}
        assert splits["participant_id"].is_monotonic_increasing
        assert splits.set_index("participant_id")["stratum"].equals(last_diagnosis(scans).rename("stratum"))
        test = (splits["split"] == "test").sum()
        assert abs(test - 0.2 * len(splits)) <= 1


def test_strata_have_their_share():
    for seed in range(20):
        scans = cohort(np.random.default_rng(seed), 200)
        splits = make_splits(scans, LENIENT, seed)
        counts = pd.crosstab(splits["stratum"], splits["split"])
        total = counts.sum(axis=1)
        assert ((counts["test"] - 0.2 * total).abs() <= 1).all()
        assert ((counts["validation"] - 0.1 * (total - counts["test"])).abs() <= 1).all()
        assert counts["validation"].sum() == round(0.1 * (200 - counts["test"].sum()))


def test_a_known_subject_never_moves_however_the_cohort_grows():
    for seed in range(10):
        random = np.random.default_rng(seed)
        scans = cohort(random, 60)
        splits = make_splits(scans, LENIENT, seed)
        for step in range(1, 6):
            scans = pd.concat([scans, cohort(random, int(random.integers(1, 15)), first=60 + 15 * step)])
            grown = make_splits(scans, LENIENT, seed, splits)
            before = splits.set_index("participant_id")
            after = grown.set_index("participant_id").loc[before.index]
            pd.testing.assert_frame_equal(after, before)
            splits = grown
        assert abs((splits["split"] == "test").mean() - 0.2) < 0.05


def test_subjects_that_left_and_strata_that_changed_keep_their_row():
    scans = cohort(np.random.default_rng(1), 80)
    splits = make_splits(scans, LENIENT, 1)
    fewer = scans[scans["participant_id"] > "sub-ADNI000S0010"].assign(diagnosis="AD")
    again = make_splits(fewer, LENIENT, 1, splits)
    pd.testing.assert_frame_equal(again, splits)


def test_order_of_the_rows_and_a_read_from_disk_change_nothing():
    scans = cohort(np.random.default_rng(2), 80)
    splits = make_splits(scans, LENIENT, 7)
    pd.testing.assert_frame_equal(make_splits(scans.sample(frac=1, random_state=0), LENIENT, 7), splits)
    pd.testing.assert_frame_equal(make_splits(scans, LENIENT, 7, splits), splits)
    assert not make_splits(scans, LENIENT, 8)["split"].equals(splits["split"])


def test_stratum_is_the_last_known_diagnosis_of_included_scans():
    rows = [("a", 24, None), ("a", 0, "CN"), ("a", 12, "MCI"), ("b", 0, None)]
    scans = pd.DataFrame(rows, columns=["participant_id", "months", "diagnosis"])
    assert last_diagnosis(scans).to_dict() == {"a": "MCI", "b": "unknown"}


def test_excluded_scans_do_not_count():
    scans = cohort(np.random.default_rng(3), 60)
    gone = scans["participant_id"] < "sub-ADNI000S0005"
    splits = make_splits(scans.assign(status=np.where(gone, "excluded", "included")), LENIENT, 0)
    assert not splits["participant_id"].isin(scans.loc[gone, "participant_id"]).any()
    with pytest.raises(UserError, match="no included scan"):
        make_splits(scans.assign(status="excluded"), LENIENT, 0)


def test_minimum_of_test_subjects_is_a_floor_and_then_an_error():
    scans = pd.DataFrame(
        {"participant_id": [f"s{n:03d}" for n in range(66)], "months": 0, "status": "included"}
    ).assign(diagnosis=["CN"] * 30 + ["MCI"] * 24 + ["AD"] * 12)
    splits = make_splits(scans, Splits(test_fraction=0.1, min_test_subjects_per_class=5), 0)
    counts = splits.loc[splits["split"] == "test", "stratum"].value_counts()
    assert counts.to_dict() == {"CN": 5, "MCI": 5, "AD": 5}
    with pytest.raises(UserError, match=r"of 12 AD subjects are in the test split.* asks for 7"):
        make_splits(scans, Splits(test_fraction=0.1, min_test_subjects_per_class=7), 0)


def test_smallest_cohort():
    """Two CN, one MCI, three AD: half of them test, one of each."""
    scans = pd.DataFrame({"participant_id": list("abcdef"), "months": 0, "status": "included"}).assign(
        diagnosis=["CN", "CN", "MCI", "AD", "AD", "AD"]
    )
    settings = Splits(test_fraction=0.5, validation_fraction=0.05, min_test_subjects_per_class=1)
    for seed in range(20):
        splits = make_splits(scans, settings, seed)
        assert splits.loc[splits["split"] == "test", "stratum"].value_counts().to_dict() == {"CN": 1, "MCI": 1, "AD": 1}
        assert splits["split"].value_counts().to_dict() == {"test": 3, "train": 2, "validation": 1}
    with pytest.raises(UserError, match="No subject is left for the"):
        make_splits(scans[scans["participant_id"].isin(["a", "b"])], settings, 0)


def test_paper_protocol_is_the_group_shuffle_of_scikit_learn():
    from sklearn.model_selection import GroupShuffleSplit

    scans = cohort(np.random.default_rng(5), 90)
    settings = LENIENT.model_copy(update={"protocol": "paper"})
    splits = make_splits(scans, settings, seed=1).set_index("participant_id")["split"]
    subjects = scans["participant_id"]
    _, chosen = next(GroupShuffleSplit(1, test_size=18, random_state=42).split(subjects, groups=subjects))
    assert set(splits[splits == "test"].index) == set(subjects.iloc[chosen])
    pd.testing.assert_series_equal(make_splits(scans, settings, seed=2).set_index("participant_id")["split"], splits)


def test_check_splits_stops_leaks():
    good = pd.DataFrame({"participant_id": ["a", "b"], "split": ["train", "test"], "stratum": ["CN", "CN"]})
    check_splits(good)
    with pytest.raises(UserError, match="a has two rows"):
        check_splits(pd.concat([good, good.head(1).assign(split="test")]))
    with pytest.raises(UserError, match="unknown split 'dev'"):
        check_splits(good.assign(split="dev"))
    scans = cohort(np.random.default_rng(0), 50)
    leaking = pd.concat([good, good.head(1).assign(split="test")])
    with pytest.raises(UserError, match="two rows"):
        make_splits(scans, LENIENT, 0, leaking)


def test_shares_add_up_and_stay_within_one():
    for seed in range(50):
        random = np.random.default_rng(seed)
        sizes = pd.Series(random.integers(0, 50, 4), index=list("abcd"))
        total = int(random.integers(0, sizes.sum() + 1))
        share = shares(sizes, total)
        assert share.sum() == total and (share <= sizes).all()
        assert ((share - sizes * total / max(sizes.sum(), 1)).abs() < 1).all()


def sited(subjects: int = 60) -> pd.DataFrame:
    """Subjects of three sites in turn, each diagnosis at each site; number 7 moves from site 002 to 941."""
    number = np.repeat(np.arange(subjects), 2)
    scans = pd.DataFrame(
        {
            "participant_id": [f"sub-{n:03d}" for n in number],
            "months": np.tile([0, 12], subjects),
            "status": "included",
            "diagnosis": [CLASSES[n // 3 % 3] for n in number],
            "site": [("002", "010", "941")[n % 3] for n in number],
            "field_strength": [1.5 if n % 2 else 3.0 for n in number],
        }
    )
    scans.loc[(scans["participant_id"] == "sub-006") & (scans["months"] == 12), "site"] = "941"
    return scans


@pytest.mark.parametrize("protocol", ["stratified", "paper"])
def test_who_is_held_out_is_the_test_split_and_nobody_else(protocol):
    scans = sited()
    settings = Splits(hold_out={"site": [941]}, protocol=protocol, min_test_subjects_per_class=3)
    splits = make_splits(scans, settings, 1).set_index("participant_id")
    wanted = set(scans.loc[scans["site"] == "941", "participant_id"])
    assert "sub-006" in wanted, "one scan there is enough"
    assert set(splits.index[splits["split"] == "test"]) == wanted
    assert (splits.loc[sorted(wanted), "why"] == "held out: site 941").all()
    rest = splits.drop(sorted(wanted))
    assert set(rest["split"]) == {"train", "validation"} and rest["why"].str.startswith("dealt").all()
    pd.testing.assert_frame_equal(
        make_splits(scans, settings, 1, splits.reset_index()).set_index("participant_id"), splits
    )


def test_values_are_held_out_by_any_column_however_they_are_written():
    scans = sited()
    settings = Splits(hold_out={"field_strength": ["1.50"], "site": [2]}, min_test_subjects_per_class=1)
    splits = make_splits(scans, settings, 1)
    wanted = set(scans.loc[(scans["field_strength"] == 1.5) | (scans["site"] == "002"), "participant_id"])
    assert set(splits.loc[splits["split"] == "test", "participant_id"]) == wanted
    assert settings.held_out_words() == "field strength 1.50, site 2"


@pytest.mark.parametrize(
    ("hold_out", "sentence"),
    [
        ({"site": ["777"]}, r"no included scan has site 777; manifest/scans.tsv knows 002, 010, 941\."),
        ({"study_phase": ["ADNI9"]}, "scan has study_phase ADNI9; manifest/scans.tsv knows none at all"),
        ({"diagnosis": ["AD"]}, r"0 of 21 CN subjects are held out by diagnosis AD, which leaves 21"),
        ({"site": ["002", "010", "941"]}, r"21 of 21 CN subjects are held out by site 002 or 010 or 941, .* leaves 0"),
    ],
)
def test_what_cannot_be_held_out_is_one_sentence(hold_out, sentence):
    scans = sited().assign(study_phase=None)
    with pytest.raises(UserError, match=sentence):
        make_splits(scans, Splits(hold_out=hold_out, min_test_subjects_per_class=3), 1)


def test_an_earlier_split_is_not_turned_into_a_held_out_one():
    """Models of that results_dir have seen the subjects; nor is a held-out one turned back."""
    scans, held = sited(), Splits(hold_out={"site": ["941"]}, min_test_subjects_per_class=3)
    plain = Splits(test_fraction=0.3, min_test_subjects_per_class=3)
    for first, then in ((plain, held), (held, plain)):
        known = make_splits(scans, first, 1)
        with pytest.raises(UserError, match=r"held out now, and an earlier run .*such subjects\): choose another"):
            make_splits(scans, then, 1, known)


def test_every_subject_of_a_frozen_model_is_tested():
    scans = sited()
    splits = all_test(scans.assign(status=np.where(scans["site"] == "010", "excluded", "included")), "abc")
    assert set(splits["split"]) == {"test"} and len(splits) == 40
    assert splits["why"].str.contains("model abc is frozen").all()
    check_splits(splits)


def test_subjects_that_a_frozen_model_was_trained_on_stay_and_are_named():
    scans = sited().assign(status="included")
    seen = sorted(set(scans["participant_id"]))[:3]
    splits = all_test(scans, "abc", [*seen, "sub-elsewhere"]).set_index("participant_id")
    assert set(splits["split"]) == {"test"}
    assert splits.index[splits["why"].str.startswith("contaminated: model abc was trained on")].tolist() == seen


def test_the_columns_of_the_configuration_are_those_of_the_manifest():
    assert set(get_args(HeldBy)) <= set(MANIFEST)
