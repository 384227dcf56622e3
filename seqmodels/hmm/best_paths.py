"""Viterbi's algorithm in short vectors: two chains meet in the middle, and the path is traced from there both ways.

On logarithms, forward: ``f_t[j] = max_i (f_{t-1}[i] + log A[i, j]) + log b_t[j]``; backward the same over the
observations in reverse, with the matrix transposed. Only these scores are stored. The best pair of states where
the chains meet is the middle of the best path; from a state at t + 1, the one at t is found again as the best of
``f_t[i] + log A[i, state]``. Every eight steps the largest score is brought to 0, one step late.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR
from ..jit import kernel
from ..simd import largest, load, maximum, number, splat, store, where_positive
from .steps import LONGEST_SIDE_BY_SIDE, inline

__all__ = ["Paths", "Scores", "best_paths"]

STEPS_BETWEEN_SCALES = 8  # a power of two

FAR = 1e9  # more than there are states


class Scores(NamedTuple):
    """One chain over a sequence, in its own order: its step n has the time ``first + sign * n``."""

    start: np.ndarray  # (1, L), logarithms before the first likelihood
    matrix: np.ndarray  # (L, L), logarithms of the transitions, or of their transpose
    table: np.ndarray  # (S, L), log likelihoods
    rows: np.ndarray  # (M,), the row of the table of each time
    first: int
    sign: int
    scores: np.ndarray  # (T / 2, L)
    scale: np.ndarray  # (2,), what has been taken from the scores, and what is to be taken from the next ones


class Paths(NamedTuple):
    """The kernels for vectors of one length."""

    follow: callable
    meet: callable
    trace: callable
    decode: callable


@inline()
def at(chain, time):
    """The same chain over the sequence at which it begins at this time."""
    return Scores(chain.start, chain.matrix, chain.table, chain.rows, time, chain.sign, chain.scores, chain.scale)


@functools.cache
def best_paths(length):
    """The kernels for states in vectors of this length, or, where it is 32, of a multiple of it."""
    SEVERAL = length == LONGEST_VECTOR
    TOGETHER = length <= LONGEST_SIDE_BY_SIDE  # both chains in one loop

    @inline()
    def width_of(matrix):
        return matrix.shape[1] if SEVERAL else length

    @inline()
    def advance(scores, n, matrix, width, j):
        """The part from j of ``max_i (scores[n, i] + matrix[i, :])``."""
        a = number(scores, n, 0, width) + load(matrix, 0, j, length, width)
        b = number(scores, n, 1, width) + load(matrix, 1, j, length, width)
        c = number(scores, n, 2, width) + load(matrix, 2, j, length, width)
        d = number(scores, n, 3, width) + load(matrix, 3, j, length, width)
        for i in range(4, width, 4):
            a = maximum(a, number(scores, n, i, width) + load(matrix, i, j, length, width))
            b = maximum(b, number(scores, n, i + 1, width) + load(matrix, i + 1, j, length, width))
            c = maximum(c, number(scores, n, i + 2, width) + load(matrix, i + 2, j, length, width))
            d = maximum(d, number(scores, n, i + 3, width) + load(matrix, i + 3, j, length, width))
        return maximum(maximum(a, b), maximum(c, d))

    @inline()
    def best_of(scores, n, width):
        """The largest score of a step, or 0 if all are -inf."""
        best = load(scores, n, 0, length, width)
        for j in range(length, width, length):
            best = maximum(best, load(scores, n, j, length, width))
        top = largest(best)
        return top if top > -np.inf else 0.0

    @inline()
    def step(matrix, table, row, scores, n, pending, width):
        """Store the scores that follow those of step n - 1; returns what is to be taken from the next ones."""
        for j in range(0, width, length):
            likelihood = load(table, row, j, length, width) - pending
            store(scores, n, j, advance(scores, n - 1, matrix, width, j) + likelihood, width)
        return best_of(scores, n, width) if n & (STEPS_BETWEEN_SCALES - 1) == 0 else 0.0

    @inline()
    def begin(chain, width):
        for j in range(0, width, length):
            likelihood = load(chain.table, chain.rows[chain.first], j, length, width)
            store(chain.scores, 0, j, load(chain.start, 0, j, length, width) + likelihood, width)
        chain.scale[0], chain.scale[1] = 0.0, 0.0

    @inline()
    def follow(chain, other, first, end, end_of_other):
        """Steps of a chain from `first` to `end`, and of the other in the same loop."""
        width = width_of(chain.matrix)
        matrix, table, rows, scores = chain.matrix, chain.table, chain.rows, chain.scores
        matrix_2, table_2, rows_2, scores_2 = other.matrix, other.table, other.rows, other.scores
        if first == 0 and end > 0:
            begin(chain, width)
        if first == 0 and end_of_other > 0:
            begin(other, width)
        taken, taken_2, pending, pending_2 = 0.0, 0.0, chain.scale[1], other.scale[1]
        for n in range(max(first, 1), max(end, end_of_other)):
            if n < end:
                taken += pending
                row = rows[chain.first + chain.sign * n]
                pending = step(matrix, table, row, scores, n, pending, width)
            if n < end_of_other:
                taken_2 += pending_2
                row = rows_2[other.first + other.sign * n]
                pending_2 = step(matrix_2, table_2, row, scores_2, n, pending_2, width)
        chain.scale[0] += taken
        other.scale[0] += taken_2
        chain.scale[1], other.scale[1] = pending, pending_2

    @inline()
    def best_state(scores, n, matrix, state, numbers, width):
        """The first of the best i of ``scores[n, i] + matrix[state, i]``."""
        if TOGETHER:
            best, highest = 0, number(scores, n, 0, width) + number(matrix, state, 0, width)
            for i in range(1, length):
                score = number(scores, n, i, width) + number(matrix, state, i, width)
                best, highest = (i, score) if score > highest else (best, highest)
            return best
        tops = load(scores, n, 0, length, width) + load(matrix, state, 0, length, width)
        for j in range(length, width, length):
            tops = maximum(tops, load(scores, n, j, length, width) + load(matrix, state, j, length, width))
        highest = largest(tops)
        found = splat(-FAR, length)  # `numbers` holds 0, -1, -2, ...
        for j in range(0, width, length):
            score = load(scores, n, j, length, width) + load(matrix, state, j, length, width)
            worse = where_positive(highest - score, splat(FAR, length))
            found = maximum(found, load(numbers, 0, j, length, width) - worse)
        return int(-largest(found))

    @inline()
    def trace(chain, other, n, n_of_other, state, state_of_other, states, numbers):
        """From the states that follow, those of steps n, n - 1, ... of a chain, and of the other in the same loop."""
        width = width_of(chain.matrix)
        matrix, scores, matrix_2, scores_2 = chain.matrix, chain.scores, other.matrix, other.scores
        for back in range(max(n, n_of_other) + 1):
            if back <= n:
                state = best_state(scores, n - back, matrix_2, state, numbers, width)
                states[chain.first + chain.sign * (n - back)] = state
            if back <= n_of_other:
                state_of_other = best_state(scores_2, n_of_other - back, matrix, state_of_other, numbers, width)
                states[other.first + other.sign * (n_of_other - back)] = state_of_other

    @inline()
    def meet(forward, backward, middle, T):
        """The log-probability of the best path, and its state at the first step of the second half."""
        width, last = width_of(forward.matrix), T - middle - 1
        best, state = -np.inf, 0
        for j in range(width):
            score = forward.start[0, j]
            if middle > 0:
                score = -np.inf
                for i in range(width):
                    score = max(score, forward.scores[middle - 1, i] + forward.matrix[i, j])
            score += backward.scores[last, j]
            if score > best:
                best, state = score, j
        return best + (forward.scale[0] * (middle > 0) + backward.scale[0]), state

    @kernel(key=f"vectors of {length}", _nrt=False)
    def decode(forward, backward, offsets, begin, end, states, log_probability, numbers):
        """Best paths of the sequences from `begin` to `end`."""
        for n in range(begin, end):
            first, T = offsets[n] - offsets[begin] + forward.first, offsets[n + 1] - offsets[n]
            one, other, middle = at(forward, first), at(backward, first + T - 1), T // 2
            if TOGETHER:
                follow(one, other, 0, middle, T - middle)
            else:
                follow(one, other, 0, middle, 0)
                follow(other, one, 0, T - middle, 0)
            log_probability[n], state = meet(one, other, middle, T)
            own = states[offsets[n] : offsets[n + 1]]
            own[middle] = state
            one, other = at(forward, 0), at(backward, T - 1)
            if TOGETHER:
                trace(one, other, middle - 1, T - middle - 2, state, state, own, numbers)
            else:
                trace(one, other, middle - 1, -1, state, 0, own, numbers)
                trace(other, one, T - middle - 2, -1, state, 0, own, numbers)

    compiled = functools.partial(kernel, key=f"vectors of {length}", _nrt=False)
    return Paths(compiled(follow), compiled(meet), compiled(trace), decode)
