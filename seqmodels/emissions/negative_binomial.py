"""Counts that vary more than Poisson's."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .columns import FARTHEST, CountColumns, levels
from .equations import LARGEST_SIZE, SIZES, SMALLEST_SIZE, negative_binomial_size
from .helpers import keep_without_mass, observed_mass, refuse
from .special import stirling_error, times_log_ratio

__all__ = ["NegativeBinomial", "NegativeBinomialParameters"]


class NegativeBinomialParameters(NamedTuple):
    """Parameters of :class:`NegativeBinomial`."""

    means: np.ndarray  # (..., D)
    sizes: np.ndarray  # (..., D)


class NegativeBinomialStatistics(NamedTuple):
    """Expected visits that saw each column, sums of what they saw, and of slopes of ``log Gamma(size + x)``."""

    mass: np.ndarray  # (..., D)
    sums: np.ndarray  # (..., D)
    slopes: np.ndarray  # (..., D, len(SIZES)), by the size's logarithm, less those of x = 0


class NegativeBinomial(CountColumns):
    """Counts in D columns, independent of each other given the state, of variance ``mean + mean^2 / size``.

    In terms of `scipy.stats.nbinom`, ``n = size`` and ``p = size / (size + mean)``. A size may be any number between
    0.001 and 1,000,000; at the largest, which data of no more than Poisson's variance attain, the distribution is
    Poisson's for all but huge counts. A missing entry is left out; the others of its row count.

    No few numbers are enough for the M-step: the equation of the size is gathered at many sizes, and interpolated to
    the last digits. It has no more than one solution (Simonsen 1976).
    """

    Parameters = NegativeBinomialParameters
    absolute = True

    def entries(self, values, parameters):
        """Loader's (2000) arrangement: no large terms cancel."""
        means, sizes = parameters
        x = np.maximum(values, 1.0)
        excess = values - means
        density = times_log_ratio(sizes, sizes + x, sizes + means, excess)
        density = density + times_log_ratio(x, (sizes + x) * means, (sizes + means) * x, -sizes * excess)
        density = density + stirling_error(sizes + x) - stirling_error(sizes) - stirling_error(x)
        density = density - 0.5 * np.log(2 * np.pi * x) - 0.5 * np.log1p(x / sizes)
        return np.where(values == 0, -sizes * np.log1p(means / sizes), density)

    # ---------------------------------------------------------------- hidden Markov models

    def rough(self, sequences):
        start = NegativeBinomialParameters(*np.ones((2, 1, sequences.n_features)))
        values = sequences.values.astype(float)
        return self.maximize(self.sufficient_statistics(values, np.ones((len(values), 1)), start), start)

    def sufficient_statistics(self, values, visits, parameters):
        """Mass, sums, and slopes at the nodes, gathered over distinct counts."""
        slopes = []
        for column in values.T:
            distinct, rows = levels(column)
            counted = [np.bincount(rows, own, len(distinct) + 1)[:-1] for own in visits.T]
            table = SIZES * (special.digamma(distinct[:, None] + SIZES) - special.digamma(SIZES))
            slopes.append(np.array(counted) @ table)
        mass = observed_mass(values, visits)
        return NegativeBinomialStatistics(mass, visits.T @ np.nan_to_num(values), np.stack(slopes, axis=1))

    def maximize(self, statistics, parameters):
        """Means, and the sizes at which the slope of the log-likelihood is zero."""
        mass, sums, slopes = statistics
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / mass
            sizes = negative_binomial_size(slopes / mass[..., None], means)
        return NegativeBinomialParameters(
            keep_without_mass(mass, means, parameters.means), keep_without_mass(sums, sizes, parameters.sizes)
        )

    def check_parameters(self, parameters):
        refuse(parameters.means < 0, parameters.means, "means from 0")
        sizes, slack = parameters.sizes, 1 + 1e-9
        wrong = ~((sizes >= SMALLEST_SIZE / slack) & (sizes <= LARGEST_SIZE * slack))
        refuse(wrong, sizes, f"sizes between {SMALLEST_SIZE:g} and {LARGEST_SIZE:g}")

    # ---------------------------------------------------------------- networks

    def interior(self, parameters, n_observations):
        means = parameters.means
        return parameters._replace(means=np.where(means > 0, means, 0.5 / max(1, n_observations)))

    def limits(self, marginal):
        sizes = np.log(marginal.sizes)
        return (-FARTHEST, FARTHEST), (np.log(SMALLEST_SIZE) - sizes, np.log(LARGEST_SIZE) - sizes)

    def from_raw(self, raw, marginal):
        """``mean = marginal mean * exp(first)`` and ``size = marginal size * exp(second)``."""
        means, sizes = self.limited(raw, marginal)
        return NegativeBinomialParameters(marginal.means * np.exp(means), marginal.sizes * np.exp(sizes))

    def slopes(self, values, parameters, marginal):
        means, sizes = parameters
        step = (values - means) / (sizes + means)
        in_size = special.digamma(sizes + values) - special.digamma(sizes) - np.log1p(means / sizes) - step
        return sizes * step, sizes * in_size

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.poisson(generator.gamma(parameters.sizes, parameters.means / parameters.sizes)).astype(float)

    def mean(self, parameters):
        return parameters.means

    def mode(self, parameters):
        return np.floor(parameters.means * np.maximum(1 - 1 / parameters.sizes, 0.0))

    def cdf(self, values, parameters):
        success = parameters.sizes / (parameters.sizes + parameters.means)
        below = special.betainc(parameters.sizes, np.maximum(np.floor(values), 0.0) + 1, success)
        return np.where(values < 0, 0.0, below)
