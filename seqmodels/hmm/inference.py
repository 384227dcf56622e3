"""Inference in a hidden Markov chain, whatever its emissions are.

Emissions come as a table of log densities (S, K), one row per distinct observation, and the row (M,) of each
observation; the row of a missing one is all zeros.

The recursions run on probabilities, rescaled at every step (Rabiner 1989, section V.A), which is fast, and
exact unless a state that was flushed to zero is needed later. Each of the two passes is therefore checked, and
a sequence that fails is redone on logarithms: slower, and right at any likelihood ratio.
"""

from typing import NamedTuple

import numpy as np

from ..jit import inline, kernel

__all__ = ["Expectations", "decode", "expectations", "filtered", "posterior"]

NEGLIGIBLE = 1e-250
"""Evidence below this share may have lost something; above it, what underflowed (1e-308) cannot matter."""

MIXING = 1e-30
"""A chain whose smallest transition is above this forgets a flushed state within one step."""


class Expectations(NamedTuple):
    """What the E-step finds."""

    log_likelihood: np.ndarray  # (N,)
    starts: np.ndarray  # (K,) expected number of sequences that start in each state
    pairs: np.ndarray  # (K, K) expected number of transitions
    visits: np.ndarray  # (S, K) expected visits of each state at each row of the table


def expectations(initial, transition, log_table, rows, offsets, weights):
    """Forward-backward over all sequences, each counted `weights` (N,) times.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    log_table : array (S, K)
    rows : array (M,) of int
    offsets : array (N + 1,) of int
    weights : array (N,)

    Returns
    -------
    Expectations
        Sequences of probability zero have the log-likelihood -inf and add nothing to the rest.
    """
    table, shift = scaled(log_table)
    S, K = table.shape
    result = Expectations(np.zeros(len(offsets) - 1), np.zeros(K), np.zeros((K, K)), np.zeros((S, K)))
    transposed = np.ascontiguousarray(transition.T)
    failed = _expectations(initial, transition, transposed, table, shift, rows, offsets, weights, result)
    result.pairs[...] *= transition
    if failed.any():
        log_initial, log_transition = _log(initial), _log(transition)
        _exact_expectations(
            log_initial, log_transition, transition, log_table, rows, offsets, weights, np.flatnonzero(failed), result
        )
    return result


def filtered(initial, transition, log_table, rows, offsets):
    """Forward pass.

    Returns
    -------
    terms : array (M,)
        log p(x_t given x_<t).
    filters : array (M, K)
        p(z_t given x_<=t). An observation that is impossible given the past has the term -inf and is then
        passed over, as if it were missing.
    """
    table, shift = scaled(log_table)
    terms, filters = np.empty(len(rows)), np.empty((len(rows), len(initial)))
    failed = _filtered(initial, transition, table, shift, rows, offsets, terms, filters)
    if failed.any():
        _exact_filtered(
            _log(initial), _log(transition), transition, log_table, rows, offsets, np.flatnonzero(failed), terms, filters
        )
    return terms, filters


def posterior(initial, transition, log_table, rows, offsets):
    """State probabilities (M, K) given the whole of each sequence; NaN-free: uniform where it is impossible."""
    table, _ = scaled(log_table)
    gamma = np.empty((len(rows), len(initial)))
    transposed = np.ascontiguousarray(transition.T)
    failed = _posterior(initial, transition, transposed, table, rows, offsets, gamma)
    if failed.any():
        _exact_posterior(
            _log(initial), _log(transition), transition, log_table, rows, offsets, np.flatnonzero(failed), gamma
        )
    return gamma


def decode(initial, transition, log_table, rows, offsets):
    """Most probable paths, by the Viterbi algorithm.

    Returns
    -------
    states : array (M,) of int
    log_probability : array (N,)
        log p(states, observations) of each sequence.
    """
    states, log_probability = np.empty(len(rows), dtype=np.int64), np.empty(len(offsets) - 1)
    _viterbi(_log(initial), _log(transition), log_table, rows, offsets, states, log_probability)
    return states, log_probability


def scaled(log_table):
    """The table of likelihoods, the largest of each row 1, and the logarithm (S,) of what was divided out."""
    shift = log_table.max(axis=1)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    return np.exp(log_table - shift[:, None]), shift


def _log(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


# -------------------------------------------------------------------- recursions on probabilities


@inline
def _advance(alpha, transition, ahead):
    """``ahead[j] = sum_i alpha[i] transition[i, j]``."""
    K = len(alpha)
    for j in range(K):
        ahead[j] = 0.0
    for i in range(K):
        for j in range(K):
            ahead[j] += alpha[i] * transition[i, j]


@inline
def _forward(initial, transition, table, rows, alpha, scale):
    """alpha[t] = p(z_t given x_<=t) and scale[t] = p(x_t given x_<t), but for the shift of the row.

    Returns the smallest entry of alpha; at a step of probability zero it stops and returns -1.
    """
    T, K = alpha.shape  # (T, K)
    smallest = 1.0
    for t in range(T):
        if t == 0:
            for j in range(K):
                alpha[0, j] = initial[j]
        else:
            _advance(alpha[t - 1], transition, alpha[t])
        total = 0.0
        for j in range(K):
            alpha[t, j] *= table[rows[t], j]
            total += alpha[t, j]
        if not total > NEGLIGIBLE:
            return -1.0
        scale[t] = total
        for j in range(K):
            alpha[t, j] /= total
            smallest = min(smallest, alpha[t, j])
    return smallest


@inline
def _backward(transposed, table, rows, alpha, beta, ahead, scale):
    """beta[t] = p(x_>t given z_t) up to a factor, the largest entry 1.

    ``ahead[t]`` is what enters the expected transitions from t - 1 to t: likelihood times beta. ``scale[t]``
    divides the products of alpha[t] and what follows; returns whether no overlap of the passes was negligible.
    """
    T, K = beta.shape  # (T, K)
    for t in range(T - 1, -1, -1):
        largest = 1.0
        if t == T - 1:
            for i in range(K):
                beta[t, i] = 1.0
        else:
            for j in range(K):
                ahead[t + 1, j] = table[rows[t + 1], j] * beta[t + 1, j]
            _advance(ahead[t + 1], transposed, beta[t])
            largest = 0.0
            for i in range(K):
                largest = max(largest, beta[t, i])
            if not largest > NEGLIGIBLE:
                return False
        overlap = 0.0
        for i in range(K):
            beta[t, i] /= largest
            overlap += alpha[t, i] * beta[t, i]
        if not overlap > NEGLIGIBLE:
            return False
        if t < T - 1:
            for j in range(K):
                ahead[t + 1, j] /= largest * overlap
        scale[t] = overlap
    return True


@kernel
def _expectations(initial, transition, transposed, table, shift, rows, offsets, weights, result):
    N, K = len(offsets) - 1, len(initial)
    T = np.max(offsets[1:] - offsets[:-1])
    alpha, beta, ahead = np.empty((T, K)), np.empty((T, K)), np.empty((T, K))
    scale, overlap = np.empty(T), np.empty(T)
    failed = np.zeros(N, dtype=np.bool_)
    for n in range(N):
        start, T = offsets[n], offsets[n + 1] - offsets[n]
        own = rows[start : start + T]
        if _forward(initial, transition, table, own, alpha[:T], scale) < 0 or not _backward(
            transposed, table, own, alpha[:T], beta[:T], ahead, overlap
        ):
            failed[n] = True
            continue
        log_likelihood = 0.0
        for t in range(T):
            log_likelihood += np.log(scale[t]) + shift[own[t]]
            factor = weights[n] / overlap[t]
            for i in range(K):
                result.visits[own[t], i] += alpha[t, i] * beta[t, i] * factor
        for i in range(K):
            result.starts[i] += alpha[0, i] * beta[0, i] * weights[n] / overlap[0]
        for t in range(1, T):  # the transition matrix is factored out
            for i in range(K):
                factor = alpha[t - 1, i] * weights[n]
                for j in range(K):
                    result.pairs[i, j] += factor * ahead[t, j]
        result.log_likelihood[n] = log_likelihood
    return failed


@kernel
def _filtered(initial, transition, table, shift, rows, offsets, terms, filters):
    N = len(offsets) - 1
    failed = np.zeros(N, dtype=np.bool_)
    mixing = np.min(transition) > MIXING
    for n in range(N):
        own = slice(offsets[n], offsets[n + 1])
        smallest = _forward(initial, transition, table, rows[own], filters[own], terms[own])
        failed[n] = smallest < 0 or (not mixing and smallest < NEGLIGIBLE)
        for m in range(offsets[n], offsets[n + 1]):
            terms[m] = np.log(terms[m]) + shift[rows[m]] if not failed[n] else 0.0
    return failed


@kernel
def _posterior(initial, transition, transposed, table, rows, offsets, gamma):
    N, K = len(offsets) - 1, len(initial)
    T = np.max(offsets[1:] - offsets[:-1])
    beta, ahead, scale, overlap = np.empty((T, K)), np.empty((T, K)), np.empty(T), np.empty(T)
    failed = np.zeros(N, dtype=np.bool_)
    for n in range(N):
        start, T = offsets[n], offsets[n + 1] - offsets[n]
        own, alpha = rows[start : start + T], gamma[start : start + T]
        if _forward(initial, transition, table, own, alpha, scale) < 0 or not _backward(
            transposed, table, own, alpha, beta[:T], ahead, overlap
        ):
            failed[n] = True
            continue
        for t in range(T):
            for i in range(K):
                alpha[t, i] *= beta[t, i] / overlap[t]
    return failed


# -------------------------------------------------------------------- recursions on logarithms


@inline
def _log_sum(a):
    largest = -np.inf
    for value in a:
        largest = max(largest, value)
    if largest == -np.inf:
        return largest
    total = 0.0
    for value in a:
        total += np.exp(value - largest)
    return largest + np.log(total)


@inline
def _log_advance(log_alpha, transition, log_transition, ahead, scratch):
    """``ahead[j] = log sum_i exp(log_alpha[i]) transition[i, j]``, each j on a scale of its own if need be."""
    K = len(log_alpha)
    largest = -np.inf
    for i in range(K):
        largest = max(largest, log_alpha[i])
    if largest == -np.inf:
        ahead[:] = -np.inf
        return
    for i in range(K):
        scratch[i] = np.exp(log_alpha[i] - largest)
    _advance(scratch, transition, ahead)
    for j in range(K):
        if ahead[j] > NEGLIGIBLE:
            ahead[j] = largest + np.log(ahead[j])
        else:
            for i in range(K):
                scratch[i] = log_alpha[i] + log_transition[i, j]
            ahead[j] = _log_sum(scratch)
            for i in range(K):
                scratch[i] = np.exp(log_alpha[i] - largest)


@inline
def _log_forward(log_initial, log_transition, transition, log_table, rows, log_alpha, terms):
    """log_alpha[t] = log p(z_t given x_<=t); an impossible observation has the term -inf and is passed over."""
    T, K = log_alpha.shape  # (T, K)
    predicted, scratch = np.empty(K), np.empty(K)
    for t in range(T):
        if t == 0:
            predicted[:] = log_initial
        else:
            _log_advance(log_alpha[t - 1], transition, log_transition, predicted, scratch)
        for j in range(K):
            log_alpha[t, j] = predicted[j] + log_table[rows[t], j]
        terms[t] = _log_sum(log_alpha[t])
        for j in range(K):
            log_alpha[t, j] = predicted[j] if terms[t] == -np.inf else log_alpha[t, j] - terms[t]


@inline
def _log_backward(log_transposed, transposed, log_table, rows, log_beta):
    """log_beta[t] = log p(x_>t given z_t), up to a constant."""
    T, K = log_beta.shape  # (T, K)
    ahead, scratch = np.empty(K), np.empty(K)
    log_beta[T - 1] = 0.0
    for t in range(T - 2, -1, -1):
        for j in range(K):
            ahead[j] = log_table[rows[t + 1], j] + log_beta[t + 1, j]
        _log_advance(ahead, transposed, log_transposed, log_beta[t], scratch)
        largest = np.max(log_beta[t])
        if largest > -np.inf:
            for i in range(K):
                log_beta[t, i] -= largest


@inline
def _log_posterior(log_alpha, log_beta):
    """log_alpha becomes log p(z_t given all of x); uniform where the two have nothing in common."""
    T, K = log_alpha.shape
    for t in range(T):
        for i in range(K):
            log_alpha[t, i] += log_beta[t, i]
        total = _log_sum(log_alpha[t])
        for i in range(K):
            log_alpha[t, i] = log_alpha[t, i] - total if total > -np.inf else -np.log(K)


@kernel
def _exact_filtered(log_initial, log_transition, transition, log_table, rows, offsets, which, terms, filters):
    for n in which:
        own = slice(offsets[n], offsets[n + 1])
        log_alpha = np.empty((offsets[n + 1] - offsets[n], len(log_initial)))
        _log_forward(log_initial, log_transition, transition, log_table, rows[own], log_alpha, terms[own])
        filters[own] = np.exp(log_alpha)


@kernel
def _exact_posterior(log_initial, log_transition, transition, log_table, rows, offsets, which, gamma):
    transposed, log_transposed = transition.T.copy(), log_transition.T.copy()
    for n in which:
        own = slice(offsets[n], offsets[n + 1])
        T, K = gamma[own].shape
        log_alpha, log_beta, terms = np.empty((T, K)), np.empty((T, K)), np.empty(T)
        _log_forward(log_initial, log_transition, transition, log_table, rows[own], log_alpha, terms)
        _log_backward(log_transposed, transposed, log_table, rows[own], log_beta)
        _log_posterior(log_alpha, log_beta)
        gamma[own] = np.exp(log_alpha)


@kernel
def _exact_expectations(
    log_initial, log_transition, transition, log_table, rows, offsets, weights, which, result
):
    transposed, log_transposed = transition.T.copy(), log_transition.T.copy()
    K = len(log_initial)
    pairs, ahead = np.empty((K, K)), np.empty(K)
    for n in which:
        own = rows[offsets[n] : offsets[n + 1]]
        T = len(own)
        log_alpha, log_beta, terms = np.empty((T, K)), np.empty((T, K)), np.empty(T)
        _log_forward(log_initial, log_transition, transition, log_table, own, log_alpha, terms)
        result.log_likelihood[n] = np.sum(terms)
        if result.log_likelihood[n] == -np.inf:
            continue
        _log_backward(log_transposed, transposed, log_table, own, log_beta)
        for t in range(1, T):
            for j in range(K):
                ahead[j] = log_table[own[t], j] + log_beta[t, j]
            for i in range(K):
                for j in range(K):
                    pairs[i, j] = log_alpha[t - 1, i] + log_transition[i, j] + ahead[j]
            total = _log_sum(pairs.ravel())
            for i in range(K):
                for j in range(K):
                    result.pairs[i, j] += weights[n] * np.exp(pairs[i, j] - total)
        _log_posterior(log_alpha, log_beta)
        for t in range(T):
            for i in range(K):
                result.visits[own[t], i] += weights[n] * np.exp(log_alpha[t, i])
        for i in range(K):
            result.starts[i] += weights[n] * np.exp(log_alpha[0, i])


@kernel
def _viterbi(log_initial, log_transition, log_table, rows, offsets, states, log_probability):
    """Scores forward, the largest of each step brought to 0; the argmax is found again along the path."""
    K = len(log_initial)
    T = np.max(offsets[1:] - offsets[:-1])
    scores = np.empty((T, K))
    for n in range(len(offsets) - 1):
        start, T = offsets[n], offsets[n + 1] - offsets[n]
        total = 0.0
        for t in range(T):
            for j in range(K):
                scores[t, j] = log_initial[j] if t == 0 else -np.inf
            if t > 0:
                for i in range(K):
                    for j in range(K):
                        scores[t, j] = max(scores[t, j], scores[t - 1, i] + log_transition[i, j])
            best = -np.inf
            for j in range(K):
                scores[t, j] += log_table[rows[start + t], j]
                best = max(best, scores[t, j])
            if best > -np.inf:
                for j in range(K):
                    scores[t, j] -= best
            total += best
        log_probability[n] = total
        state = np.argmax(scores[T - 1])
        for t in range(T - 1, -1, -1):
            states[start + t] = state
            if t > 0:
                state = np.argmax(scores[t - 1] + log_transition[:, state])
