"""Functions of the Gamma function's kin that keep their digits for large arguments."""

import numpy as np
from scipy import special

__all__ = ["HALF_LOG_2PI", "gamma_shape", "log_minus_digamma", "stirling_error", "times_log_ratio", "trigamma"]

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
LARGE = 16.0
"""From here on the asymptotic series are exact to the last digits."""


def stirling_error(z):
    """``log Gamma(z + 1) - ((z + 1/2) log z - z + log(2 pi) / 2)``, for z above 0.

    What Stirling's formula leaves. Log densities written with it have no large terms that cancel, as Loader (2000),
    Fast and accurate computation of binomial probabilities, has it.
    """
    z = np.asarray(z, dtype=float)
    small, square = np.minimum(z, LARGE), np.maximum(z, LARGE) ** -2
    exact = special.gammaln(small + 1) - (small + 0.5) * np.log(small) + small - HALF_LOG_2PI
    series = (1 / 1680 - square * (1 / 1188 - square * (691 / 360360 - square / 156))) * square
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - series))
    return np.where(z < LARGE, exact, series / np.maximum(z, LARGE))


def log_minus_digamma(a):
    """``log a - psi(a)``, which falls from 1 / a at small to 1 / (2 a) at large arguments."""
    a = np.asarray(a, dtype=float)
    small, square = np.minimum(a, LARGE), np.maximum(a, LARGE) ** -2
    series = square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square * (1 / 132 - square * 691 / 32760))))
    series = 0.5 / np.maximum(a, LARGE) + square * (1 / 12 - series)
    return np.where(a < LARGE, np.log(small) - special.digamma(small), series)


def trigamma(a):
    """The derivative of psi: as a value of Hurwitz's zeta function it takes a third of `polygamma`'s time."""
    return special.zeta(2.0, a)


def gamma_shape(dispersion):
    """The a at which ``log a - psi(a)`` has a given positive value: a Gamma distribution's shape.

    Newton's method on logarithms of both sides, which are almost a straight line; the first guess is good to 2 %
    (Choi and Wette 1969, as quoted for the Gamma distribution everywhere).
    """
    s = np.asarray(dispersion, dtype=float)
    a = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    a = np.where(s > 100, 1 / s, a)
    for _ in range(6):
        value = log_minus_digamma(a)
        slope = np.where(a < 1e4, (1 - a * trigamma(np.minimum(a, 1e4))) / value, -1.0)
        a = a * np.exp(-np.log(value / s) / slope)
    return a


def times_log_ratio(factor, a, b, difference):
    """``factor * log(a / b)``, of numbers from 0 whose difference ``a - b`` is known better than they are.

    Where the factor is 0, so is the product.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        close = np.abs(difference) < 0.5 * b
        logarithm = np.where(close, np.log1p(np.where(close, difference / b, 0.0)), np.log(a / b))
        return np.where(factor == 0, 0.0, factor * logarithm)
