"""Counts with more zeros than their family would have."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import map_arrays
from .base import Emission
from .helpers import keep_without_mass, observed_mass, refuse, refuse_unless_number

__all__ = ["ZeroInflated", "ZeroInflatedParameters"]


class ZeroInflatedParameters(NamedTuple):
    """Parameters of :class:`ZeroInflated`."""

    zeros: np.ndarray  # (..., D), probability that a zero is put in the place of a count
    counts: tuple  # of the family, arrays (..., D)


class ZeroInflatedStatistics(NamedTuple):
    """Expected visits that saw each column, the zeros put in, and the family's statistics of each column."""

    mass: np.ndarray  # (..., D)
    zeros: np.ndarray  # (..., D)
    counts: tuple  # of D statistics, each of one column


class ZeroInflated(Emission):
    """Counts of D kinds, in whose place a zero stands with a probability of each column's own.

    A missing entry is left out; the others of its row count.

    Parameters
    ----------
    emission : Emission
        A family of counts whose columns are independent, ``Poisson()``, ``NegativeBinomial()`` or ``Geometric()``.
    pseudo_count : float
        Added to the zeros put in and to the counts left as they are: a Beta prior with both parameters
        ``1 + pseudo_count``. 0 is maximum likelihood.
    """

    Parameters = ZeroInflatedParameters
    discrete = True

    def __init__(self, emission, pseudo_count=0.0):
        self.emission = emission
        self.pseudo_count = pseudo_count

    @property
    def for_networks(self):
        """As the family of counts."""
        return self.emission.for_networks

    def check(self, sequences, name="X"):
        if not (isinstance(self.emission, Emission) and self.emission.counts_by_column):
            raise TypeError(
                f"ZeroInflated(emission={self.emission!r}): a family of counts such as Poisson() is accepted"
            )
        refuse_unless_number(self.pseudo_count, "pseudo_count")
        self.emission.check(sequences, name)

    def _log_density(self, values, counts):
        """Log probabilities (..., D) of each column under the family of counts."""
        return self.emission.log_density(values[..., None], map_arrays(lambda array: array[..., None], counts))

    def log_density(self, values, parameters):
        zeros = parameters.zeros
        with np.errstate(divide="ignore"):
            whole = np.log1p(-zeros) + self._log_density(values, parameters.counts)
            terms = np.where(values == 0, np.logaddexp(np.log(zeros), whole), whole)
        return np.where(np.isnan(values), 0.0, terms).sum(axis=-1)

    def smoothed(self):
        return ZeroInflated(self.emission.smoothed(), self.pseudo_count if self.pseudo_count > 0 else 0.5)

    def interior(self, parameters, n_observations):
        return parameters._replace(counts=self.emission.interior(parameters.counts, n_observations))

    # ---------------------------------------------------------------- hidden Markov models

    def one_step_is_enough(self, values):
        return False

    def rough(self, sequences):
        """Half of the zeros are put in."""
        zeros = (sequences.values == 0).sum(axis=0) / np.maximum((~sequences.missing).sum(axis=0), 1)
        return ZeroInflatedParameters(np.clip(zeros / 2, 0.01, 0.5)[None], self.emission.rough(sequences))

    def initial_parameters(self, values, visits, rough, generator):
        """No probability of a zero starts at an edge, which EM could not leave."""
        start = super().initial_parameters(values, visits, rough, generator)
        return start._replace(zeros=np.clip(start.zeros, 0.05, 0.95))

    def sufficient_statistics(self, values, visits, parameters):
        """Each zero is shared between those put in and those of the family."""
        D, zeros = values.shape[1], parameters.zeros
        own = np.exp(self._log_density(np.zeros(D), parameters.counts))  # (K, D), of a zero
        total = zeros + (1 - zeros) * own
        shares = np.where(total > 0, zeros / np.where(total > 0, total, 1.0), 0.0)
        at_zero = values == 0
        counts = tuple(
            self.emission.sufficient_statistics(
                values[:, d : d + 1], visits * (1 - at_zero[:, d, None] * shares[:, d]), _column(parameters.counts, d)
            )
            for d in range(D)
        )
        return ZeroInflatedStatistics(observed_mass(values, visits), shares * (visits.T @ at_zero), counts)

    def maximize(self, statistics, parameters):
        """Relative frequencies of zeros put in, and the family's M-step of each column."""
        mass = statistics.mass + 2 * self.pseudo_count
        with np.errstate(invalid="ignore", divide="ignore"):
            zeros = np.minimum((statistics.zeros + self.pseudo_count) / mass, 1.0)
        counts = [
            self.emission.maximize(column, _column(parameters.counts, d)) for d, column in enumerate(statistics.counts)
        ]
        return ZeroInflatedParameters(keep_without_mass(mass, zeros, parameters.zeros), _side_by_side(counts))

    def rebased(self, statistics, old, new):
        """Those of the counts, column by column."""
        counts = tuple(
            self.emission.rebased(column, _column(old.counts, d), _column(new.counts, d))
            for d, column in enumerate(statistics.counts)
        )
        return statistics._replace(counts=counts)

    def points(self, values):
        return self.emission.points(values)

    def log_prior(self, parameters):
        own = self.emission.log_prior(parameters.counts)
        if self.pseudo_count == 0:
            return own
        zeros = parameters.zeros
        return own + self.pseudo_count * float((np.log(zeros) + np.log1p(-zeros)).sum())

    def parameters_from(self, given):
        if isinstance(given, dict) and isinstance(given.get("counts"), dict):
            given = given | {"counts": self.emission.parameters_from(given["counts"])}
        return super().parameters_from(given)

    def check_parameters(self, parameters):
        zeros = parameters.zeros
        refuse((zeros < 0) | (zeros > 1), zeros, "probabilities")
        self.emission.check_parameters(parameters.counts)

    def n_parameters(self, parameters):
        return parameters.zeros.size + self.emission.n_parameters(parameters.counts)

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """A logit a column, and the raw outputs of one column after the other."""
        D = len(marginal.zeros)
        return D + D * self.emission.n_raw(_column(marginal.counts, 0))

    def _places(self, marginal):
        D = len(marginal.zeros)
        R = self.emission.n_raw(_column(marginal.counts, 0))
        return [slice(D + d * R, D + (d + 1) * R) for d in range(D)]

    def from_raw(self, raw, marginal):
        """Logistic function of the raw output plus the marginal's logit; counts relative to the marginal's."""
        columns = [
            self.emission.from_raw(raw[..., place], _column(marginal.counts, d))
            for d, place in enumerate(self._places(marginal))
        ]
        zeros = special.expit(raw[..., : len(columns)] + special.logit(marginal.zeros))
        return ZeroInflatedParameters(zeros, _side_by_side(columns))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log probabilities (n,), and their gradient in `raw` (n, R) written to `out`."""
        log_probability, D = np.zeros(len(values)), values.shape[1]
        logits = raw[:, :D].astype(float) + special.logit(marginal.zeros)
        for d, place in enumerate(self._places(marginal)):
            own = _column(marginal.counts, d)
            whole = self.emission.value_and_gradient(values[:, d : d + 1], raw[:, place], own, out[:, place])
            whole = whole + special.log_expit(-logits[:, d])
            put_in = special.log_expit(logits[:, d])
            at_zero, seen = values[:, d] == 0, ~np.isnan(values[:, d])
            terms = np.where(at_zero, np.logaddexp(put_in, whole), whole)
            share = np.exp(np.where(at_zero, put_in - terms, -np.inf))
            out[:, d] = np.where(seen, share - special.expit(logits[:, d]), 0.0)
            out[:, place] *= (1 - share)[:, None].astype(raw.dtype)
            log_probability += np.where(seen, terms, 0.0)
        return log_probability

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        put_in = generator.random(parameters.zeros.shape) < parameters.zeros
        return np.where(put_in, 0.0, self.emission.sample(parameters.counts, generator))

    def mean(self, parameters):
        return (1 - parameters.zeros) * self.emission.mean(parameters.counts)

    def mode(self, parameters):
        zeros, mode = parameters.zeros, self.emission.mode(parameters.counts)
        at_zero, at_mode = (np.exp(self._log_density(x, parameters.counts)) for x in (np.zeros_like(mode), mode))
        return np.where(zeros + (1 - zeros) * at_zero >= (1 - zeros) * at_mode, 0.0, mode)

    def cdf(self, values, parameters):
        zeros = parameters.zeros
        return zeros * (values >= 0) + (1 - zeros) * self.emission.cdf(values, parameters.counts)


def _column(counts, d):
    """Parameters of one column."""
    return map_arrays(lambda array: array[..., d : d + 1], counts)


def _side_by_side(columns):
    """Parameters of all columns."""
    return map_arrays(lambda *arrays: np.concatenate(arrays, axis=-1), *columns)
