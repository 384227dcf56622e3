"""The simple recurrent network of Elman (1990)."""

import functools

from ...jit import inline
from ...simd import maximum, sigmoid, tanh, where_positive
from ..recurrence import pointwise, unroll
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
    """

    def __init__(self, n_hidden=64, activation="tanh", bias=True):
        self.n_hidden = n_hidden
        self.activation = activation
        self.bias = bias

    def check(self):
        super().check()
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; {', '.join(map(repr, ACTIVATIONS))} are accepted")

    def kernels(self):
        return _kernels(self.activation)


@inline
def relu(x):
    """The positive part."""
    return maximum(x, 0.0)


@inline
def _tanh_slope(h, d):
    return d - d * h * h


@inline
def _relu_slope(h, d):
    return where_positive(h, d)


@inline
def _sigmoid_slope(h, d):
    return d * (h - h * h)


ACTIVATIONS = {"tanh": (tanh, _tanh_slope), "relu": (relu, _relu_slope), "sigmoid": (sigmoid, _sigmoid_slope)}
"""Each function, and its derivative in terms of its value, times d."""


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
