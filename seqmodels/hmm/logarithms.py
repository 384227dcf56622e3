"""Recursions on logarithms: right at any likelihood ratio, and much slower than those on probabilities."""

import numpy as np

from ..jit import inline, kernel
from .rescaled import TINY, advance

__all__ = [
    "expectations", "filtered", "last_log_filters", "log_advance", "log_forward", "log_sum", "logarithms_of",
    "posterior",
]  # fmt: skip


def logarithms_of(probabilities):
    """Logarithms, -inf of 0."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


@inline
def log_sum(a):
    """``log sum_i exp(a[i])``."""
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
def log_advance(log_alpha, transition, log_transition, ahead, scratch):
    """``ahead[j] = log sum_i exp(log_alpha[i]) transition[i, j]``, each j on its own scale if need be."""
    K = len(log_alpha)
    largest = -np.inf
    for i in range(K):
        largest = max(largest, log_alpha[i])
    if largest == -np.inf:
        for j in range(K):
            ahead[j] = -np.inf
        return
    for i in range(K):
        scratch[i] = np.exp(log_alpha[i] - largest)
    advance(scratch, transition, ahead)
    for j in range(K):
        if ahead[j] > TINY:  # else what underflowed below 1e-308 may matter
            ahead[j] = largest + np.log(ahead[j])
        else:
            for i in range(K):
                scratch[i] = log_alpha[i] + log_transition[i, j]
            ahead[j] = log_sum(scratch)
            for i in range(K):
                scratch[i] = np.exp(log_alpha[i] - largest)


@inline
def log_forward(log_initial, log_transition, transition, log_table, rows, log_alpha, terms):
    """log_alpha[t] = log p(z_t given x_<=t); an impossible observation has term -inf and is passed over."""
    T, K = log_alpha.shape  # (T, K)
    predicted, scratch = np.empty(K), np.empty(K)
    for t in range(T):
        if t == 0:
            for j in range(K):
                predicted[j] = log_initial[j]
        else:
            log_advance(log_alpha[t - 1], transition, log_transition, predicted, scratch)
        for j in range(K):
            log_alpha[t, j] = predicted[j] + log_table[rows[t], j]
        terms[t] = log_sum(log_alpha[t])
        for j in range(K):
            log_alpha[t, j] = predicted[j] if terms[t] == -np.inf else log_alpha[t, j] - terms[t]


@inline
def _log_backward(log_transposed, transposed, log_table, rows, log_beta):
    """log_beta[t] = log p(x_>t given z_t), up to a constant."""
    T, K = log_beta.shape  # (T, K)
    ahead, scratch = np.empty(K), np.empty(K)
    for i in range(K):
        log_beta[T - 1, i] = 0.0
    for t in range(T - 2, -1, -1):
        for j in range(K):
            ahead[j] = log_table[rows[t + 1], j] + log_beta[t + 1, j]
        log_advance(ahead, transposed, log_transposed, log_beta[t], scratch)
        largest = -np.inf
        for i in range(K):
            largest = max(largest, log_beta[t, i])
        if largest > -np.inf:
            for i in range(K):
                log_beta[t, i] -= largest


@inline
def _posterior(log_alpha, log_beta, gamma):
    """gamma[t] = p(z_t given all of x); uniform where the two passes have nothing in common."""
    T, K = gamma.shape  # (T, K)
    for t in range(T):
        for i in range(K):
            log_beta[t, i] += log_alpha[t, i]
        total = log_sum(log_beta[t])
        for i in range(K):
            gamma[t, i] = np.exp(log_beta[t, i] - total) if total > -np.inf else 1.0 / K


@kernel
def filtered(log_initial, log_transition, transition, log_table, rows, offsets, which, terms, filters):
    """Forward pass over the sequences `which`."""
    for n in which:
        start, end = offsets[n], offsets[n + 1]
        own, log_alpha = rows[start:end], filters[start:end]
        log_forward(log_initial, log_transition, transition, log_table, own, log_alpha, terms[start:end])
        for t in range(end - start):
            for i in range(len(log_initial)):
                log_alpha[t, i] = np.exp(log_alpha[t, i])


@kernel
def last_log_filters(log_initial, log_transition, transition, log_table, rows, offsets, which, found):
    """``log p(z_T given x)`` (N, K) of the sequences `which`."""
    for n in which:
        start, end = offsets[n], offsets[n + 1]
        log_alpha, terms = np.empty((end - start, len(log_initial))), np.empty(end - start)
        log_forward(log_initial, log_transition, transition, log_table, rows[start:end], log_alpha, terms)
        for i in range(len(log_initial)):
            found[n, i] = log_alpha[end - start - 1, i]


@kernel
def posterior(
    log_initial, log_transition, log_transposed, transition, transposed, log_table, rows, offsets, which,
    gamma,
):  # fmt: skip
    """Both passes over the sequences `which`."""
    K = len(log_initial)
    for n in which:
        start, end = offsets[n], offsets[n + 1]
        own, T = rows[start:end], end - start
        log_alpha, log_beta, terms = np.empty((T, K)), np.empty((T, K)), np.empty(T)
        log_forward(log_initial, log_transition, transition, log_table, own, log_alpha, terms)
        _log_backward(log_transposed, transposed, log_table, own, log_beta)
        _posterior(log_alpha, log_beta, gamma[start:end])


@kernel
def expectations(
    log_initial, log_transition, log_transposed, transition, transposed, log_table, rows, offsets, weights,
    which, result,
):  # fmt: skip
    """Forward-backward over the sequences `which`, added to `result`."""
    K = len(log_initial)
    ahead, pairs = np.empty(K), np.empty(K * K)
    for n in which:
        own, T = rows[offsets[n] : offsets[n + 1]], offsets[n + 1] - offsets[n]
        log_alpha, log_beta, gamma, terms = np.empty((T, K)), np.empty((T, K)), np.empty((T, K)), np.empty(T)
        log_forward(log_initial, log_transition, transition, log_table, own, log_alpha, terms)
        for t in range(T):
            result.log_likelihood[n] += terms[t]
        if result.log_likelihood[n] == -np.inf:
            continue
        _log_backward(log_transposed, transposed, log_table, own, log_beta)
        for t in range(1, T):
            for j in range(K):
                ahead[j] = log_table[own[t], j] + log_beta[t, j]
            for i in range(K):
                for j in range(K):
                    pairs[i * K + j] = log_alpha[t - 1, i] + log_transition[i, j] + ahead[j]
            total = log_sum(pairs)
            for i in range(K):
                for j in range(K):
                    result.pairs[i, j] += weights[n] * np.exp(pairs[i * K + j] - total)
        _posterior(log_alpha, log_beta, gamma)
        for t in range(T):
            for i in range(K):
                result.visits[own[t], i] += weights[n] * gamma[t, i]
        for i in range(K):
            result.starts[i] += weights[n] * gamma[0, i]
