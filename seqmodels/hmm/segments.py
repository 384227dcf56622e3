"""Inference in a semi-Markov chain, group by group of sequences; sums in an order fixed by the data."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..threads import in_threads
from .best_segmentations import best_segmentations, trace_for
from .groups import groups
from .logarithms import logarithms_of
from .segment_counts import Counts
from .segment_counts import expectations as _expectations
from .segment_sampling import UNIFORMS, sample_segmentations
from .segmentations import Chain, work_for
from .segmentations import filtered as _filtered
from .tables import summed

__all__ = [
    "SegmentExpectations", "best_paths", "chain_of", "expectations", "filtered", "log_probabilities_of", "sample_paths",
]  # fmt: skip


class SegmentExpectations(NamedTuple):
    """What the E-step finds."""

    log_likelihood: np.ndarray  # (N,)
    starts: np.ndarray  # (K,) expected number of sequences that start in each state
    pairs: np.ndarray  # (K, K) expected number of transitions
    completed: np.ndarray  # (K, L) expected number of segments of 1, 2, ... steps
    censored: np.ndarray  # (K, L) and of those that last at least so long, up to A
    visits: object  # what the source of likelihoods makes of the visits of each state


def chain_of(initial, transition, durations):
    """A chain as the kernels want it, from probabilities and `Durations`."""
    initial, transition = np.asarray(initial, float), np.ascontiguousarray(transition, float)
    transposed = np.ascontiguousarray(transition.T)
    logs = logarithms_of(transition), transposed, logarithms_of(transposed)
    return Chain(logarithms_of(initial), transition, *logs, durations)


class _Group(NamedTuple):
    """Neighbouring sequences, and the log likelihoods of their observations, the largest of each row 0."""

    sequences: slice
    times: slice
    log_table: np.ndarray  # (S, K)
    shift: np.ndarray  # (S,)
    rows: np.ndarray
    offsets: np.ndarray
    longest: int


def _in_groups(function, source, offsets, n_jobs):
    def of_one(bounds):
        begin, end = bounds
        first, last = int(offsets[begin]), int(offsets[end])
        log_table, rows = source.log_likelihoods(first, last)
        highest = log_table.max(axis=1)
        shift = np.where(np.isfinite(highest), highest, 0.0)
        own = np.asarray(offsets[begin : end + 1]) - first
        rows = np.asarray(rows, dtype=np.int64)  # one kind, for which kernels are compiled
        group = _Group(
            slice(begin, end), slice(first, last), log_table - shift[:, None], shift, rows, own, int(np.diff(own).max())
        )
        return function(group)

    return in_threads(of_one, groups(source, offsets, np.zeros(len(offsets) - 1, dtype=bool)), n_jobs)


def expectations(chain, source, offsets, weights, n_jobs=None):
    """Forward-backward over all segmentations of all sequences, each counted `weights` (N,) times.

    Returns
    -------
    SegmentExpectations
        Sequences of probability zero have the log-likelihood -inf and add nothing to the rest.
    posterior : array (M, K)
        State probabilities given the whole of each sequence; uniform where that is impossible.
    """
    K, width = chain.durations.mass.shape
    log_likelihood, posterior = np.empty(len(offsets) - 1), np.empty((offsets[-1], K))

    def of_one(group):
        counts = Counts(
            np.zeros(K), np.zeros((K, K)), np.zeros((K, width)), np.zeros((K, width)), np.zeros(group.log_table.shape)
        )
        _expectations(
            chain, group.log_table, group.rows, group.offsets, weights[group.sequences],
            work_for(chain, group.longest), log_likelihood[group.sequences], posterior[group.times], counts,
        )  # fmt: skip
        log_likelihood[group.sequences] += np.add.reduceat(group.shift[group.rows], group.offsets[:-1])
        return counts._replace(visits=source.collected(group.times.start, group.times.stop, counts.visits))

    weights = np.asarray(weights, dtype=float)
    return SegmentExpectations(log_likelihood, *summed(_in_groups(of_one, source, offsets, n_jobs))), posterior


def filtered(chain, source, offsets, n_jobs=None, with_ages=False):
    """Terms log p(x_t given x_<t) (M,); p(z_t given x_<=t) (M, K); and, if wanted, logs of ages at the end (N, K, A).

    An impossible observation has the term -inf and is then passed over, as if it were missing.
    """
    K, A, N = len(chain.log_initial), chain.durations.longest, len(offsets) - 1
    terms, filters = np.empty(offsets[-1]), np.empty((offsets[-1], K))
    elapsed = np.empty((N if with_ages else 0, K, A))

    def of_one(group):
        found = terms[group.times], filters[group.times], elapsed[group.sequences]
        work = work_for(chain, group.longest)
        _filtered(chain, group.log_table, group.rows, group.offsets, work, *found)
        terms[group.times] += group.shift[group.rows]

    _in_groups(of_one, source, offsets, n_jobs)
    return terms, filters, elapsed


def best_paths(chain, source, offsets, n_jobs=None):
    """Most probable states (M,), and log p(states, observations) (N,)."""
    states, log_probability = np.empty(offsets[-1], dtype=np.int64), np.empty(len(offsets) - 1)

    def of_one(group):
        found = states[group.times], log_probability[group.sequences]
        trace = trace_for(chain, group.longest)
        best_segmentations(chain, group.log_table, group.rows, group.offsets, trace, *found)
        log_probability[group.sequences] += np.add.reduceat(group.shift[group.rows], group.offsets[:-1])

    _in_groups(of_one, source, offsets, n_jobs)
    return states, log_probability


def sample_paths(chain, source, offsets, n, generator, n_jobs=None):
    """A list of N arrays (n, T) of states, drawn given each sequence; None in place of one of probability zero."""
    uniforms = generator.random((n, offsets[-1], UNIFORMS))

    def of_one(group):
        work, found = work_for(chain, group.longest), []
        for begin, end in pairwise(group.offsets):
            paths, times = np.empty((n, end - begin), dtype=np.int64), slice(begin, end)
            own = uniforms[:, group.times][:, times]
            possible = sample_segmentations(chain, group.log_table, group.rows[times], own, work, paths)
            found.append(paths if possible else None)
        return found

    return [paths for found in _in_groups(of_one, source, offsets, n_jobs) for paths in found]


def log_probabilities_of(states, chain, source, offsets):
    """Of given states (M,), log p(states, observations) (N,)."""
    durations, found = chain.durations, np.empty(len(offsets) - 1)
    A = durations.longest

    def lasting(state, length, to_the_end):
        if length < A:
            return (durations.survivor if to_the_end else durations.mass)[state, length - 1]
        staying = (length - A) * durations.stay if length > A else 0.0
        return durations.beyond[state] + staying + (0.0 if to_the_end else durations.leave)

    for n, begin in enumerate(offsets[:-1]):
        own = states[begin : offsets[n + 1]]
        log_table, rows = source.log_likelihoods(begin, offsets[n + 1])
        borders = [0, *(np.flatnonzero(np.diff(own)) + 1), len(own)]
        of_segments = own[borders[:-1]]
        found[n] = chain.log_initial[own[0]] + chain.log_transition[of_segments[:-1], of_segments[1:]].sum()
        for state, start, end in zip(of_segments, borders[:-1], borders[1:], strict=True):
            found[n] += lasting(state, end - start, end == len(own))
        found[n] += log_table[rows, own].sum()
    return found
