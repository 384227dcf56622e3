"""Columns of zeros and ones."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..products import padded
from .base import Compiled, Emission
from .bits import CERTAIN, LANES, bits, bits_kernel, mixed_bits
from .helpers import keep_without_mass, observed_mass, raise_at, refuse, refuse_unless_number

__all__ = ["Bernoulli", "BernoulliParameters"]


class BernoulliParameters(NamedTuple):
    """Parameters of :class:`Bernoulli`."""

    probabilities: np.ndarray  # (..., D), of a one


class BernoulliStatistics(NamedTuple):
    """Expected visits that saw each column, and how many ones they saw."""

    mass: np.ndarray  # (..., D)
    ones: np.ndarray  # (..., D)


class Bernoulli(Emission):
    """D zeros and ones, independent of each other given the state, such as the notes of a chord.

    A missing entry is left out; the others of its row count.

    Parameters
    ----------
    pseudo_count : float
        Added to the zeros and to the ones of each column: a Beta prior with both parameters
        ``1 + pseudo_count``, whose mode the M-step finds. 0 is maximum likelihood.
    """

    Parameters = BernoulliParameters
    discrete = True
    absolute = True

    def __init__(self, pseudo_count=0.0):
        self.pseudo_count = pseudo_count

    def check(self, sequences, name="X"):
        refuse_unless_number(self.pseudo_count, "pseudo_count")
        values = sequences.values
        raise_at((values != 0) & (values != 1) & ~np.isnan(values), sequences, name, "0 and 1")

    def log_density(self, values, parameters):
        p = parameters.probabilities
        terms = special.xlogy(values, p) + special.xlog1py(1.0 - values, -p)
        return np.where(np.isnan(values), 0.0, terms).sum(axis=-1)

    def smoothed(self):
        return self if self.pseudo_count > 0 else Bernoulli(0.5)

    # ---------------------------------------------------------------- hidden Markov models

    def log_table(self, values, parameters):
        with np.errstate(divide="ignore"):
            log_one = np.log(parameters.probabilities)  # (K, D)
            log_zero = np.log1p(-parameters.probabilities)
        if not (np.isfinite(log_one).all() and np.isfinite(log_zero).all()):
            return super().log_table(values, parameters)
        ones, observed = np.nan_to_num(values), (~np.isnan(values)).astype(float)
        return ones @ (log_one - log_zero).T + observed @ log_zero.T

    def rough(self, sequences):
        return BernoulliParameters(np.full((1, sequences.n_features), 0.5))

    def sufficient_statistics(self, values, visits, parameters):
        """Mass and ones."""
        return BernoulliStatistics(observed_mass(values, visits), visits.T @ np.nan_to_num(values))

    def maximize(self, statistics, parameters):
        """Relative frequencies of ones, the pseudo-counts added."""
        mass = statistics.mass + 2 * self.pseudo_count
        with np.errstate(invalid="ignore", divide="ignore"):
            frequencies = np.minimum((statistics.ones + self.pseudo_count) / mass, 1.0)
        return BernoulliParameters(keep_without_mass(mass, frequencies, parameters.probabilities))

    def log_prior(self, parameters):
        if self.pseudo_count == 0:
            return 0.0
        p = parameters.probabilities
        return self.pseudo_count * float((np.log(p) + np.log1p(-p)).sum())

    def check_parameters(self, parameters):
        p = parameters.probabilities
        refuse((p < 0) | (p > 1), p, "probabilities")

    def n_parameters(self, parameters):
        return parameters.probabilities.size

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """One logit a column."""
        return marginal.probabilities.shape[-1]

    def from_raw(self, raw, marginal):
        """Logistic function of the raw output plus the marginal's logit."""
        return BernoulliParameters(special.expit(raw + special.logit(marginal.probabilities)))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`: y - sigmoid."""
        (n, D), terms = values.shape, np.empty(len(values))
        logits = np.full((n, padded(D, LANES)), CERTAIN, raw.dtype)
        logits[:, :D] = raw + special.logit(marginal.probabilities).astype(raw.dtype)
        bits_kernel(np.ascontiguousarray(values, dtype=float), np.arange(n), 0, n, logits, (D,), terms)
        out[...] = logits[:, :D]
        return terms

    def compiled(self, marginal, dtype):
        offset = special.logit(marginal.probabilities).astype(dtype)
        return Compiled(bits, bits, offset, CERTAIN, (len(offset),))

    def compiled_mixture(self, marginal, dtype):
        with np.errstate(divide="ignore"):
            logits = [np.log(marginal.weights), special.logit(marginal.components.probabilities).ravel()]
        C, D = marginal.components.probabilities.shape
        return Compiled(mixed_bits, mixed_bits, np.concatenate(logits).astype(dtype), 0.0, (C, D), room=C)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        return (generator.random(parameters.probabilities.shape) < parameters.probabilities).astype(float)

    def mean(self, parameters):
        return parameters.probabilities

    def mode(self, parameters):
        return (parameters.probabilities > 0.5).astype(float)

    def cdf(self, values, parameters):
        return np.where(values < 0, 0.0, np.where(values < 1, 1 - parameters.probabilities, 1.0))
