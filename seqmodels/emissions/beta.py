"""Shares: numbers between 0 and 1."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .columns import FARTHEST, ExponentialFamily, means_of, pooled, warn_of_a_floor
from .equations import beta_dispersion, beta_parameters
from .helpers import keep_without_mass, refuse
from .special import HALF_LOG_2PI, stirling_error, times_log_ratio

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

    def features(self, columns):
        return np.log(columns), np.log1p(-columns)

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
        overall = beta_dispersion(*(each / total for each in sums))
        most = 0.5 / np.maximum(FLOOR * np.where(overall > 1e-13, overall, 1.0), LEAST_DISPERSION)
        found = beta_parameters(logs, other_logs, most)
        acts = (mass > 0) & (found.sum(axis=0) >= most * (1 - 1e-9))
        warn_of_a_floor("a Beta dispersion fell to its floor, 1e-06 times that of the data", acts)
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
