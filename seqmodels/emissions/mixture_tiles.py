"""Mixtures in an E-step: components of all states side by side, summed and shared out in short vectors of states."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, map_arrays, padded_width, vector_length
from ..jit import kernel
from ..simd import exp, load, maximum, splat, store, where_positive

__all__ = ["MixtureStatistics", "MixtureTiles"]

LOWEST = -1e300  # any log density below is -inf

NUMBERS_AT_A_TIME = 65_536
"""Log densities of components that are made before they are used: half a mebibyte, which stays in the cache."""


class MixtureStatistics(NamedTuple):
    """Expected visits of each component, and the statistics of the mixed family."""

    mass: np.ndarray  # (K, C)
    components: tuple  # leading axes (K, C)


class MixtureTiles:
    """Log densities and statistics of observations in tiles, under mixtures of one family.

    Component c of state k is member ``c K + k`` of the mixed family. A vector of states then begins at any ``c K``;
    what it holds beyond the K states is of no consequence.

    Parameters
    ----------
    mixture : Mixture
    parameters : MixtureParameters
        Leading axis K.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, mixture, parameters, width):
        weights, components = parameters
        self.mixture, (self.K, self.C) = mixture, weights.shape
        members = map_arrays(lambda array: array.swapaxes(0, 1).reshape(-1, *array.shape[2:]), components)
        self.width = padded_width((self.C - 1) * self.K + width)
        self.tiles = mixture.emission.in_tiles(members, self.width)
        self.log_weights = np.full((self.C, width), -np.inf)
        with np.errstate(divide="ignore"):
            self.log_weights[:, : self.K] = np.log(weights.T)
        self.sum, self.share = _kernels(vector_length(width))

    def _tables(self, values):
        """Some rows at a time: these, and log densities of the components, in memory that is used again."""
        n, size = len(values), max(64, NUMBERS_AT_A_TIME // self.width)
        memory = aligned(min(n, size), self.width)
        for first in range(0, n, size):
            rows = slice(first, min(first + size, n))
            table = memory[: rows.stop - rows.start]
            self.tiles.fill_log_table(values[rows], table)
            yield rows, table

    def fill_log_table(self, values, out):
        """Write the log densities of n observations (n, D) to `out` (n, L), and -inf beyond the K states."""
        for rows, table in self._tables(values):
            own, highest = out[rows], aligned(len(table), out.shape[1])
            self.sum(table, self.log_weights, self.K, highest, own)
            with np.errstate(divide="ignore"):
                np.log(own, out=own)
            own += highest

    def statistics(self, values, visits):
        """Visits of each component (K, C), and the mixed family's statistics, leading axes (K, C)."""
        missing, parts = self.mixture.missing(values), []  # entries, then rows, which say nothing about the weights
        missing = missing.all(axis=1) if missing.any() else np.zeros(len(values), dtype=bool)
        scratch, memory = aligned(2, visits.shape[1]), None
        for rows, table in self._tables(values):
            memory = aligned(*table.shape) if memory is None else memory
            split = memory[: len(table)]
            self.share(table, self.log_weights, self.K, missing[rows], visits[rows], scratch, split)
            mass = (np.ones(len(split)) @ split)[: self.C * self.K].reshape(self.C, self.K).T
            parts.append(MixtureStatistics(mass, self.tiles.statistics(values[rows], split)))
        total = functools.reduce(lambda a, b: map_arrays(np.add, a, b), parts)
        return total._replace(
            mass=total.mass.copy(),
            components=map_arrays(
                lambda array: array.reshape(self.C, self.K, *array.shape[1:]).swapaxes(0, 1).copy(), total.components
            ),
        )


@functools.cache
def _kernels(length):
    """Kernels for states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def sums(table, log_weights, K, highest, out):
        """Of ``log sum_c exp(table[n, c K + k] + log_weights[c, k])`` the largest term, and what is left to log."""
        C = len(log_weights)
        width = out.shape[1] if SEVERAL else length
        for i in range(len(table)):
            for j in range(0, width, length):
                most, total = splat(LOWEST, length), splat(0.0, length)
                for c in range(C):
                    most = maximum(most, load(table, i, c * K + j, length) + load(log_weights, c, j, length))
                for c in range(C):
                    joint = load(table, i, c * K + j, length) + load(log_weights, c, j, length)
                    total = total + where_positive(joint - LOWEST, exp(joint - most))
                store(highest, i, j, most)
                store(out, i, j, total)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def shares(table, log_weights, K, missing, visits, scratch, split):
        """``split[n, c K + k]``: the share of component c in a visit of state k; none in what it cannot have made."""
        C = len(log_weights)
        width = visits.shape[1] if SEVERAL else length
        for i in range(len(table)):
            if missing[i]:
                split[i] = 0.0
                continue
            for j in range(0, width, length):
                most, total = splat(LOWEST, length), splat(0.0, length)
                for c in range(C):
                    most = maximum(most, load(table, i, c * K + j, length) + load(log_weights, c, j, length))
                for c in range(C):
                    joint = load(table, i, c * K + j, length) + load(log_weights, c, j, length)
                    total = total + where_positive(joint - LOWEST, exp(joint - most))
                store(scratch, 0, j, most)
                store(scratch, 1, j, load(visits, i, j, length) / maximum(total, 1e-300))
            for c in range(C):
                for j in range(0, width, length):
                    joint = load(table, i, c * K + j, length) + load(log_weights, c, j, length)
                    odds = where_positive(joint - LOWEST, exp(joint - load(scratch, 0, j, length)))
                    store(split, i, c * K + j, odds * load(scratch, 1, j, length))

    return sums, shares
