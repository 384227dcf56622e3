"""The E-step of a semi-Markov chain: back from the end of a sequence, over all segments that it may have.

What is stored and how it is named is as in ``segmentations``.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inline, kernel
from .logarithms import log_advance
from .segmentations import LARGE, add, exponentials, forward

__all__ = ["Counts", "expectations"]


class Counts(NamedTuple):
    """What the E-step adds up."""

    starts: np.ndarray  # (K,)
    pairs: np.ndarray  # (K, K)
    completed: np.ndarray  # (K, L), segments of 1, 2, ... steps
    censored: np.ndarray  # (K, L), those of which only 1, 2, ... A steps are seen, or told apart
    visits: np.ndarray  # (S, K)


@inline
def _see_again(work, j, s, T, log_likelihood):
    """Take in the observation after s, from the end on."""
    width = work.parts.shape[1]
    if s == T - 1:
        work.sums[j], work.to_the_end[j], work.after[j, T] = 0.0, 0.0, 0.0
        for m in range(T, T + width + 1):
            work.closed[j, m] = work.closed_beyond[j, m] = -np.inf
        work.closed_beyond[j, T] = 0.0
    work.to_the_end[j] += log_likelihood
    if log_likelihood > -np.inf:
        work.sums[j] += log_likelihood
    if log_likelihood == -np.inf or s % width == 0 or abs(work.sums[j]) > LARGE:
        shift, work.sums[j] = (work.sums[j], 0.0) if log_likelihood > -np.inf else (-np.inf, work.sums[j])
        for m in range(s + 1, s + 1 + width):
            work.closed[j, m] += shift
            work.closed_beyond[j, m] += shift


@inline
def _close(chain, work, j, t, log_likelihood_after):
    """What may follow on a segment that ends at t, log p(x after t given that)."""
    ended, durations = work.vectors[0, j], chain.durations
    going_on = durations.stay + log_likelihood_after + work.after[j, t + 1]
    work.after[j, t] = add(durations.leave + ended, going_on)
    work.closed[j, t] = ended - work.sums[j]
    work.closed_beyond[j, t] = work.after[j, t] - work.sums[j]


@inline
def _segments_from(chain, work, j, s, T, evidence, weight, counts, posterior):
    """Count segments of state j that begin after s; returns log p(x after s given that one does)."""
    durations, begin, A = chain.durations, work.begins[j, s] - evidence, chain.durations.longest
    top, sum_of_parts = exponentials(work.closed, j, s + 1, durations.mass, work.parts)
    top += work.sums[j]
    following = top + np.log(sum_of_parts) if sum_of_parts > 0.0 else -np.inf
    cut_off = durations.survivor[j, T - s - 1] + work.to_the_end[j] if T - s < A else -np.inf
    past_all = durations.beyond[j] + work.closed_beyond[j, s + A] + work.sums[j]
    if begin > -np.inf:
        factor, covered = np.exp(begin + top) if sum_of_parts > 0.0 else 0.0, 0.0
        for d in range(min(T - s, A - 1), 0, -1):
            if d == T - s:
                covered += np.exp(begin + cut_off)
                counts.censored[j, d - 1] += weight * covered
            elif d == A - 1:
                covered += np.exp(begin + past_all)
            own = factor * work.parts[0, d - 1]
            counts.completed[j, d - 1] += weight * own
            covered += own
            posterior[s + d - 1, j] += covered
        counts.censored[j, A - 1] += weight * np.exp(begin + past_all)
    return add(following, add(cut_off, past_all))


@inline
def _backward(chain, log_table, rows, work, evidence, weight, counts, posterior):
    """Count everything about one sequence, weighted; `posterior` (T, K) is p(z_t given x)."""
    T, K = posterior.shape
    ended, scratch, following = work.vectors[0], work.vectors[1], work.vectors[2]
    for t in range(T):
        for j in range(K):
            posterior[t, j] = 0.0
    for s in range(T - 1, -1, -1):
        likelihoods_after, scale = log_table[rows[s]], work.scales[s]
        for j in range(K):
            _see_again(work, j, s, T, likelihoods_after[j] - scale)
            following[j] = _segments_from(chain, work, j, s, T, evidence, weight, counts, posterior)
        log_advance(following, chain.transposed, chain.log_transposed, ended, scratch)
        for i in range(K):
            _close(chain, work, i, s, likelihoods_after[i] - scale)
            posterior[s, i] += np.exp(work.beyond[i, s + 1] + work.after[i, s + 1] - evidence)
            if s > 0:
                for j in range(K):
                    pair = work.ended[s, i] + chain.log_transition[i, j] + following[j] - evidence
                    counts.pairs[i, j] += weight * np.exp(pair)
            else:
                counts.starts[i] += weight * np.exp(work.begins[i, 0] + following[i] - evidence)


@kernel
def expectations(chain, log_table, rows, offsets, weights, work, log_likelihood, posterior, counts):
    """Both passes over each sequence, added to `counts`; one that is impossible adds nothing, its posterior uniform."""
    K = log_table.shape[1]
    for n in range(len(offsets) - 1):
        own, states = rows[offsets[n] : offsets[n + 1]], posterior[offsets[n] : offsets[n + 1]]
        evidence = log_likelihood[n] = forward(chain, log_table, own, work)
        for t in range(len(own)):
            log_likelihood[n] += work.scales[t]
        if evidence == -np.inf:
            for t in range(len(own)):
                for j in range(K):
                    states[t, j] = 1.0 / K
            continue
        _backward(chain, log_table, own, work, evidence, weights[n], counts, states)
        for t in range(len(own)):
            for j in range(K):
                counts.visits[own[t], j] += weights[n] * states[t, j]
