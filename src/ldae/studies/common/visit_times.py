"""When the visits of a subject were: the dates of the scans where they are known, otherwise the names of the visits."""

import numpy as np

MONTHS = 12  # a year


def times_of(ages: np.ndarray, months: np.ndarray) -> np.ndarray | None:
    """When visits of a subject were, by the first of these that is known and strictly increases; None where none does.

    The ages at the scans (years) unless all are whole years, which are too coarse for visits months apart; the months
    of the visits; ages in whole years.
    """
    coarse = bool((ages == np.round(ages)).all())
    for time in (months, ages) if coarse else (ages, months):
        if increasing(time):
            return time
    return None


def increasing(time: np.ndarray) -> bool:
    """Whether all times are known and each is later than the one before."""
    return bool((np.diff(time) > 0).all())  # a comparison with NaN is False


def years_of(ages: np.ndarray, months: np.ndarray) -> np.ndarray | None:
    """As :func:`times_of`, in years; where no time increases strictly (two scans of one day) by the months, if all are
    known and none runs backwards."""
    time = times_of(ages, months)
    if time is not None:
        return time / MONTHS if time is months else time
    return months / MONTHS if bool((np.diff(months) >= 0).all()) else None
