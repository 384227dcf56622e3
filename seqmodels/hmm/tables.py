"""Where the likelihoods of observations come from: one table for all, or one tile of time steps after the other."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, map_arrays, padded_width, smallest_integers, vector_length
from ..jit import kernel
from ..simd import exp, largest, load, maximum, store, where_positive
from .space import Space
from .steps import FLOOR, inline

__all__ = ["EachTime", "FewRows", "RowEach", "Tile", "source_of", "summed", "tile_steps"]

NUMBERS_IN_A_TILE = 131_072
"""Of likelihoods: a mebibyte, which stays in the cache; smaller ones have threads wait for each other more often."""


LOWEST = -1e300  # any log likelihood below is -inf


def tile_steps(width):
    """How many time steps a tile has."""
    return max(64, NUMBERS_IN_A_TILE // width)


def summed(parts):
    """The sum of what tasks have found, in their order."""
    total = map_arrays(np.copy, parts[0])
    for part in parts[1:]:
        total = map_arrays(np.add, total, part)
    return total


def exponentiate(table, shift):
    """Turn a table of log likelihoods into likelihoods, each row's largest 1; the logarithms of these go to `shift`."""
    _exponentiate(vector_length(table.shape[1]))(table, table.reshape(1, -1), len(table), shift)


@functools.cache
def _exponentiate(length):
    SEVERAL = length == LONGEST_VECTOR

    @inline()
    def likelihood(x):
        """``exp(x)``, at least FLOOR, and 0 of -inf."""
        y = maximum(exp(x), FLOOR)
        return y - where_positive(LOWEST - x, y)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def exponentiate(table, flat, n, shift):
        """Each row less its largest, and then the exponentials of many rows at a time: `flat` is the same memory."""
        width = table.shape[1] if SEVERAL else length
        for row in range(n):
            highest = load(table, row, 0, length, width)
            for j in range(length, width, length):
                highest = maximum(highest, load(table, row, j, length, width))
            top = largest(highest)
            shift[row] = top if -np.inf < top < np.inf else 0.0
            for j in range(0, width, length):
                store(table, row, j, load(table, row, j, length, width) - shift[row], width)
        whole = n * width // LONGEST_VECTOR * LONGEST_VECTOR
        for place in range(0, whole, LONGEST_VECTOR):
            store(flat, 0, place, likelihood(load(flat, 0, place, LONGEST_VECTOR)))
        for place in range(whole, n * width, length):
            store(flat, 0, place, likelihood(load(flat, 0, place, length)))

    return exponentiate


def rule_out(table, known):
    """Set log likelihoods (n, L) to -inf in all states but the known ones (n,); -1 is unknown."""
    rows = np.flatnonzero(known >= 0)
    own = table[rows, known[rows]]
    table[rows] = -np.inf
    table[rows, known[rows]] = own
    return table


class Tile(NamedTuple):
    """The likelihoods of some time steps."""

    table: np.ndarray  # (S, L), the largest of each row 1
    shift: np.ndarray  # (S,), logarithms of what was divided out
    rows: np.ndarray  # row of the table of each time
    first: int  # where time 0 stands in `rows`


class FewRows:
    """Observations that are few distinct ones: a table (S, K) of log likelihoods, and the row (M,) of each.

    Results are expected visits (S, K) of each state at each row. As of every source, `in_tiles` says that a tile
    holds for its own times only, and `costly` that likelihoods are worth keeping. States that are known (S,) rule out
    the others; -1 is unknown.
    """

    in_tiles = False
    costly = False

    def __init__(self, log_table, rows, known=None):
        self.log_table = log_table if known is None else rule_out(log_table.copy(), known)
        self.n_rows, self.n_states = log_table.shape
        self.rows = np.asarray(rows).astype(smallest_integers(self.n_rows), copy=False)
        self.width = padded_width(self.n_states)
        table, shift = aligned(self.n_rows, self.width), np.zeros(self.n_rows)
        table[:, self.n_states :] = -np.inf
        table[:, : self.n_states] = self.log_table
        self._log_tile = Tile(table.copy(), shift, self.rows, 0)
        exponentiate(table, shift)
        self._tile = Tile(table, shift, self.rows, 0)

    def tile(self, begin, end, space, table=None):
        """Those of the times from `begin` to `end`, and of all others."""
        return self._tile

    def log_tile(self, begin, end, space):
        """The same as logarithms, nothing divided out."""
        return self._log_tile

    def new_visits(self, space, which=0):
        """Zeros, in which a pass counts visits."""
        return aligned(self.n_rows, self.width)

    def added(self, found, begin, end, visits):
        """What a task has found, after some times more."""
        return visits[:, : self.n_states]

    def collected(self, begin, end, visits):
        """The same of visits (S, K) at the rows of :meth:`log_likelihoods`."""
        return visits

    def counted(self, states, weights):
        """The same of one state (M,) at each time, and how often it counts."""
        place = self.rows * np.int64(self.n_states) + states
        return np.bincount(place, weights, self.log_table.size).reshape(self.log_table.shape)

    def log_likelihoods(self, begin, end):
        """Logarithms (S, K), and the row of each of some times."""
        return self.log_table, self.rows[begin:end]

    @property
    def most_steps(self):
        """How many steps make a task."""
        return max(4_096, len(self.rows) // 16, 4 * self.n_rows)


class RowEach:
    """Observations of which each has likelihoods of its own, in tiles of time steps.

    Results are the sufficient statistics of a family.

    Parameters
    ----------
    family : Emission
    values : array (M, D)
    parameters : NamedTuple
    n_states : int
    known : array (M,) of int, optional
        States that rule out the others; -1 is unknown.
    """

    in_tiles = True
    costly = True

    def __init__(self, family, values, parameters, n_states, known=None):
        self.family, self.values, self.parameters, self.n_states = family, values, parameters, n_states
        self.known = known
        self._emission = family.in_tiles(parameters, padded_width(n_states))
        self.width = padded_width(n_states)
        self.most_steps = tile_steps(self.width)
        self._rows, self._shift = np.arange(self.most_steps, dtype=np.int32), np.zeros(self.most_steps)

    def tile(self, begin, end, space, table=None):
        """Those of the times from `begin` to `end`; in `table`, or until the next call in this thread."""
        tile = self.log_tile(begin, end, space, table)
        exponentiate(tile.table, tile.shift)
        return tile

    def log_tile(self, begin, end, space, table=None):
        """The same as logarithms, nothing divided out."""
        if table is None:
            table = space.take("table", self.most_steps, self.width)[: end - begin]
        shift = space.take("shift", 1, self.most_steps)[0]
        self._emission.fill_log_table(self.values[begin:end], table)
        if self.known is not None:
            rule_out(table, self.known[begin:end])
        return Tile(table, shift, self._rows, -begin)

    def tile_of(self, table, begin):
        """The tile whose likelihoods have been kept, but for its shifts."""
        return Tile(table, self._shift, self._rows, -begin)

    def new_visits(self, space, which=0):
        """Zeros, in which a pass counts visits to one tile."""
        visits = space.take(f"visits {which}", self.most_steps, self.width)
        visits[:] = 0.0
        return visits

    def added(self, found, begin, end, visits):
        """What a task has found, after a tile more; the counts begin anew."""
        statistics = self._emission.statistics(self.values[begin:end], visits[: end - begin])
        visits[: end - begin] = 0.0
        return statistics if found is None else map_arrays(np.add, found, statistics)

    def collected(self, begin, end, visits):
        """Statistics of the values of some times, from the visits to each."""
        return self.family.sufficient_statistics(self.values[begin:end], visits, self.parameters)

    def log_likelihoods(self, begin, end):
        """Logarithms (T, K), and the row of each of some times."""
        log_table = self.family.log_table(self.values[begin:end], self.parameters)
        if self.known is not None:
            log_table = rule_out(log_table.copy(), self.known[begin:end])
        return log_table, np.arange(end - begin)

    def counted(self, states, weights):
        """Statistics of one state (M,) at each time, and how often it counts."""
        found, visits = None, self.new_visits(Space())
        for begin in range(0, len(states), self.most_steps):
            end = min(begin + self.most_steps, len(states))
            visits[np.arange(end - begin), states[begin:end]] = weights[begin:end]
            found = self.added(found, begin, end, visits)
        return found


class EachTime:
    """The likelihoods of another source, with the states' probabilities at each time for result.

    Parameters
    ----------
    source : FewRows or RowEach
    probabilities : array (M, K)
        Where they are written.
    """

    in_tiles = True
    costly = False

    def __init__(self, source, probabilities):
        self.source, self.probabilities = source, probabilities
        self.width, self.n_states = source.width, source.n_states
        self.most_steps = tile_steps(self.width)
        self._rows, self._shift = np.arange(self.most_steps, dtype=np.int32), np.zeros(self.most_steps)

    def tile(self, begin, end, space, table=None):
        """Those of the times from `begin` to `end`; in `table`, or until the next call in this thread."""
        if self.source.in_tiles:
            return self.source.tile(begin, end, space, table)
        tile = self.source.tile(begin, end, space)
        if table is None:
            table = space.take("table", self.most_steps, self.width)[: end - begin]
        np.take(tile.table, tile.rows[begin:end], axis=0, out=table, mode="clip")
        return Tile(table, self._shift, self._rows, -begin)

    def new_visits(self, space, which=0):
        """Zeros, for what a pass finds in one tile."""
        visits = space.take(f"visits {which}", self.most_steps, self.width)
        visits[:] = 0.0
        return visits

    def added(self, found, begin, end, visits):
        """Nothing that adds up."""
        self.probabilities[begin:end] = visits[: end - begin, : self.n_states]
        visits[: end - begin] = 0.0
        return 0.0


def source_of(family, values, rows, parameters, n_states, known=None):
    """The likelihoods of distinct observations (S, D) of a family, which stand at the rows (M,).

    Where states are known (S,), not -1, the others are ruled out.
    """
    if family.discrete:
        return FewRows(family.log_table(values, parameters), rows, known)
    return RowEach(family, values, parameters, n_states, known)
