"""The checks of the audit, each of one way in which a test subject can reach what is fitted."""

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ldae.core.batches import batches
from ldae.core.files import read_json
from ldae.core.keyed import study_stream
from ldae.core.keys import ADNI_PARTICIPANT, KEY
from ldae.core.lineage import MADE_FROM
from ldae.core.scans import ScanSet
from ldae.core.store import open_store
from ldae.studies.audit.finding import Finding
from ldae.studies.common.feature_sets import block_means
from ldae.studies.common.inputs import Inputs
from ldae.studies.common.statistics import auc

Refit = Callable[[pd.DataFrame, np.ndarray], Mapping[str, Any]]
TWIN, PAIRS = 0.5, 10  # ratio of distances; pairs of visits from which the usual ratio is known
PRINT, NEIGHBOURS = 2**14, 20  # numbers that a volume is compared by, at most; subjects whose median distance is usual
SAME_PRINT = 1e-3  # a distance that rounding makes
AT_ONCE = 2  # volumes that are encoded together
CHEAP, FEWEST_AGAIN = 2e7, 12  # voxels that are encoded again in any case; scans, where there are more voxels
SAME = 0.05  # of a number's spread over the scans: between devices and precisions y_sem differs by less
SPELT, FEWEST = 0.999, 20  # AUC or correlation of a number with a label; below so many of a class chance may do it


def splits(table: pd.DataFrame) -> Finding:
    """Every subject in exactly one split.

    Args:
        table: splits.tsv.
    """
    twice = sorted(table.loc[table["participant_id"].duplicated(), "participant_id"].unique())
    if twice:
        words = f"{len(twice)} subjects stand in splits.tsv more than once"
        return Finding("splits", "blocking", len(table), words, twice)
    return Finding("splits", "passed", len(table), "every subject has one split")


def stores(store: Path, table: pd.DataFrame) -> Finding:
    """Scans of every store below ``store`` are scans of the volume store, and their subjects have a split."""
    known = set(map(tuple, open_store(store / "volumes").index[KEY].to_numpy()))
    dealt, odd, opened = set(table["participant_id"]), [], 0
    for described in sorted(store.rglob("store.json")):
        index = open_store(described.parent).index
        opened += 1
        odd += [
            f"{described.parent.name}: {subject}_{session}"
            for subject, session in index[KEY].to_numpy()
            if (subject, session) not in known or subject not in dealt
        ]
    if odd:
        words = f"{len(odd)} entries of stores are no scans of the cohort, or of subjects without a split"
        return Finding("stores", "blocking", opened, words, odd)
    return Finding("stores", "passed", opened, "every store holds scans of the cohort alone")


def training_scans(train: Path, table: pd.DataFrame) -> Finding:
    """No network has read a scan of somebody who is a test subject now, for training or for selection."""
    test, odd, known, unknown = set(table.loc[table["split"] == "test", "participant_id"]), [], 0, []
    for stage in MADE_FROM:
        read = ScanSet.read(Path(train) / stage)
        if read is None:
            unknown.append(stage)
            continue
        known += 1
        seen = sorted(test & set(read.table["participant_id"]))
        odd += [f"{stage}: {subject}" for subject in seen]
    if odd:
        words = f"{len(odd)} times a network was trained or selected on somebody who is a test subject"
        return Finding("training_scans", "blocking", known, words, odd)
    if not known:
        return Finding("training_scans", "n/a", 0, "no network was trained here")
    words = f"{known} networks were trained and selected on other subjects"
    return Finding(
        "training_scans", "passed", known, words + (f"; of {', '.join(unknown)} it is not known" if unknown else "")
    )


def one_person(table: pd.DataFrame) -> Finding:
    """Nobody under two names: names that differ in case, spaces or hyphens alone; and of ADNI's subjects the last
    digits, which are the person's number in the whole study, whatever the site."""
    names = table["participant_id"]
    numbers = [match[2] if (match := ADNI_PARTICIPANT.fullmatch(name)) else None for name in names]
    people = table.assign(person=[_spelled(*pair) for pair in zip(names, numbers, strict=True)])
    again = people[people.duplicated("person", keep=False)]
    across = again.groupby("person").filter(lambda own: own["split"].nunique() > 1)
    if len(across):
        words = f"{across['person'].nunique()} people are under two names, in different splits"
        return Finding("one_person", "blocking", len(people), words, sorted(across["participant_id"]))
    if len(again):
        words = f"{again['person'].nunique()} people are under two names, in the same split: they count twice"
        return Finding("one_person", "warning", len(people), words, sorted(again["participant_id"]))
    if not any(numbers):
        return Finding("one_person", "n/a", len(people), "no two names are spelled alike; more they do not tell")
    return Finding("one_person", "passed", len(people), "every person has one name")


def _spelled(name: str, number: str | None) -> str:
    """What two names of one person have in common: the person's number, or the letters and digits of the name."""
    if number is not None:
        return f"number {int(number)}"
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).casefold() if sign.isalnum())


def twins(inputs: Inputs, gram: np.ndarray) -> Finding:
    """Every test scan against the scans of all subjects who are not test subjects.

    A copy lies at half the usual distance or less (:func:`copy_ratios`), also one that is noisy, mirrored, moved by a
    voxel or of another brightness. A warning: a test scan lies as near to somebody else's as two visits of one person
    lie to each other (their median), which a head of another family rarely does.

    Args:
        gram: (scans, scans) inner products of the volumes, in blocks of 3 mm: for the warning.
    """
    subjects, split = inputs.scans["participant_id"].to_numpy(), inputs.scans["split"].to_numpy()
    test, other = np.flatnonzero(split == "test"), np.flatnonzero(split != "test")
    names = np.unique(subjects[other])
    if not len(test) or len(names) < 2:
        return Finding("twins", "n/a", len(test), "there are no test scans, or no two subjects to compare them with")
    copied = copy_ratios(inputs, test, other)
    near = [inputs.scan_id(row) for row in test[copied < TWIN]]
    if near:
        words = f"{len(near)} test scans are nearly copies of training scans of other subjects"
        return Finding("twins", "blocking", len(test), words, near)
    square = np.diag(gram)[:, None] + np.diag(gram)[None] - 2 * gram
    distance = np.sqrt(np.maximum(square, 0))
    ratios = np.array([_ratio(distance[row, other], subjects[other]) for row in test])
    own = [
        _ratio(distance[row, others], subjects[others])
        for row in other
        if (subjects[other] == subjects[row]).sum() > 1
        for others in [other[other != row]]
        if subjects[others[np.argmin(distance[row, others])]] == subjects[row]
    ]
    usual = float(np.median(own)) if len(own) >= PAIRS else 0.0
    odd = [inputs.scan_id(row) for row in test[ratios < usual]]
    if odd:
        words = f"{len(odd)} test scans are as near to another subject's as two visits of one subject are"
        return Finding("twins", "warning", len(test), words, odd)
    words = f"no test scan is nearly a copy; the least ratio of distances is {copied.min():.2f}"
    return Finding("twins", "passed", len(test), words)


def copy_ratios(inputs: Inputs, test: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(test scans,) the nearest scan among ``other`` over what is usual: near 0 for a copy, near 1 for no resemblance.

    Volumes are compared as means of blocks, at most :data:`PRINT` of them, by what is left of one when gain and offset
    are fitted to the other (sqrt(1 - r^2)). The nearest is looked for under every change of :func:`_changed`. Usual is
    the median over the :data:`NEIGHBOURS` subjects whose nearest scan is nearest to the unchanged one, so that a copy
    that several names hold does not hide itself, and scanners of unlike contrast do not count.
    """
    factor = max(1, math.ceil((math.prod(inputs.grid.shape) / PRINT) ** (1 / 3)))
    known = np.concatenate([_print(inputs.volumes.volumes([row]), factor) for row in other])
    _, person = np.unique(inputs.scans["participant_id"].to_numpy()[other], return_inverse=True)
    ratios = []
    for row in test:
        volume = inputs.volumes.volumes([row])
        changed = np.concatenate([_print(change, factor) for change in _changed(volume)])
        left = np.sqrt(np.maximum(1 - np.clip(changed @ known.T, 0, 1).astype(float) ** 2, 0))
        own = np.full(person.max() + 1, np.inf)
        np.minimum.at(own, person, left[0])
        usual = float(np.median(np.sort(own)[:NEIGHBOURS]))
        ratios.append(left.min() / usual if usual > SAME_PRINT and left.min() > SAME_PRINT else 0.0)
    return np.array(ratios)


def _changed(volume: np.ndarray) -> Iterator[np.ndarray]:
    """A volume (1, X, Y, Z) as it is, mirrored along each axis, and moved by a voxel along each, to either side."""
    yield volume
    for axis in (1, 2, 3):
        yield np.flip(volume, axis)
        for step in (-1, 1):
            yield np.roll(volume, step, axis)


def _print(volume: np.ndarray, factor: int) -> np.ndarray:
    """(1, blocks) means of blocks, of mean 0 and length 1; of a constant volume 0."""
    blocks = block_means(volume, factor)
    blocks = blocks - blocks.mean()
    length = np.linalg.norm(blocks)
    return blocks / length if length > 0 else blocks


def _ratio(distance: np.ndarray, subjects: np.ndarray) -> float:
    """The nearest scan against the nearest one of anybody else: near 1 where nobody is much nearer than the others."""
    nearest = int(np.argmin(distance))
    if distance[nearest] == 0:
        return 0.0
    others = distance[subjects != subjects[nearest]]
    return float(distance[nearest] / others.min()) if len(others) else 1.0


def encoded_again(scans: int, voxels: int) -> int:
    """How many of so many scans are encoded again: all where that is cheap, else twice the square root, 12 at least."""
    return scans if scans * voxels <= CHEAP else min(scans, max(FEWEST_AGAIN, math.ceil(2 * math.sqrt(scans))))


def codes(inputs: Inputs, encode: Callable[[np.ndarray], np.ndarray] | None, seed: int) -> Finding:
    """y_sem encoded once more, against the store; and no entry that is not a number.

    Test scans and others, each as many as :func:`encoded_again` says, drawn at random.

    Args:
        encode: volumes (B, X, Y, Z) -> y_sem (B, dimension). None: the encoder is not at hand.
    """
    everyone = inputs.scans.index.to_numpy()
    kept = inputs.code("y_sem", everyone)
    broken = [inputs.scan_id(row) for row in everyone[~np.isfinite(kept).all(axis=1)]]
    if broken:
        return Finding("codes", "blocking", len(kept), f"y_sem of {len(broken)} scans is no number", broken)
    spread = kept.std(axis=0)
    if float(spread.max(initial=0)) <= 1e-6 * float(np.abs(kept).max(initial=1e-12)):
        return Finding("codes", "warning", len(kept), "y_sem is the same for every scan: the encoder has collapsed")
    if encode is None:
        return Finding("codes", "n/a", 0, "the encoder is not at hand")
    is_test, voxels = (inputs.scans["split"] == "test").to_numpy(), math.prod(inputs.grid.shape)
    drawn = [
        study_stream(seed, "audit of codes", part).permutation(rows)[: encoded_again(len(rows), voxels)]
        for part, rows in (("test", everyone[is_test]), ("others", everyone[~is_test]))
    ]
    rows = np.sort(np.concatenate(drawn))
    again = np.concatenate([encode(inputs.volumes.volumes(part)) for part in batches(rows, AT_ONCE)])
    if again.shape[1] != kept.shape[1]:
        words = f"y_sem has {kept.shape[1]} numbers, the encoder makes {again.shape[1]}"
        return Finding("codes", "blocking", len(rows), words)
    apart = (np.abs(again - kept[rows]) / np.maximum(spread, 1e-6 * spread.max())).max(axis=1)
    odd = [inputs.scan_id(row) for row in rows[apart > SAME]]
    if odd:
        words = f"y_sem of {len(odd)} of {len(rows)} scans is not what the encoder makes of them"
        return Finding("codes", "blocking", len(rows), words, odd)
    words = f"{len(drawn[0])} of {is_test.sum()} test scans and {len(drawn[1])} of {(~is_test).sum()} others"
    return Finding("codes", "passed", len(rows), f"{words} were encoded again, to the same y_sem")


def labels(inputs: Inputs) -> Finding:
    """No single number of y_sem tells AD from CN, or the age, without error."""
    kept = inputs.code("y_sem", inputs.scans.index.to_numpy()).astype(float)
    subjects = inputs.scans["participant_id"].to_numpy()
    found, looked = [], 0
    rows = np.flatnonzero(inputs.scans["diagnosis"].isin(["AD", "CN"]))
    target = (inputs.scans["diagnosis"].to_numpy()[rows] == "AD").astype(float)
    if min(len(np.unique(subjects[rows[target == value]])) for value in (0, 1)) >= FEWEST:
        looked += 1
        weights = np.ones((1, len(rows)))
        areas = np.array([auc(np.column_stack([column, target]), weights)[0] for column in kept[rows].T])
        found += [f"y_sem_{k}: diagnosis" for k in np.flatnonzero(np.maximum(areas, 1 - areas) >= SPELT)]
    rows = np.flatnonzero(inputs.scans["age"].notna())
    age = inputs.scans["age"].to_numpy(float)[rows]
    if len(np.unique(subjects[rows])) >= 2 * FEWEST and np.ptp(age) > 0:
        looked += 1
        own, years = kept[rows] - kept[rows].mean(axis=0), age - age.mean()
        scale = np.sqrt((own**2).sum(axis=0) * (years**2).sum())
        r = np.abs(years @ own) / np.where(scale > 0, scale, np.inf)
        found += [f"y_sem_{k}: age" for k in np.flatnonzero(r >= SPELT)]
    if not looked:
        words = f"fewer than {FEWEST} subjects of a class and {2 * FEWEST} ages: one number may spell them by chance"
        return Finding("labels", "n/a", 0, words)
    if found:
        words = f"{len(found)} numbers of y_sem are a label, or as good as one"
        return Finding("labels", "blocking", kept.shape[1], words, found)
    return Finding("labels", "passed", kept.shape[1], "no single number of y_sem tells diagnosis or age without error")


def fitted(inputs: Inputs, stored: Mapping[str, Any], refit: Refit, seed: int) -> Finding:
    """The probes of y_sem that the test subjects are measured with, fitted again with the test labels exchanged.

    They come out as they were kept: neither their weights, nor mean and spread of the features, nor the range of ages
    know a test subject.

    Args:
        stored: fitted.json of the probes.
        refit: scans and their y_sem -> the same, fitted now.
    """
    scans, test = inputs.scans.copy(), inputs.rows("test")
    order = study_stream(seed, "audit of labels").permutation(test)
    for column in ("diagnosis", "age"):
        scans.loc[test, column] = scans[column].to_numpy()[order]
    again = refit(scans, inputs.code("y_sem", scans.index.to_numpy()))
    if not again:
        return Finding("fitted", "n/a", 0, "no probe of y_sem was fitted")
    odd = [name for name, probe in again.items() if name not in stored or not _alike(probe, stored[name])]
    if odd:
        words = f"{len(odd)} of {len(again)} probes change with the labels of test subjects, or are not those kept"
        return Finding("fitted", "blocking", len(again), words, odd)
    return Finding("fitted", "passed", len(again), f"{len(again)} probes are the same with the test labels exchanged")


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, int | float | list):
        return np.shape(one) == np.shape(other) and bool(np.allclose(one, other, rtol=1e-5, atol=1e-7))
    return bool(one == other)


def scale(inputs: Inputs) -> Finding:
    """1 / standard deviation of the training scans' latents, computed once more from the moments in the store."""
    kept = read_json(inputs.latents.path / "store.json")
    if kept.get("measured_on") != "training_split":
        how = str(kept.get("measured_on") or "elsewhere, with the imported model")
        return Finding("scale", "n/a", 0, f"the scale factor was measured otherwise: {how.split(',')[0]}")
    train, everyone = inputs.rows("train"), inputs.scans.index.to_numpy()
    expected, of_all, found = _scale(inputs, train), _scale(inputs, everyone), float(kept["scale_factor"])
    if np.isclose(found, expected, rtol=1e-4):
        return Finding("scale", "passed", len(train), f"{found:.6g}, computed again from the training scans")
    if np.isclose(found, of_all, rtol=1e-4):
        words = f"{found:.6g} is that of all scans, test scans included; that of the training scans is {expected:.6g}"
        return Finding("scale", "blocking", len(train), words)
    words = f"{found:.6g} was measured on other scans (those of today give {expected:.6g}), as after scans were added"
    return Finding("scale", "warning", len(train), words)


def _scale(inputs: Inputs, rows: np.ndarray) -> float:
    """1 / sqrt(var(mu) + mean(sigma^2)) of these scans."""
    total, count, squares = 0.0, 0, 0.0
    for row in rows:
        mean, sigma = np.asarray(inputs.latents.data[row], dtype=np.float64)
        total, count, squares = total + mean.sum(), count + mean.size, squares + (mean**2 + sigma**2).sum()
    return float(1 / np.sqrt(squares / count - (total / count) ** 2))
