"""Forward-backward on probabilities, in short vectors: the two passes meet in the middle.

Likelihoods are counted into both passes: forward, ``f_t[j] = sum_i f_{t-1}[i] A[i, j] b_t[j]``; backward,
``g_t[i] = sum_j A[i, j] g_{t+1}[j] b_t[i]``, which is the same recursion over the observations in reverse with
the matrix transposed. Each pass *follows* its chain over its own half of the sequence and stores what it finds;
then each goes on over the half of the other and *gathers*: with the prediction ``p_t`` of one, before the
likelihood of its step is counted in, and the stored vector ``s_t`` of the other,

    ``E_t = sum_j p_t[j] s_t[j]``  is the evidence, but for scales,
    ``p_t * s_t / E_t``            are the probabilities of the states at t, and
    ``u_{t-1} s_t' / E_t``         times A, entry by entry, those of the pairs at t - 1 and t, u being the one's vector.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..jit import kernel
from ..simd import load, number, splat, store, total
from .steps import FAILED, LEAST_EVIDENCE, LONGEST_SIDE_BY_SIDE, inline, steps

__all__ = ["BLOCK", "LOG_2", "STEPS_BETWEEN_SCALES", "Chain", "passes", "sum_of_shifts"]

STEPS_BETWEEN_SCALES = (8, 1)
"""Powers of two; at the first try and at the next."""

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


@functools.cache
def sums_of_products(length):
    """The function that adds the products of the rows of two arrays; for rows of this length, or of several of 32."""

    @inline()
    def add_products(left, right, sums, n, width):
        """``sums[i, j] += sum_r left[r, i] right[r, j]`` over the first n rows, four rows of the sums at a time."""
        for j in range(0, width, length):
            for i in range(0, width, 4):
                a, b = load(sums, i, j, length, width), load(sums, i + 1, j, length, width)
                c, d = load(sums, i + 2, j, length, width), load(sums, i + 3, j, length, width)
                for r in range(n):
                    row = load(right, r, j, length, width)
                    a, b = a + number(left, r, i, width) * row, b + number(left, r, i + 1, width) * row
                    c, d = c + number(left, r, i + 2, width) * row, d + number(left, r, i + 3, width) * row
                store(sums, i, j, a, width)
                store(sums, i + 1, j, b, width)
                store(sums, i + 2, j, c, width)
                store(sums, i + 3, j, d, width)

    return add_products


@functools.cache
def passes(length):
    """The kernels for states in vectors of this length, or, where it is 32, of a multiple of it."""
    width_of, advance, rescale, follow_step, gather_step = steps(length)
    add_products = sums_of_products(length)
    TOGETHER = length <= LONGEST_SIDE_BY_SIDE  # both passes in one loop

    @inline()
    def begin(chain):
        """Store a chain's first vector; False if it fails."""
        width, row = width_of(chain.matrix), chain.rows[chain.first]
        for j in range(0, width, length):
            first = load(chain.start, 0, j, length, width) * load(chain.table, row, j, length, width)
            store(chain.stored, -chain.base, j, first, width)
        chain.exponents[0] = 0
        chain.exponents[1] = rescale(chain.stored, -chain.base, chain.table, row, width)
        return chain.exponents[1] != FAILED

    @inline()
    def follow(chain, other, first, end, end_of_other, every):
        """Steps of a chain from `first` to `end`, and of the other in the same loop; False if one fails."""
        width = width_of(chain.matrix)
        matrix, table, rows, stored = chain.matrix, chain.table, chain.rows, chain.stored
        matrix_2, table_2, rows_2, stored_2 = other.matrix, other.table, other.rows, other.stored
        pending, pending_2, exponents, exponents_2 = chain.exponents[1], other.exponents[1], 0, 0
        v = load(stored, first - 1 - chain.base if first < end else 0, 0, length, width)
        v_2 = load(stored_2, first - 1 - other.base if first < end_of_other else 0, 0, length, width)
        for n in range(first, max(end, end_of_other)):
            rescaling = n & (every - 1) == 0
            if n < end:
                exponents += pending
                row = rows[chain.first + chain.sign * n]
                v, pending = follow_step(v, matrix, table, row, stored, n - chain.base, pending, rescaling, width)
            if n < end_of_other:
                exponents_2 += pending_2
                row = rows_2[other.first + other.sign * n]
                v_2, pending_2 = follow_step(
                    v_2, matrix_2, table_2, row, stored_2, n - other.base, pending_2, rescaling, width
                )
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
            ahead = load(backward.stored, last_2, j, length, width)
            store(backward.own, 0, j, ahead, width)
            if middle == 0:
                sums = sums + load(forward.start, 0, j, length, width) * ahead
            else:
                store(forward.own, 0, j, load(forward.stored, last, j, length, width), width)
                v = load(forward.stored, last, 0, length, width)
                sums = sums + advance(v, forward.stored, last, forward.matrix, width, j) * ahead
        return total(sums)

    @inline()
    def add_pairs(own, weighted, pairs, n, width):
        """Add the pairs of the n steps of a block; the last vector is the first one of the next block."""
        add_products(own, weighted, pairs, n, width)
        for j in range(0, width, length):
            store(own, 0, j, load(own, n, j, length, width), width)

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
        v, v_2 = load(own, 0, 0, length, width), load(own_2, 0, 0, length, width)
        for block in range(0, max(size, size_2), BLOCK):
            for r in range(min(BLOCK, max(size, size_2) - block)):
                if block + r < size:
                    n = first + block + r
                    row, place = rows[chain.first + chain.sign * n], T - 1 - n - other.base
                    v, pending = gather_step(
                        v, matrix, table, row, own, r, stored_2, place, weighted, visits, weight, pending,
                        n & (every - 1) == 0, width,
                    )  # fmt: skip
                if block + r < size_2:
                    n = first_of_other + block + r
                    row, place = rows_2[other.first + other.sign * n], T - 1 - n - chain.base
                    v_2, pending_2 = gather_step(
                        v_2, matrix_2, table_2, row, own_2, r, stored, place, weighted_2, visits_2, weight, pending_2,
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
            store(own, 0, j, splat(0.0, length), width)

    @inline()
    def add_start(forward, backward, weight, T, starts):
        """``starts += start * g_0``, brought to a total of `weight`."""
        width, row, visits = width_of(forward.matrix), forward.rows[forward.first], forward.visits
        sums = splat(0.0, length)
        for j in range(0, width, length):
            sums = sums + load(forward.start, 0, j, length, width) * load(backward.own, 0, j, length, width)
        share = weight / total(sums)
        for j in range(0, width, length):
            visit = load(forward.start, 0, j, length, width) * load(backward.own, 0, j, length, width) * share
            store(starts, 0, j, load(starts, 0, j, length, width) + visit, width)
            if T == 1:
                store(visits, row, j, load(visits, row, j, length, width) + visit, width)

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

    compiled = functools.partial(kernel, _nrt=False)
    return Passes(
        compiled(begin, key=f"begin, vectors of {length}"),
        compiled(follow, key=f"follow, vectors of {length}"),
        compiled(meet, key=f"meet, vectors of {length}"),
        compiled(gather, key=f"gather, vectors of {length}"),
        expectations,
    )
