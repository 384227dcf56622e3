"""Equations of M-steps that have no solution in closed form."""

import numpy as np
from scipy import special

from .special import log_minus_digamma, trigamma

__all__ = [
    "LARGEST_SIZE", "SIZES", "SMALLEST_SIZE", "beta_dispersion", "beta_parameters", "gamma_shape", "mean_resultant",
    "negative_binomial_size", "von_mises_concentration",
]  # fmt: skip


def gamma_shape(dispersion):
    """The a at which ``log a - psi(a)`` has a given positive value: a Gamma distribution's shape.

    Newton's method on the logarithms of both sides, which are almost a straight line. It begins where
    ``(1 + 1 / (6 a + 1)) / (2 a)`` has that value, which is within 2 %.
    """
    s = np.asarray(dispersion, dtype=float)
    a = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    a = np.where(s > 100, 1 / s, a)
    for _ in range(6):
        value = log_minus_digamma(a)
        slope = np.where(a < 1e4, (1 - a * trigamma(np.minimum(a, 1e4))) / value, -1.0)
        a = a * np.exp(-np.log(value / s) / slope)
    return a


# -------------------------------------------------------------------- von Mises


def mean_resultant(concentrations):
    """``E cos(x - location) = I_1 / I_0``."""
    return special.i1e(concentrations) / special.i0e(concentrations)


def von_mises_concentration(dispersions):
    """The concentration at which ``1 - I_1 / I_0`` has a given value in (0, 1]: Newton's method.

    The first guess is that of Banerjee et al. (2005), Clustering on the unit hypersphere.
    """
    resultant = 1 - dispersions
    kappa = resultant * (1 + 1 / (dispersions * (2 - dispersions)))  # r (2 - r^2) / (1 - r^2)
    for _ in range(8):
        ratio, least = mean_resultant(kappa), np.maximum(kappa, 1e-8)
        slope = np.where(kappa > 1e-8, 1 - ratio * ratio - ratio / least, 0.5)
        # beyond, the slope is what is left of larger numbers
        slope = np.where(kappa > 1e4, 0.5 / least**2 * (1 + 0.5 / least), slope)
        kappa = np.maximum(kappa + (resultant - ratio) / slope, 0.0)
    return kappa


# -------------------------------------------------------------------- Beta


def beta_dispersion(logs, other_logs):
    """1 less the geometric means of x and 1 - x, of given logarithms; about ``1 / (2 (alpha + beta))`` if small."""
    return 1 - np.exp(logs) - np.exp(other_logs)


def beta_parameters(logs, other_logs, most):
    """Alphas and betas (2, ...) at the top of ``alpha logs + beta other_logs - log B(alpha, beta)``.

    No sum ``alpha + beta`` is above `most`: as the function is concave, the top is then where it has that value.
    """
    found = _top(logs, other_logs, most)
    beyond = found.sum(axis=0) > most
    return np.where(beyond, _top_of_total(most, logs - other_logs), found) if beyond.any() else found


def _top(logs, other_logs, most):
    """By Newton's method, whose steps are shortened until they climb; far beyond `most` it is left."""
    start = 0.5 / np.maximum(beta_dispersion(logs, other_logs), 0.5 / most)
    at, means = np.stack([0.5 + np.exp(logs) * start, 0.5 + np.exp(other_logs) * start]), np.stack([logs, other_logs])

    def height(at):
        return (at * means).sum(axis=0) - special.betaln(*at)

    for _ in range(60):
        total = at.sum(axis=0)
        slopes = means - special.digamma(at) + special.digamma(total)
        # the matrix of second derivatives is a diagonal less one number everywhere
        inverse, shared = 1 / trigamma(at), trigamma(total)
        step = inverse * slopes
        step = step + inverse * (shared * step.sum(axis=0) / (1 - shared * inverse.sum(axis=0)))
        share = np.minimum(1.0, 0.9 / np.maximum(np.max(-step / at, axis=0), 1e-300))
        before = height(at)
        for _ in range(30):
            falls = height(at + share * step) < before - 1e-9 * (1 + np.abs(before))
            if not falls.any():
                break
            share = np.where(falls, 0.5 * share, share)
        moving = total < 4 * most
        at = np.where(moving, at + share * step, at)
        if np.all(np.abs(step) <= 1e-8 * at, where=moving):  # the next one would be its square
            break
    return at


def _top_of_total(total, difference):
    """By bisection of the mean's logit; `difference` is that of the mean logarithms."""
    low, high = np.full(difference.shape, -700.0), np.full(difference.shape, 700.0)
    for _ in range(70):
        logit = 0.5 * (low + high)
        a, b = total * special.expit(logit), total * special.expit(-logit)
        below = special.digamma(a) - special.digamma(b) < difference
        low, high = np.where(below, logit, low), np.where(below, high, logit)
    return np.stack([a, b])


# -------------------------------------------------------------------- negative binomial

SMALLEST_SIZE, LARGEST_SIZE, _N_SIZES = 1e-3, 1e6, 128
_SMALLEST, _LARGEST = np.log([SMALLEST_SIZE, LARGEST_SIZE])
_ANGLES = (np.arange(_N_SIZES) + 0.5) * (np.pi / _N_SIZES)
_NODES = _SMALLEST + (_LARGEST - _SMALLEST) * (1 - np.cos(_ANGLES)) / 2
_WEIGHTS = np.sin(_ANGLES) * (-1.0) ** np.arange(_N_SIZES)
SIZES = np.exp(_NODES)
"""Sizes between the smallest and the largest, rising, whose logarithms are Chebyshev's points."""


def negative_binomial_size(slopes, means):
    """The size (...) at which ``size * E(psi(size + x) - psi(size)) = size * log(1 + mean / size)``.

    The left side is given at `SIZES`, an array (..., len(SIZES)). As an analytic function of the size's logarithm it
    is interpolated to the last digits (Berrut and Trefethen 2004, Barycentric Lagrange interpolation). It is the
    larger one at first; where it stays so, the size is the largest.
    """

    def excess(at, slope):
        size = np.exp(at)
        return slope - size * np.log1p(means[..., None] / size)

    at_nodes = excess(_NODES, slopes)
    falls = at_nodes <= 0
    after = np.where(falls.any(axis=-1), falls.argmax(axis=-1), _N_SIZES)[..., None]  # the first below
    before = np.maximum(after - 1, 0)
    after = np.minimum(after, _N_SIZES - 1)  # beside `before`, or the same at either end
    low, high = _NODES[before], _NODES[after]
    f_low, f_high = (np.take_along_axis(at_nodes, index, axis=-1) for index in (before, after))
    at, side = high, 0.0
    for _ in range(16):  # the false position, in Illinois style
        last = at
        with np.errstate(invalid="ignore", divide="ignore"):
            at = np.where(f_high < f_low, low - f_low * (high - low) / (f_high - f_low), high)
        if not np.any(np.abs(at - last) > 1e-11):
            break
        shares = at - _NODES
        shares = _WEIGHTS / np.where(shares == 0, 1e-200, shares)
        value = excess(at, (shares * slopes).sum(axis=-1, keepdims=True) / shares.sum(axis=-1, keepdims=True))
        above, share = value > 0, np.where(np.sign(value) == side, 0.5, 1.0)  # an end that stays twice counts half
        f_high, f_low = np.where(above, share * f_high, value), np.where(above, value, share * f_low)
        low, high, side = np.where(above, at, low), np.where(above, high, at), np.sign(value)
    at = np.where(falls.all(axis=-1), _SMALLEST, np.where(falls.any(axis=-1), at[..., 0], _LARGEST))
    return np.exp(at)
