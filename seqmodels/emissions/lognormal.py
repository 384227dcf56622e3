"""Positive numbers whose logarithms are normal."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import map_arrays, mean_and_variance
from .columns import FARTHEST, ColumnsInTiles, blocks
from .covariance import VARIANCE_FLOOR
from .gaussian import Gaussian, GaussianParameters
from .helpers import refuse
from .special import HALF_LOG_2PI

__all__ = ["LogNormal", "LogNormalParameters"]

LARGEST = 700.0  # logarithm of the largest mean that is told from infinity


class LogNormalParameters(NamedTuple):
    """Parameters of :class:`LogNormal`."""

    locations: np.ndarray  # (..., D), means of the logarithms
    scales: np.ndarray  # (..., D), standard deviations of the logarithms


class LogNormal(ColumnsInTiles):
    """Positive numbers in D columns, independent of each other given the state, with normal logarithms.

    The floor of the variance of logarithms is that of :class:`~seqmodels.emissions.Gaussian`: a millionth of the
    variance in the training data. A missing entry is left out; the others of its row count.
    """

    Parameters = LogNormalParameters
    accepted = "positive numbers"

    def possible(self, values):
        return values > 0

    def entries(self, values, parameters):
        logs = np.log(values)
        z = (logs - parameters.locations) / parameters.scales
        return -0.5 * z * z - np.log(parameters.scales) - HALF_LOG_2PI - logs

    # ---------------------------------------------------------------- hidden Markov models

    def in_tiles(self, parameters, width):
        return LogTiles(Gaussian().in_tiles(_of_logarithms(parameters), width))

    def points(self, values):
        return super().points(np.log(values))

    def rough(self, sequences):
        mean, variances = mean_and_variance(np.log(sequences.values.astype(float)))
        return LogNormalParameters(mean[None], np.sqrt(np.where(variances > 0, variances, 1.0))[None])

    def maximize(self, statistics, parameters):
        """Means and standard deviations of the logarithms."""
        return _as_parameters(Gaussian().maximize(statistics, _of_logarithms(parameters)))

    def rebased(self, statistics, old, new):
        """As under the Gaussian of the logarithms."""
        return Gaussian().rebased(statistics, _of_logarithms(old), _of_logarithms(new))

    def check_parameters(self, parameters):
        refuse(~(parameters.scales > 0), parameters.scales, "positive scales")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return (-np.inf, np.inf), (0.5 * np.log(VARIANCE_FLOOR), FARTHEST)

    def from_raw(self, raw, marginal):
        """Mean and standard deviation of the logarithm, both relative to the marginal's."""
        shifts, logs = self.limited(raw, marginal)
        return LogNormalParameters(marginal.locations + shifts * marginal.scales, marginal.scales * np.exp(logs))

    def slopes(self, values, parameters, marginal):
        z = (np.log(values) - parameters.locations) / parameters.scales
        return z * marginal.scales / parameters.scales, z * z - 1

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        logs = parameters.locations + parameters.scales * generator.standard_normal(parameters.locations.shape)
        return np.exp(np.clip(logs, -LARGEST, LARGEST))

    def mean(self, parameters):
        return np.exp(np.minimum(parameters.locations + 0.5 * parameters.scales**2, LARGEST))

    def mode(self, parameters):
        return np.exp(np.clip(parameters.locations - parameters.scales**2, -LARGEST, LARGEST))

    def cdf(self, values, parameters):
        with np.errstate(divide="ignore"):
            return special.ndtr((np.log(np.maximum(values, 0.0)) - parameters.locations) / parameters.scales)


class LogTiles:
    """Tiles of observations (n, D) by Gaussian ones (n, D) of their logarithms."""

    def __init__(self, gaussian):
        self.gaussian = gaussian

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        for rows in blocks(*values.shape):
            logs = np.log(values[rows])
            self.gaussian.fill_log_table(logs, out[rows])
            totals = np.einsum("nd->n", np.where(np.isnan(logs), 0.0, logs))
            out[rows] -= totals[:, None]

    def statistics(self, values, visits):
        """Moments of the logarithms about their means."""
        parts = [self.gaussian.statistics(np.log(values[rows]), visits[rows]) for rows in blocks(*values.shape)]
        return map_arrays(lambda *arrays: np.sum(arrays, axis=0), *parts)


def _of_logarithms(parameters):
    return GaussianParameters(parameters.locations, parameters.scales**2)


def _as_parameters(gaussian):
    return LogNormalParameters(gaussian.means, np.sqrt(gaussian.covariances))
