"""How gradients become updates."""

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["SGD", "Adam", "Optimizer", "clip"]


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
        first, second, number = state["first"], state["second"], weights.dtype.type
        first += number(1 - self.beta1) * (gradient - first)
        second += number(1 - self.beta2) * (gradient * gradient - second)
        step = self.learning_rate / (1 - self.beta1 ** state["updates"])
        correction = 1 / np.sqrt(1 - self.beta2 ** state["updates"])
        weights -= number(step) * first / (np.sqrt(second) * number(correction) + number(self.epsilon))


def clip(gradient, by_norm=None, by_value=None):
    """Limit a gradient in place: each entry to ±by_value, then the whole to the norm by_norm."""
    if by_value is not None:
        np.clip(gradient, -by_value, by_value, out=gradient)
    if by_norm is not None:
        norm = np.sqrt(np.square(gradient, dtype=float).sum())  # an exploding gradient's square exceeds float32
        if norm > by_norm:
            gradient *= by_norm / norm
