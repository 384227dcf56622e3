"""Gated recurrent units, in both of their published forms."""

import functools
from typing import NamedTuple

import numpy as np

from ...jit import inline
from ...products import add_outer, add_product, padded
from ...simd import load, sigmoid, store, tanh
from ..dropout import recall_backward
from ..pointwise import pointwise
from ..recurrence import unroll, weigh_hidden
from ..units import UNITS, Axis, add_rows, clear
from .base import Cell, packed_both_ways

__all__ = ["GRU"]


class GRU(Cell):
    """Units that interpolate between what they hold and a candidate. Gates stand in the order r, z, n.

    ``r, z = sigmoid(x W_x + h_before W_h + b)``; then, with the reset after the product (PyTorch, cuDNN),
    ``n = tanh(x W_xn + b_n + r (h_before W_hn + b_hn))`` and ``h = (1 - z) n + z h_before``; with the reset before the
    product (Cho et al. 2014; z as in Chung et al. 2014), ``n = tanh(x W_xn + b_n + (r h_before) W_hn)`` and
    ``h = (1 - z) h_before + z n``. Mind that z keeps in the one and replaces in the other.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    reset : {"after", "before"}
        Whether the reset gate acts after or before the recurrent product of the candidate.
    bias : bool
        One bias a gate; with the reset after the product also that of the candidate's product, ``b_hn``.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_gates = 3
    n_saved = 1

    def __init__(self, n_hidden=64, reset="after", bias=True, init="uniform"):
        self.n_hidden = n_hidden
        self.reset = reset
        self.bias = bias
        self.init = init

    def check(self):
        super().check()
        self.check_choice("reset", ("after", "before"))

    @property
    def additive(self):
        """With the reset after the product, the candidate's product is scaled before it is added."""
        return self.reset == "before"

    def recurrent_axes(self):
        own = {"candidate_bias": (Axis(1, self.n_hidden),)} if self.reset == "after" and self.bias else {}
        return super().recurrent_axes() | own

    def kernels(self):
        return _reset_after(bool(self.bias)) if self.reset == "after" else _reset_before()

    def packed(self, weights, width, derivative, calls):
        if self.reset == "after":
            return super().packed(weights, width, derivative, calls)
        rows = Axis(1, self.n_hidden)
        gates, candidate = np.split(weights["recurrent"], [2 * self.n_hidden], axis=1)
        return SplitWeights(
            *packed_both_ways(gates, rows, Axis(2, self.n_hidden), derivative, calls),
            *packed_both_ways(candidate, rows, rows, derivative, calls),
        )

    def scratch_shape(self, n, n_units, width):
        if self.reset == "after":
            return super().scratch_shape(n, n_units, width)
        return 3 * n, padded(2 * n_units, width)


class SplitWeights(NamedTuple):
    """Recurrent weights of the two gates and of the candidate, which multiply different things."""

    gates: np.ndarray  # (H, 2 H) in panels, as the others
    gates_transposed: np.ndarray  # (2 H, H)
    candidate: np.ndarray  # (H, H)
    candidate_transposed: np.ndarray  # (H, H)


# -------------------------------------------------------------------- the reset after the product


@inline
def without_bias(product, weights):
    return product


@inline
def with_bias(product, weights):
    return product + weights[0]


def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    (r, z, n), (product,) = gates, saved
    d_n = d_hidden - d_hidden * z
    d_n = d_n - d_n * n * n
    d_z = d_hidden * (before - n) * (z - z * z)
    d_r = d_n * product * (r - r * r)
    return (d_r, d_z, d_n), (d_r, d_z, d_n * r), d_hidden * z, d_memory


def weigh_with_bias(n, first, after, batch, tape, out):
    weigh_hidden(n, first, after, batch, tape, out)
    add_rows(n, tape.d_recurrent, first, out[1], 2 * tape.hidden.shape[1])


@functools.cache
def _reset_after(bias):
    biased = with_bias if bias else without_bias

    def equations(inputs, recurrent, before, memory, weights):
        r = sigmoid(inputs[0] + recurrent[0])
        z = sigmoid(inputs[1] + recurrent[1])
        product = biased(recurrent[2], weights)
        n = tanh(inputs[2] + r * product)
        return n + z * (before - n), memory, (r, z, n), (product,)

    steps = pointwise(equations, derivative, GRU.n_gates, GRU.n_saved, n_vectors=int(bias), additive=False)
    return unroll(*steps, f"GRU after {bias}", weigh_with_bias if bias else None)


# -------------------------------------------------------------------- the reset before the product


# Scratch has three rows a sequence: for both gates, for what the candidate's product is of, and for that product.


def step(n, first, before, after, weights, tape):
    hidden, recalled, gates, scratch, weights = tape.hidden, tape.recalled, tape.gates, tape.scratch, weights.recurrent
    H, reset, product = hidden.shape[1], len(scratch) // 3, len(scratch) // 3 * 2
    clear(0, n, scratch)
    clear(product, product + n, scratch)
    add_product(n, H, recalled, before, weights.gates, scratch, 0)
    for b in range(n):
        for h in range(0, H, UNITS):
            r = sigmoid(load(gates, first + b, h, UNITS) + load(scratch, b, h, UNITS))
            z = sigmoid(load(gates, first + b, H + h, UNITS) + load(scratch, b, H + h, UNITS))
            kept = r * load(recalled, before + b, h, UNITS)
            store(scratch, reset + b, h, kept)
            store(tape.saved, first + b, h, kept)
            store(gates, first + b, h, r)
            store(gates, first + b, H + h, z)
    add_product(n, H, scratch, reset, weights.candidate, scratch, product)
    for b in range(n):
        for h in range(0, H, UNITS):
            candidate = tanh(load(gates, first + b, 2 * H + h, UNITS) + load(scratch, product + b, h, UNITS))
            old, z = load(hidden, before + b, h, UNITS), load(gates, first + b, H + h, UNITS)
            store(gates, first + b, 2 * H + h, candidate)
            store(hidden, after + b, h, old + z * (candidate - old))


def step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
    hidden, gates, d_hidden, d_later = tape.hidden, tape.gates, tape.d_hidden, tape.d_later
    weights, scratch, recalled, d_recalled = weights.recurrent, tape.scratch, tape.recalled, tape.d_recalled
    H, d_candidate, d_reset = hidden.shape[1], len(scratch) // 3, len(scratch) // 3 * 2
    clear(d_reset, d_reset + n, scratch)
    for b in range(n):
        for h in range(0, H, UNITS):
            z, candidate = load(gates, first + b, H + h, UNITS), load(gates, first + b, 2 * H + h, UNITS)
            d = load(d_hidden, first + b, h, UNITS) + load(d_later, b, h, UNITS)
            store(scratch, d_candidate + b, h, d * (z - z * candidate * candidate))
            store(gates, first + b, H + h, d * (candidate - load(hidden, before + b, h, UNITS)) * (z - z * z))
            store(d_later, b, h, d - d * z)
    add_product(n, H, scratch, d_candidate, weights.candidate_transposed, scratch, d_reset)
    for b in range(n):
        for h in range(0, H, UNITS):
            r, d = load(gates, first + b, h, UNITS), load(scratch, d_reset + b, h, UNITS)
            d_r = d * load(recalled, before + b, h, UNITS) * (r - r * r)
            store(gates, first + b, h, d_r)
            store(gates, first + b, 2 * H + h, load(scratch, d_candidate + b, h, UNITS))
            store(d_recalled, b, h, load(d_recalled, b, h, UNITS) + d * r)
            store(scratch, b, h, d_r)
            store(scratch, b, H + h, load(gates, first + b, H + h, UNITS))
    add_product(n, 2 * H, scratch, 0, weights.gates_transposed, d_recalled, 0)
    recall_backward(n, 0, H, tape)


def weigh_recurrent(n, first, after, batch, tape, out):
    recalled, d_recurrent, (out,) = tape.recalled, tape.d_recurrent, out
    H = recalled.shape[1]
    add_outer(n, H, recalled, batch.before, first, d_recurrent, first, out, 0, 2 * H)
    add_outer(n, H, tape.saved, batch.places, first, d_recurrent, first, out, 2 * H, out.shape[1])


@functools.cache
def _reset_before():
    return unroll(step, step_backward, "GRU before", weigh_recurrent)
