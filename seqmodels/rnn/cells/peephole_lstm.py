"""The LSTM whose gates see the memory (Gers & Schmidhuber 2000; Graves 2013)."""

import functools

from ...jit import inline_here
from ...products import padded
from ...simd import sigmoid, tanh
from ..pointwise import pointwise
from ..recurrence import unroll, weigh_hidden
from ..units import Axis, add_products
from .base import Cell
from .full_peepholes import full_kernels, full_weights

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
        return _diagonal() if self.peepholes == "diagonal" else full_kernels()

    def packed(self, weights, width, derivative, calls):
        if self.peepholes == "diagonal":
            return super().packed(weights, width, derivative, calls)
        return full_weights(weights, self.n_hidden, derivative, calls)

    def scratch_shape(self, n, n_units, width):
        if self.peepholes == "diagonal":
            return super().scratch_shape(n, n_units, width)
        return n, padded(n_units, width)


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
