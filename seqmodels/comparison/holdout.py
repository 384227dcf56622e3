"""Data kept out of training: how it is set aside, and how precisely figures on it are known."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from ..sequences import Sequences
from .words import counted

__all__ = ["Estimate", "Split", "difference", "mean_per_observation", "set_aside"]

FEW = 10  # with fewer sequences than this, each is cut in time
TIME_SHARE, RANDOM_SHARE = 0.2, 0.1  # of X that validation and test take, each, where they are not given


@dataclass(frozen=True, eq=False)
class Split:
    """What every model is fitted to, chosen by, and judged on.

    Parameters
    ----------
    train, validation, test : Sequences
    units : array (n,) of int
        For each observation of `test` that counts, the unit it belongs to. Units are taken as independent
        when standard errors are worked out: whole sequences, or blocks of time where there are few of them.
    protocol : str
        The above in words.
    """

    train: Sequences
    validation: Sequences
    test: Sequences
    units: np.ndarray
    protocol: str

    @property
    def counts(self):
        """Array: the number of test observations that count in each unit."""
        return np.bincount(self.units)

    def sums(self, terms):
        """Sums of terms (list of arrays, one per test sequence) over each unit."""
        return np.bincount(self.units, np.concatenate(terms)[self.test.scored])


def set_aside(X, validation=None, test=None, *, symbolic=False, seed=0):
    """Split sequences into training, validation and test data.

    Many sequences are dealt out at random, 10 % each to validation and test. With fewer than 10, each is cut
    in time: the model is fitted to the first 60 %, and scored on the next 20 % and the last 20 % given all
    that came before them.

    Parameters
    ----------
    X : Sequences or anything it can wrap
    validation, test : like X, optional
        Taken as they are; shares of X where they are None.
    symbolic : bool
        Encode all of them in one alphabet, made of all symbols in any of them.
    seed : int

    Returns
    -------
    Split
    """
    given = {"X": X, "validation": validation, "test": test}
    data = {name: Sequences.wrap(part, name=name) for name, part in given.items() if part is not None}
    if data["X"].given is not None:
        raise ValueError("X has observations that are merely given; they can be scored only: use validation or test")
    if symbolic:
        data = _in_one_alphabet(data)
    X, validation, test = (data.get(name) for name in given)
    words = []
    if validation is None or test is None:
        shares = _shares_in_time if len(X) < FEW else _shares_at_random
        X, rest, protocol = shares(X, validation is None, test is None, seed)
        validation, test = rest[0] if validation is None else validation, rest[1] if test is None else test
        words.append(protocol)
    for name, part in (("validation", validation), ("test", test)):
        if not part.scored.any():
            raise ValueError(
                f"no observation of {name} counts: all are missing or merely given; X must have more "
                f"observations, or {name} some of its own"
            )
    sizes = f"{_described(X)} to fit, {_described(validation)} to choose by, {_described(test)} held out"
    units, over = _units(test)
    return Split(X, validation, test, units, "; ".join([sizes, *words, f"standard errors over {over}"]))


def _in_one_alphabet(data):
    data = {name: part.encoded(name=name) for name, part in data.items()}
    symbols = dict.fromkeys(symbol for part in data.values() for symbol in part.alphabet)
    if len(symbols) > len(data["X"].alphabet):
        try:
            symbols = sorted(symbols)
        except TypeError:  # kinds without a common order stay in the order in which they came
            pass
    return {name: part.encoded(tuple(symbols), name=name) for name, part in data.items()}


def _shares_in_time(X, with_validation, with_test, seed):
    lengths = X.lengths
    until_test = np.round(lengths * (1 - TIME_SHARE * with_test)).astype(int)
    until_validation = np.round(lengths * (1 - TIME_SHARE * (with_test + with_validation))).astype(int)
    until_validation = np.maximum(until_validation, 1)
    until_test = np.maximum(until_test, until_validation)
    rest = X.first(until_test).given_past(until_validation), X.given_past(until_test)
    kept = f"the first {100 * (1 - TIME_SHARE * (with_test + with_validation)):.0f} %"
    return (
        X.first(until_validation),
        rest,
        f"each sequence cut in time: fitted to {kept}, later parts given the past",
    )


def _shares_at_random(X, with_validation, with_test, seed):
    order = np.random.default_rng(seed).permutation(len(X))
    size = max(1, round(RANDOM_SHARE * len(X)))
    test, order = np.split(order, [size * with_test])
    validation, train = np.split(order, [size * with_validation])
    parts = tuple(X[np.sort(part)] for part in (train, validation, test))
    return parts[0], parts[1:], f"dealt out at random (seed {seed})"


def _units(test):
    """The unit of each observation of `test` that counts, and what a unit is, in words."""
    scored = test.scored
    counts = test.per_sequence(scored.astype(int))
    if len(test) >= FEW:
        units = np.repeat(np.arange(len(test)), counts)
        return np.unique(units, return_inverse=True)[1], "test sequences"
    blocks = [np.arange(n) * max(1, round(np.sqrt(n))) // max(1, n) for n in counts]
    firsts = np.cumsum([0, *(block[-1] + 1 if len(block) else 0 for block in blocks)])
    units = np.concatenate([first + block for first, block in zip(firsts, blocks, strict=False)])
    steps = round(np.bincount(units).mean())
    return units, f"blocks of about {steps} time steps, because test sequences are few"


def _described(sequences):
    return f"{counted(len(sequences), 'sequence')} ({counted(int(sequences.scored.sum()), 'observation')})"


# -------------------------------------------------------------------- how precisely a mean is known


class Estimate(NamedTuple):
    """A figure per observation and its standard error; None where there is none."""

    value: float | None
    standard_error: float | None
    n_units: int

    def interval(self, level=0.95):
        """Bounds from Student's t with ``n_units - 1`` degrees of freedom, or None."""
        if self.standard_error is None:
            return None
        reach = special.stdtrit(self.n_units - 1, (1 + level) / 2) * self.standard_error
        return self.value - reach, self.value + reach


def mean_per_observation(sums, counts):
    """Mean over observations that come in units.

    The ratio estimator (Cochran, Sampling Techniques, 1977, chapter 6): the mean is the ratio of two totals,
    and units vary by what they leave of it.

    Parameters
    ----------
    sums : array (units,)
        Of whatever is averaged.
    counts : array (units,)
        Of observations.

    Returns
    -------
    Estimate
    """
    n_units, total = len(counts), counts.sum()
    value = float(sums.sum() / total)
    if n_units < 2 or not np.isfinite(value):
        return Estimate(value, None, n_units)
    residuals = sums - value * counts
    error = np.sqrt(n_units / (n_units - 1) * (residuals**2).sum()) / total
    return Estimate(value, float(error), n_units)


def difference(sums, other_sums, counts):
    """How much larger a mean is than another one over the same units, paired unit by unit: an `Estimate`.

    Without a value where both are minus infinity.
    """
    if np.isneginf(sums.sum()) and np.isneginf(other_sums.sum()):
        return Estimate(None, None, len(counts))
    if np.isneginf(sums.sum()) or np.isneginf(other_sums.sum()):
        return Estimate(-np.inf if np.isneginf(sums.sum()) else np.inf, None, len(counts))
    return mean_per_observation(sums - other_sums, counts)
