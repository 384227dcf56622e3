"""The LSTM whose input and forget gates are one: it forgets what it makes room for."""

import functools

from ...simd import sigmoid, tanh
from ..pointwise import pointwise
from ..recurrence import unroll
from .base import Cell

__all__ = ["CoupledLSTM"]


class CoupledLSTM(Cell):
    """The variant CIFG of Greff et al. (2015): ``memory = f memory_before + (1 - f) g``, ``h = o tanh(memory)``.

    ``f, o = sigmoid(...)`` and ``g = tanh(...)``, each of ``x W_x + h_before W_h + b``. Gates stand in the order
    f, g, o.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_gates = 3
    n_saved = 1
    n_memories = 1
    forget_gate = 0

    def __init__(self, n_hidden=64, bias=True, forget_bias=1.0, init="uniform"):
        self.n_hidden = n_hidden
        self.bias = bias
        self.forget_bias = forget_bias
        self.init = init

    def kernels(self):
        return _kernels()


def equations(inputs, recurrent, before, memory, weights):
    f, g, o = sigmoid(inputs[0]), tanh(inputs[1]), sigmoid(inputs[2])
    new = g + f * (memory[0] - g)
    squashed = tanh(new)
    return o * squashed, (new,), (f, g, o), (squashed,)


def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    (f, g, o), (squashed,) = gates, saved
    d_squashed = d_hidden * o
    d_new = d_memory[0] + d_squashed - d_squashed * squashed * squashed
    kept = d_new * f
    d_g = d_new - kept
    d = (
        d_new * (memory_before[0] - g) * (f - f * f),
        d_g - d_g * g * g,
        d_hidden * squashed * (o - o * o),
    )
    return d, d, d_hidden - d_hidden, (kept,)


@functools.cache
def _kernels():
    return unroll(*pointwise(equations, derivative, CoupledLSTM.n_gates, n_saved=1, n_memories=1), "coupled LSTM")
