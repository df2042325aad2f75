"""Subject-level train, validation and test, for the whole cohort, before any study leaves a class out."""

import hashlib

import numpy as np
import pandas as pd

from ldae.config import Splits
from ldae.core.errors import UserError

SPLITS = ("train", "validation", "test")
CLASSES = ("CN", "MCI", "AD")
PAPER_SEED = 42


def make_splits(scans: pd.DataFrame, settings: Splits, seed: int, existing: pd.DataFrame | None = None) -> pd.DataFrame:
    """Split the subjects of the included scans: participant_id, split, stratum (the subject's last diagnosis).

    Within a stratum subjects are taken in the order of a keyed hash. Rows of ``existing`` stay as they are, for ever,
    also of subjects that have no scan any more; new subjects fill what their stratum lacks. The protocol ``paper``
    draws a new cohort with scikit-learn's GroupShuffleSplit and seed 42 instead.

    Raises:
        UserError: no scan is included, a class has too few test subjects, a split is empty, or ``existing`` holds a
            subject twice.
    """
    strata = last_diagnosis(scans[scans["status"] == "included"])
    if strata.empty:
        raise UserError("The manifest has no included scan to split: see the reasons in manifest/exclusions.tsv.")
    known = pd.DataFrame(columns=["participant_id", "split", "stratum"]) if existing is None else existing
    check_splits(known)
    if settings.protocol == "paper" and known.empty:
        splits = paper_splits(scans[scans["status"] == "included"], strata, settings)
    else:
        splits = extend(known, strata, settings, seed)
    splits = splits.sort_values("participant_id", ignore_index=True)
    check_splits(splits)
    check_sizes(splits[splits["participant_id"].isin(strata.index)], settings)
    return splits


def last_diagnosis(scans: pd.DataFrame) -> pd.Series:
    """participant_id -> diagnosis of its latest scan that has one, or ``unknown``; sorted by name."""
    ordered = scans.sort_values(["participant_id", "months"])
    return ordered.groupby("participant_id")["diagnosis"].last().fillna("unknown")


def order_key(participant: str, seed: int) -> int:
    """The place of a subject in its stratum: a hash of the seed and its name, no matter who else is there."""
    return int.from_bytes(hashlib.blake2b(f"{seed} split {participant}".encode(), digest_size=8).digest(), "big")


def shares(sizes: pd.Series, total: int) -> pd.Series:
    """Divide ``total`` among strata in proportion to ``sizes`` (largest remainder; the emptier stratum wins a tie)."""
    exact = sizes * total / max(sizes.sum(), 1)
    share = np.floor(exact + 1e-9).astype(int)
    remainder = (exact - share).round(9)
    order = sorted(sizes.index, key=lambda name: (-remainder[name], share[name], name))
    for name in order[: total - int(share.sum())]:
        share[name] += 1
    return share


def wanted_in_test(sizes: pd.Series, settings: Splits) -> pd.Series:
    """Test subjects per stratum; a diagnosis is raised to the minimum where that takes no more than half of it."""
    share = shares(sizes, round_half_up(settings.test_fraction * sizes.sum()))
    for name in sizes.index.intersection(CLASSES):
        share[name] = max(share[name], min(settings.min_test_subjects_per_class, sizes[name] // 2))
    return share


def extend(known: pd.DataFrame, strata: pd.Series, settings: Splits, seed: int) -> pd.DataFrame:
    """Give every subject without a row a split: first what test lacks, then validation, the rest is train."""
    present = strata.index.to_series()
    kept = known[known["participant_id"].isin(present)].set_index("participant_id")["split"]
    new = sorted(set(present) - set(known["participant_id"]), key=lambda name: order_key(name, seed))
    split = dict.fromkeys(new, "train")
    sizes = strata.value_counts().sort_index()
    fill(split, "test", wanted_in_test(sizes, settings), kept, strata)
    rest = sizes - count_by_stratum(split, kept, "test", strata)
    wanted = max(1, round_half_up(settings.validation_fraction * rest.sum()))
    fill(split, "validation", shares(rest, wanted), kept, strata)
    fresh = pd.DataFrame({"participant_id": new, "split": list(split.values()), "stratum": strata.loc[new].to_list()})
    return pd.concat([known, fresh], ignore_index=True)


def fill(split: dict[str, str], name: str, wanted: pd.Series, kept: pd.Series, strata: pd.Series) -> None:
    """Move new subjects from train to ``name``, in hash order, until every stratum has what it is wanted to have."""
    lacking = wanted - count_by_stratum(split, kept, name, strata)
    for participant, place in split.items():
        stratum = strata[participant]
        if place == "train" and lacking[stratum] > 0:
            split[participant] = name
            lacking[stratum] -= 1


def count_by_stratum(split: dict[str, str], kept: pd.Series, name: str, strata: pd.Series) -> pd.Series:
    """Subjects of split ``name`` in every stratum.

    Args:
        split: participant -> split of those that were dealt.
        kept: the same of those whose split was given.
    """
    members = [participant for participant, place in (*kept.items(), *split.items()) if place == name]
    return strata.loc[members].value_counts().reindex(sorted(strata.unique()), fill_value=0)


def round_half_up(value: float) -> int:
    """To the nearest whole number; halves up, where ``round`` goes to even."""
    return int(np.floor(value + 0.5))


def paper_splits(scans: pd.DataFrame, strata: pd.Series, settings: Splits) -> pd.DataFrame:
    """Two group shuffles of the scans, grouped by subject: test first, then validation of the rest; no strata."""
    from sklearn.model_selection import GroupShuffleSplit

    scans = scans.sort_values(["participant_id", "months"], ignore_index=True)
    split = pd.Series("train", index=strata.index)
    for name, fraction in (("test", settings.test_fraction), ("validation", settings.validation_fraction)):
        pool = scans[scans["participant_id"].map(split) == "train"]["participant_id"].reset_index(drop=True)
        size = max(1, round_half_up(fraction * pool.nunique()))
        if size >= pool.nunique():
            raise UserError(f"{pool.nunique()} subjects are too few to leave any for training: add subjects.")
        _, chosen = next(GroupShuffleSplit(1, test_size=size, random_state=PAPER_SEED).split(pool, groups=pool))
        split[pool.iloc[chosen].unique()] = name
    return pd.DataFrame({"participant_id": split.index, "split": split.to_list(), "stratum": strata.to_list()})


def check_splits(splits: pd.DataFrame) -> None:
    """Raises:
    UserError: a subject has two rows, or a split is not train, validation or test.
    """
    twice = splits.loc[splits.duplicated("participant_id"), "participant_id"]
    if len(twice):
        raise UserError(f"{twice.iloc[0]} has two rows in the splits table: leave the one it was trained with.")
    unknown = sorted(set(splits["split"].astype(str)) - set(SPLITS))
    if unknown:
        raise UserError(f"The splits table holds the unknown split {unknown[0]!r}: use {', '.join(SPLITS)}.")


def check_sizes(splits: pd.DataFrame, settings: Splits) -> None:
    """Raises:
    UserError: a diagnosis of the cohort has fewer test subjects than asked, or a split is empty.
    """
    test = splits.loc[splits["split"] == "test", "stratum"].value_counts()
    for name in CLASSES:
        count, total = int(test.get(name, 0)), int((splits["stratum"] == name).sum())
        if total and count < settings.min_test_subjects_per_class:
            raise UserError(
                f"Only {count} of {total} {name} subjects are in the test split, "
                f"splits.min_test_subjects_per_class asks for {settings.min_test_subjects_per_class}: "
                "add subjects, raise splits.test_fraction or lower the minimum."
            )
    for name in SPLITS:
        if not (splits["split"] == name).any():
            raise UserError(f"No subject is left for the {name} split: {len(splits)} subjects are too few.")
