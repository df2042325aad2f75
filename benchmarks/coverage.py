"""How often the intervals of the tables hold the true value, on cohorts that are simulated anew (docs/statistics.md).

python benchmarks/coverage.py [--cohorts 1000] [--cross-validated 200] [--only areas shares amounts differences folds \
    calibration conversion power]

Every cohort has two scans a subject that share four fifths of their variance. "Before" is the percentile bootstrap over
subjects that the same number had until 2026-11.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import norm

from ldae.studies.calibration.measure import CALIBRATION
from ldae.studies.common import statistics as s
from ldae.studies.common.feature_sets import fixed
from ldae.studies.common.linear_probes import outer_folds
from ldae.studies.common.scales import Difference, OnScale
from ldae.studies.conversion.course import with_weights
from ldae.studies.conversion.statistics import STATISTICS, not_converted
from ldae.studies.probes import estimates
from ldae.studies.probes.measure import cross_validated, task_rows

REPLICATES, SHARED = 500, 0.8
CLASSES = ((11, 12, 0.75), (11, 12, 0.9), (11, 12, 0.97), (10, 10, 0.5), (10, 30, 0.95), (5, 55, 0.9), (3, 57, 0.85),
           (45, 45, 0.9), (100, 150, 0.85))  # fmt: skip
Row = tuple[str, float, float]  # case, coverage before, coverage now


def scans(rng: np.random.Generator, subjects: int, visits: int = 2) -> np.ndarray:
    """(subjects * visits,) standard normal; the visits of a subject, one after the other, share part of it."""
    own, noise = rng.standard_normal(subjects), rng.standard_normal(subjects * visits)
    return np.sqrt(SHARED) * np.repeat(own, visits) + np.sqrt(1 - SHARED) * noise


def holds(values: np.ndarray, truth: float, statistic: s.Statistic, seed: int, visits: int = 2) -> tuple[bool, bool]:
    """Whether the bootstrap's interval and today's hold the truth; the scans of a subject are neighbours."""
    subjects = np.repeat(np.arange(len(values) // visits), visits)
    replicates = statistic(values, s.resampled(subjects, subjects[-1] + 1, REPLICATES, np.random.default_rng(seed)))
    low, high = s.percentile_bounds(replicates)
    now = s.interval(values, subjects, statistic, REPLICATES, seed)
    return bool(low <= truth <= high), bool(now.low <= truth <= now.high)


def classed(rng: np.random.Generator, positive: int, negative: int, area: float) -> np.ndarray:
    """(scans, 2) score and label of a binormal reader with this area; the best threshold is 0."""
    label = np.repeat(np.r_[np.ones(positive), np.zeros(negative)], 2)
    apart = norm.ppf(area) * np.sqrt(2)
    return np.column_stack([scans(rng, positive + negative) + apart * (label - 0.5), label])


def areas(cohorts: int) -> Iterator[Row]:
    for positive, negative, area in CLASSES:
        rng = np.random.default_rng(1)
        found = [holds(classed(rng, positive, negative, area), area, s.auc, k) for k in range(cohorts)]
        yield f"AUC {area}, {positive} AD, {negative} CN", *np.mean(found, axis=0)


def shares(cohorts: int) -> Iterator[Row]:
    for name in ("accuracy", "balanced_accuracy", "sensitivity"):
        for positive, negative, area in CLASSES[:8]:
            rng, truth = np.random.default_rng(1), float(norm.cdf(norm.ppf(area) / np.sqrt(2)))
            statistic = getattr(estimates, name)
            found = [holds(classed(rng, positive, negative, area), truth, statistic, k) for k in range(cohorts)]
            yield f"{name} {truth:.2f}, {positive} AD, {negative} CN", *np.mean(found, axis=0)
    for ad, cn, found_of_ad, wrong_of_cn in ((40, 40, 0.1, 0.03), (40, 40, 0.2, 0.05), (30, 170, 0.3, 0.02)):
        truth, label = ad * found_of_ad / (ad * found_of_ad + cn * wrong_of_cn), np.repeat([1.0, 0.0], [2 * ad, 2 * cn])
        rng, cut, held = np.random.default_rng(1), norm.isf(np.where(label == 1, found_of_ad, wrong_of_cn)), []
        while len(held) < cohorts:
            values = np.column_stack([scans(rng, ad + cn) - cut, label])
            if (values[:, 0] > 0).any():  # else there is none
                held.append(holds(values, truth, estimates.precision, len(held)))
        calls = ad * found_of_ad + cn * wrong_of_cn
        yield f"precision {truth:.2f}, about {calls:.0f} calls of {ad + cn}", *np.mean(held, axis=0)


def amounts(cohorts: int) -> Iterator[Row]:
    for subjects in (10, 20, 60):
        for name, statistic, make, truth in (
            ("mean", s.mean, lambda x, _: x[:, None], 0.0),
            ("mean of a skewed one", s.mean, lambda x, _: np.exp(x / 2)[:, None], float(np.exp(1 / 8))),
            ("mean absolute error", s.mae, lambda x, y: np.column_stack([x, 0 * y]), float(np.sqrt(2 / np.pi))),
            ("median", s.median, lambda x, _: np.abs(x)[:, None], float(norm.ppf(0.75))),
            ("correlation .6", s.correlation, lambda x, y: np.column_stack([x, 0.6 * x + 0.8 * y]), 0.6),
            ("correlation .99", s.correlation, lambda x, y: np.column_stack([x, 0.99 * x + 0.0199**0.5 * y]), 0.99),
        ):
            rng = np.random.default_rng(1)
            found = [
                holds(make(scans(rng, subjects), scans(rng, subjects)), truth, statistic, k) for k in range(cohorts)
            ]
            yield f"{name}, {subjects} subjects", *np.mean(found, axis=0)


def paired(rng: np.random.Generator, positive: int, negative: int, areas: tuple[float, float]) -> np.ndarray:
    """(scans, 4) two readers of the same scans, score and label each; they have half of their variance in common."""
    common = scans(rng, positive + negative)
    sides = [classed(rng, positive, negative, area) for area in areas]
    for side, area in zip(sides, areas, strict=True):
        apart = norm.ppf(area) * np.sqrt(2) * (side[:, 1] - 0.5)
        side[:, 0] = 0.7 * common + np.sqrt(0.51) * (side[:, 0] - apart) + apart
    return np.hstack(sides)


def differences(cohorts: int) -> Iterator[Row]:
    for positive, negative, one, other in ((11, 12, 0.8, 0.88), (11, 12, 0.85, 0.85), (10, 10, 0.97, 0.97),
                                           (40, 40, 0.8, 0.88)):  # fmt: skip
        rng = np.random.default_rng(2)
        found = [
            holds(paired(rng, positive, negative, (one, other)), one - other, s.difference_of(s.auc, 2), k)
            for k in range(cohorts)
        ]
        yield f"AUC {one} - {other} on the same {positive} AD, {negative} CN", *np.mean(found, axis=0)


def calibration(cohorts: int) -> Iterator[Row]:
    """Logits that are half as large again as the right ones, and too high by 0.3; who has AD is drawn anew, too. Where
    the logits part the classes there is no slope; such cohorts do not count."""

    def told(rng: np.random.Generator, positive: int, negative: int, area: float) -> np.ndarray:
        subjects = positive + negative
        ad = int(np.clip(rng.binomial(subjects, positive / subjects), 2, subjects - 2))
        values = classed(rng, ad, subjects - ad, area)
        right = norm.ppf(area) * np.sqrt(2)  # times the score of a binormal reader: the logit, but for the prevalence
        return np.column_stack([1.5 * right * values[:, 0] + 0.3, values[:, 1]])

    for positive, negative, area in ((11, 12, 0.75), (11, 12, 0.9), (10, 30, 0.85), (45, 45, 0.9), (100, 150, 0.85)):
        many = told(np.random.default_rng(0), 4000 * positive, 4000 * negative, area)
        for name, statistic in CALIBRATION.items():
            rng, truth = np.random.default_rng(1), float(statistic(many, np.ones((1, len(many))))[0])
            drawn = [told(rng, positive, negative, area) for _ in range(cohorts)]
            known = [values for values in drawn if np.isfinite(statistic(values, np.ones((1, len(values))))[0])]
            found = [holds(values, truth, statistic, k) for k, values in enumerate(known)]
            yield f"{name} {truth:.2f}, {positive} AD, {negative} CN", *np.mean(found, axis=0)


def conversion(cohorts: int) -> Iterator[Row]:
    """Times to AD whose hazard is known and whose risks are right, seen at yearly visits that one in five subjects
    after each does not go on from; one scan a subject. The weights of the censoring are estimated anew."""

    def told(rng: np.random.Generator, subjects: int, followed: bool = False) -> pd.DataFrame:
        score = rng.standard_normal(subjects)
        hazard = np.exp(score) / 60
        seen = 12 * np.ceil(rng.exponential(1 / hazard) / 12)
        last = 12.0 * (np.full(subjects, 48) if followed else rng.geometric(0.2, subjects))
        risk = np.clip(1 - np.exp(-36 * hazard), 1e-6, 1 - 1e-6)
        table = pd.DataFrame({"months": np.minimum(seen, last), "converted": (seen <= last).astype(int)})
        by_then = (table["converted"] == 1) & (table["months"] <= 36)
        return with_weights(table).assign(risk=risk, logit=np.log(risk / (1 - risk)), by_36m=by_then.astype(float))

    pieces = [told(np.random.default_rng(k), 2000, followed=True) for k in range(20)]
    free = not_converted(36), ("months", "converted")
    for subjects in (30, 60, 200):
        for name, (statistic, columns) in (STATISTICS | {"not_converted": free}).items():
            rng, held = np.random.default_rng(1), []
            ones = np.ones((1, 2000))
            truth = float(np.mean([statistic(one[list(columns)].to_numpy(float), ones)[0] for one in pieces]))
            while len(held) < cohorts:
                values = told(rng, subjects)[list(columns)].dropna().to_numpy(float)
                if np.isfinite(statistic(values, np.ones((1, len(values))))[0]):
                    held.append(holds(values, truth, statistic, len(held), visits=1))
            yield f"{name} {truth:.2f}, {subjects} subjects", *np.mean(held, axis=0)


def power(cohorts: int) -> Iterator[Row]:
    """How often the interval of a difference leaves zero out: as on test subjects, and widened as of five folds."""
    five_folds = s.cv_widening(np.arange(5))
    for size in (11, 40, 100, 250):
        for better in (0.8, 0.85, 0.9, 0.95):
            rng, found = np.random.default_rng(3), []
            for _ in range(cohorts):
                values, subjects = paired(rng, size, size, (better, 0.8)), np.repeat(np.arange(2 * size), 2)
                bounds = [
                    s.interval(values, subjects, s.difference_of(s.auc, 2), 0, 0, widen=by) for by in (1.0, five_folds)
                ]
                found.append([bound.low > 0 or bound.high < 0 for bound in bounds])
            yield f"AUC {better} and 0.8, {size} AD, {size} CN", *np.mean(found, axis=0)


def folds(cohorts: int) -> Iterator[Row]:
    """80 subjects, codes of 64 numbers; the truth is the mean over cohorts, and 0 for the difference of two codes that
    know as much. Before: the same number's interval without the widening."""
    for strength in (0.4, 0.75):
        areas_found, gaps = [], []
        for k in range(cohorts):
            table, first, second = simulated(np.random.default_rng(k), strength)
            rows, target = task_rows(table, "ad")
            folded = outer_folds(table, 5, k)
            sides = [
                cross_validated(table, "ad", "x", fixed(code), rows, target, folded, k) for code in (first, second)
            ]
            subjects = sides[0]["participant_id"].to_numpy()
            values = [side[["prediction", "target"]].to_numpy(float) for side in sides]
            widen = s.cv_widening(sides[0]["fold"])
            for statistic, data, kept in (
                (s.auc, values[0], areas_found),
                (s.difference_of(s.auc, 2), np.hstack(values), gaps),
            ):
                assert isinstance(statistic, OnScale | Difference)
                kept.append([s.interval(data, subjects, statistic, 0, k, widen=by) for by in (1.0, widen)])
        truth = float(np.mean([pair[0].value for pair in areas_found]))
        for name, kept, true in ((f"AUC {truth:.2f}", areas_found, truth), ("difference of two alike", gaps, 0.0)):
            before, now = (np.mean([pair[i].low <= true <= pair[i].high for pair in kept]) for i in (0, 1))
            yield f"{name}, five folds, 40 AD, 40 CN", before, now


def simulated(rng: np.random.Generator, strength: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Scans of 80 subjects, and two codes that know the diagnosis equally well by other subjects' noise."""
    subjects = 80
    diagnosis = np.repeat(np.arange(subjects) % 2, 2)
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in np.repeat(np.arange(subjects), 2)],
            "session_id": np.tile(["a", "b"], subjects),
            "months": np.tile([0, 12], subjects),
            "diagnosis": np.where(diagnosis == 1, "AD", "CN"),
            "age": 70.0,
            "split": "train",
        }
    )
    codes = []
    for _ in range(2):
        code = np.column_stack([scans(rng, subjects) for _ in range(64)])
        code[:, :3] += strength * diagnosis[:, None]
        codes.append(code)
    return table, codes[0], codes[1]


PARTS = {
    "areas": areas,
    "shares": shares,
    "amounts": amounts,
    "differences": differences,
    "folds": folds,
    "calibration": calibration,
    "conversion": conversion,
    "power": power,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--cross-validated", type=int, default=200, help="cohorts of the part 'folds'")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    for name in asked.only:
        if name in (asked.only[0], "power"):
            columns = "told apart, test subjects | told apart, five folds" if name == "power" else "before | now"
            print(f"| case | {columns} |\n| --- | ---: | ---: |")
        for case, before, now in PARTS[name](asked.cross_validated if name == "folds" else asked.cohorts):
            print(f"| {case} | {before:.3f} | {now:.3f} |", flush=True)


if __name__ == "__main__":
    main()
