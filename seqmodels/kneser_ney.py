"""Interpolated Kneser-Ney: what follows which symbols how often, smoothed by what follows fewer of them.

All functions read one array of codes, sequence after sequence: a start marker `start` in front of each, then
symbols 0, ..., `start` - 1, of which the last is the unknown one, and -1 where a symbol is missing. Contexts
end at gaps, which are symbols missing or unknown.

An n-gram is numbered by the place of its key among the sorted keys of its level. The key joins the number of
its first n - 1 symbols, which are its context, and its last symbol; so no key exceeds the number of n-grams
times the number of symbols, whatever the order.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .forms import MISSING

__all__ = ["Level", "context_lengths", "distributions", "fit", "probabilities"]

DISCOUNT_WITHOUT_EVIDENCE = 0.5
NOT_SEEN = -1  # the number of an n-gram, or of a context, that fit did not see


class Level(NamedTuple):
    """The n-grams of one length: ``p(symbol | context) = share + backoff * p(symbol | shorter context)``.

    The last entries stand for what was not seen: a key beyond all others, the share 0, the backoff 1.
    """

    keys: np.ndarray  # (number of n-grams + 1,), increasing
    shares: np.ndarray  # (number of n-grams + 1,)
    backoffs: np.ndarray  # (number of contexts + 1,)
    discount: float


def fit(codes, weights, order, start):
    """Estimate the levels from counts.

    Parameters
    ----------
    codes : array (L,)
    weights : array (L,)
        How often each symbol counts; positive.
    order : int
        Length of the longest context.
    start : int
        Code of the start marker.

    Returns
    -------
    list of `order` + 1 Levels
        Shortest context first.
    """
    grams = _count(codes, weights, order, start)
    counts = [_continuations(shorter, longer) for shorter, longer in pairwise(grams)] + [grams[-1].counts]
    n_contexts = [1] + [len(shorter.keys) for shorter in grams[:-1]]
    return [_level(g.keys, c, n, start) for g, c, n in zip(grams, counts, n_contexts, strict=True)]


def probabilities(levels, codes, start):
    """Probability (L,) of each symbol given those before it; of no meaning at start markers and gaps."""
    p = np.full(len(codes), 1 / start)
    for level, contexts, grams in _look_up(levels, codes, start):
        p = level.shares[grams] + level.backoffs[contexts] * p
    return p


def distributions(levels, histories, start):
    """Distributions (n, `start`) of the symbol after each of n histories (n, order), gaps in front."""
    ended = np.pad(histories, ((0, 0), (0, 1)), constant_values=MISSING)  # the place to predict
    p = np.full((len(histories), start + 1), 1 / start)
    for level, contexts, _ in _look_up(levels, ended.ravel(), start):
        contexts = contexts.reshape(ended.shape)[:, -1]
        p *= level.backoffs[contexts][:, None]
        first, last = np.searchsorted(level.keys, _key(np.stack([contexts, contexts + 1]), 0, start))
        n_followers = last - first
        rows = np.repeat(np.arange(len(histories)), n_followers)
        grams = np.arange(len(rows)) + np.repeat(first - np.cumsum(n_followers) + n_followers, n_followers)
        p[rows, level.keys[grams] % (start + 1)] += level.shares[grams]
    return p[:, :start]


def context_lengths(codes, start):
    """How many symbols up to each place (L,) may serve as a context: those since the last gap or start."""
    places = np.arange(len(codes))
    gap = np.where((codes == MISSING) | (codes == start - 1), places, -1)
    gap = np.where(codes == start, places - 1, gap)
    return places - np.maximum.accumulate(gap)


# -------------------------------------------------------------------- counting


class _NGrams(NamedTuple):
    """All n-grams of one length."""

    keys: np.ndarray  # (G,), increasing
    counts: np.ndarray  # (G,)
    at_start: np.ndarray  # (G,), whether it begins with the start marker
    first: np.ndarray  # (G,), where it ends for the first time
    ending: np.ndarray  # (L,), the number of the one that ends at each place


def _count(codes, weights, order, start):
    """N-grams of 1, ..., `order` + 1 symbols."""
    lengths = context_lengths(codes, start)
    weights = np.where(codes == start, 0.0, weights)  # the marker is never predicted
    contexts, levels = np.zeros(len(codes), dtype=np.int64), []
    for n in range(1, order + 2):
        before = np.roll(contexts, 1)
        here = np.flatnonzero((before != NOT_SEEN) & (codes != MISSING) & ((codes != start) | (n == 1)))
        keys, first, numbers = np.unique(_key(before[here], codes[here], start), return_index=True, return_inverse=True)
        at_start = levels[-1].at_start[keys // (start + 1)] if levels else keys == start
        ending = np.full(len(codes), NOT_SEEN)
        ending[here] = numbers
        levels.append(_NGrams(keys, np.bincount(numbers, weights[here]), at_start, here[first], ending))
        contexts = np.where(lengths >= n, ending, NOT_SEEN)
    return levels


def _continuations(shorter, longer):
    """In how many different ways the shorter n-grams can be continued to the left; a gap is one way.

    Those at the start cannot be, and keep their counts.
    """
    ways = np.bincount(shorter.ending[longer.first], minlength=len(shorter.keys))
    alone = (shorter.ending != NOT_SEEN) & (longer.ending == NOT_SEEN)
    ways[np.unique(shorter.ending[alone])] += 1
    return np.where(shorter.at_start, shorter.counts, ways)


def _level(keys, counts, n_contexts, start):
    """Take the discount off each count, and give what was taken to the shorter context."""
    discount = _discount(counts)
    contexts = keys // (start + 1)
    totals = np.bincount(contexts, counts, n_contexts)
    shares = np.maximum(counts - discount, 0.0) / totals[contexts]
    taken = np.bincount(contexts, np.minimum(counts, discount), n_contexts)
    backoffs = np.divide(taken, totals, out=np.ones(n_contexts), where=totals > 0)
    end = np.iinfo(np.int64).max
    return Level(np.append(keys, end), np.append(shares, 0.0), np.append(backoffs, 1.0), discount)


def _discount(counts):
    once, twice = np.sum(np.floor(counts + 0.5) == 1), np.sum(np.floor(counts + 0.5) == 2)
    return float(once / (once + 2 * twice)) if once and twice else DISCOUNT_WITHOUT_EVIDENCE


# -------------------------------------------------------------------- looking up


def _look_up(levels, codes, start):
    """For each level, and each place (L,): the number of the context before it, and that of its n-gram."""
    lengths = context_lengths(codes, start)
    contexts = np.zeros(len(codes), dtype=np.int64)
    for n, level in enumerate(levels, 1):
        before = np.roll(contexts, 1)
        keys = _key(before, codes, start)
        places = np.searchsorted(level.keys, keys)
        grams = np.where((level.keys[places] == keys) & (codes != MISSING), places, NOT_SEEN)
        yield level, before, grams
        contexts = np.where(lengths >= n, grams, NOT_SEEN)


def _key(contexts, codes, start):
    return contexts * (start + 1) + codes  # negative, hence in no table, where the context was not seen
