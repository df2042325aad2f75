"""Travelling phantoms: every measure on tables whose answer is known, and the study on codes that must pass or fail."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ldae.config import Reliability
from ldae.core.files import read_tsv
from ldae.studies.common.study import ReportSources
from ldae.studies.reliability.agreement import components, icc, share_of
from ldae.studies.reliability.codes import Code, Cohort
from ldae.studies.reliability.combat import fit_combat
from ldae.studies.reliability.measure import reliability_of
from ldae.studies.reliability.names import CODES, PARTS
from ldae.studies.reliability.scanners import harmonised, read_scanner
from ldae.studies.reliability.table import reliability_table
from ldae.studies.reliability.verdict import NOTHING, OPEN, REACHED, SHORT, UNKNOWN, judged
from ldae.studies.reliability.words import controls_hold, findings

SHROUT_FLEISS = np.array([(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)], float)


@pytest.mark.parametrize(("kind", "published"), [("icc_1_1", 0.17), ("icc_2_1", 0.29), ("icc_3_1", 0.71)])
def test_the_worked_example_of_shrout_and_fleiss(kind: str, published: float) -> None:
    """Their Tables 2 and 4; a subject that counts twice is a row that stands there twice, and a second table of equal
    numbers changes nothing."""
    table = SHROUT_FLEISS[:, :, None, None]
    assert icc(table, np.ones((1, 6)), kind)[0, 0] == pytest.approx(published, abs=0.005)
    assert icc(table.repeat(2, axis=2), np.ones((1, 6)), kind)[0, 0] == pytest.approx(published, abs=0.005)
    twice = icc(np.concatenate([table, table[:1]]), np.ones((1, 7)), kind)
    assert icc(table, np.array([[2.0, 1, 1, 1, 1, 1]]), kind)[0, 0] == pytest.approx(twice[0, 0])


def test_an_icc_of_what_does_not_vary_is_none() -> None:
    assert np.isnan(icc(np.full((5, 3, 1, 1), 70.0), np.ones((1, 5)), "icc_2_1")).all()
    assert np.isnan(icc(SHROUT_FLEISS[:1, :, None, None], np.ones((1, 1)), "icc_2_1")).all()  # one subject


def travelled(parts: dict[str, float], heads: int = 300, scanners: int = 6, repeats: int = 2) -> np.ndarray:
    """(heads, scanners, repeats, 1) with these variances; heads of three diagnoses in turn."""
    rng = np.random.default_rng(0)
    sizes = {"disease": (3,), "subject": (heads,), "scanner": (scanners,), "subject_scanner": (heads, scanners)}
    drawn = {name: rng.normal(size=size) for name, size in sizes.items()}
    drawn = {name: np.sqrt(parts[name]) * (one - one.mean()) / one.std(ddof=1) for name, one in drawn.items()}
    values = drawn["disease"][np.arange(heads) % 3][:, None] + drawn["subject"][:, None]
    values = values + drawn["scanner"] + drawn["subject_scanner"]
    return (values[:, :, None] + np.sqrt(parts["repeat"]) * rng.normal(size=(heads, scanners, repeats)))[..., None]


def test_shares_of_variance_are_those_that_were_put_in() -> None:
    parts = {"disease": 4.0, "subject": 3.0, "scanner": 2.0, "subject_scanner": 1.0, "repeat": 0.5}
    values, group = travelled(parts), np.arange(300) % 3
    found = components(values, group, np.ones((1, 300)))[0]
    assert dict(zip(PARTS, found, strict=True)) == pytest.approx(parts, rel=0.15)
    table = np.column_stack([values.reshape(300, -1), group])
    shares = [share_of(part, 6, 2)(table, np.ones((1, 300)))[0] for part in PARTS]
    assert sum(shares) == pytest.approx(1) and shares == pytest.approx([v / 10.5 for v in parts.values()], abs=0.03)


def test_a_diagnosis_whose_heads_are_alone_has_no_share() -> None:
    table = np.column_stack([travelled(dict.fromkeys(PARTS, 1.0), 3, 2).reshape(3, -1), np.arange(3)])
    assert np.isnan(share_of("disease", 2, 2)(table, np.ones((1, 3)))).all()


def on_scanners(
    shift: float, scale: float = 1.0, heads: int = 12, dimension: int = 20, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes (N, dimension) of heads on three scanners, twice each; scanners shift and stretch them. Heads; scanners."""
    rng = np.random.default_rng(seed)
    head, scanner = np.repeat(np.arange(heads), 6), np.tile(np.repeat(np.arange(3), 2), heads)
    own, of_scanner = 2 * rng.normal(size=(heads, dimension)), shift * rng.normal(size=(3, dimension))
    stretched = own[head] * np.array([1.0, scale, 1 / scale])[scanner][:, None]
    return stretched + of_scanner[scanner] + 0.2 * rng.normal(size=(len(head), dimension)), head, scanner


def draws(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


def test_combat_takes_shift_and_scale_away_and_leaves_the_heads() -> None:
    codes, head, scanner = on_scanners(1.0, 1.5, heads=60)
    found = fit_combat(codes, scanner)(codes, scanner)
    means = [found[scanner == number].mean(axis=0) for number in range(3)]
    spreads = [found[scanner == number].std(axis=0) for number in range(3)]
    assert np.abs(means - np.mean(means, axis=0)).max() < 0.1 * codes.std()
    np.testing.assert_allclose(spreads[1], spreads[2], rtol=0.1)
    heads = [[table[head == name].mean(axis=0) for name in range(60)] for table in (codes, found)]
    assert np.corrcoef(np.ravel(heads[0]), np.ravel(heads[1]))[0, 1] > 0.97
    flat = np.column_stack([codes[:, :1], np.full(len(codes), 3.0)])  # a number that does not vary stays
    assert (fit_combat(flat, scanner)(flat, scanner)[:, 1] == 3.0).all()


def test_a_head_is_harmonised_by_others() -> None:
    codes, head, scanner = on_scanners(1.0)
    other = codes.copy()
    other[head == 3] += 5 * (scanner[head == 3] == 1)[:, None]  # its own trouble with one scanner stays its own
    found, changed = (harmonised(one, head, scanner, draws(1)[0]) for one in (codes, other))
    gap = (changed - found)[head == 3]
    assert np.abs(gap[scanner[head == 3] == 1]).min() > 3 and np.abs(gap[scanner[head == 3] == 0]).max() < 1e-9


def test_a_scanner_is_read_where_it_leaves_something_and_nowhere_else() -> None:
    """With a shift always; without one no more often than in permutations; after ComBat as without."""
    for shift, combat, lowest, highest in ((2.0, False, 0.95, 1), (0.0, False, 0.15, 0.5), (2.0, True, 0.15, 0.5)):
        hits, null = read_scanner(*on_scanners(shift), 200, combat, *draws(2))
        assert lowest <= hits.mean() <= highest and null.mean() == pytest.approx(1 / 3, abs=0.03)
        assert (hits.mean() > null.max()) == (lowest == 0.95)


def table_of(values: dict[str, tuple[float, float]]) -> pd.DataFrame:
    return pd.DataFrame(values, index=["value", "low"]).T


@pytest.mark.parametrize(
    ("logit", "auc", "words"),
    [
        ((0.97, 0.95), (0.8, 0.7), REACHED),
        ((0.95, 0.90), (0.8, 0.7), OPEN),
        ((0.92, 0.85), (0.8, 0.7), SHORT),
        ((0.99, 0.98), (0.6, 0.4), NOTHING),  # reliable, and good for nothing
        ((0.92, 0.85), (0.6, 0.4), f"{SHORT}, and {NOTHING}"),
        ((np.nan, np.nan), (0.8, 0.7), UNKNOWN),
        ((0.97, 0.95), (np.nan, np.nan), UNKNOWN),
        ((0.92, 0.85), (np.nan, np.nan), SHORT),
    ],
)
def test_the_goal_is_reached_by_a_whole_interval_of_a_code_that_tells_something(logit, auc, words) -> None:
    lines = {"icc_2_1_ad": logit, "icc_2_1_age": (0.99, 0.98), "auc_ad_test": auc}
    assert judged(table_of(lines)) == words


class Known:
    """``Inputs`` of 60 training and 30 test subjects with one scan each, whose factors are drawn."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.factors = rng.normal(size=(90, 4))
        self.scans = pd.DataFrame(
            {"participant_id": [f"sub-{place:03d}" for place in range(90)], "session_id": "ses-M000"}
        )
        self.scans["months"], self.scans["split"] = 0.0, np.where(np.arange(90) < 60, "train", "test")
        ill = self.factors[:, 0] + 0.3 * rng.normal(size=90)
        self.scans["diagnosis"] = np.select([ill > 0.5, ill < -0.5], ["AD", "CN"], "MCI")
        self.scans["age"] = 73 + 6 * self.factors[:, 1] + rng.normal(size=90)

    def rows(self, *splits: str) -> np.ndarray:
        return np.flatnonzero(self.scans["split"].isin(splits))

    def first_scans(self, split: str) -> np.ndarray:
        return self.rows(split)


@pytest.fixture(scope="module")
def studied(tmp_path_factory) -> Path:
    """Codes: the truth; one that a scanner shifts; numbers drawn for every scan; and one whose numbers are the head's
    own, whatever the scanner, and have nothing to do with the disease."""
    inputs, rng = Known(), np.random.default_rng(2)
    head = np.repeat(np.arange(60, 84), 6)
    index = inputs.scans.loc[head, ["participant_id", "diagnosis", "age"]].reset_index(drop=True)
    index["scanner"], index["repeat"] = np.tile(np.repeat(np.arange(3), 2), 24), np.tile([0, 1], 72)
    index["session_id"] = "ses-T" + index["scanner"].astype(str) + "R" + index["repeat"].astype(str)
    shift = rng.normal(size=(3, 4))[index["scanner"]]
    error = 0.03 * rng.normal(size=(144, 4))
    names = rng.normal(size=(90, 4))  # who somebody is, and no more
    codes = {
        "ldae": Code(inputs.factors, inputs.factors[head] + shift + error),
        "untrained_encoder": Code(names, names[head] + error),
        "oracle": Code(inputs.factors, inputs.factors[head] + error),
        "noise": Code(rng.normal(size=(90, 4)), rng.normal(size=(144, 4))),
    }
    out = tmp_path_factory.mktemp("reliability") / "reliability"
    settings = Reliability(permutations=100)
    reliability_of(codes, Cohort(inputs, 0), index, settings, 100, 0, out)  # type: ignore[arg-type]
    return out


def test_the_positive_control_passes_and_the_negative_ones_fail(studied: Path) -> None:
    table = read_tsv(studied / "summary.tsv")
    own = {name: lines.set_index("metric") for name, lines in table.groupby("method")}
    said = {name: judged(lines) for name, lines in own.items()}
    assert said["oracle"] == REACHED and own["oracle"].loc["scanner_p", "value"] > 0.05
    assert SHORT in said["noise"] and abs(own["noise"].loc["icc_2_1_ad", "value"]) < 0.3 and controls_hold(own)
    assert said["untrained_encoder"] == NOTHING and own["untrained_encoder"].loc["icc_2_1_ad", "value"] > 0.93
    swapped = own | {"oracle": own["noise"], "noise": own["oracle"]}
    assert not controls_hold(swapped)


def test_a_shifted_code_is_consistent_does_not_agree_and_is_mended_by_combat(studied: Path) -> None:
    table = read_tsv(studied / "summary.tsv").set_index(["method", "metric"])["value"]
    assert table["ldae", "icc_2_1_ad"] < 0.9 < 0.98 < min(table["ldae", "icc_3_1_ad"], table["ldae", "icc_retest_ad"])
    assert table["ldae", "share_scanner_code"] > 0.3 and table["ldae_combat", "share_scanner_code"] < 0.02
    assert table["ldae", "scanner_accuracy"] > 0.8 and table["ldae", "scanner_p"] < 0.02
    assert table["ldae_combat", "icc_2_1_ad"] > 0.97
    gaps = read_tsv(studied / "differences.tsv").set_index(["method", "metric"])
    assert gaps.loc[("ldae-untrained_encoder", "icc_2_1_ad"), "high"] < 0 and len(gaps) == 2  # of rivals alone
    assert read_tsv(studied / "scans.tsv").groupby("method").size().eq(144).all()


def test_table_and_words_say_the_goal_first(studied: Path, tmp_path: Path) -> None:
    table = reliability_table(studied.parent).set_index("method")
    assert table.columns[0] == "goal" and table.loc["ldae", "goal"] == SHORT and table.loc["oracle", "goal"] == REACHED
    words = findings(ReportSources(tmp_path, studied.parent, tmp_path, tmp_path, tmp_path, {}), public=False)
    assert (
        words is not None and words.index(SHORT) < words.index("ICC(2,1)") and "The controls did as they must" in words
    )


def test_every_code_that_is_compared_has_its_words() -> None:
    from ldae.studies.reliability.record import PLAIN

    assert set(CODES) == set(PLAIN)
