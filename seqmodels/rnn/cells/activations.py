"""Functions that cells apply to each unit, by name, and their derivatives."""

from collections.abc import Callable
from typing import NamedTuple

from ...jit import inline
from ...simd import maximum, minimum, sigmoid, tanh, where_positive

__all__ = ["ACTIVATIONS", "Activation", "identity"]


class Activation(NamedTuple):
    """A function of vectors, and its derivative in terms of its values."""

    function: Callable
    slope: Callable
    """``slope(value, d, other)``: the derivative times d, added to `other` (by default to nothing)."""


@inline
def identity(x):
    """What is given."""
    return x


@inline
def relu(x):
    """The positive part."""
    return maximum(x, 0.0)


@inline
def hard_sigmoid(x):
    """``x / 6 + 1 / 2`` between 0 and 1, as in PyTorch."""
    return minimum(maximum(x * (1 / 6) + 0.5, 0.0), 1.0)


# -0.0 leaves what it is added to as it is, and is never added in fact


@inline
def _tanh_slope(value, d, other=-0.0):
    return other + d - d * value * value


@inline
def _sigmoid_slope(value, d, other=-0.0):
    return other + d * (value - value * value)


@inline
def _relu_slope(value, d, other=-0.0):
    return other + where_positive(value, d)


@inline
def _hard_sigmoid_slope(value, d, other=-0.0):
    return other + where_positive(value - value * value, d * (1 / 6))


@inline
def _identity_slope(value, d, other=-0.0):
    return other + d


ACTIVATIONS = {
    "tanh": Activation(tanh, _tanh_slope),
    "relu": Activation(relu, _relu_slope),
    "sigmoid": Activation(sigmoid, _sigmoid_slope),
    "hard_sigmoid": Activation(hard_sigmoid, _hard_sigmoid_slope),
    "identity": Activation(identity, _identity_slope),
}
