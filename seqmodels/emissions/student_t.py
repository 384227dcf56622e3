"""Real numbers around a mean, some of them far away."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import map_arrays, mean_and_variance
from .columns import FARTHEST, ColumnsInTiles, warn_of_a_floor
from .distances import StudentTStatistics, StudentTTiles
from .equations import gamma_shape
from .helpers import keep_without_mass, refuse
from .laplace import Laplace, LaplaceParameters
from .special import stirling_error

__all__ = ["StudentT", "StudentTParameters"]

FLOOR = 1e-6
"""Smallest scale that an M-step or a network may give, relative to the standard deviation of the training data."""
FEWEST, MOST = 0.05, 1e5  # degrees of freedom that are told apart


class StudentTParameters(NamedTuple):
    """Parameters of :class:`StudentT`."""

    locations: np.ndarray  # (..., D)
    scales: np.ndarray  # (..., D)
    degrees: np.ndarray  # (..., D), of freedom


class StudentT(ColumnsInTiles):
    """Student's t distributions of D columns, independent of each other given the state: outliers do little harm.

    Degrees of freedom, one number a column, lie between 0.05 and 100,000, where the distribution is all but normal.
    No scale falls below a millionth of the standard deviation of its column in the training data. Where there is no
    more than one degree of freedom, :meth:`mean` is the location still. A missing entry is left out; the others of
    its row count.

    The density is a normal one whose precision is Gamma distributed. An M-step is one of the parameter-expanded EM
    algorithm of Liu, Rubin and Wu (1998), which gives the precisions a scale of their own; the equation of the
    degrees of freedom is then that of a Gamma distribution's shape. The likelihood never falls, and several steps
    find its top.
    """

    Parameters = StudentTParameters
    marginal_gain = 1e-12

    def entries(self, values, parameters):
        locations, scales, degrees = parameters
        z = (values - locations) / scales
        return _at_location(parameters) - 0.5 * (degrees + 1) * np.log1p(z * z / degrees)

    # ---------------------------------------------------------------- hidden Markov models

    def in_tiles(self, parameters, width):
        return StudentTTiles(parameters, _at_location(parameters), width)

    def rough(self, sequences):
        mean, variances = mean_and_variance(sequences.values.astype(float))
        scales = np.sqrt(np.where(variances > 0, variances, 1.0))
        return StudentTParameters(mean[None], scales[None], np.full((1, len(mean)), 8.0))

    def one_step_is_enough(self, values):
        return False

    def initial_parameters(self, values, visits, rough, generator):
        """Weighted medians, and the mean distances from them."""
        start = Laplace().initial_parameters(values, visits, LaplaceParameters(*rough[:2]), generator)
        return StudentTParameters(*start, np.repeat(rough.degrees, visits.shape[1], axis=0))

    def maximize(self, statistics, parameters):
        """Locations, scales and degrees under the expected precisions."""
        mass, precisions, sums, squares, logs, spread = statistics
        floor = FLOOR * spread.deviation()
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = sums / precisions
            scatter = (squares - shift * sums) / precisions  # the precisions have a scale of their own
            precision = precisions / mass
            log_precision = _log_precision(parameters.degrees) - logs / mass
            held = ~(scatter > floor**2)  # they have none where the floor holds
            scales = np.sqrt(np.maximum(np.where(held, scatter * precision, scatter), floor**2))
            dispersions = np.where(held, precision - 1, np.log(precision)) - log_precision
        degrees = np.clip(2 * gamma_shape(np.where(dispersions > 0, dispersions, 1 / MOST)), FEWEST, MOST)
        acts = (mass > 0) & (scales <= floor * (1 + 1e-9))
        warn_of_a_floor("a scale fell to its floor, 1e-06 times the deviation of the data", acts)
        found = StudentTParameters(parameters.locations + shift, scales, degrees)
        return map_arrays(lambda new, old: keep_without_mass(mass, new, old), found, parameters)

    def rebased(self, statistics, old, new):
        """Sums over expected precisions and their logarithms, whatever these were expected under."""
        mass, precisions, sums, squares, logs, spread = statistics
        shift = old.locations - new.locations  # what is added to deviations
        centre, later = (p.locations.reshape(-1, p.locations.shape[-1]).mean(axis=0) for p in (old, new))
        return StudentTStatistics(
            mass,
            precisions,
            sums + precisions * shift,
            squares + (2 * sums + precisions * shift) * shift,
            logs + mass * (_log_precision(new.degrees) - _log_precision(old.degrees)),
            spread.rebased(centre - later),
        )

    def check_parameters(self, parameters):
        refuse(~(parameters.scales > 0), parameters.scales, "positive scales")
        degrees, slack = parameters.degrees, 1 + 1e-9
        wrong = ~((degrees >= FEWEST / slack) & (degrees <= MOST * slack))
        refuse(wrong, degrees, f"degrees of freedom between {FEWEST:g} and {MOST:g}")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        degrees = np.log(marginal.degrees)
        return (-np.inf, np.inf), (np.log(FLOOR), FARTHEST), (np.log(FEWEST) - degrees, np.log(MOST) - degrees)

    def from_raw(self, raw, marginal):
        """Location, scale and degrees of freedom, all relative to the marginal's."""
        shifts, scales, degrees = self.limited(raw, marginal)
        return StudentTParameters(
            marginal.locations + shifts * marginal.scales,
            marginal.scales * np.exp(scales),
            marginal.degrees * np.exp(degrees),
        )

    def slopes(self, values, parameters, marginal):
        locations, scales, degrees = parameters
        z = (values - locations) / scales
        precision = (degrees + 1) / (degrees + z * z)
        in_scale = precision * z * z - 1
        in_degrees = special.digamma(0.5 * (degrees + 1)) - special.digamma(0.5 * degrees) - np.log1p(z * z / degrees)
        return precision * z * marginal.scales / scales, in_scale, 0.5 * (degrees * in_degrees + in_scale)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return parameters.locations + parameters.scales * generator.standard_t(parameters.degrees)

    def mean(self, parameters):
        return parameters.locations

    def mode(self, parameters):
        return parameters.locations

    def cdf(self, values, parameters):
        return special.stdtr(parameters.degrees, (values - parameters.locations) / parameters.scales)


def _log_precision(degrees):
    """The expected logarithm of the precision at the location."""
    halves = 0.5 * (degrees + 1)
    return np.log1p(1 / degrees) + special.digamma(halves) - np.log(halves)


def _at_location(parameters):
    """Log densities at the locations."""
    half = 0.5 * parameters.degrees
    # log Gamma(half + 1/2) - log Gamma(half) - log(half) / 2, without large terms
    ratio = stirling_error(half + 0.5) - stirling_error(half) + half * np.log1p(0.5 / half) - 0.5
    return ratio - 0.5 * np.log(2 * np.pi) - np.log(parameters.scales)
