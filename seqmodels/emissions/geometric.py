"""Numbers of failures before the first success."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .columns import FARTHEST, CountColumns, ExponentialFamily, means_of
from .helpers import keep_without_mass, refuse

__all__ = ["Geometric", "GeometricParameters"]


class GeometricParameters(NamedTuple):
    """Parameters of :class:`Geometric`."""

    probabilities: np.ndarray  # (..., D), of a success


class Geometric(CountColumns, ExponentialFamily):
    """Counts from 0 in D columns, independent of each other given the state.

    The probability of x is ``p (1 - p)^x``: the number of failures before the first success. (`scipy.stats.geom`
    counts the trials instead, from 1.) A missing entry is left out; the others of its row count.
    """

    Parameters = GeometricParameters

    def entries(self, values, parameters):
        p = parameters.probabilities
        return special.xlog1py(values, -p) + np.log(p)

    # ---------------------------------------------------------------- hidden Markov models

    def features(self, columns):
        return (columns,)

    def coefficients(self, parameters):
        return np.log(parameters.probabilities), np.log1p(-parameters.probabilities)

    def standard(self, D):
        return GeometricParameters(np.full((1, D), 0.5))

    def maximize(self, statistics, parameters):
        """Successes among all trials."""
        mass, means = means_of(statistics.sums)
        return GeometricParameters(keep_without_mass(mass, 1 / (1 + means), parameters.probabilities))

    def check_parameters(self, parameters):
        p = parameters.probabilities
        refuse(~((p > 0) & (p <= 1)), p, "probabilities above 0")

    # ---------------------------------------------------------------- networks

    def interior(self, parameters, n_observations):
        return GeometricParameters(np.minimum(parameters.probabilities, 1 / (1 + 0.5 / max(1, n_observations))))

    def limits(self, marginal):
        return ((np.log(1e-6), FARTHEST),)

    def from_raw(self, raw, marginal):
        """``mean = marginal mean * exp(raw)``, where the mean is ``(1 - p) / p``."""
        p = marginal.probabilities
        return GeometricParameters(p / (p + (1 - p) * np.exp(self.limited(raw, marginal)[0])))

    def slopes(self, values, parameters, marginal):
        p = parameters.probabilities
        return (values * p - (1 - p),)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.geometric(parameters.probabilities) - 1.0

    def mean(self, parameters):
        return 1 / parameters.probabilities - 1

    def mode(self, parameters):
        return np.zeros_like(parameters.probabilities)

    def cdf(self, values, parameters):
        with np.errstate(divide="ignore"):
            failures = np.maximum(np.floor(values) + 1, 0.0)
            return -np.expm1(special.xlog1py(failures, -parameters.probabilities))
