"""Positive numbers with two parameters: how large, and how steady."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .columns import FARTHEST, ExponentialFamily, means_of, pooled, warn_of_a_floor
from .equations import gamma_shape
from .helpers import keep_without_mass, refuse
from .special import HALF_LOG_2PI, log_minus_digamma, stirling_error, times_log_ratio

__all__ = ["Gamma", "GammaParameters"]

FLOOR, LEAST_DISPERSION = 1e-6, 1e-9


class GammaParameters(NamedTuple):
    """Parameters of :class:`Gamma`."""

    shapes: np.ndarray  # (..., D)
    scales: np.ndarray  # (..., D)


class Gamma(ExponentialFamily):
    """Positive numbers in D columns, independent of each other given the state.

    The density is ``x^(shape - 1) exp(-x / scale) / (Gamma(shape) scale^shape)``, of mean ``shape * scale``. The
    dispersion ``log E(x) - E(log x)``, about half the squared coefficient of variation, falls nowhere below a
    millionth of that of the training data, nor below 1e-9. A missing entry is left out; the others of its row count.

    References
    ----------
    Minka (2002), Estimating a Gamma distribution, has the equation of the shape.
    """

    Parameters = GammaParameters
    accepted = "positive numbers"

    def possible(self, values):
        return values > 0

    def entries(self, values, parameters):
        a, means = parameters.shapes, self.mean(parameters)
        excess = values - means
        constant = 0.5 * np.log(a) - HALF_LOG_2PI - stirling_error(a) - np.log(means)  # the value at the mean
        return times_log_ratio(a - 1, values, means, excess) - a * (excess / means) + constant

    # ---------------------------------------------------------------- hidden Markov models

    def features(self, columns):
        return np.log(columns), columns

    def coefficients(self, parameters):
        a, scales = parameters
        return -special.gammaln(a) - a * np.log(scales), a - 1, -1 / scales

    def standard(self, D):
        return GammaParameters(np.ones((1, D)), np.ones((1, D)))

    def maximize(self, statistics, parameters):
        """The mean, and the shape whose dispersion is that of the data."""
        mass, logs, means = means_of(statistics.sums)
        total, sum_of_logs, sums = pooled(statistics.sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            dispersions = np.where(mass > 0, np.log(means) - logs, 1.0)
            overall = np.log(sums / total) - sum_of_logs / total
        constant = ~(overall > 1e-13 * (1 + np.abs(sum_of_logs / total)))  # what is left of one is rounding
        floor = np.maximum(FLOOR * np.where(constant, 1.0, overall), LEAST_DISPERSION)
        warn_of_a_floor("a Gamma dispersion fell to its floor, 1e-06 times that of the data", dispersions <= floor)
        shapes = gamma_shape(np.maximum(dispersions, floor))
        return GammaParameters(
            keep_without_mass(mass, shapes, parameters.shapes),
            keep_without_mass(mass, means / shapes, parameters.scales),
        )

    def check_parameters(self, parameters):
        refuse(~(parameters.shapes > 0), parameters.shapes, "positive shapes")
        refuse(~(parameters.scales > 0), parameters.scales, "positive scales")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return (-FARTHEST, FARTHEST), (-FARTHEST, -np.log(FLOOR))

    def from_raw(self, raw, marginal):
        """``mean = marginal mean * exp(first)`` and ``shape = marginal shape * exp(second)``."""
        means, shapes = self.limited(raw, marginal)
        return GammaParameters(marginal.shapes * np.exp(shapes), marginal.scales * np.exp(means - shapes))

    def slopes(self, values, parameters, marginal):
        a = parameters.shapes
        ratio = values / self.mean(parameters)
        return a * (ratio - 1), a * (np.log(ratio) - (ratio - 1) + log_minus_digamma(a))

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return np.maximum(generator.gamma(parameters.shapes, parameters.scales), np.finfo(float).tiny)

    def mean(self, parameters):
        return parameters.shapes * parameters.scales

    def mode(self, parameters):
        """0 where the density rises towards it."""
        return np.maximum(parameters.shapes - 1, 0.0) * parameters.scales

    def cdf(self, values, parameters):
        return special.gammainc(parameters.shapes, np.maximum(values, 0.0) / parameters.scales)
