"""Real numbers around a median."""

from typing import NamedTuple

import numpy as np

from ..arrays import mean_and_variance
from .columns import FARTHEST, ColumnsInTiles, warn_of_a_floor
from .distances import LaplaceTiles
from .helpers import keep_without_mass, refuse

__all__ = ["Laplace", "LaplaceParameters"]

FLOOR = 1e-6
"""Smallest scale that an M-step or a network may give, relative to the standard deviation of the training data."""


class LaplaceParameters(NamedTuple):
    """Parameters of :class:`Laplace`."""

    locations: np.ndarray  # (..., D), the medians
    scales: np.ndarray  # (..., D), mean distances from them


class Laplace(ColumnsInTiles):
    """Real numbers in D columns, independent of each other given the state, of density ``exp(-|x - m| / b) / (2 b)``.

    No scale falls below a millionth of the standard deviation of its column in the training data. A missing entry is
    left out; the others of its row count.

    The best location is a weighted median, for which no statistics that add up are enough. Starts and marginals find
    it by sorting; an M-step goes towards it by one step of Weiszfeld's algorithm, in the form of Vardi and Zhang
    (2000), which never climbs away and leaves an observation that is not the median.
    """

    Parameters = LaplaceParameters

    def entries(self, values, parameters):
        return -np.abs(values - parameters.locations) / parameters.scales - np.log(2 * parameters.scales)

    # ---------------------------------------------------------------- hidden Markov models

    def rough(self, sequences):
        mean, variances = mean_and_variance(sequences.values.astype(float))
        return LaplaceParameters(mean[None], np.sqrt(np.where(variances > 0, variances, 1.0))[None])

    def one_step_is_enough(self, values):
        return False

    def initial_parameters(self, values, visits, rough, generator):
        """Weighted medians, and the mean distances from them."""
        medians = [[_median(column, own) for column in values.T] for own in visits.T]
        start = LaplaceParameters(np.array(medians), np.repeat(rough.scales, visits.shape[1], axis=0))
        start = start._replace(locations=np.where(np.isnan(start.locations), rough.locations, start.locations))
        scales = self.maximize(self.sufficient_statistics(values, visits, start), start).scales
        return start._replace(scales=scales)

    def in_tiles(self, parameters, width):
        return LaplaceTiles(parameters, width)

    def maximize(self, statistics, parameters):
        """A step towards the median, and the mean distance."""
        mass, distances, touching, signs, inverses, spread = statistics
        floor = FLOOR * spread.deviation()
        with np.errstate(invalid="ignore", divide="ignore"):
            pull = np.maximum(1 - touching / np.abs(signs), 0.0)  # what touches holds back
            step = np.where((inverses > 0) & (signs != 0), pull * signs / inverses, 0.0)
            scales = distances / mass
        acts = (mass > 0) & (scales <= floor)
        warn_of_a_floor("a scale fell to its floor, 1e-06 times the deviation of the data", acts)
        return LaplaceParameters(
            parameters.locations + step, keep_without_mass(mass, np.maximum(scales, floor), parameters.scales)
        )

    def rebased(self, statistics, old, new):
        """Sums of distances from a location say nothing about those from another."""
        raise TypeError(
            f"{self!r} cannot be trained by partial_fit: its locations are medians, and no sums over batches say "
            "where a median is; StudentT() can, and outliers do as little harm"
        )

    def check_parameters(self, parameters):
        refuse(~(parameters.scales > 0), parameters.scales, "positive scales")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return (-np.inf, np.inf), (np.log(FLOOR), FARTHEST)

    def from_raw(self, raw, marginal):
        """Location and scale, both relative to the marginal's."""
        shifts, logs = self.limited(raw, marginal)
        return LaplaceParameters(marginal.locations + shifts * marginal.scales, marginal.scales * np.exp(logs))

    def slopes(self, values, parameters, marginal):
        z = (values - parameters.locations) / parameters.scales
        return np.sign(z) * marginal.scales / parameters.scales, np.abs(z) - 1

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.laplace(parameters.locations, parameters.scales)

    def mean(self, parameters):
        return parameters.locations

    def mode(self, parameters):
        return parameters.locations

    def cdf(self, values, parameters):
        z = (values - parameters.locations) / parameters.scales
        return np.where(z < 0, 0.5 * np.exp(np.minimum(z, 0.0)), 1 - 0.5 * np.exp(-np.maximum(z, 0.0)))


def _median(column, weights):
    """The weighted median of what is observed, halfway where there are two; NaN without any weight."""
    weights = np.where(np.isnan(column), 0.0, weights)
    chosen = np.flatnonzero(weights > 0)
    if len(chosen) == 0:
        return np.nan
    order = chosen[np.argsort(column[chosen], kind="stable")]
    below = np.cumsum(weights[order])
    half = 0.5 * below[-1]
    first = np.searchsorted(below, half * (1 - 1e-12))
    second = np.searchsorted(below, half * (1 + 1e-12))
    return 0.5 * (column[order[first]] + column[order[min(second, len(order) - 1)]])
