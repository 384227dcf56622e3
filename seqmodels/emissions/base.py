"""What an emission is: a family of distributions, with its face to HMMs and its face to networks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ..arrays import map_arrays, mean_and_variance, smallest_integers, take
from ..forms import MISSING
from .helpers import raise_abstract, raise_at, refuse
from .tiles import Tiles

__all__ = ["Compiled", "Emission"]


class Compiled(NamedTuple):
    """What a family does within the kernels of a network: functions to be compiled, which allocate nothing.

    Both are called with ``(values, rows, first, n, raw, constants, terms)``, and write the log densities of
    ``values[rows[first + i]]`` under the raw outputs ``raw[i]`` to ``terms[i]``, for i < n. Raw outputs stand in
    whole vectors of 16: R of them, `offset` added, and then what stands `beyond`.
    """

    log_density: Callable  # leaves nothing of use in `raw`
    gradient: Callable  # the gradient takes the place of `raw`
    offset: np.ndarray  # (R,)
    beyond: float
    constants: tuple  # arrays and numbers
    room: int = 0  # columns more, after the raw outputs, for the functions to work in


class Emission(BaseEstimator):
    """A family of distributions of one observation; holds hyperparameters only.

    The parameters of its members are a NamedTuple of arrays (nested for mixtures) that share leading axes:
    hidden states (K,) in an HMM, time steps (n,) under a network, none for a single distribution. Statistics
    are NamedTuples of arrays too, and add up over batches.

    A family defines, for all models: :meth:`check`, :meth:`log_density`, :meth:`sample`, :meth:`mean`,
    :meth:`mode`, :meth:`cdf` and :meth:`n_parameters`; for HMMs: :meth:`rough`,
    :meth:`sufficient_statistics`, :meth:`maximize` and, where it has a prior, :meth:`log_prior`, where its
    statistics are relative to the parameters, :meth:`rebased`, where single fields can be held, :meth:`freezable`,
    :meth:`maximize_free` and :meth:`n_free`; for networks: :meth:`n_raw`, :meth:`from_raw` and
    :meth:`value_and_gradient`. Where its edges are no place to start from, :meth:`interior`; where it does EM of its
    own, :meth:`one_step_is_enough`; where raw outputs are shared, :meth:`constant_raw`; where it depends on the past,
    `order` and :meth:`given`.
    """

    #: Whether observations are symbols, read as codes.
    symbolic = False
    #: Whether observations are few distinct values, so that equal ones are worth gathering.
    discrete = False
    #: Whether a network can have this family as its output.
    for_networks = True
    #: Whether statistics are the same whatever parameters they are gathered under.
    absolute = False
    #: Gain of an M-step, in nats an observation, below which it ends the search for the marginal.
    marginal_gain = 1e-6
    #: How many observations back each one depends on.
    order = 0
    #: Whether observations are counts in independent columns, and all arrays of parameters are (..., D).
    counts_by_column = False
    #: Which columns of a table of numbers hold codes of symbols.
    symbolic_columns = ()

    @property
    def whole_columns(self):
        """Which columns hold whole numbers: one bool for all, or an array (D,)."""
        return self.discrete

    # ---------------------------------------------------------------- for all models

    def missing(self, values):
        """Which entries of values (..., D) are missing, of the same shape."""
        return values == MISSING if self.symbolic else np.isnan(values)

    def with_past(self, sequences):
        """Values of a `Sequences`, each with the `order` before it in its sequence, the last one first.

        Returns
        -------
        array (M, D (1 + order))
            NaN where there is none; this is what densities and statistics of the family are of.
        """
        if self.order == 0:
            return sequences.values
        before = [
            np.where(sequences.positions[:, None] >= back, np.roll(sequences.values, back, axis=0), np.nan)
            for back in range(1, self.order + 1)
        ]
        return np.concatenate([sequences.values, *before], axis=1)

    def given(self, parameters, past):
        """The family of the next observation and its parameters, given the `order` before it (..., D order)."""
        return self, parameters

    def check(self, sequences, name="X"):
        """Raise a ValueError that names the place of the first observation the family cannot have made."""
        raise_at(~np.isfinite(sequences.values) & ~sequences.missing, sequences, name, "finite numbers")

    def log_density(self, values, parameters):
        """Logarithm of the density (or probability), missing entries left out.

        Parameters
        ----------
        values : array (..., D)
        parameters : NamedTuple
            With leading axes that broadcast against those of `values`.

        Returns
        -------
        array (...)
        """
        raise_abstract(self, "log_density")

    def fit_marginal(self, sequences, weights=None):
        """The one member that fits all observations best, smoothed so that nothing has probability zero.

        It is what :class:`~seqmodels.Independent` fits and where every network starts.

        Parameters
        ----------
        sequences : Sequences
        weights : array (M,), optional

        Returns
        -------
        NamedTuple
            Parameters without leading axes.
        """
        weights = np.ones(sequences.n_observations) if weights is None else np.asarray(weights, dtype=float)
        smoothed = self.smoothed()
        if smoothed.one_step_is_enough(sequences.values):
            rough = smoothed.rough(sequences)
            best = smoothed.initial_parameters(sequences.values, weights[:, None], rough, None)
        else:
            values, rows = smoothed.distinct(sequences.values)
            visits = np.bincount(rows, weights, len(values))[:, None]
            start = smoothed.initial_parameters(values, visits, smoothed.rough(sequences), None)
            best = smoothed._climb(values, visits, start)
        return smoothed.interior(take(best, 0), sequences.n_observations)

    def interior(self, parameters, n_observations):
        """The same member or, on an edge of the family, one nearby that raw outputs can be relative to."""
        return parameters

    def one_step_is_enough(self, values):
        """Whether an M-step from anywhere reaches the top, as it does unless the family does EM of its own."""
        return True

    def _climb(self, values, visits, parameters):
        """M-steps under known visits (S, K), until they gain no more than `marginal_gain`."""
        previous = -np.inf
        for _ in range(1000):
            table = self.log_table(values, parameters)
            value = float((visits * np.where(visits > 0, table, 0.0)).sum()) + self.log_prior(parameters)
            if value - previous < self.marginal_gain * visits.sum():
                break
            previous = value
            parameters = self.maximize(self.sufficient_statistics(values, visits, parameters), parameters)
        return parameters

    def mixed_mean(self, weights, parameters):
        """Mean (..., D) of a mixture with weights (..., C) of members with leading axes (..., C)."""
        return (weights[..., None] * self.mean(parameters)).sum(axis=-2)

    def smoothed(self):
        """The same family with enough of a prior that no value seen elsewhere becomes impossible."""
        return self

    # ---------------------------------------------------------------- for networks

    def compiled(self, marginal, dtype):
        """The same as ``value_and_gradient`` within kernels, as a `Compiled`; None where there is no such thing."""
        return None

    def compiled_mixture(self, marginal, dtype):
        """The same for a mixture of members, whose parameters are `marginal`."""
        return None

    def constant_raw(self, marginal):
        """Which raw outputs (R,) are the same for all members, such as those of a tied covariance.

        A network gives these a bias and no weights; components of a mixture share them.
        """
        return np.zeros(self.n_raw(marginal), dtype=bool)

    # ---------------------------------------------------------------- for hidden Markov models

    def distinct(self, values):
        """The S observations worth looking at, and which of them each of the M observations is.

        Returns
        -------
        distinct : array (S, D)
        rows : array (M,) of integers
            Of a small kind: there may be millions.
        """
        if not self.discrete:
            return values, np.arange(len(values), dtype=smallest_integers(len(values)))
        missing = np.isnan(values)
        if missing.any():  # NaN is not equal to NaN, and would make a row of its own every time
            values = np.where(missing, -np.inf, values)
        distinct, rows = np.unique(values, axis=0, return_inverse=True)
        if missing.any():
            distinct = np.where(distinct == -np.inf, np.nan, distinct)
        return distinct, rows.reshape(-1).astype(smallest_integers(len(distinct)))

    def log_table(self, values, parameters):
        """Log densities (S, K) of S observations (S, D) under each of K members."""
        return self.log_density(values[:, None], parameters)

    def in_tiles(self, parameters, width):
        """The face to an E-step that goes over the observations in tiles, states padded to a width."""
        return Tiles(self, parameters)

    def rough(self, sequences):
        """One member of the family (leading axis 1) of about the right scale, to be improved by M-steps."""
        raise_abstract(self, "rough")

    def initial_parameters(self, values, visits, rough, generator):
        """Parameters (leading axis K) to start EM from: an M-step on made-up responsibilities.

        Parameters
        ----------
        values : array (S, D)
        visits : array (S, K)
        rough : NamedTuple
            What :meth:`rough` made of all the data.
        generator : numpy.random.Generator
            For families that have to break symmetries among their own parts.
        """
        start = map_arrays(lambda a: np.repeat(a, visits.shape[1], axis=0), rough)
        return self.maximize(self.sufficient_statistics(values, visits, start), start)

    def points(self, values):
        """What k-means may cluster, an array (S, P), or None where distances mean nothing."""
        mean, variance = mean_and_variance(values.astype(float))
        scale = np.sqrt(variance)
        return np.nan_to_num((values - mean) / np.where(scale > 0, scale, 1.0))

    def parameters_from(self, given):
        """Parameters that a user gives, as a NamedTuple of the family or as a dict of its fields.

        Raises
        ------
        TypeError, ValueError
            If they are of another kind, or out of range.
        """
        kind = self.Parameters
        if isinstance(given, dict):
            if set(given) != set(kind._fields):
                raise ValueError(f"emission has the keys {list(given)}; {list(kind._fields)} are accepted")
            given = kind(**given)
        if not isinstance(given, kind):
            raise TypeError(f"emission is {given!r}; {kind.__name__} or a dict of its fields is accepted")
        parameters = map_arrays(lambda array: np.array(array, dtype=float), given)
        map_arrays(lambda array: refuse(~np.isfinite(array), array, "finite numbers"), parameters)
        self.check_parameters(parameters)
        return parameters

    def check_parameters(self, parameters):
        """Raise a ValueError where finite parameters are out of range."""

    def log_prior(self, parameters):
        """Logarithm of the prior density of the parameters, up to a constant; 0 without a prior."""
        return 0.0

    def rebased(self, statistics, old, new):
        """Statistics that were gathered under `old` parameters, as if relative to `new` ones, so that they add up.

        Families whose statistics are relative to something in the parameters, such as a mean, say how.
        """
        if not self.absolute:
            raise TypeError(
                f"{self!r} does not define rebased: its statistics under different parameters do not add up, as they "
                "have to in partial_fit"
            )
        return statistics

    # ---------------------------------------------------------------- parameters that are not estimated

    @property
    def freezable(self):
        """Names of the fields that can be held while the others are estimated.

        A family of several fields that depend on each other in the M-step names those that :meth:`maximize_free`
        and :meth:`n_free` know about.
        """
        fields = self.Parameters._fields
        return fields if len(fields) == 1 else ()

    def maximize_free(self, statistics, parameters, fixed):
        """As ``maximize``, the fields named in `fixed` held at their values."""
        held = fixed and set(self.Parameters._fields) <= set(fixed)
        return parameters if held else self.maximize(statistics, parameters)

    def n_free(self, parameters, fixed):
        """How many parameters are free, the fields named in `fixed` being held."""
        return 0 if fixed and set(self.Parameters._fields) <= set(fixed) else self.n_parameters(parameters)
