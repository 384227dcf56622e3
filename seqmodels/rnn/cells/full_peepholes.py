"""The LSTM whose gates see the memories of all units."""

import functools
from typing import NamedTuple

import numpy as np

from ...products import add_outer, add_product
from ...simd import PANEL_BYTES, load, sigmoid, store, tanh
from ..dropout import recall_backward
from ..recurrence import unroll, weigh_hidden
from ..units import UNITS, Axis, clear
from .base import packed_both_ways

__all__ = ["full_kernels", "full_weights"]


class FullWeights(NamedTuple):
    """Recurrent weights, those that i and f have for the memory before, and those of o for the new one; in panels."""

    recurrent: np.ndarray  # (H, 4 H)
    transposed: np.ndarray  # (4 H, H)
    earlier: np.ndarray  # (H, 2 H)
    earlier_transposed: np.ndarray  # (2 H, H)
    new: np.ndarray  # (H, H)
    new_transposed: np.ndarray  # (H, H)


def full_weights(weights, n_hidden, derivative, calls):
    """Recurrent weights and peepholes by name as kernels want them; arguments as of :meth:`Cell.packed`."""
    units = Axis(1, n_hidden)
    earlier, new = np.split(weights["peephole"], [2 * n_hidden], axis=1)
    return FullWeights(
        *packed_both_ways(weights["recurrent"], units, Axis(4, n_hidden), derivative, calls),
        *packed_both_ways(earlier, units, Axis(2, n_hidden), derivative, calls),
        *packed_both_ways(new, units, units, derivative, calls),
    )


def step(n, first, before, after, weights, tape):
    H, own = weights.width, weights.recurrent
    hidden, memory, gates, scratch = tape.hidden, tape.memory, tape.gates, tape.scratch
    add_product(n, H, tape.recalled, before, own.recurrent, gates, first)
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
    add_product(n_later, 4 * H, gates, later, own.transposed, tape.d_recalled, 0)
    recall_backward(n_later, 0, H, tape)
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


def weigh_recurrent(n, first, after, batch, tape, out):
    weigh_hidden(n, first, after, batch, tape, out)
    gates, memory, H = tape.gates, tape.memory, tape.memory.shape[1]
    add_outer(n, H, memory, batch.before, first, gates, first, out[1], 0, 2 * H)
    whole = 3 * H % (PANEL_BYTES // gates.itemsize) == 0  # panels that begin with the output gate, or with g before it
    add_outer(n, H, memory, batch.places, after, gates, first, out[1], 3 * H if whole else 2 * H, out[1].shape[1])


@functools.cache
def full_kernels():
    """Of an LSTM with full peepholes."""
    return unroll(step, step_backward, "peephole LSTM full", weigh_recurrent)
