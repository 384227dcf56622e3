"""Recursions on probabilities, rescaled at every step (Rabiner 1989, section V.A): fast, and checked.

They are exact unless a state that was flushed to zero is needed later. Both passes therefore carry along an
upper bound of what they flushed. Where it comes to matter, as it may where states hardly mix, the sequence is
left to :mod:`~seqmodels.hmm.logarithms`: slower, and right at any likelihood ratio.
"""

import numpy as np

from ..jit import inline, kernel

__all__ = [
    "SMALLEST_TRANSITION",
    "TINY",
    "advance",
    "expectations",
    "filtered",
    "likelihoods",
    "longest",
    "posterior",
    "suits",
]

TINY = 1e-200
"""Probabilities below this are flushed to zero, and counted as lost."""

SMALLEST_TRANSITION = 1e-100
"""Chains with a smaller one that is not zero are left to logarithms: times TINY, it comes near underflow."""

TOLERATED = 1e-16
"""The largest share of the evidence that may be lost."""

DOMINATED = 1e-30
"""What was lost in a state is forgotten below this share of what is there: both go the same ways from then
on, and their ratio cannot rise."""


def likelihoods(log_table):
    """Likelihoods, the largest of each row 1, and the logarithms (S,) of what was divided out."""
    shift = log_table.max(axis=1)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    table = np.exp(log_table - shift[:, None])
    # what is possible stays above zero, so that the recursions see that they flush it
    return np.where(log_table == -np.inf, 0.0, np.maximum(table, np.finfo(float).tiny)), shift


def suits(transition):
    """Whether no transition is so small, without being zero, that products with it could underflow."""
    return not np.any((transition > 0) & (transition < SMALLEST_TRANSITION))


@inline
def longest(offsets):
    """Length of the longest sequence."""
    T = 0
    for n in range(len(offsets) - 1):
        T = max(T, offsets[n + 1] - offsets[n])
    return T


@inline
def advance(alpha, transition, ahead):
    """``ahead[j] = sum_i alpha[i] transition[i, j]``."""
    K = len(alpha)
    for j in range(K):
        ahead[j] = 0.0
    for i in range(K):
        for j in range(K):
            ahead[j] += alpha[i] * transition[i, j]


@inline
def _flush(probability, likelihood, product, losing, lost, lost_product):
    """Set to zero what is tiny in ``product = probability * likelihood``, and count it as lost.

    `lost` bounds what is missing from `probability`, and is read only if `losing`; `lost_product` will bound
    what is missing from `product`. Returns whether anything is.
    """
    loses = False
    for j in range(len(product)):
        lost_product[j] = 0.0
        if likelihood[j] > 0.0:
            if losing and lost[j] > 0.0:
                lost_product[j] = max(lost[j] * likelihood[j], TINY)  # the bound itself must not underflow
            if probability[j] > 0.0 and product[j] < TINY:
                product[j] = 0.0
                lost_product[j] += TINY
            loses = loses or lost_product[j] > 0.0
    return loses


@inline
def _rescale_lost(probability, scale, lost):
    """Divide by `scale`, and forget what cannot matter any more; returns whether anything is left."""
    losing = False
    for j in range(len(lost)):
        lost[j] /= scale
        if lost[j] <= DOMINATED * probability[j]:
            lost[j] = 0.0
        losing = losing or lost[j] > 0.0
    return losing


@inline
def _total(a):
    total = 0.0
    for value in a:
        total += value
    return total


@inline
def _dot(a, b):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@inline
def _forward(initial, transition, table, rows, alpha, scale):
    """alpha[t] = p(z_t given x_<=t) and scale[t] = p(x_t given x_<t), but for the shift of the row.

    Returns whether every step is possible and nothing that was lost matters.
    """
    T, K = alpha.shape  # (T, K)
    predicted, lost_predicted, lost = np.empty(K), np.empty(K), np.empty(K)
    losing = False
    for t in range(T):
        if t == 0:
            for j in range(K):
                predicted[j] = initial[j]
        else:
            advance(alpha[t - 1], transition, predicted)
            if losing:
                advance(lost, transition, lost_predicted)
        total, smallest = 0.0, 1.0
        for j in range(K):
            alpha[t, j] = predicted[j] * table[rows[t], j]
            total += alpha[t, j]
            smallest = min(smallest, alpha[t, j])
        if losing or smallest < TINY:
            losing = _flush(predicted, table[rows[t]], alpha[t], losing, lost_predicted, lost)
            total = _total(alpha[t])
        if not total > 0.0:
            return False
        scale[t] = total
        for j in range(K):
            alpha[t, j] /= total
        if losing:
            losing = _rescale_lost(alpha[t], total, lost)
            if not _total(lost) <= TOLERATED:
                return False
    return True


@inline
def _backward(transposed, table, rows, alpha, beta, ahead, scale):
    """beta[t] = p(x_>t given z_t) up to a factor, the largest entry 1.

    ``ahead[t]`` is what enters the expected transitions from t - 1 to t: likelihood times beta. ``scale[t]``
    divides the products of alpha[t] and what follows.

    Returns whether nothing that was lost matters. A path is lost in one pass or the other: :func:`_forward`
    has bounded those that it lost, here the others are held against the paths that alpha has kept.
    """
    T, K = beta.shape  # (T, K)
    lost, lost_ahead = np.empty(K), np.empty(K)
    losing = False
    for t in range(T - 1, -1, -1):
        largest = 1.0
        if t == T - 1:
            for i in range(K):
                beta[t, i] = 1.0
        else:
            smallest = 1.0
            for j in range(K):
                ahead[t + 1, j] = table[rows[t + 1], j] * beta[t + 1, j]
                smallest = min(smallest, ahead[t + 1, j])
            if losing or smallest < TINY:
                losing = _flush(beta[t + 1], table[rows[t + 1]], ahead[t + 1], losing, lost, lost_ahead)
            advance(ahead[t + 1], transposed, beta[t])
            if losing:
                advance(lost_ahead, transposed, lost)
            largest = 0.0
            for i in range(K):
                largest = max(largest, beta[t, i])
            if not largest > 0.0:
                return False
        overlap = 0.0
        for i in range(K):
            beta[t, i] /= largest
            overlap += alpha[t, i] * beta[t, i]
        if not largest * overlap > TINY:  # else dividing by it may overflow
            return False
        if losing:
            losing = _rescale_lost(beta[t], largest, lost)
            if not _dot(alpha[t], lost) <= TOLERATED * overlap:
                return False
        if t < T - 1:
            for j in range(K):
                ahead[t + 1, j] /= largest * overlap
        scale[t] = overlap
    return True


@inline
def _forward_backward(initial, transition, transposed, table, rows, alpha, beta, ahead, scale, overlap):
    """Both passes; returns whether nothing that was lost matters."""
    if not _forward(initial, transition, table, rows, alpha, scale):
        return False
    return _backward(transposed, table, rows, alpha, beta, ahead, overlap)


@kernel
def expectations(initial, transition, transposed, table, shift, rows, offsets, weights, which, result, done):
    """Forward-backward of the sequences `which`, added to `result`, but for the factor `transition` of its pairs."""
    K, T = len(initial), 0
    for n in which:
        T = max(T, offsets[n + 1] - offsets[n])
    alpha, beta, ahead = np.empty((T, K)), np.empty((T, K)), np.empty((T, K))
    scale, overlap = np.empty(T), np.empty(T)
    for n in which:
        start, T = offsets[n], offsets[n + 1] - offsets[n]
        own = rows[start : start + T]
        if not _forward_backward(
            initial, transition, transposed, table, own, alpha[:T], beta[:T], ahead, scale, overlap
        ):
            continue
        done[n] = True
        log_likelihood = 0.0
        for t in range(T):
            log_likelihood += np.log(scale[t]) + shift[own[t]]
            factor = weights[n] / overlap[t]
            for i in range(K):
                result.visits[own[t], i] += alpha[t, i] * beta[t, i] * factor
        for i in range(K):
            result.starts[i] += alpha[0, i] * beta[0, i] * weights[n] / overlap[0]
        for t in range(1, T):
            for i in range(K):
                factor = alpha[t - 1, i] * weights[n]
                for j in range(K):
                    result.pairs[i, j] += factor * ahead[t, j]
        result.log_likelihood[n] = log_likelihood


@kernel
def filtered(initial, transition, table, shift, rows, offsets, terms, filters, done):
    """Forward pass over each sequence."""
    N = len(offsets) - 1
    for n in range(N):
        start, end = offsets[n], offsets[n + 1]
        if not _forward(initial, transition, table, rows[start:end], filters[start:end], terms[start:end]):
            continue
        done[n] = True
        for m in range(start, end):
            terms[m] = np.log(terms[m]) + shift[rows[m]]


@kernel
def posterior(initial, transition, transposed, table, rows, offsets, gamma, done):
    """Both passes over each sequence; `gamma` holds alpha in between."""
    N, K = len(offsets) - 1, len(initial)
    T = longest(offsets)
    beta, ahead, scale, overlap = np.empty((T, K)), np.empty((T, K)), np.empty(T), np.empty(T)
    for n in range(N):
        start, T = offsets[n], offsets[n + 1] - offsets[n]
        own, alpha = rows[start : start + T], gamma[start : start + T]
        if not _forward_backward(initial, transition, transposed, table, own, alpha, beta[:T], ahead, scale, overlap):
            continue
        done[n] = True
        for t in range(T):
            for i in range(K):
                alpha[t, i] *= beta[t, i] / overlap[t]
