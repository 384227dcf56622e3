"""Single steps of the forward and of the backward pass on probabilities, in short vectors; and why none is wrong.

Vectors are brought to a total between 1 and 2 by a power of two, every so many steps and one step late, so that
nobody waits for it, and nothing is rounded.

Nothing that matters is lost, because nothing is ever made smaller than it is, apart from what vanishes below
1e-300 within a few steps: likelihoods above zero are lifted to `FLOOR` at least, and so are, whenever a vector is
rescaled, its entries wherever the likelihood is above zero. What is lost is far below what is lifted there. Both
passes are thus upper bounds, and what was added to the evidence is at most the sum over all steps of FLOOR times
the total of the other pass. Where the evidence is above `LEAST_EVIDENCE` at every step, that is nothing; where it
is not, a sequence is left to slower recursions.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR
from ..jit import inline_here as inline
from ..simd import entry, load, maximum, number, splat, store, total, where_positive

__all__ = ["FAILED", "FLOOR", "LEAST_EVIDENCE", "LONGEST_SIDE_BY_SIDE", "Steps", "inline", "steps"]

FLOOR = 1e-150
"""What probabilities are lifted to: products of two of them are normal numbers still."""

LEAST_EVIDENCE = 1e-110
"""The smallest evidence, of vectors whose totals are about 1, beside which everything of the size of FLOOR is
nothing: for 1e12 steps of 1e3 states, 1e-25."""

LEAST_TOTAL = 1e-100
"""The smallest total of a vector that is rescaled: what was lost below 1e-300 then stays far below FLOOR."""

FAILED = 10_000
"""In place of an exponent: the vector cannot be rescaled."""

LONGEST_SIDE_BY_SIDE = 8
"""Up to this length, one pass has not enough to do while it waits for its last step; two in one loop have."""


@inline()
def exponent(number):
    """The whole number e with ``2 ** e <= number < 2 ** (e + 1)``; FAILED below LEAST_TOTAL and for NaN."""
    if LEAST_TOTAL <= number < np.inf:
        return (np.float64(number).view(np.int64) >> 52) - 1023
    return FAILED


@inline()
def power_of_two(e):
    """``2 ** e``."""
    return np.int64((1023 + e) << 52).view(np.float64)


class Steps(NamedTuple):
    """The functions for vectors of one length."""

    width_of: callable
    advance: callable
    rescale: callable
    follow_step: callable
    gather_step: callable


@functools.cache
def steps(length):
    """The steps for states in vectors of this length, or, where it is 32, of a multiple of it.

    Where vectors are short, the last one is handed on in a register.
    """
    IN_REGISTER = length <= LONGEST_SIDE_BY_SIDE
    SEVERAL = length == LONGEST_VECTOR

    @inline()
    def width_of(matrix):
        return matrix.shape[1] if SEVERAL else length

    @inline()
    def advance(v, vectors, n, matrix, width, j):
        """The part from j of ``vectors[n] @ matrix``; v is the vector, or its first piece."""
        if IN_REGISTER:
            a, b = entry(v, 0) * load(matrix, 0, j, length, width), entry(v, 1) * load(matrix, 1, j, length, width)
            for i in range(2, length, 2):
                a = a + entry(v, i) * load(matrix, i, j, length, width)
                b = b + entry(v, i + 1) * load(matrix, i + 1, j, length, width)
            return a + b
        a = number(vectors, n, 0, width) * load(matrix, 0, j, length, width)
        b = number(vectors, n, 1, width) * load(matrix, 1, j, length, width)
        c = number(vectors, n, 2, width) * load(matrix, 2, j, length, width)
        d = number(vectors, n, 3, width) * load(matrix, 3, j, length, width)
        for i in range(4, width, 4):
            a = a + number(vectors, n, i, width) * load(matrix, i, j, length, width)
            b = b + number(vectors, n, i + 1, width) * load(matrix, i + 1, j, length, width)
            c = c + number(vectors, n, i + 2, width) * load(matrix, i + 2, j, length, width)
            d = d + number(vectors, n, i + 3, width) * load(matrix, i + 3, j, length, width)
        return (a + b) + (c + d)

    @inline()
    def rescale(vectors, n, table, row, width):
        """Lift the entries of a vector to the floor; the exponent of two by which to divide the next one."""
        sums = splat(0.0, length)
        for j in range(0, width, length):
            v = where_positive(load(table, row, j, length, width), maximum(load(vectors, n, j, length, width), FLOOR))
            store(vectors, n, j, v, width)
            sums = sums + v
        return exponent(total(sums))

    @inline()
    def follow_step(v, matrix, table, row, stored, place, pending, rescaling, width):
        """Store the vector that follows v; returns it, and the exponent for the next one."""
        scale, pending = power_of_two(-pending), 0
        for j in range(0, width, length):
            likelihood = load(table, row, j, length, width) * scale
            following = advance(v, stored, place - 1, matrix, width, j) * likelihood
            store(stored, place, j, following, width)
        if rescaling:
            pending = rescale(stored, place, table, row, width)
            following = load(stored, place, 0, length, width)
        return following, pending

    @inline()
    def gather_step(v, matrix, table, row, own, r, stored, place, weighted, visits, weight, pending, rescaling, width):
        """One step over what the other chain has stored; returns the exponent for the next one."""
        sums = splat(0.0, length)
        for j in range(0, width, length):
            predicted = advance(v, own, r, matrix, width, j)
            store(own, r + 1, j, predicted, width)
            sums = sums + predicted * load(stored, place, j, length, width)
        evidence = total(sums)
        if not evidence > LEAST_EVIDENCE:
            return v, FAILED
        share, scale, pending = weight / evidence, power_of_two(-pending), 0
        for j in range(0, width, length):
            predicted, s = load(own, r + 1, j, length, width), load(stored, place, j, length, width) * share
            store(weighted, r, j, s, width)
            visit = predicted * s
            visit = where_positive(visit - LEAST_EVIDENCE * weight, visit)
            store(visits, row, j, load(visits, row, j, length, width) + visit, width)
            following = predicted * (load(table, row, j, length, width) * scale)
            store(own, r + 1, j, following, width)
        if rescaling:
            pending = rescale(own, r + 1, table, row, width)
            following = load(own, r + 1, 0, length, width)
        return following, pending

    return Steps(width_of, advance, rescale, follow_step, gather_step)
