"""Columns of a mixed table: as data of their own that know their place in it, and symbols among numbers."""

import copy
from dataclasses import dataclass

import numpy as np

from ..forms import MISSING
from ..sequences import Sequences

__all__ = ["ColumnsOfTable", "most_probable", "part_of", "without_unused_symbol"]


@dataclass(frozen=True, eq=False)
class ColumnsOfTable(Sequences):
    """Some columns of a table, which know their place in it."""

    table: Sequences | None = None
    columns: tuple = ()

    @classmethod
    def of(cls, table, columns, values, alphabet=None):
        return cls(values, table.offsets, alphabet, given=table.given, table=table, columns=tuple(columns))

    def where(self, m, name="X", d=None):
        return self.table.where(m, name, None if d is None else self.columns[d])


def part_of(factor, columns, sequences):
    """The data of one factor."""
    values = np.take(sequences.values, columns, axis=1)
    if not factor.symbolic:
        return ColumnsOfTable.of(sequences, columns, values)
    codes = np.where(np.isnan(values), MISSING, values).astype(np.int64)
    return ColumnsOfTable.of(sequences, columns, codes, tuple(range(codes.max(initial=0) + 1)))


def without_unused_symbol(emission):
    """A symbolic family whose parameters have a column for the unknown symbol only if it has mass."""
    if hasattr(emission, "emission"):
        without = copy.copy(emission)
        without.emission = without_unused_symbol(emission.emission)
        return without
    if emission.pseudo_count > 0:
        return emission
    without = copy.copy(emission)
    without.unknown = "error"
    return without


def most_probable(factor, weights, parameters):
    """The most probable codes (..., 1) of mixtures of a symbolic family."""
    codes = np.arange(factor.n_symbols(parameters)).reshape((-1,) + (1,) * (weights.ndim + 1))
    probabilities = (weights * np.exp(factor.log_density(codes, parameters))).sum(axis=-1)
    return probabilities.argmax(axis=0)[..., None] * 1.0
