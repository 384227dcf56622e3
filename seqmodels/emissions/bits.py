"""Zeros and ones within the kernels of a network: each row by itself, or under a mixture, such as chords."""

import numpy as np

from ..jit import inline, kernel
from ..simd import entry, exp, load, maximum, minimum, splat, store, total, where_positive

__all__ = ["CERTAIN", "bits", "bits_kernel", "mixed_bits"]

LANES = 8  # logits in a vector
BLOCK = 512  # factors from 1 to 2 whose product is taken before its logarithm
CERTAIN = 1e4  # a logit so large that its bit costs nothing


@inline
def _signed(D, values, row, raw, i, first, at_gaps):
    """Change the sign where there is a zero, and put something where a value is missing."""
    for d in range(D):
        value = values[row, d]
        if value != value:
            raw[i, first + d] = at_gaps
        elif value == 0:
            raw[i, first + d] = -raw[i, first + d]


@inline
def _of_row(D, width, values, row, raw, i, first):
    """Log probability of D bits under the logits in ``raw[i, first:]``; their gradients take the place of these.

    With its sign, a logit is the log odds t of what is seen, and the logarithms of ``1 + exp(-|t|)`` add up to that of
    a product. The `width` is D, or more where what follows on the logits is CERTAIN.
    """
    _signed(D, values, row, raw, i, first, CERTAIN)
    log_probability, whole = 0.0, width - width % LANES
    for begin in range(0, whole, BLOCK):
        low, factors = splat(raw.dtype.type(0), LANES), splat(raw.dtype.type(1), LANES)
        for d in range(first + begin, first + min(begin + BLOCK, whole), LANES):
            odds = load(raw, i, d, LANES)
            small = exp(-maximum(odds, -odds))  # at most 1: no overflow
            share = 1.0 / (1.0 + small)
            low, factors = low + minimum(odds, 0.0), factors * (1.0 + small)
            store(raw, i, d, where_positive(odds, small * share) + (share - where_positive(odds, share)))
        product = 1.0
        for lane in range(LANES):
            product *= float(entry(factors, lane))
        log_probability += total(low) - np.log(product)
    for d in range(first + whole, first + D):
        odds = raw[i, d]
        small = np.exp(-abs(odds))
        log_probability += min(odds, 0.0) - np.log1p(small)
        raw[i, d] = (small if odds > 0 else 1.0) / (1.0 + small)
    _signed(D, values, row, raw, i, first, 0.0)
    return log_probability


def bits(values, rows, first, n, raw, constants, terms):
    """Log probabilities of rows, and the gradients of logits in their place: y - sigmoid."""
    D = constants[0]
    for i in range(n):
        terms[i] = _of_row(D, raw.shape[1], values, rows[first + i], raw, i, 0)
        raw[i, D:] = 0


bits_kernel = kernel(bits)


@inline
def _all_missing(values, row):
    for d in range(values.shape[1]):
        if values[row, d] == values[row, d]:
            return False
    return True


@inline
def _to_odds(C, raw, i, first):
    """Turn logarithms into what is proportional to them, the largest of which is 1; returns that and the sum."""
    highest, sum_of_odds = raw[i, first], 0.0
    for c in range(1, C):
        highest = max(highest, raw[i, first + c])
    for c in range(C):
        raw[i, first + c] = np.exp(raw[i, first + c] - highest) if highest > -np.inf else 0.0
        sum_of_odds += raw[i, first + c]
    return highest, sum_of_odds


def mixed_bits(values, rows, first, n, raw, constants, terms):
    """The same under a mixture of C members: C logits of its weights, then D of each member, then C columns of room.

    The gradient of a member's logits is its own times the member's share.
    """
    C, D = constants
    R = C + C * D
    for i in range(n):
        row = rows[first + i]
        if _all_missing(values, row):
            terms[i] = 0.0
            raw[i] = 0
            continue
        for c in range(C):
            raw[i, R + c] = raw[i, c] + _of_row(D, D, values, row, raw, i, C + c * D)
        highest, sum_of_joint = _to_odds(C, raw, i, R)
        if highest == -np.inf:
            terms[i] = -np.inf
            raw[i] = 0
            continue
        highest_weight, sum_of_weights = _to_odds(C, raw, i, 0)
        terms[i] = highest + np.log(sum_of_joint) - highest_weight - np.log(sum_of_weights)
        for c in range(C):
            share = raw.dtype.type(raw[i, R + c] / sum_of_joint)
            raw[i, c] = share - raw[i, c] / sum_of_weights
            for d in range(C + c * D, C + c * D + D):
                raw[i, d] *= share
        raw[i, R:] = 0
