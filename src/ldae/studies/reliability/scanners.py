"""Which scanner a code comes from, read by a ridge classifier from the codes of other heads; and harmonised codes."""

from collections.abc import Iterator

import numpy as np

from ldae.studies.common.linear_probes import moments
from ldae.studies.reliability.combat import fit_combat

FOLDS = 10  # of heads, at most
PENALTY = 0.1  # of the ridge, in mean variances of the standardised code


def folds_of(heads: np.ndarray, order: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of all other heads and rows of some, every head once; each head alone where there are ten at most."""
    names = np.unique(heads)
    dealt = order.permutation(len(names)) % FOLDS
    for number in range(min(FOLDS, len(names))):
        outside = np.isin(heads, names[dealt == number])
        yield np.flatnonzero(~outside), np.flatnonzero(outside)


def harmonised(codes: np.ndarray, heads: np.ndarray, scanner: np.ndarray, order: np.random.Generator) -> np.ndarray:
    """(N, dimension) every head's codes after a ComBat that was fitted on other heads."""
    found = np.empty(codes.shape)
    for others, own in folds_of(heads, order):
        found[own] = fit_combat(codes[others], scanner[others])(codes[own], scanner[own])
    return found


def read_scanner(
    codes: np.ndarray,
    heads: np.ndarray,
    scanner: np.ndarray,
    permutations: int,
    combat: bool,
    dealing: np.random.Generator,
    order: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the scanner of every scan is read rightly, and the share that is in permuted data.

    The prediction is linear in the answers, so that permuted answers cost a product. They are permuted within each
    head: scans of one head are alike if the scanner leaves nothing in them.

    Args:
        codes: (N, dimension), not harmonised.
        combat: the codes go through a ComBat of the fold's other heads first.
        dealing, order: of heads to folds, and of the permutations.

    Returns:
        (N,) bool and (permutations,) shares.
    """
    reader = np.zeros((len(codes), len(codes)))
    for others, own in folds_of(heads, dealing):
        seen, asked = codes[others], codes[own]
        if combat:
            fitted = fit_combat(seen, scanner[others])
            seen, asked = fitted(seen, scanner[others]), fitted(asked, scanner[own])
        mean, std = moments(seen)
        seen, asked = (seen - mean) / std, (asked - mean) / std
        inner = seen @ seen.T / seen.shape[1] + PENALTY * np.eye(len(seen))
        reader[np.ix_(own, others)] = np.linalg.solve(inner, seen @ asked.T / seen.shape[1]).T
    places = [np.flatnonzero(heads == name) for name in np.unique(heads)]

    def hits(answers: np.ndarray) -> np.ndarray:
        wanted = np.eye(int(scanner.max()) + 1)[answers]
        scores = reader @ (wanted - wanted.mean(axis=0))
        return np.asarray(scores.argmax(axis=1) == answers)

    null = np.empty(permutations)
    for number in range(permutations):
        answers = scanner.copy()
        for rows in places:
            answers[rows] = order.permutation(answers[rows])
        null[number] = hits(answers).mean()
    return hits(scanner), null
