"""Mixed tables in an E-step: each factor in its own way, small whole numbers by a table of what they may be."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, vector_length
from ..forms import MISSING
from ..jit import kernel
from ..simd import load, store
from .helpers import n_members
from .tiles import Tiles

__all__ = ["ProductStatistics", "ProductTiles"]


class ProductStatistics(NamedTuple):
    """Statistics of each factor."""

    factors: tuple


class ProductTiles:
    """Tiles of a mixed table: those of the factors.

    Parameters
    ----------
    product : Product
    parameters : ProductParameters
        Leading axis K.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, product, parameters, width):
        self.product, self.parameters, self.tiles = product, parameters, []
        for (factor, columns), own in zip(product._pairs, parameters.factors, strict=True):
            few = factor.discrete and len(columns) == 1
            self.tiles.append(FewNumbers(factor, own, width) if few else factor.in_tiles(own, width))

    def fill_log_table(self, values, out):
        """Write the log densities of n observations (n, D) to `out` (n, L), and -inf beyond the K states."""
        more = np.empty_like(out)
        for number, (_, block, _) in enumerate(self.product._each(values, self.parameters)):
            self.tiles[number].fill_log_table(block, more if number else out)
            if number:
                out += more

    def statistics(self, values, visits):
        """Sufficient statistics of n observations (n, D) from the visits (n, L) of the states."""
        each = zip(self.tiles, self.product._each(values, self.parameters), strict=True)
        return ProductStatistics(tuple(tile.statistics(block, visits) for tile, (_, block, _) in each))


class FewNumbers(Tiles):
    """Tiles of one column of symbols or counts: what is asked of all is asked of each number once.

    Where counts are larger than there are observations, of each observation.

    Parameters
    ----------
    emission : Emission
    parameters : NamedTuple
        Leading axis K.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, emission, parameters, width):
        super().__init__(emission, parameters)
        self.width, self.add = width, _adding(vector_length(width))

    def _numbers(self, values):
        """Values (S, 1) from 0 on, the last one missing, and which of them each of n observations is; or None."""
        missing = self.emission.missing(values[:, 0])
        rows = np.where(missing, 0, values[:, 0]).astype(np.int64)
        n_numbers = int(rows.max(initial=0)) + 1
        if n_numbers > len(rows):
            return None
        rows[missing] = n_numbers
        numbers = np.arange(n_numbers + 1)[:, None] * (1 if self.emission.symbolic else 1.0)
        numbers[-1] = MISSING if self.emission.symbolic else np.nan
        return numbers, rows

    def fill_log_table(self, values, out):
        found = self._numbers(values)
        if found is None:
            return super().fill_log_table(values, out)
        numbers, rows = found
        table = np.empty((len(numbers), self.width))
        super().fill_log_table(numbers, table)
        np.take(table, rows, axis=0, out=out, mode="clip")

    def statistics(self, values, visits):
        found = self._numbers(values)
        if found is None:
            return super().statistics(values, visits)
        numbers, rows = found
        sums = aligned(len(numbers), self.width)
        self.add(rows, visits, sums)
        return self.emission.sufficient_statistics(numbers, sums[:, : n_members(self.parameters)], self.parameters)


@functools.cache
def _adding(length):
    """The kernel for states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def add(rows, visits, sums):
        """Add the visits (n, L) of each observation to the sums (S, L) of its number."""
        width = sums.shape[1] if SEVERAL else length
        for i in range(len(rows)):
            for j in range(0, width, length):
                row = load(sums, rows[i], j, length, width)
                store(sums, rows[i], j, row + load(visits, i, j, length, width), width)

    return add
