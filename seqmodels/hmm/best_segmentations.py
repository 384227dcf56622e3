"""Viterbi's algorithm over segmentations; what is stored and how it is named is as in ``segmentations``."""

from typing import NamedTuple

import numpy as np

from ..jit import inline, kernel
from ..simd import largest, load, maximum, splat
from .durations import PADDING
from .segmentations import LARGE, whole

__all__ = ["Trace", "best_segmentations", "trace_for"]


class Trace(NamedTuple):
    """Scores of best segmentations up to each time, and where their last segments begin."""

    opened: np.ndarray  # (K, L + T + 1), score of a segment's beginning less the sums, from column L on
    ended: np.ndarray  # (K, T + 1), score of a segment's end
    origin: np.ndarray  # (K, T + 1) of int, when it began
    before: np.ndarray  # (K, T + 1) of int, the state before the segment that begins after a time
    beyond: np.ndarray  # (K,), score of being in a segment that has lasted A or more
    entered: np.ndarray  # (K,) of int, when that began
    sums: np.ndarray  # (K,), of log likelihoods, but for impossible ones, since they last began anew


def trace_for(chain, T):
    """Space for sequences of up to T steps."""
    K, width = chain.durations.mass.shape
    shape = (K, T + 1)
    scores = np.empty((K, width + T + 1)), np.empty(shape)
    places = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int32)
    return Trace(*scores, *places, np.empty(K), np.empty(K, dtype=np.int64), np.empty(K))


@inline
def _best_of(opened, j, t, table):
    """The largest of ``opened[j, t + m] + table[j, m]``, and when that segment begins: the first of equal ones."""
    width, highest = table.shape[1], splat(-np.inf, PADDING)
    for m in range(0, width, PADDING):
        highest = maximum(highest, load(opened, j, t + m, PADDING) + load(table, j, m, PADDING))
    best = largest(highest)
    if best > -np.inf:
        for m in range(width):
            if opened[j, t + m] + table[j, m] == best:
                return best, t + m - width
    return best, 0


@inline
def _see(chain, trace, j, t, log_likelihood):
    """Take in the observation at t, and find the best segment of state j that ends at it."""
    durations, width, A = chain.durations, chain.durations.mass.shape[1], chain.durations.longest
    entering = trace.opened[j, width + t - A] + durations.beyond[j] + trace.sums[j]
    trace.beyond[j] += durations.stay
    if entering > trace.beyond[j]:
        trace.beyond[j], trace.entered[j] = entering, t - A
    if log_likelihood == -np.inf:
        trace.beyond[j] = -np.inf
        for m in range(t, t + width):
            trace.opened[j, m] = -np.inf
    else:
        trace.sums[j] += log_likelihood
        trace.beyond[j] += log_likelihood
        if t % width == 0 or abs(trace.sums[j]) > LARGE:
            for m in range(t, t + width):
                trace.opened[j, m] += trace.sums[j]
            trace.sums[j] = 0.0
    best, origin = _best_of(trace.opened, j, t, durations.mass_reversed)
    best += trace.sums[j]
    if trace.beyond[j] + durations.leave > best:
        best, origin = trace.beyond[j] + durations.leave, trace.entered[j]
    trace.ended[j, t], trace.origin[j, t] = best, origin


@inline
def _begin(chain, trace, t):
    """The best segments that begin after t; returns a whole number near the best score."""
    (K, width), level = chain.durations.mass.shape, -np.inf
    for j in range(K):
        best, state = -np.inf, 0
        for i in range(K):
            score = trace.ended[i, t] + chain.log_transition[i, j]
            if score > best:
                best, state = score, i
        trace.before[j, t] = state
        trace.opened[j, width + t] = best - trace.sums[j]
        level = max(level, trace.ended[j, t], trace.beyond[j])
    return whole(level)


@inline
def _follow(chain, log_table, rows, trace):
    """All scores; returns that of the best segmentation, and the state and beginning of its last segment."""
    (K, width), T = chain.durations.mass.shape, len(rows)
    for j in range(K):
        for m in range(width):
            trace.opened[j, m] = -np.inf
        trace.sums[j], trace.beyond[j], trace.entered[j] = 0.0, -np.inf, 0
        trace.opened[j, width] = chain.log_initial[j]
    taken, scale = 0.0, 0.0  # whole numbers, what is taken from scores so that they stay near 0
    for t in range(1, T + 1):
        for j in range(K):
            _see(chain, trace, j, t, log_table[rows[t - 1], j] - scale)
        taken += scale
        scale = _begin(chain, trace, t)
    highest, state, begin = -np.inf, 0, 0
    for j in range(K):
        best, origin = _best_of(trace.opened, j, T, chain.durations.survivor_reversed)
        best += trace.sums[j]
        if trace.beyond[j] > best:
            best, origin = trace.beyond[j], trace.entered[j]
        if best > highest:
            highest, state, begin = best, j, origin
    return highest + taken, state, begin


@kernel
def best_segmentations(chain, log_table, rows, offsets, trace, states, log_probability):
    """Most probable states (M,), and log p(states, observations) (N,): -inf, and any states, where that is zero."""
    for n in range(len(offsets) - 1):
        own, path = rows[offsets[n] : offsets[n + 1]], states[offsets[n] : offsets[n + 1]]
        log_probability[n], state, begin = _follow(chain, log_table, own, trace)
        end = len(own)
        if log_probability[n] == -np.inf:
            begin = 0
        while end > 0:
            for t in range(begin, end):
                path[t] = state
            end = begin
            state = trace.before[state, end]
            begin = trace.origin[state, end] if end > 0 else 0
