"""Columns of different kinds, each with a family of its own."""

from typing import NamedTuple

import numpy as np

from ..forms import MISSING
from .base import Emission
from .columns import is_count
from .helpers import raise_at, refuse_past
from .mixed_table import ColumnsOfTable, most_probable, part_of, without_unused_symbol
from .product_tiles import ProductStatistics, ProductTiles

__all__ = ["Product", "ProductParameters"]


class ProductParameters(NamedTuple):
    """Parameters of :class:`Product`."""

    factors: tuple  # of each factor, the same leading axes


class Product(Emission):
    """Independent factors given the state, each a family with columns of its own: a mixed table.

    Symbols stand in a table of numbers as codes 0, 1, ..., V - 1 (NaN is missing), of which the data of `fit` hold
    the largest; a larger one is the unknown symbol, which has a probability where ``Categorical`` has a
    ``pseudo_count`` (and keeps unknown symbols). Means and forecasts hold the most probable code of such a column.
    Missing columns are left out.

    Parameters
    ----------
    emissions : list of Emission
        The factors.
    columns : list of int or of list of int, optional
        The columns of each factor, such as ``[[0, 1], 2]``; one each, in their order, by default.
    """

    Parameters = ProductParameters

    def __init__(self, emissions, columns=None):
        self.emissions = emissions
        self.columns = columns

    @property
    def discrete(self):
        """Whether all factors are."""
        return all(factor.discrete for factor in self._factors)

    @property
    def whole_columns(self):
        return np.concatenate([
            np.broadcast_to(factor.whole_columns, len(own)) for factor, own in self._pairs
        ])[np.argsort(np.concatenate(self._columns))]  # fmt: skip

    @property
    def symbolic_columns(self):
        return sorted(
            int(column)
            for factor, own in self._pairs
            for column in (own if factor.symbolic else own[list(factor.symbolic_columns)])
        )

    @property
    def for_networks(self):
        """Whether all factors are."""
        return all(factor.for_networks for factor in self._factors)

    @property
    def _factors(self):
        emissions = self.emissions
        if not (isinstance(emissions, list | tuple) and emissions and all(isinstance(e, Emission) for e in emissions)):
            raise TypeError(f"Product(emissions={emissions!r}): a list of emissions such as Gaussian() is accepted")
        return [without_unused_symbol(emission) if emission.symbolic else emission for emission in emissions]

    @property
    def _columns(self):
        """The columns of each factor, arrays of int."""
        columns = range(len(self.emissions)) if self.columns is None else self.columns
        return [np.atleast_1d(np.asarray(own, dtype=int)) for own in columns]

    @property
    def _pairs(self):
        return list(zip(self._factors, self._columns, strict=True))

    def check(self, sequences, name="X"):
        self._check_columns(sequences.n_features, name)
        for factor, own in self._pairs:
            refuse_past(factor, "Product")
            if factor.symbolic:
                self._check_codes(factor, own, sequences, name)
            factor.check(part_of(factor, own, sequences), name)

    def _check_columns(self, D, name):
        n, columns = len(self._factors), self.columns
        if columns is not None and not (isinstance(columns, list | tuple) and len(columns) == n):
            raise ValueError(f"Product(columns={columns!r}): the columns of each of the {n} emissions are accepted")
        flat = np.sort(np.concatenate(self._columns))
        if not np.array_equal(flat, np.arange(D)):
            raise ValueError(
                f"{name} has {D} columns, and the emissions of Product have the columns {flat.tolist()}; each column "
                "once is accepted (say columns=[[0, 1], 2] where an emission has several)"
            )

    def _check_codes(self, factor, own, sequences, name):
        if len(own) != 1:
            raise ValueError(f"Product gives {factor!r} {len(own)} columns; symbols take one")
        values = np.take(sequences.values, own, axis=1)
        wrong, codes = ~is_count(values) & ~np.isnan(values), ColumnsOfTable.of(sequences, own, values)
        raise_at(wrong, codes, name, "codes of symbols (integers from 0)")

    # ---------------------------------------------------------------- values and parameters of the factors

    def _each(self, values, parameters):
        """Each factor, its values (..., D of its own) and its parameters."""
        for (factor, own), part in zip(self._pairs, parameters.factors, strict=True):
            block = np.take(values, own, axis=-1)
            if factor.symbolic:
                largest = factor.n_symbols(part) - (factor.unknown == "keep")
                block = np.where(np.isnan(block), MISSING, np.minimum(block, largest)).astype(np.int64)
            yield factor, block, part

    def _side_by_side(self, parts):
        """Arrays (..., D) from those of the factors."""
        return np.take(np.concatenate(parts, axis=-1), np.argsort(np.concatenate(self._columns)), axis=-1)

    def log_density(self, values, parameters):
        return sum(factor.log_density(block, own) for factor, block, own in self._each(values, parameters))

    def smoothed(self):
        return Product([factor.smoothed() for factor in self._factors], self.columns)

    def interior(self, parameters, n_observations):
        pairs = zip(self._factors, parameters.factors, strict=True)
        return ProductParameters(tuple(factor.interior(own, n_observations) for factor, own in pairs))

    # ---------------------------------------------------------------- hidden Markov models

    def in_tiles(self, parameters, width):
        return ProductTiles(self, parameters, width)

    def log_table(self, values, parameters):
        return sum(factor.log_table(block, own) for factor, block, own in self._each(values, parameters))

    def one_step_is_enough(self, values):
        return all(factor.one_step_is_enough(np.take(values, own, axis=-1)) for factor, own in self._pairs)

    def rough(self, sequences):
        return ProductParameters(tuple(factor.rough(part_of(factor, own, sequences)) for factor, own in self._pairs))

    def initial_parameters(self, values, visits, rough, generator):
        return ProductParameters(
            tuple(
                factor.initial_parameters(block, visits, own, generator)
                for factor, block, own in self._each(values, rough)
            )
        )

    def sufficient_statistics(self, values, visits, parameters):
        """Those of each factor."""
        return ProductStatistics(
            tuple(
                factor.sufficient_statistics(block, visits, own)
                for factor, block, own in self._each(values, parameters)
            )
        )

    def maximize(self, statistics, parameters):
        """Each factor by itself."""
        parts = zip(self._factors, statistics.factors, parameters.factors, strict=True)
        return ProductParameters(tuple(factor.maximize(*part) for factor, *part in parts))

    def rebased(self, statistics, old, new):
        """Those of each factor."""
        parts = zip(self._factors, statistics.factors, old.factors, new.factors, strict=True)
        return ProductStatistics(tuple(factor.rebased(*part) for factor, *part in parts))

    def points(self, values):
        """Those of the factors that have any."""
        points = [factor.points(values[:, own]) for factor, own in self._pairs if not factor.symbolic]
        points = [array for array in points if array is not None]
        return np.concatenate(points, axis=1) if points else None

    def log_prior(self, parameters):
        return sum(f.log_prior(own) for f, own in zip(self._factors, parameters.factors, strict=True))

    def parameters_from(self, given):
        """As of any family; factors are given by NamedTuples or dicts."""
        if isinstance(given, dict) and set(given) == {"factors"}:
            given = ProductParameters(**given)
        if not isinstance(given, ProductParameters):
            return super().parameters_from(given)
        if len(given.factors) != len(self._factors):
            raise ValueError(f"emission has {len(given.factors)} factors; {len(self._factors)} are accepted")
        pairs = zip(self._factors, given.factors, strict=True)
        return ProductParameters(tuple(factor.parameters_from(part) for factor, part in pairs))

    def check_parameters(self, parameters):
        for factor, own in zip(self._factors, parameters.factors, strict=True):
            factor.check_parameters(own)

    def n_parameters(self, parameters):
        return sum(f.n_parameters(own) for f, own in zip(self._factors, parameters.factors, strict=True))

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """Those of the factors, one after the other."""
        return sum(f.n_raw(own) for f, own in zip(self._factors, marginal.factors, strict=True))

    def constant_raw(self, marginal):
        return np.concatenate([
            factor.constant_raw(own) for factor, own in zip(self._factors, marginal.factors, strict=True)
        ])  # fmt: skip

    def _places(self, marginal):
        """The raw outputs of each factor, as slices."""
        ends = np.cumsum([f.n_raw(own) for f, own in zip(self._factors, marginal.factors, strict=True)])
        return [slice(int(begin), int(end)) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def from_raw(self, raw, marginal):
        """Each factor by itself."""
        parts = zip(self._factors, self._places(marginal), marginal.factors, strict=True)
        return ProductParameters(tuple(factor.from_raw(raw[..., place], own) for factor, place, own in parts))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log densities (n,), and their gradient in `raw` (n, R) written to `out`."""
        return sum(
            factor.value_and_gradient(block, raw[:, place], own, out[:, place])
            for (factor, block, own), place in zip(self._each(values, marginal), self._places(marginal), strict=True)
        )

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        pairs = zip(self._factors, parameters.factors, strict=True)
        return self._side_by_side([factor.sample(own, generator).astype(float) for factor, own in pairs])

    def mean(self, parameters):
        """Means, and the most probable codes of symbols."""
        pairs = zip(self._factors, parameters.factors, strict=True)
        return self._side_by_side([(f.mode(own) if f.symbolic else f.mean(own)) * 1.0 for f, own in pairs])

    def mixed_mean(self, weights, parameters):
        pairs = zip(self._factors, parameters.factors, strict=True)
        return self._side_by_side([
            most_probable(f, weights, own) if f.symbolic else f.mixed_mean(weights, own) for f, own in pairs
        ])  # fmt: skip

    def mode(self, parameters):
        pairs = zip(self._factors, parameters.factors, strict=True)
        return self._side_by_side([factor.mode(own) * 1.0 for factor, own in pairs])

    def cdf(self, values, parameters):
        pairs = zip(self._pairs, parameters.factors, strict=True)
        return self._side_by_side([factor.cdf(values[..., own], part) for (factor, own), part in pairs])
