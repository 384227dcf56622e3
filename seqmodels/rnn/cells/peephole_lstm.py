"""The LSTM whose gates see the memory (Gers & Schmidhuber 2000; Graves 2013)."""

import functools
from typing import NamedTuple

import numpy as np

from ...jit import inline_here
from ...products import add_outer, add_product, padded
from ...simd import PANEL_BYTES, load, sigmoid, store, tanh
from ..pointwise import pointwise
from ..recurrence import unroll, weigh_hidden
from ..units import UNITS, Axis, add_products, clear
from .base import Cell, packed_both_ways

__all__ = ["PeepholeLSTM", "derivative", "equations", "weigh_peepholes"]


class PeepholeLSTM(Cell):
    """An LSTM whose gates see the memory through peepholes.

    ``i, f = sigmoid(... + memory_before P)`` and ``o = sigmoid(... + memory P)``, where ``...`` is what they see in
    an :class:`LSTM`, and so is the rest. Weights "peephole" stand in the order i, f, o.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    peepholes : {"diagonal", "full"}
        Whether a gate sees the memory of its own unit only (3 H,), or of all units (H, 3 H).
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_gates = 4
    n_saved = 1
    n_memories = 1
    forget_gate = 1

    def __init__(self, n_hidden=64, peepholes="diagonal", bias=True, forget_bias=1.0, init="uniform"):
        self.n_hidden = n_hidden
        self.peepholes = peepholes
        self.bias = bias
        self.forget_bias = forget_bias
        self.init = init

    def check(self):
        super().check()
        self.check_choice("peepholes", ("diagonal", "full"))

    def recurrent_axes(self):
        H = self.n_hidden
        own = (Axis(3, H),) if self.peepholes == "diagonal" else (Axis(1, H), Axis(3, H, gap=2))
        return super().recurrent_axes() | {"peephole": own}

    def kernels(self):
        return _diagonal() if self.peepholes == "diagonal" else _full()

    def packed(self, weights, width, derivative, calls):
        if self.peepholes == "diagonal":
            return super().packed(weights, width, derivative, calls)
        H = self.n_hidden
        earlier, new = np.split(weights["peephole"], [2 * H], axis=1)
        return FullWeights(
            *packed_both_ways(weights["recurrent"], Axis(1, H), Axis(4, H), derivative, calls),
            *packed_both_ways(earlier, Axis(1, H), Axis(2, H), derivative, calls),
            *packed_both_ways(new, Axis(1, H), Axis(1, H), derivative, calls),
        )

    def scratch_shape(self, n, n_units, width):
        if self.peepholes == "diagonal":
            return super().scratch_shape(n, n_units, width)
        return n, padded(n_units, width)


# -------------------------------------------------------------------- each gate sees its own unit


def equations(inputs, recurrent, before, memory, weights):
    """One time step, as :func:`~seqmodels.rnn.pointwise.pointwise` wants it."""
    i = sigmoid(inputs[0] + weights[0] * memory[0])
    f = sigmoid(inputs[1] + weights[1] * memory[0])
    g = tanh(inputs[2])
    new = f * memory[0] + i * g
    o = sigmoid(inputs[3] + weights[2] * new)
    squashed = tanh(new)
    return o * squashed, (new,), (i, f, g, o), (squashed,)


def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    """Its derivative."""
    (i, f, g, o), (squashed,) = gates, saved
    d_squashed, d_o = d_hidden * o, d_hidden * squashed * (o - o * o)
    d_new = d_memory[0] + d_squashed - d_squashed * squashed * squashed + d_o * weights[2]
    d_i = d_new * g * (i - i * i)
    d_f = d_new * memory_before[0] * (f - f * f)
    d = d_i, d_f, d_new * (i - i * g * g), d_o
    return d, d, d_hidden - d_hidden, (d_new * f + d_i * weights[0] + d_f * weights[1],)


@inline_here
def weigh_peepholes(n, first, after, batch, tape, out):
    """Add the gradients over n rows of peepholes (1, 3 H) to `out`."""
    gates, memory, H = tape.gates, tape.memory, tape.memory.shape[1]
    add_products(n, H, gates, first, 0, memory, batch.before, first, 0, out, 0)
    add_products(n, H, gates, first, H, memory, batch.before, first, 0, out, H)
    add_products(n, H, gates, first, 3 * H, memory, batch.places, after, 0, out, 2 * H)


def weigh_diagonal(n, first, after, batch, tape, out):
    weigh_hidden(n, first, after, batch, tape, out)
    weigh_peepholes(n, first, after, batch, tape, out[1])


@functools.cache
def _diagonal():
    steps = pointwise(equations, derivative, PeepholeLSTM.n_gates, n_saved=1, n_memories=1, n_vectors=3)
    return unroll(*steps, "peephole LSTM diagonal", weigh_diagonal)


# -------------------------------------------------------------------- each gate sees all units


class FullWeights(NamedTuple):
    """Recurrent weights, those that i and f have for the memory before, and those of o for the new one; in panels."""

    recurrent: np.ndarray  # (H, 4 H)
    transposed: np.ndarray  # (4 H, H)
    earlier: np.ndarray  # (H, 2 H)
    earlier_transposed: np.ndarray  # (2 H, H)
    new: np.ndarray  # (H, H)
    new_transposed: np.ndarray  # (H, H)


def step(n, first, before, after, weights, tape):
    H, own = weights.width, weights.recurrent
    hidden, memory, gates, scratch = tape.hidden, tape.memory, tape.gates, tape.scratch
    add_product(n, H, hidden, before, own.recurrent, gates, first)
    add_product(n, H, memory, before, own.earlier, gates, first)
    for b in range(n):
        for h in range(0, H, UNITS):
            i = sigmoid(load(gates, first + b, h, UNITS))
            f = sigmoid(load(gates, first + b, H + h, UNITS))
            g = tanh(load(gates, first + b, 2 * H + h, UNITS))
            store(memory, after + b, h, f * load(memory, before + b, h, UNITS) + i * g)
            store(gates, first + b, h, i)
            store(gates, first + b, H + h, f)
            store(gates, first + b, 2 * H + h, g)
    clear(0, n, scratch)
    add_product(n, H, memory, after, own.new, scratch, 0)
    for b in range(n):
        for h in range(0, H, UNITS):
            o = sigmoid(load(gates, first + b, 3 * H + h, UNITS) + load(scratch, b, h, UNITS))
            squashed = tanh(load(memory, after + b, h, UNITS))
            store(gates, first + b, 3 * H + h, o)
            store(tape.saved, first + b, h, squashed)
            store(hidden, after + b, h, o * squashed)


def step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
    H, own, gates, memory = weights.width, weights.recurrent, tape.gates, tape.memory
    d_later, d_memory, scratch = tape.d_later, tape.d_memory, tape.scratch
    add_product(n_later, 4 * H, gates, later, own.transposed, d_later, 0)
    for b in range(n):
        for h in range(0, H, UNITS):
            d = load(tape.d_hidden, first + b, h, UNITS) + load(d_later, b, h, UNITS)
            o, squashed = load(gates, first + b, 3 * H + h, UNITS), load(tape.saved, first + b, h, UNITS)
            d_o, d_squashed = d * squashed * (o - o * o), d * o
            store(scratch, b, h, d_o)
            store(gates, first + b, 3 * H + h, d_o)
            store(d_memory, b, h, load(d_memory, b, h, UNITS) + d_squashed - d_squashed * squashed * squashed)
    clear(0, n, d_later)
    add_product(n, H, scratch, 0, own.new_transposed, d_memory, 0)
    for b in range(n):
        for h in range(0, H, UNITS):
            i, f = load(gates, first + b, h, UNITS), load(gates, first + b, H + h, UNITS)
            g, d = load(gates, first + b, 2 * H + h, UNITS), load(d_memory, b, h, UNITS)
            store(gates, first + b, h, d * g * (i - i * i))
            store(gates, first + b, H + h, d * load(memory, before + b, h, UNITS) * (f - f * f))
            store(gates, first + b, 2 * H + h, d * (i - i * g * g))
            store(d_memory, b, h, d * f)
    add_product(n, 2 * H, gates, first, own.earlier_transposed, d_memory, 0)


def weigh_full(n, first, after, batch, tape, out):
    weigh_hidden(n, first, after, batch, tape, out)
    gates, memory, H = tape.gates, tape.memory, tape.memory.shape[1]
    add_outer(n, H, memory, batch.before, first, gates, first, out[1], 0, 2 * H)
    whole = 3 * H % (PANEL_BYTES // gates.itemsize) == 0  # panels that begin with the output gate, or with g before it
    add_outer(n, H, memory, batch.places, after, gates, first, out[1], 3 * H if whole else 2 * H, out[1].shape[1])


@functools.cache
def _full():
    return unroll(step, step_backward, "peephole LSTM full", weigh_full)
