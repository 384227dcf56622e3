"""How gradients become updates."""

import math

import numpy as np
from sklearn.base import BaseEstimator

from ..jit import kernel

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSProp", "clip", "sum_of_squares"]


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
    """Stochastic gradient descent, with momentum if wanted: ``v = momentum v + gradient; w -= learning_rate v``.

    Parameters
    ----------
    learning_rate : float
    momentum : float
        How much of the last step is made again, in [0, 1) (Polyak 1964).
    nesterov : bool
        Take the gradient's part of a step on top of the momentum that it leaves (Nesterov 1983, in the form of
        Sutskever et al. 2013): ``w -= learning_rate (gradient + momentum v)``.
    """

    def __init__(self, learning_rate=0.1, momentum=0.0, nesterov=False):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        super().check()
        _check_decays(self, "momentum")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is True and momentum is 0; a momentum above 0 is needed")

    def begin(self, weights):
        """The last step, where there is momentum."""
        return {"velocity": np.zeros_like(weights)} if self.momentum else {}

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        rate, number = weights.dtype.type(self.learning_rate), weights.dtype.type
        if not self.momentum:
            weights -= rate * gradient
        else:
            _momentum(weights, gradient, state["velocity"], rate, number(self.momentum), bool(self.nesterov))


class RMSProp(Optimizer):
    """Steps in units of the running root mean square of the gradient (Tieleman & Hinton 2012).

    Parameters
    ----------
    learning_rate : float
    decay : float
        Of the running mean of squares.
    epsilon : float
    """

    def __init__(self, learning_rate=1e-3, decay=0.99, epsilon=1e-8):
        self.learning_rate = learning_rate
        self.decay = decay
        self.epsilon = epsilon

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        super().check()
        _check_decays(self, "decay")
        _check_epsilon(self)

    def begin(self, weights):
        """The running mean of squares."""
        return {"squares": np.zeros_like(weights)}

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        number = weights.dtype.type
        keep, add = number(self.decay), number(1 - self.decay)
        _scaled(weights, gradient, state["squares"], keep, add, number(self.learning_rate), number(self.epsilon))


class Adagrad(Optimizer):
    """Steps in units of the root of the sum of all squares so far (Duchi et al. 2011).

    Parameters
    ----------
    learning_rate : float
    epsilon : float
    """

    def __init__(self, learning_rate=0.01, epsilon=1e-10):
        self.learning_rate = learning_rate
        self.epsilon = epsilon

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        super().check()
        _check_epsilon(self)

    def begin(self, weights):
        """The sum of squares."""
        return {"squares": np.zeros_like(weights)}

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        number = weights.dtype.type
        one, rate = number(1), number(self.learning_rate)
        _scaled(weights, gradient, state["squares"], one, one, rate, number(self.epsilon))


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
        _check_decays(self, "beta1", "beta2")
        _check_epsilon(self)

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


class AdamW(Adam):
    """Adam, and weights that shrink at every update by ``learning_rate * weight_decay`` (Loshchilov & Hutter 2019).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        As in :class:`Adam`.
    weight_decay : float
    """

    def __init__(self, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01):
        super().__init__(learning_rate, beta1, beta2, epsilon)
        self.weight_decay = weight_decay

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        super().check()
        if not 0 <= self.learning_rate * self.weight_decay < 1:
            raise ValueError(
                f"weight_decay is {self.weight_decay!r}; numbers from 0 to below 1 / learning_rate are accepted"
            )

    def update(self, weights, gradient, state):
        """Change `weights` in place."""
        weights *= weights.dtype.type(1 - self.learning_rate * self.weight_decay)
        super().update(weights, gradient, state)


def _check_decays(optimizer, *names):
    for name in names:
        if not 0 <= getattr(optimizer, name) < 1:
            raise ValueError(f"{name} is {getattr(optimizer, name)!r}; numbers in [0, 1) are accepted")


def _check_epsilon(optimizer):
    if not optimizer.epsilon > 0:
        raise ValueError(f"epsilon is {optimizer.epsilon!r}; positive numbers are accepted")


@kernel
def _momentum(weights, gradient, velocity, rate, momentum, nesterov):
    for w in range(len(weights)):
        velocity[w] = momentum * velocity[w] + gradient[w]
        weights[w] -= rate * (gradient[w] + momentum * velocity[w] if nesterov else velocity[w])


@kernel
def _scaled(weights, gradient, squares, keep, add, rate, epsilon):
    for w in range(len(weights)):
        squares[w] = keep * squares[w] + add * gradient[w] * gradient[w]
        weights[w] -= rate * gradient[w] / (np.sqrt(squares[w]) + epsilon)


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
