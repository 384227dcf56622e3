"""Kernels of a semi-Markov chain: sums over all segmentations of a sequence into states and their durations.

A path without transitions from a state to itself is a segmentation, and the other way round. Time t = 0 stands before
the first observation, t = 1 after it. Everything is a logarithm, and the likelihoods of a segment are a difference
of sums up to its ends, so that a step of a state takes one look at each duration. Observations that are impossible
in a state leave the sums as they are, and close what is open before them. Every L steps, and when they are large,
the sums begin anew, so that their differences are exact. For the same reason the likelihoods at each step are divided
by a number of about the right size, of which the logarithm is a whole number.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inline, kernel
from ..simd import exp, largest, load, maximum, splat, store, total, where_positive
from .durations import PADDING
from .logarithms import log_advance, log_sum

__all__ = ["LARGE", "Chain", "Work", "add", "exponentials", "filtered", "forward", "whole", "work_for"]

LOWEST = -1e300  # any logarithm below is that of zero
LARGE = 256.0  # of sums: numbers beyond are rounded to more than 3e-14


class Chain(NamedTuple):
    """A semi-Markov chain; the diagonal of the transitions is zero."""

    log_initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    log_transition: np.ndarray  # (K, K)
    transposed: np.ndarray  # (K, K)
    log_transposed: np.ndarray  # (K, K)
    durations: tuple  # Durations


class Work(NamedTuple):
    """What is stored about a sequence; x is all that is observed, and t a time from 0 to T.

    Probabilities are those of divided likelihoods.
    """

    scales: np.ndarray  # (T + 1,), logarithms of what the likelihoods of the observation after t are divided by
    begins: np.ndarray  # (K, T + 1), log p(x up to t, a segment begins after t)
    opened: np.ndarray  # (K, L + T + 1), the same less the sums, from column L on; -inf where it cannot be open now
    ended: np.ndarray  # (T + 1, K), log p(x up to t, a segment ends at t)
    beyond: np.ndarray  # (K, T + 1), log p(x up to t, in a segment that has lasted A or more)
    after: np.ndarray  # (K, T + 1), log p(x after t given a segment that has lasted A or more)
    closed: np.ndarray  # (K, T + 1 + L), log p(x after t given that a segment ends at t), less the sums from the end
    closed_beyond: np.ndarray  # (K, T + 1 + L), `after` less these sums
    sums: np.ndarray  # (K,), of log likelihoods, but for impossible ones, since they last began anew
    to_the_end: np.ndarray  # (K,), the same from the end on, with impossible ones
    vectors: np.ndarray  # (3, K), for whatever is at hand
    parts: np.ndarray  # (1, L), the same


def work_for(chain, T):
    """Space for sequences of up to T steps."""
    K, width = chain.durations.mass.shape
    times, windows = (K, T + 1), (K, width + T + 1)
    shapes = (T + 1,), times, windows, (T + 1, K), times, times, windows, windows, (K,), (K,), (3, K), (1, width)
    return Work(*map(np.empty, shapes))


@inline
def add(a, b):
    """``log(exp(a) + exp(b))``."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -np.inf else high + np.log1p(np.exp(low - high))


@inline
def exponentials(open_at, j, first, table, parts):
    """Write the exponentials of a window plus a table's row j, less the largest, which is returned with their sum."""
    width = parts.shape[1]
    highest = splat(-np.inf, PADDING)
    for m in range(0, width, PADDING):
        highest = maximum(highest, load(open_at, j, first + m, PADDING) + load(table, j, m, PADDING))
    top = largest(highest)
    if top == -np.inf:
        for m in range(width):
            parts[0, m] = 0.0
        return top, 0.0
    sums = splat(0.0, PADDING)
    for m in range(0, width, PADDING):
        x = load(open_at, j, first + m, PADDING) + load(table, j, m, PADDING) - top
        y = exp(x)
        y = y - where_positive(LOWEST - x, y)
        store(parts, 0, m, y)
        sums = sums + y
    return top, total(sums)


@inline
def _log_sum_of(open_at, j, first, table, parts):
    """``log sum_m exp(open_at[j, first + m] + table[j, m])``."""
    top, sum_of_parts = exponentials(open_at, j, first, table, parts)
    return top if top == -np.inf else top + np.log(sum_of_parts)


@inline
def _going_beyond(chain, work, j, t):
    """Of a segment that has lasted A or more at t, log p(x before t, such a segment)."""
    durations, width = chain.durations, work.parts.shape[1]
    entering = work.opened[j, width + t - durations.longest] + durations.beyond[j] + work.sums[j]
    return add(entering, work.beyond[j, t - 1] + durations.stay)


@inline
def _see(chain, work, j, t, log_likelihood):
    """Take in the observation at t, and find what has ended at it."""
    durations, width, beyond = chain.durations, work.parts.shape[1], _going_beyond(chain, work, j, t)
    if log_likelihood == -np.inf:
        for m in range(t, t + width):
            work.opened[j, m] = -np.inf
        work.beyond[j, t] = work.ended[t, j] = -np.inf
        return
    work.sums[j] += log_likelihood
    if t % width == 0 or abs(work.sums[j]) > LARGE:
        for m in range(t, t + width):
            work.opened[j, m] += work.sums[j]
        work.sums[j] = 0.0
    work.beyond[j, t] = beyond + log_likelihood
    within = _log_sum_of(work.opened, j, t, durations.mass_reversed, work.parts)
    work.ended[t, j] = add(within + work.sums[j], work.beyond[j, t] + durations.leave)


@inline
def _start(chain, work):
    K, width = work.begins.shape[0], work.parts.shape[1]
    for j in range(K):
        for m in range(width):
            work.opened[j, m] = -np.inf
        work.sums[j], work.beyond[j, 0] = 0.0, -np.inf
        work.begins[j, 0] = work.opened[j, width] = chain.log_initial[j]
    work.scales[0] = 0.0


@inline
def whole(level):
    """The next whole number below a logarithm, 0 for -inf."""
    return np.floor(level) if level > -np.inf else 0.0


@inline
def _begin(chain, work, t):
    """Segments that begin after t."""
    width, ahead, scratch = work.parts.shape[1], work.vectors[0], work.vectors[1]
    log_advance(work.ended[t], chain.transition, chain.log_transition, ahead, scratch)
    for j in range(len(ahead)):
        work.begins[j, t] = ahead[j]
        work.opened[j, width + t] = ahead[j] - work.sums[j]


@inline
def _within(chain, work, j, t):
    """Of a segment that has lasted less than A at t, log p(x as far as it is in the sums, such a segment)."""
    return _log_sum_of(work.opened, j, t, chain.durations.survivor_reversed, work.parts) + work.sums[j]


@inline
def forward(chain, log_table, rows, work):
    """All quantities before and at each time; returns log p(x), of divided likelihoods."""
    T, K = len(rows), log_table.shape[1]
    _start(chain, work)
    for t in range(1, T + 1):
        level = -np.inf
        for j in range(K):
            _see(chain, work, j, t, log_table[rows[t - 1], j] - work.scales[t - 1])
            level = max(level, work.ended[t, j], work.beyond[j, t])
        work.scales[t] = whole(level)
        _begin(chain, work, t)
    for j in range(K):
        work.vectors[0, j] = add(_within(chain, work, j, T), work.beyond[j, T])
    return log_sum(work.vectors[0])


@kernel
def filtered(chain, log_table, rows, offsets, work, terms, filters, elapsed):
    """Terms (M,), states' probabilities (M, K) given past and present, and (N, K, A) with the time spent in them.

    The last are logarithms, and left out where there is no space for them.

    An impossible observation has the term -inf and is then passed over, as if it were missing.
    """
    K, width, A = log_table.shape[1], work.parts.shape[1], chain.durations.longest
    occupancy = work.vectors[2]
    for n in range(len(offsets) - 1):
        first, T, before = offsets[n], offsets[n + 1] - offsets[n], 0.0
        _start(chain, work)
        for t in range(1, T + 1):
            m, likelihood, scale = first + t - 1, log_table[rows[first + t - 1]], work.scales[t - 1]
            for j in range(K):
                occupancy[j] = add(_within(chain, work, j, t), _going_beyond(chain, work, j, t))
                filters[m, j] = occupancy[j] + likelihood[j]
            now = log_sum(filters[m])
            possible = now > -np.inf
            terms[m] = now - before
            if not possible:
                now = log_sum(occupancy)
            for j in range(K):
                filters[m, j] = np.exp((filters[m, j] if possible else occupancy[j]) - now)
                _see(chain, work, j, t, (likelihood[j] if possible else 0.0) - scale)
            before = now - scale
            work.scales[t] = whole(before)
            _begin(chain, work, t)
        if len(elapsed) == 0:
            continue
        for j in range(K):
            for d in range(1, A):
                open_now = work.opened[j, width + max(T - d, -1)]  # before the start nothing is
                elapsed[n, j, d - 1] = open_now + chain.durations.survivor[j, d - 1] + work.sums[j] - before
            elapsed[n, j, A - 1] = work.beyond[j, T] - before
