"""The most probable paths of a sequence: Viterbi's algorithm on lists (Seshadri and Sundberg 1994)."""

import numpy as np

from ..jit import inline, kernel
from ..threads import in_threads
from .logarithms import logarithms_of

__all__ = ["k_best"]


def k_best(initial, transition, source, offsets, k, n_jobs=None):
    """The k most probable paths of each sequence, best first, as far as there are so many of positive probability.

    Of equally probable paths, the first is the one whose last state is the smaller; if these are equal, whose last
    but one is; and so on.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    source : FewRows or RowEach
        Of likelihoods.
    offsets : array (N + 1,) of int
    k : int
    n_jobs : int, optional
        Threads.

    Returns
    -------
    list of N pairs of arrays
        Paths (n, T) of int, and log p(states, observations) (n,) of each; n is at most k.
    """
    log_initial, log_transition = logarithms_of(initial), logarithms_of(transition)

    def of_one(n):
        begin, end = int(offsets[n]), int(offsets[n + 1])
        T, K = end - begin, len(initial)
        most = k if T * np.log2(K) > 62 else min(k, K**T)
        log_table, rows = source.log_likelihoods(begin, end)
        scores, origins = np.empty((2, K, most)), np.empty((T, K, most), dtype=np.int32)
        paths, log_probabilities = np.empty((most, T), dtype=np.int64), np.empty(most)
        found = _k_best(log_initial, log_transition, log_table, rows, scores, origins, paths, log_probabilities)
        return paths[:found], log_probabilities[:found]

    return in_threads(of_one, range(len(offsets) - 1), n_jobs)


@inline
def _first_best(lists, used, transition, j):
    """Of the best unused entry of each list (K, k), plus ``transition[i, j]``: the largest, and its list, or -1."""
    best, state = -np.inf, -1
    for i in range(len(lists)):
        if used[i] < lists.shape[1] and lists[i, used[i]] + transition[i, j] > best:
            best, state = lists[i, used[i]] + transition[i, j], i
    return best, state


@inline
def _extend(before, log_transition, j, likelihood, used, scores, origins):
    """Merge the lists `before` (K, k) into the list of state j: its scores (k,), and what each extends."""
    k = len(scores)
    for i in range(len(used)):
        used[i] = 0
    for r in range(k):
        best, i = _first_best(before, used, log_transition, j)
        scores[r] = best + likelihood
        if scores[r] == -np.inf:
            for q in range(r, k):
                scores[q] = -np.inf
            break
        origins[r] = i * k + used[i]
        used[i] += 1


@inline
def _trace(scores, origins, nowhere, used, paths, log_probabilities):
    """Follow the best k of the last step's scores (K, k) back to the first step; returns how many there are."""
    T, K, k = origins.shape  # (T, K, k)
    for j in range(K):
        used[j] = 0
    for r in range(k):
        best, state = _first_best(scores, used, nowhere, 0)
        if state < 0:
            return r
        log_probabilities[r] = best
        rank = used[state]
        used[state] += 1
        for t in range(T - 1, -1, -1):
            paths[r, t] = state
            origin = origins[t, state, rank]
            state, rank = origin // k, origin % k
    return k


@kernel
def _k_best(log_initial, log_transition, log_table, rows, scores, origins, paths, log_probabilities):
    """Fill `paths` (k, T) and `log_probabilities` (k,); returns how many there are.

    ``scores[t % 2, j]`` are those of the best paths to state j at time t, best first, less what has been taken off
    to bring the best of all to 0; ``origins[t, j, r] = i k + q`` says that the r-th of them extends the q-th to i.
    """
    T, K, k = origins.shape  # (T, K, k)
    used, nowhere, taken = np.empty(K, dtype=np.int64), np.zeros((K, 1)), 0.0
    for t in range(T):
        top = -np.inf
        for j in range(K):
            if t == 0:
                for r in range(k):
                    scores[0, j, r] = log_initial[j] + log_table[rows[0], j] if r == 0 else -np.inf
                    origins[0, j, r] = 0
            else:
                before, likelihood = scores[1 - t % 2], log_table[rows[t], j]
                _extend(before, log_transition, j, likelihood, used, scores[t % 2, j], origins[t, j])
            top = max(top, scores[t % 2, j, 0])
        if top == -np.inf:
            return 0
        taken += top
        for j in range(K):
            for r in range(k):
                scores[t % 2, j, r] -= top
    found = _trace(scores[(T - 1) % 2], origins, nowhere, used, paths, log_probabilities)
    for r in range(found):
        log_probabilities[r] += taken
    return found
