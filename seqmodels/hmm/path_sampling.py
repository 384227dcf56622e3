"""Paths drawn given the observations: forward filtering, backward sampling."""

import numpy as np

from ..jit import inline, kernel
from ..threads import in_threads
from .logarithms import log_forward, logarithms_of

__all__ = ["accumulate", "chosen", "sample_paths"]


def sample_paths(initial, transition, source, offsets, uniforms, n_jobs=None):
    """Paths of each sequence, independent of each other given the observations.

    Filtered probabilities are kept as logarithms: a state that nearly vanished may be the only one to go back to.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    source : FewRows or RowEach
        Of likelihoods.
    offsets : array (N + 1,) of int
    uniforms : array (M, n)
        Random numbers between 0 and 1, one for each step of each path.
    n_jobs : int, optional
        Threads.

    Returns
    -------
    list of N arrays (n, T) of int
        None in place of a sequence of probability zero.
    """
    log_initial, log_transition = logarithms_of(initial), logarithms_of(transition)

    def of_one(n):
        begin, end = int(offsets[n]), int(offsets[n + 1])
        log_table, rows = source.log_likelihoods(begin, end)
        paths = np.empty((uniforms.shape[1], end - begin), dtype=np.int64)
        possible = _sample(log_initial, log_transition, transition, log_table, rows, uniforms[begin:end], paths)
        return paths if possible else None

    return in_threads(of_one, range(len(offsets) - 1), n_jobs)


@inline
def accumulate(scores, cumulative):
    """Sums of the exponentials of scores (K,), but for a factor."""
    largest, total = -np.inf, 0.0
    for score in scores:
        largest = max(largest, score)
    for i in range(len(scores)):
        total += np.exp(scores[i] - largest)
        cumulative[i] = total


@inline
def chosen(cumulative, uniform):
    """The first entry beyond the share `uniform` of the total; never one without a share of its own."""
    state, below, target = 0, 0.0, uniform * cumulative[-1]
    for i in range(len(cumulative)):
        if cumulative[i] > below:
            state = i
        if cumulative[i] > target:
            break
        below = cumulative[i]
    return state


@kernel
def _sample(log_initial, log_transition, transition, log_table, rows, uniforms, paths):
    """Fill `paths` (n, T); returns whether the sequence is possible.

    A step back from state j at time t + 1 goes to i with probability proportional to
    ``p(z_t = i given x_<=t) transition[i, j]``; these are found once for all paths that are in j.
    """
    (n, T), K = paths.shape, len(log_initial)
    log_alpha, terms = np.empty((T, K)), np.empty(T)
    cumulative, found_at, scores = np.empty((K, K)), np.full(K, -1), np.empty(K)
    log_forward(log_initial, log_transition, transition, log_table, rows, log_alpha, terms)
    for t in range(T):
        if terms[t] == -np.inf:
            return False
    for t in range(T - 1, -1, -1):
        for path in range(n):
            after = paths[path, t + 1] if t < T - 1 else 0
            if found_at[after] != t:
                for i in range(K):
                    scores[i] = log_alpha[t, i] + (log_transition[i, after] if t < T - 1 else 0.0)
                accumulate(scores, cumulative[after])
                found_at[after] = t
            paths[path, t] = chosen(cumulative[after], uniforms[t, path])
    return True
