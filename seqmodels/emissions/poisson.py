"""Counts without an upper bound."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import mean_of_columns
from ..jit import kernel
from .base import Emission
from .columns import is_count
from .helpers import keep_without_mass, observed_mass, raise_at, refuse, refuse_unless_number

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

    Parameters
    ----------
    rate_prior, rate_weight : float
        A prior worth `rate_weight` more observations of each column in each state, whose mean is `rate_prior`:
        a Gamma distribution, whose mode the M-step finds. A weight of 0 is maximum likelihood.
    """

    Parameters = PoissonParameters
    discrete = True
    absolute = True
    counts_by_column = True

    def __init__(self, rate_prior=1.0, rate_weight=0.0):
        self.rate_prior = rate_prior
        self.rate_weight = rate_weight

    def check(self, sequences, name="X"):
        super().check(sequences, name)
        refuse_unless_number(self.rate_prior, "rate_prior", "positive numbers")
        refuse_unless_number(self.rate_weight, "rate_weight")
        raise_at(~is_count(sequences.values) & ~sequences.missing, sequences, name, "counts (integers from 0)")

    def log_density(self, values, parameters):
        rates = parameters.rates
        terms = special.xlogy(values, rates) - rates - special.gammaln(values + 1.0)
        return np.where(np.isnan(values), 0.0, terms).sum(axis=-1)

    # ---------------------------------------------------------------- hidden Markov models

    def log_table(self, values, parameters):
        rates = parameters.rates
        if not rates.all():
            return super().log_table(values, parameters)
        seen, counts = (~np.isnan(values)).astype(float), np.nan_to_num(values)
        constants = _log_factorials(counts).sum(axis=1)  # 0 of what is missing
        return counts @ np.log(rates).T - seen @ rates.T - constants[:, None]

    def rough(self, sequences):
        mean = mean_of_columns(sequences.values)
        return PoissonParameters(np.where(mean > 0, mean, 0.5 / max(1, sequences.n_observations))[None])

    def sufficient_statistics(self, values, visits, parameters):
        """Mass and sums."""
        return PoissonStatistics(observed_mass(values, visits), visits.T @ np.nan_to_num(values))

    def maximize(self, statistics, parameters):
        """Means, with those of the prior."""
        mass = statistics.mass + self.rate_weight
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (statistics.sums + self.rate_weight * self.rate_prior) / mass
        return PoissonParameters(keep_without_mass(mass, means, parameters.rates))

    def log_prior(self, parameters):
        if self.rate_weight == 0:
            return 0.0
        rates = parameters.rates
        return self.rate_weight * float((self.rate_prior * np.log(rates) - rates).sum())

    def check_parameters(self, parameters):
        refuse(parameters.rates < 0, parameters.rates, "rates from 0")

    def n_parameters(self, parameters):
        return parameters.rates.size

    # ---------------------------------------------------------------- networks

    def interior(self, parameters, n_observations):
        rates = parameters.rates
        return PoissonParameters(np.where(rates > 0, rates, 0.5 / max(1, n_observations)))

    def n_raw(self, marginal):
        """One log ratio of rates a column."""
        return marginal.rates.shape[-1]

    def from_raw(self, raw, marginal):
        """``rate = marginal rate * exp(raw)``."""
        return PoissonParameters(marginal.rates * np.exp(raw))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`: count - rate."""
        return _log_link(values, raw, marginal.rates, _log_factorials(np.nan_to_num(values)), out)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return generator.poisson(parameters.rates).astype(float)

    def mean(self, parameters):
        return parameters.rates

    def mode(self, parameters):
        return np.floor(parameters.rates)

    def cdf(self, values, parameters):
        return special.pdtr(np.floor(np.maximum(values, 0.0)), parameters.rates) * (values >= 0)


def _log_factorials(counts):
    """Of counts of any shape; most are small, and looked up."""
    largest = counts.max(initial=0.0)
    if largest > max(1000, counts.size):
        return special.gammaln(counts + 1.0)
    return special.gammaln(np.arange(largest + 1) + 1.0)[counts.astype(np.intp)]


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
