"""Waiting times without memory."""

from typing import NamedTuple

import numpy as np

from .columns import FARTHEST, ExponentialFamily, means_of, pooled, warn_of_a_floor
from .helpers import keep_without_mass, refuse

__all__ = ["Exponential", "ExponentialParameters"]

FLOOR = 1e-6
"""Smallest scale that an M-step or a network may give, relative to the mean of the training data."""


class ExponentialParameters(NamedTuple):
    """Parameters of :class:`Exponential`."""

    scales: np.ndarray  # (..., D), the means


class Exponential(ExponentialFamily):
    """Numbers from 0 in D columns, such as waiting times, independent of each other given the state.

    The density is ``exp(-x / scale) / scale``. No scale falls below a millionth of the mean of its column in the
    training data. A missing entry is left out; the others of its row count.
    """

    Parameters = ExponentialParameters
    accepted = "numbers from 0"

    def possible(self, values):
        return values >= 0

    def entries(self, values, parameters):
        return -values / parameters.scales - np.log(parameters.scales)

    # ---------------------------------------------------------------- hidden Markov models

    def features(self, columns):
        return (columns,)

    def coefficients(self, parameters):
        return -np.log(parameters.scales), -1 / parameters.scales

    def standard(self, D):
        return ExponentialParameters(np.ones((1, D)))

    def maximize(self, statistics, parameters):
        """Means."""
        mass, means = means_of(statistics.sums)
        total, sums = pooled(statistics.sums)
        floor = FLOOR * np.where(sums > 0, sums / total, 1.0)
        warn_of_a_floor("a scale fell to its floor, 1e-06 times the mean of the data", (mass > 0) & (means <= floor))
        return ExponentialParameters(keep_without_mass(mass, np.maximum(means, floor), parameters.scales))

    def check_parameters(self, parameters):
        refuse(~(parameters.scales > 0), parameters.scales, "positive scales")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return ((np.log(FLOOR), FARTHEST),)

    def from_raw(self, raw, marginal):
        """``scale = marginal scale * exp(raw)``."""
        return ExponentialParameters(marginal.scales * np.exp(self.limited(raw, marginal)[0]))

    def slopes(self, values, parameters, marginal):
        return (values / parameters.scales - 1,)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.exponential(parameters.scales)

    def mean(self, parameters):
        return parameters.scales

    def mode(self, parameters):
        return np.zeros_like(parameters.scales)

    def cdf(self, values, parameters):
        return -np.expm1(-np.maximum(values, 0.0) / parameters.scales)
