"""What families of independent columns share: entries that are missing are left out, one by one."""

import warnings
from typing import NamedTuple

import numpy as np

from ..arrays import aligned, map_arrays, padded, padded_width
from .base import Emission
from .helpers import n_members, raise_abstract, raise_at

__all__ = [
    "Columns", "ColumnsInTiles", "CountColumns", "ExponentialFamily", "Sums", "blocks", "is_count", "levels",
    "means_of", "pooled", "warn_of_a_floor",
]  # fmt: skip

LARGE_TERMS = 1e5
"""Terms of a log density at the mean, beyond which what is left of them has lost too many digits."""
FARTHEST = 30.0
"""Logarithms of ratios to the marginal's parameters that a network may reach: 1e13."""


class Columns(Emission):
    """A family of D columns, independent of each other given the state.

    A missing entry is left out; the others of its row count. Besides what any :class:`Emission` does, such a family
    says which numbers are :meth:`possible`, the log densities of :meth:`entries` one by one, and, for networks, the
    :meth:`limits` of its raw outputs and the :meth:`slopes` within them.
    """

    #: Words for what is possible.
    accepted = "finite numbers"

    def possible(self, values):
        """Which of the numbers the family can have made."""
        return np.isfinite(values)

    def check(self, sequences, name="X"):
        super().check(sequences, name)
        with np.errstate(invalid="ignore"):
            wrong = ~self.possible(sequences.values) & ~sequences.missing
        raise_at(wrong, sequences, name, self.accepted)

    def entries(self, values, parameters):
        """Log densities of entries; all arrays broadcast against each other."""
        raise_abstract(self, "entries")

    def log_density(self, values, parameters):
        return self._observed(values, parameters).sum(axis=-1)

    def _observed(self, values, parameters):
        """Log densities of entries, 0 of what is missing."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return np.where(np.isnan(values), 0.0, self.entries(values, parameters))

    # ---------------------------------------------------------------- hidden Markov models

    def log_table(self, values, parameters):
        """Column by column; where values are few, once for each."""
        table = 0.0
        for d, column in enumerate(values.T):
            own = map_arrays(lambda array, d=d: array[:, d], parameters)
            if self.discrete:
                distinct, rows = levels(column)
                table = table + self._observed(np.append(distinct, np.nan)[:, None], own)[rows]
            else:
                table = table + self._observed(column[:, None], own)
        return table

    def n_parameters(self, parameters):
        return sum(array.size for array in parameters)

    # ---------------------------------------------------------------- networks

    def limits(self, marginal):
        """Lowest and highest raw outputs, one pair a parameter; a pair may be of arrays (D,)."""
        raise_abstract(self, "limits")

    def slopes(self, values, parameters, marginal):
        """Derivatives of :meth:`entries` in the raw outputs, one array (n, D) a parameter."""
        raise_abstract(self, "slopes")

    def n_raw(self, marginal):
        """One a parameter."""
        return self.n_parameters(marginal)

    def limited(self, raw, marginal):
        """Raw outputs (..., R) within the limits, in double precision; one array (..., D) a parameter."""
        apart = self._apart(raw, marginal)
        return [np.clip(apart[..., p, :], *pair) for p, pair in enumerate(self.limits(marginal))]

    def _apart(self, raw, marginal):
        return np.asarray(raw, dtype=float).reshape(*np.shape(raw)[:-1], -1, marginal[0].shape[-1])

    def value_and_gradient(self, values, raw, marginal, out):
        """Log densities (n,), and their gradient in `raw` (n, R) written to `out`: 0 beyond a limit."""
        apart = self._apart(raw, marginal)  # (n, P, D)
        missing = np.isnan(values)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            parameters = self.from_raw(raw, marginal)
            slopes = self.slopes(values, parameters, marginal)
            for p, ((low, high), slope) in enumerate(zip(self.limits(marginal), slopes, strict=True)):
                own = apart[:, p]
                held = missing | (own < low) | (own > high)
                out[:, p * own.shape[1] : (p + 1) * own.shape[1]] = np.where(held, 0.0, slope)
        return self._observed(values, parameters).sum(axis=-1)


class CountColumns(Columns):
    """Columns of counts from 0."""

    accepted = "counts (integers from 0)"
    discrete = True
    counts_by_column = True

    def possible(self, values):
        return is_count(values)


class ColumnsInTiles(Columns):
    """Columns whose log densities and statistics are made tile by tile, by what :meth:`in_tiles` gives."""

    def log_table(self, values, parameters):
        K = n_members(parameters)
        table = aligned(len(values), padded_width(K))
        self.in_tiles(parameters, table.shape[1]).fill_log_table(values, table)
        return table[:, :K]

    def sufficient_statistics(self, values, visits, parameters):
        """Those of one large tile."""
        width = padded_width(visits.shape[1])
        return self.in_tiles(parameters, width).statistics(values, padded(visits, len(visits), width))


class Sums(NamedTuple):
    """Expected visits that saw each column, and the sums of the features of what they saw."""

    sums: np.ndarray  # (..., 1 + F, D), the visits first


class ExponentialFamily(ColumnsInTiles):
    """Columns whose log density is a sum of F :meth:`features`, each with a coefficient, and a constant.

    So a table of log densities is a matrix product, and so are the statistics.
    """

    absolute = True

    def features(self, columns):
        """F arrays (D, n) of columns (D, n)."""
        raise_abstract(self, "features")

    def coefficients(self, parameters):
        """The constant, and the F factors of the features; arrays (..., D)."""
        raise_abstract(self, "coefficients")

    def standard(self, D):
        """A member (leading axis 1) for columns of which nothing is observed."""
        raise_abstract(self, "standard")

    def rough(self, sequences):
        start = self.standard(sequences.n_features)
        rows = [sequences.values[part] for part in blocks(sequences.n_observations, 1)]
        parts = [self.sufficient_statistics(values, np.ones((len(values), 1)), start) for values in rows]
        return self.maximize(map_arrays(lambda *arrays: np.sum(arrays, axis=0), *parts), start)

    def in_tiles(self, parameters, width):
        return FeatureTiles(self, parameters, width)


class FeatureTiles:
    """Tiles of observations (n, D) under members of an exponential family; a missing entry is left out.

    Parameters
    ----------
    family : ExponentialFamily
    parameters : NamedTuple
        Leading axis K.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, family, parameters, width):
        self.family, self.parameters, self.K = family, parameters, n_members(parameters)
        with np.errstate(divide="ignore", invalid="ignore"):
            coefficients = np.stack(family.coefficients(parameters), axis=1)  # (K, 1 + F, D)
            terms = coefficients[:, 1:] * np.stack(family.features(family.mean(parameters)), axis=1)
        self.cancels = not np.all(np.abs(terms) < LARGE_TERMS)
        self.shape = coefficients.shape[1:]
        self.coefficients = padded(coefficients.reshape(self.K, -1), width, coefficients[0].size)

    def _stacked(self, values):
        """A one and the features of each entry, zeros where it is missing, ((1 + F) D, n)."""
        columns = np.ascontiguousarray(values.T, dtype=float)  # rows of two or three numbers would take far longer
        stacked = np.concatenate([np.ones(columns.shape), *self.family.features(columns)])
        missing = np.isnan(columns)
        if missing.any():
            stacked.reshape(-1, *columns.shape)[:, missing] = 0.0
        return stacked

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        for rows in blocks(*values.shape):
            if self.cancels:
                out[rows, : self.K] = Columns.log_table(self.family, values[rows], self.parameters)
            else:
                np.matmul(self._stacked(values[rows]).T, self.coefficients.T, out=out[rows])
        out[:, self.K :] = -np.inf

    def statistics(self, values, visits):
        """Mass and sums of features."""
        sums = np.zeros(self.coefficients.shape)
        for rows in blocks(*values.shape):
            sums += visits[rows].T @ self._stacked(values[rows]).T
        return Sums(sums[: self.K].reshape(self.K, *self.shape))


# -------------------------------------------------------------------- helpers


def blocks(n, D):
    """Parts of n rows of D numbers, so small that what is made of them stays in the cache.

    And below what the system takes back as soon as it is free, only to clear it again for the next.
    """
    size = max(64, 4096 // D)
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def is_count(values):
    """Which numbers are integers from 0."""
    with np.errstate(invalid="ignore"):
        return (values >= 0) & (values == np.floor(values))


def levels(column):
    """The U distinct values of what is observed in a column of counts, and which each is: U where one is missing."""
    missing = np.isnan(column)
    top = np.max(column, initial=-1.0, where=~missing)
    if top < 2 * len(column):  # as good as a table of all counts up to the largest
        return np.arange(top + 1), np.where(missing, top + 1, column).astype(np.intp)
    distinct, rows = np.unique(column, return_inverse=True)
    n_observed = len(distinct) - int(missing.any())
    return distinct[:n_observed], np.minimum(rows.reshape(-1), n_observed)


def means_of(sums):
    """Mass (..., D), and means of features, one array (..., D) each; where there is no mass, the first member's."""
    mass = sums[..., 0, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 1:, :] / mass[..., None, :]
    return mass, *np.moveaxis(means, -2, 0)


def pooled(sums):
    """The same sums (1 + F, D) over all leading axes, and at least a little mass."""
    total = sums.sum(axis=tuple(range(sums.ndim - 2)))
    total[0] = np.maximum(total[0], np.finfo(float).tiny)
    return total


def warn_of_a_floor(what, acts):
    """Say once that a floor acts, and what would help, if it does so anywhere."""
    if np.any(acts):
        warnings.warn(
            f"{what}: a distribution stands for a single value; fewer states or more data would help", stacklevel=3
        )
