"""Batches of sequences as the loop over time wants them, and the memory to work on them."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import kernel
from ..products import aligned, panels_shape

__all__ = ["Arena", "Packing", "longest_first"]


class Packing(NamedTuple):
    """Where the observations of some sequences stand, time-major and longest sequence first."""

    rows: np.ndarray  # (M,) their places in the data
    sizes: np.ndarray  # (T,) how many sequences still run at each step
    before: np.ndarray  # (M,) the row one step before, where the B rows of the start stand in front
    order: np.ndarray  # (N,) the sequences, longest first

    @classmethod
    def of(cls, offsets, which):
        """Pack the sequences `which` of those between `offsets`."""
        which = longest_first(offsets, which)
        M, T = _rows_and_steps(offsets, which)
        rows, before, sizes = np.empty(M, dtype=np.int64), np.empty(M, dtype=np.int64), np.empty(T, dtype=np.int64)
        _pack_rows(offsets, which, rows, sizes, before)
        return cls(rows, sizes, before, which)

    def windows(self, n_rows):
        """Cut the steps into windows of at most `n_rows` rows, or one step: pairs of slices, steps and rows."""
        if len(self.rows) <= n_rows:
            yield slice(0, len(self.sizes)), slice(0, len(self.rows))
            return
        ends = np.cumsum(self.sizes)
        cuts = np.flatnonzero(np.diff((ends - 1) // n_rows)) + 1
        for start, stop in zip([0, *cuts], [*cuts, len(ends)], strict=True):
            yield slice(start, stop), slice(ends[start] - self.sizes[start], ends[stop - 1])

    @property
    def last(self):
        """The packed row (N,) of the last step of each sequence, in the order of `order`."""
        lengths = (np.arange(self.sizes[0])[:, None] < self.sizes).sum(axis=1)
        firsts = np.cumsum(self.sizes) - self.sizes
        return firsts[lengths - 1] + np.arange(self.sizes[0])


def longest_first(offsets, which):
    """The sequences `which`, longest first; those of one length keep their order."""
    if _stand_longest_first(offsets, which):
        return which
    return which[np.argsort(offsets[which] - offsets[which + 1], kind="stable")]


@kernel
def _stand_longest_first(offsets, which):
    for i in range(1, len(which)):
        if offsets[which[i] + 1] - offsets[which[i]] > offsets[which[i - 1] + 1] - offsets[which[i - 1]]:
            return False
    return True


@kernel
def _rows_and_steps(offsets, which):
    M = T = 0
    for n in which:
        M += offsets[n + 1] - offsets[n]
        T = max(T, offsets[n + 1] - offsets[n])
    return M, T


@kernel
def _pack_rows(offsets, which, rows, sizes, before):
    B = running = len(which)
    m = earlier = 0
    for t in range(len(sizes)):
        while offsets[which[running - 1]] + t >= offsets[which[running - 1] + 1]:
            running -= 1
        sizes[t] = running
        first = m
        for b in range(running):
            rows[m] = offsets[which[b]] + t
            before[m] = earlier + b
            m += 1
        earlier = B + first


class Arena:
    """Memory that one thread of training uses again in every update.

    Large arrays that are new each time cost the operating system more than the arithmetic done on them. What
    :meth:`array` gives is valid until the same name is asked for again.
    """

    def __init__(self):
        self._memory, self._given, self._parts = {}, {}, {}

    def part(self, name):
        """An arena within this one, with names of its own."""
        return self._parts.setdefault(name, Arena())

    def array(self, name, shape, dtype):
        """An array with any content."""
        given = self._given.get(name)
        if given is None or given.shape != shape or given.dtype != dtype:
            size, memory = math.prod(shape), self._memory.get(name)
            if memory is None or len(memory) < size or memory.dtype != dtype:
                memory = self._memory[name] = aligned((size,), dtype)
            given = self._given[name] = memory[:size].reshape(shape)
        return given

    def panels(self, name, n_rows, n_columns, dtype):
        """Room for a matrix in panels, always of one shape under this name; beyond the matrix it is zero."""
        return self.array(name, panels_shape(n_rows, n_columns, dtype), dtype)

    def once(self, name, make):
        """What `make` gives when it is called for the first time."""
        if name not in self._given:
            self._given[name] = make()
        return self._given[name]
