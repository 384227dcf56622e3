"""Long short-term memory, with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

import functools

from ...simd import sigmoid, tanh
from ..recurrence import pointwise, unroll
from .base import Cell

__all__ = ["LSTM"]


class LSTM(Cell):
    """Units with a memory that gates write to, keep and read.

    ``i, f, o = sigmoid(...)``, ``g = tanh(...)``, each of ``x W_x + h_before W_h + b``;
    ``memory = f memory_before + i g``; ``h = o tanh(memory)``. Gates stand in PyTorch's order: i, f, g, o.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at; 1 lets a new network remember (Jozefowicz et al. 2015).
    """

    n_gates = 4
    n_saved = 1
    has_memory = True

    def __init__(self, n_hidden=64, bias=True, forget_bias=1.0):
        self.n_hidden = n_hidden
        self.bias = bias
        self.forget_bias = forget_bias

    def kernels(self):
        return _kernels()

    def initial_weights(self, n_inputs, generator):
        weights = super().initial_weights(n_inputs, generator)
        if self.bias:
            weights["bias"][self.n_hidden : 2 * self.n_hidden] = self.forget_bias
        return weights


def equations(inputs, recurrent, before, memory, weights):
    i = sigmoid(inputs[0] + recurrent[0])
    f = sigmoid(inputs[1] + recurrent[1])
    g = tanh(inputs[2] + recurrent[2])
    o = sigmoid(inputs[3] + recurrent[3])
    memory = f * memory + i * g
    squashed = tanh(memory)
    return o * squashed, memory, (i, f, g, o), (squashed,)


def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
    (i, f, g, o), (squashed,) = gates, saved
    d_squashed = d_hidden * o
    d_memory = d_memory + d_squashed - d_squashed * squashed * squashed
    d = (
        d_memory * g * (i - i * i),
        d_memory * memory_before * (f - f * f),
        d_memory * (i - i * g * g),
        d_hidden * squashed * (o - o * o),
    )
    return d, d, d_hidden - d_hidden, d_memory * f


@functools.cache
def _kernels():
    return unroll(*pointwise(equations, derivative, LSTM.n_gates, LSTM.n_saved, LSTM.has_memory), key="LSTM")
