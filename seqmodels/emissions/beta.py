"""Shares: numbers between 0 and 1."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .base import keep_without_mass, refuse
from .columns import FARTHEST, ExponentialFamily, means_of, pooled, warn_of_a_floor
from .special import HALF_LOG_2PI, stirling_error, times_log_ratio, trigamma

__all__ = ["Beta", "BetaParameters"]

FLOOR, LEAST_DISPERSION = 1e-6, 1e-9
FARTHEST_LOGIT = 20.0


class BetaParameters(NamedTuple):
    """Parameters of :class:`Beta`."""

    alphas: np.ndarray  # (..., D)
    betas: np.ndarray  # (..., D)


class Beta(ExponentialFamily):
    """Numbers between 0 and 1, both excluded, in D columns, independent of each other given the state.

    The density is proportional to ``x^(alpha - 1) (1 - x)^(beta - 1)``. The dispersion, which is 1 less the geometric
    means of x and of 1 - x, falls nowhere below a millionth of that of the training data, nor below 1e-9; so the
    total ``alpha + beta`` is at most the inverse of twice that. A missing entry is left out; the others of its row
    count.
    """

    Parameters = BetaParameters
    accepted = "numbers between 0 and 1 (both excluded)"

    def possible(self, values):
        return (values > 0) & (values < 1)

    def entries(self, values, parameters):
        a, b = parameters
        total = a + b
        constant = 0.5 * np.log(a * b / total) - HALF_LOG_2PI + stirling_error(total) - stirling_error(a)
        constant = constant - stirling_error(b) - np.log(a / total) - np.log(b / total)  # the value at the mean
        excess = values - a / total
        below = times_log_ratio(a - 1, values, a / total, excess)
        return constant + below + times_log_ratio(b - 1, 1 - values, b / total, -excess)

    # ---------------------------------------------------------------- hidden Markov models

    def features(self, values):
        return np.log(values), np.log1p(-values)

    def coefficients(self, parameters):
        a, b = parameters
        return -special.betaln(a, b), a - 1, b - 1

    def standard(self, D):
        return BetaParameters(np.ones((1, D)), np.ones((1, D)))

    def maximize(self, statistics, parameters):
        """The top of a concave function, at the floor if it is beyond."""
        mass, logs, other_logs = means_of(statistics.sums)
        logs, other_logs = (np.where(mass > 0, means, -1.0) for means in (logs, other_logs))
        total, *sums = pooled(statistics.sums)
        overall = _dispersion(*(each / total for each in sums))
        floor = np.maximum(FLOOR * np.where(overall > 1e-13, overall, 1.0), LEAST_DISPERSION)
        found = _top(logs, other_logs, floor)
        beyond = found.sum(axis=0) > 0.5 / floor
        warn_of_a_floor("a Beta dispersion fell to its floor, 1e-06 times that of the data", beyond & (mass > 0))
        found = np.where(beyond, _top_at(0.5 / floor, logs - other_logs), found)
        return BetaParameters(*(keep_without_mass(mass, new, old) for new, old in zip(found, parameters, strict=True)))

    def check_parameters(self, parameters):
        refuse(~(parameters.alphas > 0), parameters.alphas, "positive alphas")
        refuse(~(parameters.betas > 0), parameters.betas, "positive betas")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return (-FARTHEST_LOGIT, FARTHEST_LOGIT), (-FARTHEST, -np.log(FLOOR))

    def from_raw(self, raw, marginal):
        """The mean's logit is the marginal's plus the first, the total the marginal's times ``exp(second)``."""
        a, b = marginal
        shifts, logs = self.limited(raw, marginal)
        total, logit = (a + b) * np.exp(logs), np.log(a / b) + shifts
        return BetaParameters(total * special.expit(logit), total * special.expit(-logit))

    def slopes(self, values, parameters, marginal):
        a, b = parameters
        of_total = special.digamma(a + b)
        in_a = np.log(values) - special.digamma(a) + of_total
        in_b = np.log1p(-values) - special.digamma(b) + of_total
        return a * b / (a + b) * (in_a - in_b), a * in_a + b * in_b

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return np.clip(generator.beta(*parameters), np.finfo(float).tiny, 1 - 2.0**-53)

    def mean(self, parameters):
        return parameters.alphas / (parameters.alphas + parameters.betas)

    def mode(self, parameters):
        """An end where the density rises towards it; of two such ends, that of the smaller parameter."""
        a, b = parameters
        inside = (a > 1) & (b > 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(inside, (a - 1) / (a + b - 2), np.where(a == b, 0.5 * (a == 1), a > b))

    def cdf(self, values, parameters):
        return special.betainc(*parameters, np.clip(values, 0.0, 1.0))


def _dispersion(logs, other_logs):
    """1 less both geometric means: about ``1 / (2 (alpha + beta))`` where that is small."""
    return 1 - np.exp(logs) - np.exp(other_logs)


def _top(logs, other_logs, floor):
    """Alphas and betas (2, ...) at the top of ``alpha logs + beta other_logs - log B(alpha, beta)``.

    By Newton's method, whose steps are shortened until they climb; it is left where both are far beyond the floor.
    """
    start = 0.5 / np.maximum(_dispersion(logs, other_logs), floor)
    at = np.stack([0.5 + np.exp(logs) * start, 0.5 + np.exp(other_logs) * start])
    means = np.stack([logs, other_logs])

    def height(at):
        return (at * means).sum(axis=0) - special.betaln(*at)

    for _ in range(60):
        of_total, curvature = special.digamma(at.sum(axis=0)), trigamma(at)
        slopes = means - special.digamma(at) + of_total
        # the matrix of second derivatives is a diagonal and one number everywhere
        solved, ones = slopes / curvature, 1 / curvature
        shared = trigamma(at.sum(axis=0))
        step = solved + ones * (shared * solved.sum(axis=0) / (1 - shared * ones.sum(axis=0)))
        share = np.minimum(1.0, 0.9 / np.maximum(np.max(-step / at, axis=0), 1e-300))
        before = height(at)
        for _ in range(30):
            falls = height(at + share * step) < before - 1e-9 * (1 + np.abs(before))
            if not falls.any():
                break
            share = np.where(falls, 0.5 * share, share)
        moving = at.sum(axis=0) < 4 * 0.5 / floor
        at = np.where(moving, at + share * step, at)
        if np.all(np.abs(step) <= 1e-8 * at, where=moving):  # the next one would be its square
            break
    return at


def _top_at(total, difference):
    """The same where ``alpha + beta = total``, by bisection of the mean's logit; `difference` of the mean logs."""
    low, high = np.full(difference.shape, -700.0), np.full(difference.shape, 700.0)
    for _ in range(70):
        logit = 0.5 * (low + high)
        a, b = total * special.expit(logit), total * special.expit(-logit)
        with np.errstate(invalid="ignore"):
            below = special.digamma(a) - special.digamma(b) < difference
        low, high = np.where(below, logit, low), np.where(below, high, logit)
    return np.stack([a, b])
