"""One vector of counts out of a number of trials."""

from typing import NamedTuple

import numpy as np
from scipy import special

from .base import Emission
from .columns import is_count
from .helpers import keep_without_mass, raise_at, refuse, refuse_unless_distributions, refuse_unless_number
from .special import log_multinomial

__all__ = ["Multinomial", "MultinomialParameters"]

MANY = 1e6
"""Trials above which a sum of logarithms of Gamma functions has lost too many digits."""


class MultinomialParameters(NamedTuple):
    """Parameters of :class:`Multinomial`."""

    probabilities: np.ndarray  # (..., D)
    trials: np.ndarray  # (...), of samples and means; densities take each observation's own


class MultinomialStatistics(NamedTuple):
    """Expected counts."""

    counts: np.ndarray  # (..., D)


class Multinomial(Emission):
    """One vector of D counts, such as the words of a document, given how many there are.

    The number of trials is part of the data, any number at each observation, and is not modelled: densities are
    conditional on it. Samples, means and intervals take the mean number of trials of the training data, rounded.
    An observation is complete or missing altogether.

    Parameters
    ----------
    pseudo_count : float
        Added to the count of every column: a symmetric Dirichlet prior of parameter ``1 + pseudo_count``, whose mode
        the M-step finds. 0 is maximum likelihood, under which what a state has not seen has probability zero.
    """

    Parameters = MultinomialParameters
    discrete = True
    absolute = True

    def __init__(self, pseudo_count=0.0):
        self.pseudo_count = pseudo_count

    def check(self, sequences, name="X"):
        refuse_unless_number(self.pseudo_count, "pseudo_count")
        super().check(sequences, name)
        raise_at(~is_count(sequences.values) & ~sequences.missing, sequences, name, "counts (integers from 0)")
        partly = sequences.missing.any(axis=1) & ~sequences.missing.all(axis=1)
        if partly.any():
            raise ValueError(
                f"{sequences.where(int(np.argmax(partly)), name)} is missing in part; with Multinomial an observation "
                "is complete or missing altogether"
            )

    def log_density(self, values, parameters):
        with np.errstate(divide="ignore"):
            return log_multinomial(np.nan_to_num(values), np.log(parameters.probabilities))

    def smoothed(self):
        return self if self.pseudo_count > 0 else Multinomial(0.5)

    # ---------------------------------------------------------------- hidden Markov models

    def log_table(self, values, parameters):
        counts = np.nan_to_num(values)
        trials = counts.sum(axis=1)
        if trials.max(initial=0.0) > MANY or not (parameters.probabilities > 0).all():
            return super().log_table(values, parameters)
        arrangements = special.gammaln(trials + 1) - special.gammaln(counts + 1).sum(axis=1)
        return counts @ np.log(parameters.probabilities).T + arrangements[:, None]

    def rough(self, sequences):
        """Uniform probabilities."""
        totals = sequences.values.sum(axis=1)
        totals = totals[~np.isnan(totals)]
        D, trials = sequences.n_features, np.round(totals.mean()) if len(totals) else 1.0
        return MultinomialParameters(np.full((1, D), 1 / D), np.array([trials]))

    def sufficient_statistics(self, values, visits, parameters):
        """Expected counts of each column in each state."""
        return MultinomialStatistics(visits.T @ np.nan_to_num(values))

    def maximize(self, statistics, parameters):
        """Relative frequencies, the pseudo-count added."""
        counts = statistics.counts + self.pseudo_count
        mass = counts.sum(axis=-1)
        with np.errstate(invalid="ignore"):
            frequencies = keep_without_mass(mass, counts / mass[..., None], parameters.probabilities)
        return MultinomialParameters(frequencies, parameters.trials)

    def log_prior(self, parameters):
        if self.pseudo_count == 0:
            return 0.0
        return self.pseudo_count * float(np.log(parameters.probabilities).sum())

    def check_parameters(self, parameters):
        refuse_unless_distributions(parameters.probabilities)
        refuse(~is_count(parameters.trials), parameters.trials, "numbers of trials (integers from 0)")

    def n_parameters(self, parameters):
        return parameters.probabilities.size - parameters.trials.size

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """One logit a column."""
        return marginal.probabilities.shape[-1]

    def from_raw(self, raw, marginal):
        """Softmax of the raw outputs plus the marginal's logarithm."""
        p = special.softmax(np.asarray(raw, dtype=float) + np.log(marginal.probabilities), axis=-1)
        return MultinomialParameters(p, np.broadcast_to(marginal.trials, p.shape[:-1]))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`: counts - trials * softmax."""
        logs = special.log_softmax(np.asarray(raw, dtype=float) + np.log(marginal.probabilities), axis=-1)
        missing = np.isnan(values).any(axis=-1)
        counts = np.where(missing[:, None], 0.0, values)
        out[...] = counts - counts.sum(axis=-1, keepdims=True) * np.exp(logs)
        return log_multinomial(counts, logs)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        p = parameters.probabilities / parameters.probabilities.sum(axis=-1, keepdims=True)
        return generator.multinomial(parameters.trials.astype(np.int64), p).astype(float)

    def mean(self, parameters):
        return parameters.trials[..., None] * parameters.probabilities

    def mode(self, parameters):
        """What every trial has for sure, and then the rest one by one (a mode is nowhere below mean - 1)."""
        p, trials = parameters.probabilities, parameters.trials[..., None]
        counts = np.floor(trials * p * (1 - 1e-12))
        while np.any(left := counts.sum(axis=-1, keepdims=True) < trials):
            best = np.argmax(p / (counts + 1), axis=-1)[..., None] == np.arange(p.shape[-1])
            counts = counts + (best & left)
        return counts

    def cdf(self, values, parameters):
        """Of each column by itself: binomial."""
        trials = np.asarray(parameters.trials)[..., None]
        at = np.clip(np.floor(values), 0.0, trials)
        below = special.betaincc(at + 1, np.maximum(trials - at, 1e-300), parameters.probabilities)
        return np.where(values < 0, 0.0, np.where(at >= trials, 1.0, below))
