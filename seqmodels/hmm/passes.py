"""Forward-backward on probabilities, in short vectors: the two passes meet in the middle.

Likelihoods are counted into both passes: forward, ``f_t[j] = sum_i f_{t-1}[i] A[i, j] b_t[j]``; backward,
``g_t[i] = sum_j A[i, j] g_{t+1}[j] b_t[i]``, which is the same recursion over the observations in reverse with
the matrix transposed. Each pass *follows* its chain over its own half of the sequence and stores what it finds;
then each goes on over the half of the other and *gathers*: with the prediction ``p_t`` of one, before the
likelihood of its step is counted in, and the stored vector ``s_t`` of the other,

    ``E_t = sum_j p_t[j] s_t[j]``  is the evidence, but for scales,
    ``p_t * s_t / E_t``            are the probabilities of the states at t, and
    ``u_{t-1} s_t' / E_t``         times A, entry by entry, those of the pairs at t - 1 and t, u being the one's vector.

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

from ..emissions.moments import sums_of_products
from ..jit import inline as _inline
from ..jit import kernel
from ..simd import exp, largest, load, maximum, splat, store, total, where_positive

__all__ = ["BLOCK", "FAILED", "FLOOR", "LEAST_EVIDENCE", "STEPS_BETWEEN_SCALES", "Chain", "passes", "sum_of_shifts"]

inline = functools.partial(_inline, _nrt=False)  # counting references takes longer than the steps do

FLOOR = 1e-150
"""What probabilities are lifted to: products of two of them are normal numbers still."""

LEAST_EVIDENCE = 1e-110
"""The smallest evidence, of vectors whose totals are about 1, beside which everything of the size of FLOOR is
nothing: for 1e12 steps of 1e3 states, 1e-25."""

LEAST_TOTAL = 1e-100
"""The smallest total of a vector that is rescaled: what was lost below 1e-300 then stays far below FLOOR."""

FAILED = 10_000
"""In place of an exponent: the vector cannot be rescaled."""

STEPS_BETWEEN_SCALES = (8, 1)
"""Powers of two; at the first try and at the next."""

LOWEST = -1e300

LOG_2 = np.log(2.0)

BLOCK = 64
"""So many steps are gathered before their pairs are added."""


class Chain(NamedTuple):
    """One pass over a sequence of T steps, in its own order: its step n has the time ``first + sign * n``."""

    start: np.ndarray  # (1, L), before the first likelihood: the initial distribution, or ones
    matrix: np.ndarray  # (L, L), the transitions, or their transpose
    table: np.ndarray  # (S, L), likelihoods
    rows: np.ndarray  # (M,), the row of the table of each time
    first: int  # the time of step 0, as `rows` counts
    sign: int  # 1, or -1 for the backward pass
    stored: np.ndarray  # (T / 2, L), the vectors of its own half, in its order
    base: int  # the step that is stored first
    own: np.ndarray  # (BLOCK + 1, L), its vectors of one block in the half of the other
    weighted: np.ndarray  # (BLOCK, L), what the other chain has stored, divided by the evidence
    pairs: np.ndarray  # (L, L), sums of products of both
    visits: np.ndarray  # (S, L), sums of the states' probabilities
    exponents: np.ndarray  # (2,), of what its vectors were divided by, and of what the next one is to be


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


@inline()
def sum_of_rows(shift, rows, begin, end):
    """``sum(shift[rows[begin:end]])``, in four sums that do not wait for each other."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = begin + (end - begin) // 4 * 4
    for t in range(begin, whole, 4):
        a, b = a + shift[rows[t]], b + shift[rows[t + 1]]
        c, d = c + shift[rows[t + 2]], d + shift[rows[t + 3]]
    for t in range(whole, end):
        a += shift[rows[t]]
    return (a + b) + (c + d)


@kernel(_nrt=False)
def sum_of_shifts(shift, rows, begin, end):
    """The same, from outside of kernels."""
    return sum_of_rows(shift, rows, begin, end)


@inline()
def at(chain, time):
    """The same chain over the sequence at which it begins at this time."""
    return Chain(
        chain.start, chain.matrix, chain.table, chain.rows, time, chain.sign, chain.stored, chain.base, chain.own,
        chain.weighted, chain.pairs, chain.visits, chain.exponents,
    )  # fmt: skip


class Passes(NamedTuple):
    """The kernels for vectors of one length."""

    begin: callable
    follow: callable
    meet: callable
    gather: callable
    expectations: callable
    exponentiate: callable


@functools.cache
def passes(length):
    """The kernels for states in vectors of this length, or, where it is 32, of a multiple of it."""
    add_products = sums_of_products(length)
    SEVERAL = length == 32
    TOGETHER = length <= 8  # both passes in one loop, for neither has enough to do while it waits for its last step

    @inline()
    def width_of(matrix):
        return matrix.shape[1] if SEVERAL else length

    @inline()
    def advance(vectors, n, matrix, width, j):
        """The part from j of ``vectors[n] @ matrix``."""
        a = vectors[n, 0] * load(matrix, 0, j, length)
        b = vectors[n, 1] * load(matrix, 1, j, length)
        c = vectors[n, 2] * load(matrix, 2, j, length)
        d = vectors[n, 3] * load(matrix, 3, j, length)
        for i in range(4, width, 4):
            a = a + vectors[n, i] * load(matrix, i, j, length)
            b = b + vectors[n, i + 1] * load(matrix, i + 1, j, length)
            c = c + vectors[n, i + 2] * load(matrix, i + 2, j, length)
            d = d + vectors[n, i + 3] * load(matrix, i + 3, j, length)
        return (a + b) + (c + d)

    @inline()
    def rescale(vectors, n, table, row, width):
        """Lift the entries of a vector to the floor; the exponent of two by which to divide the next one."""
        sums = splat(0.0, length)
        for j in range(0, width, length):
            v = where_positive(load(table, row, j, length), maximum(load(vectors, n, j, length), FLOOR))
            store(vectors, n, j, v)
            sums = sums + v
        return exponent(total(sums))

    @inline()
    def begin(chain):
        """Store a chain's first vector; False if it fails."""
        width, row = width_of(chain.matrix), chain.rows[chain.first]
        for j in range(0, width, length):
            first = load(chain.start, 0, j, length) * load(chain.table, row, j, length)
            store(chain.stored, -chain.base, j, first)
        chain.exponents[0] = 0
        chain.exponents[1] = rescale(chain.stored, -chain.base, chain.table, row, width)
        return chain.exponents[1] != FAILED

    @inline()
    def follow_step(matrix, table, row, stored, place, pending, rescaling, width):
        """Store the vector that follows the one before; returns the exponent for the next one."""
        scale = power_of_two(-pending)
        for j in range(0, width, length):
            likelihood = load(table, row, j, length) * scale
            store(stored, place, j, advance(stored, place - 1, matrix, width, j) * likelihood)
        return rescale(stored, place, table, row, width) if rescaling else 0

    @inline()
    def follow(chain, other, first, end, end_of_other, every):
        """Steps of a chain from `first` to `end`, and of the other in the same loop; False if one fails."""
        width = width_of(chain.matrix)
        matrix, table, rows, stored = chain.matrix, chain.table, chain.rows, chain.stored
        matrix_2, table_2, rows_2, stored_2 = other.matrix, other.table, other.rows, other.stored
        pending, pending_2, exponents, exponents_2 = chain.exponents[1], other.exponents[1], 0, 0
        for n in range(first, max(end, end_of_other)):
            rescaling = n & (every - 1) == 0
            if n < end:
                exponents += pending
                row = rows[chain.first + chain.sign * n]
                pending = follow_step(matrix, table, row, stored, n - chain.base, pending, rescaling, width)
            if n < end_of_other:
                exponents_2 += pending_2
                row = rows_2[other.first + other.sign * n]
                pending_2 = follow_step(matrix_2, table_2, row, stored_2, n - other.base, pending_2, rescaling, width)
            if pending == FAILED or pending_2 == FAILED:
                return False
        chain.exponents[0] += exponents
        other.exponents[0] += exponents_2
        chain.exponents[1], other.exponents[1] = pending, pending_2
        return True

    @inline()
    def meet(forward, backward, middle, T):
        """Copy each chain's last vector to where it goes on from; the evidence between them."""
        width, last, last_2 = width_of(forward.matrix), middle - 1 - forward.base, T - middle - 1 - backward.base
        sums = splat(0.0, length)
        for j in range(0, width, length):
            ahead = load(backward.stored, last_2, j, length)
            store(backward.own, 0, j, ahead)
            if middle == 0:
                sums = sums + load(forward.start, 0, j, length) * ahead
            else:
                store(forward.own, 0, j, load(forward.stored, last, j, length))
                sums = sums + advance(forward.stored, last, forward.matrix, width, j) * ahead
        return total(sums)

    @inline()
    def gather_step(matrix, table, row, own, r, stored, place, weighted, visits, weight, pending, rescaling, width):
        """One step over what the other chain has stored; returns the exponent for the next one."""
        sums = splat(0.0, length)
        for j in range(0, width, length):
            predicted = advance(own, r, matrix, width, j)
            store(own, r + 1, j, predicted)
            sums = sums + predicted * load(stored, place, j, length)
        evidence = total(sums)
        if not evidence > LEAST_EVIDENCE:
            return FAILED
        share, scale = weight / evidence, power_of_two(-pending)
        for j in range(0, width, length):
            predicted, s = load(own, r + 1, j, length), load(stored, place, j, length) * share
            store(weighted, r, j, s)
            visit = predicted * s
            visit = where_positive(visit - LEAST_EVIDENCE * weight, visit)
            store(visits, row, j, load(visits, row, j, length) + visit)
            store(own, r + 1, j, predicted * (load(table, row, j, length) * scale))
        return rescale(own, r + 1, table, row, width) if rescaling else 0

    @inline()
    def add_pairs(own, weighted, pairs, n, width):
        """Add the pairs of the n steps of a block; the last vector is the first one of the next block."""
        add_products(own, weighted, pairs, n, width)
        for j in range(0, width, length):
            store(own, 0, j, load(own, n, j, length))

    @inline()
    def gather(chain, other, first, end, first_of_other, end_of_other, meeting, T, weight, every):
        """Go on over the half of the other chain; False if one fails.

        At the meeting, the pair of steps at which the chains meet is left to the forward pass.
        """
        width = width_of(chain.matrix)
        matrix, table, rows, stored = chain.matrix, chain.table, chain.rows, chain.stored
        matrix_2, table_2, rows_2, stored_2 = other.matrix, other.table, other.rows, other.stored
        own, weighted, pairs, visits = chain.own, chain.weighted, chain.pairs, chain.visits
        own_2, weighted_2, pairs_2, visits_2 = other.own, other.weighted, other.pairs, other.visits
        pending, pending_2 = chain.exponents[1], other.exponents[1]
        size, size_2 = end - first, end_of_other - first_of_other
        for block in range(0, max(size, size_2), BLOCK):
            for r in range(min(BLOCK, max(size, size_2) - block)):
                if block + r < size:
                    n = first + block + r
                    row, place = rows[chain.first + chain.sign * n], T - 1 - n - other.base
                    pending = gather_step(
                        matrix, table, row, own, r, stored_2, place, weighted, visits, weight, pending,
                        n & (every - 1) == 0, width,
                    )  # fmt: skip
                if block + r < size_2:
                    n = first_of_other + block + r
                    row, place = rows_2[other.first + other.sign * n], T - 1 - n - chain.base
                    pending_2 = gather_step(
                        matrix_2, table_2, row, own_2, r, stored, place, weighted_2, visits_2, weight, pending_2,
                        n & (every - 1) == 0, width,
                    )  # fmt: skip
                if pending == FAILED or pending_2 == FAILED:
                    return False
            if meeting and block == 0 and chain.sign < 0:
                clear(own, width)
            elif meeting and block == 0 and size_2 > 0:
                clear(own_2, width)
            if block < size:
                add_pairs(own, weighted, pairs, min(BLOCK, size - block), width)
            if block < size_2:
                add_pairs(own_2, weighted_2, pairs_2, min(BLOCK, size_2 - block), width)
        chain.exponents[1], other.exponents[1] = pending, pending_2
        return True

    @inline()
    def clear(own, width):
        for j in range(0, width, length):
            store(own, 0, j, splat(0.0, length))

    @inline()
    def add_start(forward, backward, weight, T, starts):
        """``starts += start * g_0``, brought to a total of `weight`."""
        width, row, visits = width_of(forward.matrix), forward.rows[forward.first], forward.visits
        sums = splat(0.0, length)
        for j in range(0, width, length):
            sums = sums + load(forward.start, 0, j, length) * load(backward.own, 0, j, length)
        share = weight / total(sums)
        for j in range(0, width, length):
            visit = load(forward.start, 0, j, length) * load(backward.own, 0, j, length) * share
            store(starts, 0, j, load(starts, 0, j, length) + visit)
            if T == 1:
                store(visits, row, j, load(visits, row, j, length) + visit)

    @inline()
    def both(forward, backward, T, weight, every, starts):
        """All of a sequence; returns its log-likelihood but for the shifts of its rows, and NaN if a pass fails."""
        middle = T // 2
        if not (begin(forward) and begin(backward)):
            return np.nan
        if TOGETHER:
            fine = follow(forward, backward, 1, middle, T - middle, every)
        else:
            fine = follow(forward, backward, 1, middle, 0, every)
            fine = fine and follow(backward, forward, 1, T - middle, 0, every)
        evidence = meet(forward, backward, middle, T)
        if not (fine and evidence > LEAST_EVIDENCE):
            return np.nan
        exponents = forward.exponents[0] * (middle > 0) + backward.exponents[0]
        if T > 1:
            if TOGETHER:
                fine = gather(forward, backward, middle, T, T - middle, T, True, T, weight, every)
            else:
                fine = gather(forward, backward, middle, T, 0, 0, True, T, weight, every)
                fine = fine and gather(backward, forward, T - middle, T, 0, 0, True, T, weight, every)
        if not fine:
            return np.nan
        add_start(forward, backward, weight, T, starts)
        return np.log(evidence) + exponents * LOG_2

    @kernel(key=f"expectations, vectors of {length}", _nrt=False)
    def expectations(forward, backward, shift, offsets, begin, end, weights, tries, starts, log_likelihood):
        """Forward-backward over the sequences from `begin` to `end`; returns how many fail."""
        n_failed = 0
        for n in range(begin, end):
            if tries[n] == len(STEPS_BETWEEN_SCALES):
                continue
            first, T = offsets[n] - offsets[begin] + forward.first, offsets[n + 1] - offsets[n]
            every = STEPS_BETWEEN_SCALES[tries[n]]
            value = both(at(forward, first), at(backward, first + T - 1), T, weights[n], every, starts)
            if np.isnan(value):
                tries[n] += 1
                n_failed += 1
                continue
            log_likelihood[n] = value + sum_of_rows(shift, forward.rows, first, first + T)
        return n_failed

    @inline()
    def exponentiate(table, n, shift):
        """Turn log likelihoods into likelihoods, the largest of each row 1, and keep the logarithm of the largest."""
        for row in range(n):
            highest = load(table, row, 0, length)
            for j in range(length, width_of(table), length):
                highest = maximum(highest, load(table, row, j, length))
            top = largest(highest)
            shift[row] = top if -np.inf < top < np.inf else 0.0
            for j in range(0, width_of(table), length):
                x = load(table, row, j, length)
                likelihood = maximum(exp(x - shift[row]), FLOOR)
                store(table, row, j, likelihood - where_positive(LOWEST - x, likelihood))  # 0 where x is -inf

    compiled = functools.partial(kernel, _nrt=False)
    return Passes(
        compiled(begin, key=f"begin, vectors of {length}"),
        compiled(follow, key=f"follow, vectors of {length}"),
        compiled(meet, key=f"meet, vectors of {length}"),
        compiled(gather, key=f"gather, vectors of {length}"),
        expectations,
        compiled(exponentiate, key=f"exponentiate, vectors of {length}"),
    )
