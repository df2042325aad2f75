"""Subject-level train, validation and test, for the whole cohort, before any study leaves a class out."""

import hashlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.config import Splits
from ldae.core.errors import UserError
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keys import KEY_TYPES

SPLITS = ("train", "validation", "test")
COLUMNS = ["participant_id", "split", "stratum", "why"]
BEFORE = "dealt by an earlier version"
CLASSES = ("CN", "MCI", "AD")
PAPER_SEED = 42
logger = logging.getLogger("ldae")


def write_splits(
    scans_tsv: Path,
    splits_tsv: Path,
    ledger: Path,
    settings: Splits,
    seed: int,
    trained_on: Collection[str] = (),
    model: str | None = None,
) -> None:
    """:func:`make_splits` from the manifest to splits.tsv.

    Args:
        ledger: every row that a subject was ever given; extended.
        trained_on: as :func:`make_splits`; of a frozen model they are test subjects as well, and the reason says so.
        model: digest of a frozen model: every subject is a test subject, and nothing is remembered.

    Raises:
        UserError: as :func:`make_splits`.
    """
    scans = read_tsv(scans_tsv, dtype=KEY_TYPES | {"site": str})
    if model is not None:
        write_tsv(splits_tsv, all_test(scans, model, trained_on))
        return
    splits = make_splits(scans, settings, seed, read_tsv(ledger) if ledger.is_file() else None, trained_on)
    write_tsv(ledger, splits)
    write_tsv(splits_tsv, splits)


def make_splits(
    scans: pd.DataFrame,
    settings: Splits,
    seed: int,
    existing: pd.DataFrame | None = None,
    trained_on: Collection[str] = (),
) -> pd.DataFrame:
    """Split the subjects of the included scans: participant_id, split, stratum (the subject's last diagnosis),
    why.

    Within a stratum subjects are taken in the order of a keyed hash. Rows of ``existing`` stay as they are, for ever,
    also of subjects that have no scan any more; new subjects fill what their stratum lacks. The protocol ``paper``
    draws a new cohort with scikit-learn's GroupShuffleSplit and seed 42 instead. Where subjects are held out
    (``settings.hold_out``), these are the test split, all of them and nobody else; the rest is dealt to the others.

    Args:
        trained_on: subjects that imported weights were trained on. They are in no test split, and leave the one that
            they are in, for training.

    Raises:
        UserError: no scan is included, a class has too few test subjects, a split is empty, ``existing`` holds a
            subject twice or deals one otherwise than it is held out now, or nobody has a value that is held out.
    """
    included = scans[scans["status"] == "included"]
    strata = last_diagnosis(included)
    if strata.empty:
        raise UserError("The manifest has no included scan to split: see the reasons in manifest/exclusions.tsv.")
    known = pd.DataFrame(columns=COLUMNS) if existing is None else existing
    known = known.assign(why=known.get("why", BEFORE))
    check_splits(known)
    known = without_trained(known, trained_on)
    held = {name: why for name, why in held_out(included, settings).items() if name not in trained_on}
    require_same_hold_out(known[known["participant_id"].isin(strata.index)], held, settings)
    if settings.protocol == "paper" and known.empty:
        splits = without_trained(paper_splits(included, strata, settings, held), trained_on)
    else:
        splits = extend(known, strata, settings, seed, held, trained_on)
    splits = splits.sort_values("participant_id", ignore_index=True)
    check_splits(splits)
    check_sizes(splits[splits["participant_id"].isin(strata.index)], settings, trained_on)
    return splits


def all_test(scans: pd.DataFrame, model: str, trained_on: Collection[str] = ()) -> pd.DataFrame:
    """The splits of a cohort on a frozen model: every subject with an included scan is a test subject.

    Args:
        model: its digest, for the reason.
        trained_on: subjects that it was trained on: they make the results contaminated, and are named here.

    Raises:
        UserError: no scan is included.
    """
    strata = last_diagnosis(scans[scans["status"] == "included"])
    if strata.empty:
        raise UserError("The manifest has no included scan: see the reasons in manifest/exclusions.tsv.")
    rows = {"participant_id": strata.index, "split": "test", "stratum": strata.to_list()}
    splits = pd.DataFrame(rows).assign(why=f"nothing is fitted on this cohort: model {model} is frozen")
    seen = splits["participant_id"].isin(list(trained_on))
    if seen.any():
        logger.warning("The model was trained on %d of the %d subjects: contaminated.", int(seen.sum()), len(splits))
    said = f"contaminated: model {model} was trained on this subject (imported.training_subjects)"
    return splits.assign(why=splits["why"].mask(seen, said))


def held_out(scans: pd.DataFrame, settings: Splits) -> dict[str, str]:
    """Subject -> why, for every subject with a scan of a value that is held out.

    Numbers are compared as numbers (1.5 is 1.50, 002 is 2), words whatever their case.

    Raises:
        UserError: no included scan has one of the values.
    """
    found: dict[str, str] = {}
    for column, values in settings.hold_out.items():
        cells = scans[column].map(folded_value, na_action="ignore")
        for value in values:
            rows = cells == folded_value(value)
            if not rows.any():
                there = sorted(scans[column].dropna().astype(str).unique())
                few = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
                raise UserError(
                    f"splits.hold_out: no included scan has {column} {value}; manifest/scans.tsv knows "
                    f"{few or 'none at all'}."
                )
            for name in scans.loc[rows, "participant_id"]:
                found.setdefault(name, f"held out: {column} {value}")
    return found


def folded_value(value: object) -> str:
    """A cell, or a value of the configuration, so that equal ones are equal text."""
    text = str(value).strip().casefold()
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def require_same_hold_out(known: pd.DataFrame, held: dict[str, str], settings: Splits) -> None:
    """Raises:
    UserError: a known subject was dealt otherwise than now: models may have seen it, or its test results are there.
    """
    if not settings.hold_out and not known["why"].astype(str).str.startswith("held out").any():
        return
    moved = known[(known["split"] == "test") != known["participant_id"].isin(held.keys())]
    if len(moved):
        row = moved.iloc[0]
        now = "held out now" if row["participant_id"] in held else "not held out now"
        raise UserError(
            f"splits.hold_out: {row['participant_id']} is {now}, and an earlier run of this results_dir put it into "
            f"{row['split']} ({row['why']}; {len(moved)} such subjects): choose another results_dir, or put the "
            "setting back."
        )


def without_trained(splits: pd.DataFrame, trained_on: Collection[str]) -> pd.DataFrame:
    """The splits with those test subjects in training that imported weights were trained on."""
    seen = (splits["split"] == "test") & splits["participant_id"].isin(list(trained_on))
    if seen.any():
        logger.warning(
            "%d test subjects are training subjects now: imported.training_subjects names them.", int(seen.sum())
        )
    why = splits["why"].mask(seen, "imported weights were trained on it (imported.training_subjects)")
    return splits.assign(split=splits["split"].mask(seen, "train"), why=why)


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


def extend(
    known: pd.DataFrame,
    strata: pd.Series,
    settings: Splits,
    seed: int,
    held: Mapping[str, str],
    trained_on: Collection[str] = (),
) -> pd.DataFrame:
    """Give every subject without a row a split: first what test lacks, then validation, the rest is train.

    Args:
        held: subjects that are held out; where there are any, they are what test gets.
        trained_on: subjects that never come to test.
    """
    present = strata.index.to_series()
    kept = known[known["participant_id"].isin(present)].set_index("participant_id")["split"]
    new = sorted(set(present) - set(known["participant_id"]), key=lambda name: order_key(name, seed))
    split = dict.fromkeys(new, "train")
    sizes = strata.value_counts().sort_index()
    if held:
        split |= dict.fromkeys((name for name in new if name in held), "test")
    else:
        fill(split, "test", wanted_in_test(sizes, settings), kept, strata, trained_on)
    rest = sizes - count_by_stratum(split, kept, "test", strata)
    wanted = max(1, round_half_up(settings.validation_fraction * rest.sum()))
    fill(split, "validation", shares(rest, wanted), kept, strata)
    dealt = f"dealt by a hash of name and seed {seed}, within its stratum"
    fresh = {"participant_id": new, "split": list(split.values()), "stratum": strata.loc[new].to_list()}
    fresh["why"] = [held.get(name, dealt) for name in new]
    return pd.concat([known[COLUMNS], pd.DataFrame(fresh, columns=COLUMNS)], ignore_index=True)


def fill(
    split: dict[str, str],
    name: str,
    wanted: pd.Series,
    kept: pd.Series,
    strata: pd.Series,
    never: Collection[str] = (),
) -> None:
    """Move new subjects from train to ``name``, in hash order, until every stratum has what it is wanted to have.

    Args:
        never: subjects that stay where they are.
    """
    lacking = wanted - count_by_stratum(split, kept, name, strata)
    for participant, place in split.items():
        stratum = strata[participant]
        if place == "train" and lacking[stratum] > 0 and participant not in never:
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


def paper_splits(scans: pd.DataFrame, strata: pd.Series, settings: Splits, held: Mapping[str, str]) -> pd.DataFrame:
    """Two group shuffles of the scans, grouped by subject: test first, then validation of the rest; no strata.

    Args:
        held: subjects that are held out; where there are any, they are the test split.
    """
    from sklearn.model_selection import GroupShuffleSplit

    scans = scans.sort_values(["participant_id", "months"], ignore_index=True)
    split = pd.Series("train", index=strata.index)
    split[list(held)] = "test"
    wanted = {"test": settings.test_fraction, "validation": settings.validation_fraction}
    for name, fraction in list(wanted.items())[1 if held else 0 :]:
        pool = scans[scans["participant_id"].map(split) == "train"]["participant_id"].reset_index(drop=True)
        size = max(1, round_half_up(fraction * pool.nunique()))
        if size >= pool.nunique():
            raise UserError(f"{pool.nunique()} subjects are too few to leave any for training: add subjects.")
        _, chosen = next(GroupShuffleSplit(1, test_size=size, random_state=PAPER_SEED).split(pool, groups=pool))
        split[pool.iloc[chosen].unique()] = name
    dealt = f"dealt by a group shuffle of the scans with seed {PAPER_SEED}, as the paper's code does"
    rows = {"participant_id": split.index, "split": split.to_list(), "stratum": strata.to_list()}
    return pd.DataFrame(rows | {"why": [held.get(name, dealt) for name in split.index]})


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


def check_sizes(splits: pd.DataFrame, settings: Splits, trained_on: Collection[str] = ()) -> None:
    """Raises:
    UserError: a diagnosis of the cohort has fewer test subjects than asked, or a split is empty.
    """
    never = int(splits["participant_id"].isin(list(trained_on)).sum())
    said = f"; {never} subjects cannot be tested on, since imported.training_subjects names them" if never else ""
    sizes = pd.crosstab(splits["stratum"], splits["split"]).reindex(columns=list(SPLITS), fill_value=0)
    fewest, held = settings.min_test_subjects_per_class, settings.held_out_words()
    for name in [name for name in CLASSES if name in sizes.index]:
        count, total = int(sizes.loc[name, "test"]), int(sizes.loc[name].sum())
        if held and min(count, total - count) < fewest:
            raise UserError(
                f"splits.hold_out: {count} of {total} {name} subjects are held out by {held}, which leaves "
                f"{total - count} for training, and splits.min_test_subjects_per_class asks for {fewest} on "
                f"either side: hold out other values, or lower the minimum{said}."
            )
        if count < fewest:
            raise UserError(
                f"Only {count} of {total} {name} subjects are in the test split, "
                f"splits.min_test_subjects_per_class asks for {fewest}: "
                f"add subjects, raise splits.test_fraction or lower the minimum{said}."
            )
    for name in SPLITS:
        if not (splits["split"] == name).any():
            few = "one subject is" if len(splits) == 1 else f"{len(splits)} subjects are"
            raise UserError(f"No subject is left for the {name} split: {few} too few, add subjects{said}.")
