"""Functions of the Gamma function's kin that keep their digits for large arguments."""

import numpy as np
from scipy import special

__all__ = ["HALF_LOG_2PI", "log_minus_digamma", "log_multinomial", "stirling_error", "times_log_ratio", "trigamma"]

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


def times_log_ratio(factor, a, b, difference):
    """``factor * log(a / b)``, of numbers from 0 whose difference ``a - b`` is known better than they are.

    Where the factor is 0, so is the product.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        close = np.abs(difference) < 0.5 * b
        logarithm = np.where(close, np.log1p(np.where(close, difference / b, 0.0)), np.log(a / b))
        return np.where(factor == 0, 0.0, factor * logarithm)


def log_multinomial(counts, logs):
    """Log probabilities (...) of counts (..., D), given the logarithms of the probabilities of each trial."""
    trials = counts.sum(axis=-1, keepdims=True)
    x, expected = np.maximum(counts, 1.0), trials * np.exp(logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        close = np.abs(expected - counts) < 0.5 * counts
        ratios = np.where(close, np.log1p(np.where(close, (expected - x) / x, 0.0)), np.log(trials) + logs - np.log(x))
        terms = np.where(counts > 0, counts * ratios - stirling_error(x) - 0.5 * np.log(2 * np.pi * x), 0.0)
    n = np.maximum(trials[..., 0], 1.0)
    return terms.sum(axis=-1) + np.where(trials[..., 0] > 0, stirling_error(n) + 0.5 * np.log(2 * np.pi * n), 0.0)
