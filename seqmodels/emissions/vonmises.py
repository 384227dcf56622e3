"""Angles."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .columns import ExponentialFamily, means_of, pooled, warn_of_a_floor
from .equations import mean_resultant, von_mises_concentration
from .helpers import keep_without_mass, refuse

__all__ = ["VonMises", "VonMisesParameters"]

FLOOR, LEAST_DISPERSION = 1e-6, 1e-9
LOG_2PI = np.log(2 * np.pi)


class VonMisesParameters(NamedTuple):
    """Parameters of :class:`VonMises`."""

    locations: np.ndarray  # (..., D), in (-pi, pi]
    concentrations: np.ndarray  # (..., D)


class VonMises(ExponentialFamily):
    """Angles in radians in D columns, independent of each other given the state.

    Any real numbers are taken, modulo 2 pi; samples lie in [-pi, pi], and intervals are those of the circle cut open
    at pi. The density is ``exp(concentration * cos(x - location)) / (2 pi I_0(concentration))``. The dispersion
    ``1 - |E exp(i x)|`` falls nowhere below a millionth of that of the training data, nor below 1e-9. A missing entry
    is left out; the others of its row count.

    References
    ----------
    Mardia and Jupp (2000), Directional Statistics, section 5.3.
    """

    Parameters = VonMisesParameters

    def entries(self, values, parameters):
        half = np.sin(0.5 * (values - parameters.locations))
        concentrations = parameters.concentrations
        return -2 * concentrations * half * half - np.log(special.i0e(concentrations)) - LOG_2PI

    # ---------------------------------------------------------------- hidden Markov models

    def features(self, columns):
        """Cosine and sine, by the tangent of half the angle: numpy has a fast one, where it has slow ones of these."""
        tangent = np.tan(0.5 * columns)
        square = tangent * tangent
        share = 1 / (1 + square)
        return (1 - square) * share, (tangent + tangent) * share

    def coefficients(self, parameters):
        locations, concentrations = parameters
        constant = -np.log(special.i0e(concentrations)) - concentrations - LOG_2PI
        return constant, concentrations * np.cos(locations), concentrations * np.sin(locations)

    def points(self, values):
        """On circles."""
        return np.nan_to_num(np.concatenate(self.features(values), axis=1))

    def standard(self, D):
        return VonMisesParameters(np.zeros((1, D)), np.ones((1, D)))

    def maximize(self, statistics, parameters):
        """The mean direction, and the concentration whose mean resultant is that of the data."""
        mass, cosines, sines = means_of(statistics.sums)
        total, sum_of_cosines, sum_of_sines = pooled(statistics.sums)
        dispersions = np.where(mass > 0, 1 - np.hypot(cosines, sines), 0.5)
        overall = 1 - np.hypot(sum_of_cosines, sum_of_sines) / total
        floor = np.maximum(FLOOR * np.where(overall > 1e-13, overall, 1.0), LEAST_DISPERSION)
        warn_of_a_floor("a dispersion of angles fell to its floor, 1e-06 times that of the data", dispersions <= floor)
        concentrations = von_mises_concentration(np.maximum(dispersions, floor))
        return VonMisesParameters(
            keep_without_mass(mass, np.arctan2(sines, cosines), parameters.locations),
            keep_without_mass(mass, concentrations, parameters.concentrations),
        )

    def check_parameters(self, parameters):
        refuse(parameters.concentrations < 0, parameters.concentrations, "concentrations from 0")

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        return ((-1 / FLOOR, 1 / FLOOR),) * 2

    def _unit(self, marginal):
        return np.maximum(marginal.concentrations, 1.0)

    def from_raw(self, raw, marginal):
        """The vector of this length and direction, moved along the marginal's direction and across it.

        In units of the marginal's concentration, or 1 if that is less; so there is no seam anywhere on the circle.
        """
        along, across = (shift * self._unit(marginal) for shift in self.limited(raw, marginal))
        along = marginal.concentrations + along
        locations = marginal.locations + np.arctan2(across, along)
        return VonMisesParameters(_within_a_turn(locations), np.hypot(along, across))

    def slopes(self, values, parameters, marginal):
        locations, concentrations = parameters
        resultant = mean_resultant(concentrations)
        there, here = values - marginal.locations, locations - marginal.locations
        unit = self._unit(marginal)
        return (
            unit * (np.cos(there) - resultant * np.cos(here)), unit * (np.sin(there) - resultant * np.sin(here)),
        )  # fmt: skip

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.vonmises(parameters.locations, parameters.concentrations)

    def mean(self, parameters):
        """The mean direction."""
        return _within_a_turn(parameters.locations)

    def mixed_mean(self, weights, parameters):
        """The direction of the mean vector."""
        vectors = mean_resultant(parameters.concentrations) * np.exp(1j * parameters.locations)
        return np.angle((weights[..., None] * vectors).sum(axis=-2))

    def mode(self, parameters):
        return _within_a_turn(parameters.locations)

    def cdf(self, values, parameters):
        """Of the circle cut open at pi."""
        from scipy import stats  # takes long to import

        locations, concentrations = np.broadcast_arrays(*parameters)
        whole, first = (
            stats.vonmises.cdf(x - locations, concentrations) for x in (np.clip(values, -np.pi, np.pi), -np.pi)
        )
        return np.clip(whole - first, 0.0, 1.0)


def _within_a_turn(angles):
    """The same angles in [-pi, pi]."""
    return angles - 2 * np.pi * np.round(angles / (2 * np.pi))
