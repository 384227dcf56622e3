"""The simple recurrent network of Elman (1990)."""

import functools

from ..pointwise import pointwise
from ..recurrence import unroll
from .activations import ACTIVATIONS
from .base import Cell

__all__ = ["Elman"]


class Elman(Cell):
    """One layer that sees its own last output: ``h = f(x W_x + h_before W_h + b)``.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    activation : {"tanh", "relu", "sigmoid"}
        The function f.
    bias : bool
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    one_way_back = True

    def __init__(self, n_hidden=64, activation="tanh", bias=True, init="uniform"):
        self.n_hidden = n_hidden
        self.activation = activation
        self.bias = bias
        self.init = init

    def check(self):
        super().check()
        self.check_choice("activation", ("tanh", "relu", "sigmoid"))

    def kernels(self):
        return _kernels(self.activation)


@functools.cache
def _kernels(activation):
    f, slope = ACTIVATIONS[activation]

    def equations(inputs, recurrent, before, memory, weights):
        hidden = f(inputs[0] + recurrent[0])
        return hidden, memory, (hidden,), ()

    def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
        d = (slope(gates[0], d_hidden),)
        return d, d, d_hidden - d_hidden, d_memory

    return unroll(*pointwise(equations, derivative, Elman.n_gates), key=f"Elman {activation}")
