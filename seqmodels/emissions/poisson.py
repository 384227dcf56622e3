"""Counts without an upper bound."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import mean_of_columns
from ..jit import kernel
from .base import Emission, keep_without_mass, observed_mass, raise_at, refuse
from .columns import is_count

__all__ = ["Poisson", "PoissonParameters"]


class PoissonParameters(NamedTuple):
    """Parameters of :class:`Poisson`."""

    rates: np.ndarray  # (..., D)


class PoissonStatistics(NamedTuple):
    """Expected visits that saw each column, and the sums of what they saw."""

    mass: np.ndarray  # (..., D)
    sums: np.ndarray  # (..., D)


class Poisson(Emission):
    """Counts of D kinds, independent of each other given the state.

    A missing entry is left out; the others of its row count.
    """

    Parameters = PoissonParameters
    discrete = True

    def check(self, sequences, name="X"):
        super().check(sequences, name)
        raise_at(~is_count(sequences.values) & ~sequences.missing, sequences, name, "counts (integers from 0)")

    def log_density(self, values, parameters):
        rates = parameters.rates
        terms = special.xlogy(values, rates) - rates - special.gammaln(values + 1.0)
        return np.where(np.isnan(values), 0.0, terms).sum(axis=-1)

    # ---------------------------------------------------------------- hidden Markov models

    def rough(self, sequences):
        mean = mean_of_columns(sequences.values)
        return PoissonParameters(np.where(mean > 0, mean, 0.5 / max(1, sequences.n_observations))[None])

    def sufficient_statistics(self, values, visits, parameters):
        """Mass and sums."""
        return PoissonStatistics(observed_mass(values, visits), visits.T @ np.nan_to_num(values))

    def maximize(self, statistics, parameters):
        """Means."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = statistics.sums / statistics.mass
        return PoissonParameters(keep_without_mass(statistics.mass, means, parameters.rates))

    def check_parameters(self, parameters):
        refuse(parameters.rates < 0, parameters.rates, "rates from 0")

    def n_parameters(self, parameters):
        return parameters.rates.size

    # ---------------------------------------------------------------- networks

    def fit_marginal(self, sequences, weights=None):
        rates = super().fit_marginal(sequences, weights).rates
        return PoissonParameters(np.where(rates > 0, rates, 0.5 / max(1, sequences.n_observations)))

    def n_raw(self, marginal):
        """One log ratio of rates a column."""
        return marginal.rates.shape[-1]

    def from_raw(self, raw, marginal):
        """``rate = marginal rate * exp(raw)``."""
        return PoissonParameters(marginal.rates * np.exp(raw))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`: count - rate."""
        return _log_link(values, raw, marginal.rates, special.gammaln(values + 1.0), out)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.poisson(parameters.rates).astype(float)

    def mean(self, parameters):
        return parameters.rates

    def mode(self, parameters):
        return np.floor(parameters.rates)

    def cdf(self, values, parameters):
        return special.pdtr(np.floor(np.maximum(values, 0.0)), parameters.rates) * (values >= 0)


@kernel
def _log_link(values, raw, rates, log_factorials, out):
    n, D = raw.shape
    log_probability = np.zeros(n)
    for i in range(n):
        for d in range(D):
            x = values[i, d]
            if np.isnan(x):
                out[i, d] = 0
                continue
            rate = rates[d] * np.exp(raw[i, d])
            log_probability[i] += x * (np.log(rates[d]) + raw[i, d]) - rate - log_factorials[i, d]
            out[i, d] = x - rate
    return log_probability
