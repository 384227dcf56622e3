"""Angles."""

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from .base import keep_without_mass, refuse
from .columns import ExponentialFamily, means_of, pooled, warn_of_a_floor

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

    def features(self, values):
        return np.cos(values), np.sin(values)

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
        return VonMisesParameters(
            keep_without_mass(mass, np.arctan2(sines, cosines), parameters.locations),
            keep_without_mass(mass, _concentration(np.maximum(dispersions, floor)), parameters.concentrations),
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
        return VonMisesParameters(locations, np.hypot(along, across))

    def slopes(self, values, parameters, marginal):
        locations, concentrations = parameters
        resultant = _resultant(concentrations)
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
        return parameters.locations

    def mixed_mean(self, weights, parameters):
        """The direction of the mean vector."""
        vectors = _resultant(parameters.concentrations) * np.exp(1j * parameters.locations)
        return np.angle((weights[..., None] * vectors).sum(axis=-2))

    def mode(self, parameters):
        return parameters.locations

    def cdf(self, values, parameters):
        """Of the circle cut open at pi."""
        locations, concentrations = np.broadcast_arrays(*parameters)
        whole, first = (
            stats.vonmises.cdf(x - locations, concentrations) for x in (np.clip(values, -np.pi, np.pi), -np.pi)
        )
        return np.clip(whole - first, 0.0, 1.0)


def _resultant(concentrations):
    """``E cos(x - location)``."""
    return special.i1e(concentrations) / special.i0e(concentrations)


def _concentration(dispersions):
    """The concentration at which ``1 - I_1 / I_0`` has a given value, by Newton's method."""
    resultant = 1 - dispersions
    kappa = resultant * (1 + 1 / (dispersions * (2 - dispersions)))  # r (2 - r^2) / (1 - r^2), Banerjee et al. (2005)
    for _ in range(8):
        ratio = _resultant(kappa)
        slope = np.where(kappa > 1e-8, 1 - ratio * ratio - ratio / np.maximum(kappa, 1e-8), 0.5)
        large = kappa > 1e4  # there the slope is what is left of larger numbers
        slope = np.where(large, 0.5 / np.maximum(kappa, 1.0) ** 2 * (1 + 0.5 / np.maximum(kappa, 1.0)), slope)
        kappa = np.maximum(kappa + (resultant - ratio) / slope, 0.0)
    return kappa
