"""Full gate recurrence: gates that also see all gates one step before (Hochreiter & Schmidhuber 1997)."""

from typing import NamedTuple

import numpy as np

from ...jit import inline_here
from ...products import add_outer, add_product
from ..pointwise import pointwise
from ..recurrence import unroll, weigh_hidden
from ..units import Axis
from .base import packed_both_ways

__all__ = ["gate_recurrence_axes", "with_gate_recurrence", "with_gates_packed"]


class WeightsOfGates(NamedTuple):
    """Recurrent weights of an LSTM, and those of its gates i, f, o one step before."""

    recurrent: np.ndarray  # (H, 4 H) in panels
    transposed: np.ndarray  # (4 H, H)
    vectors: np.ndarray  # (1, 0)
    gates: np.ndarray  # (3 H, 4 H), zero in the columns of g
    gates_transposed: np.ndarray  # (4 H, 3 H)


def gate_recurrence_axes(n_hidden):
    """The weights that the gates i, f, o have for each other, by name: the axes of the array."""
    return {"gate_recurrent": (Axis(3, n_hidden), Axis(3, n_hidden, gap=2))}


def with_gates_packed(recurrent, weights, cell, derivative, calls):
    """Recurrent weights of an LSTM as they are packed without, and those of the gates."""
    axes = cell.recurrent_axes()["gate_recurrent"]
    return WeightsOfGates(*recurrent, *packed_both_ways(weights["gate_recurrent"], *axes, derivative, calls))


def with_gate_recurrence(equations, derivative, slope, key):
    """The kernels of an LSTM, whose memories are then the gates i, f, o, and what they keep."""
    equations, derivative = inline_here(equations), inline_here(derivative)

    def own_equations(inputs, recurrent, before, memory, weights):
        hidden, (new,), gates, saved = equations(inputs, recurrent, before, memory[3:], weights)
        return hidden, (gates[0], gates[1], gates[3], new), gates, saved

    def own_derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
        d, _, d_before, (d_old,) = derivative(d_hidden, d_memory[3:], gates, saved, before, memory_before[3:], weights)
        d_i, d_f = slope(gates[0], d_memory[0], d[0]), slope(gates[1], d_memory[1], d[1])
        d = d_i, d_f, d[2], slope(gates[3], d_memory[2], d[3])
        return d, d, d_before, (d_before, d_before, d_before, d_old)

    step, step_backward = map(inline_here, pointwise(own_equations, own_derivative, 4, n_saved=1, n_memories=4))

    def own_step(n, first, before, after, weights, tape):
        add_product(n, 3 * weights.width, tape.memory, before, weights.recurrent.gates, tape.gates, first)
        step(n, first, before, after, weights, tape)

    def own_step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
        step_backward(n, first, before, after, n_later, later, weights, tape, gradient)
        transposed = weights.recurrent.gates_transposed
        add_product(n, 4 * weights.width, tape.gates, first, transposed, tape.d_memory, 0)

    return unroll(own_step, own_step_backward, f"{key} and gates", weigh_both)


def weigh_both(n, first, after, batch, tape, out):
    weigh_hidden(n, first, after, batch, tape, out)
    add_outer(n, len(out[1]), tape.memory, batch.before, first, tape.gates, first, out[1], 0, out[1].shape[1])
