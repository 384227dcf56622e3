"""How gradients become updates."""

import math

import numpy as np
from sklearn.base import BaseEstimator

from ..jit import kernel

__all__ = ["SGD", "Adam", "Optimizer", "clip", "sum_of_squares"]


class Optimizer(BaseEstimator):
    """How weights change, given gradients; holds hyperparameters only, what it keeps between updates is passed."""

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate!r}; positive numbers are accepted")

    def begin(self, weights):
        """State to keep between updates of these weights."""
        return ()

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        raise TypeError(f"{type(self).__name__} does not define update")


class SGD(Optimizer):
    """Stochastic gradient descent: ``w -= learning_rate * gradient``.

    Parameters
    ----------
    learning_rate : float
    """

    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        weights -= weights.dtype.type(self.learning_rate) * gradient


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient (Kingma & Ba 2015).

    Parameters
    ----------
    learning_rate : float
    beta1, beta2 : float
        Decay of the first and of the second moment.
    epsilon : float
    """

    def __init__(self, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        super().check()
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; numbers in [0, 1) are accepted")
        if not self.epsilon > 0:
            raise ValueError(f"epsilon is {self.epsilon!r}; positive numbers are accepted")

    def begin(self, weights):
        """Moments and the number of updates so far."""
        return {"first": np.zeros_like(weights), "second": np.zeros_like(weights), "updates": 0}

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        state["updates"] += 1
        n, number = state["updates"], weights.dtype.type
        _adam(
            weights, gradient, state["first"], state["second"], number(1 - self.beta1), number(1 - self.beta2),
            number(self.learning_rate / (1 - self.beta1**n)), number(1 / math.sqrt(1 - self.beta2**n)),
            number(self.epsilon),
        )  # fmt: skip


@kernel
def _adam(weights, gradient, first, second, share, share_of_square, step, correction, epsilon):
    for w in range(len(weights)):
        first[w] += share * (gradient[w] - first[w])
        second[w] += share_of_square * (gradient[w] * gradient[w] - second[w])
        weights[w] -= step * first[w] / (np.sqrt(second[w]) * correction + epsilon)


@kernel(fastmath={"reassoc", "contract"})
def sum_of_squares(gradient):
    """In double precision, for the square of an exploding gradient exceeds the single."""
    total = 0.0
    for w in range(len(gradient)):
        total += np.float64(gradient[w]) * np.float64(gradient[w])
    return total


def clip(gradient, by_norm=None, by_value=None):
    """Limit a gradient in place: each entry to ±by_value, then the whole to the norm by_norm."""
    if by_value is not None:
        np.clip(gradient, -by_value, by_value, out=gradient)
    if by_norm is not None:
        norm = math.sqrt(sum_of_squares(gradient))
        if norm > by_norm:
            gradient *= by_norm / norm
