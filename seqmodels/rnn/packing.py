"""Batches of sequences as the loop over time wants them, and the memory to work on them."""

import math
from typing import NamedTuple

import numpy as np

from ..jit import inline, kernel
from ..products import aligned

__all__ = ["Arena", "Batch", "lay_out", "longest_first", "measure", "windows"]


class Batch(NamedTuple):
    """Where the observations of some sequences stand, time-major and longest sequence first.

    Arrays may be longer than the batch that :func:`lay_out` has written to them.
    """

    sizes: np.ndarray  # (T,) how many sequences still run at each step
    rows: np.ndarray  # (M,) their places in the data
    before: np.ndarray  # (M,) the row one step before, where the B rows of the start stand in front
    places: np.ndarray  # (B + M,) 0, 1, ...

    @classmethod
    def of_size(cls, n_sequences, n_rows, n_steps):
        """Room for a batch."""
        sizes, rows, before = (np.empty(n, dtype=np.int64) for n in (n_steps, n_rows, n_rows))
        return cls(sizes, rows, before, np.arange(n_sequences + n_rows))

    @classmethod
    def of(cls, offsets, which):
        """The sequences `which` (N,) of those between `offsets`, longest first."""
        n_rows, n_steps, _ = measure(offsets, which)
        batch = cls.of_size(len(which), n_rows, n_steps)
        _lay_out(offsets, which, batch)
        return batch

    @property
    def last(self):
        """The row (N,) of the last step of each sequence."""
        lengths = (np.arange(self.sizes[0])[:, None] < self.sizes).sum(axis=1)
        firsts = np.cumsum(self.sizes) - self.sizes
        return firsts[lengths - 1] + np.arange(self.sizes[0])


def longest_first(offsets, which):
    """The sequences `which`, longest first; those of one length keep their order."""
    if measure(offsets, which)[2]:
        return which
    return which[np.argsort(offsets[which] - offsets[which + 1], kind="stable")]


@kernel
def measure(offsets, which):
    """Observations, steps, and whether the sequences stand longest first."""
    n_rows, n_steps, falling = 0, 0, True
    previous = -1
    for n in which:
        length = offsets[n + 1] - offsets[n]
        falling = falling and (previous < 0 or length <= previous)
        n_rows += length
        n_steps = max(n_steps, length)
        previous = length
    return n_rows, n_steps, falling


@inline
def lay_out(offsets, which, batch):
    """Write a batch of sequences, longest first; returns its rows M and its steps T."""
    B = running = len(which)
    n_steps = offsets[which[0] + 1] - offsets[which[0]]
    m = earlier = 0
    for t in range(n_steps):
        while offsets[which[running - 1]] + t >= offsets[which[running - 1] + 1]:
            running -= 1
        batch.sizes[t] = running
        first = m
        for b in range(running):
            batch.rows[m] = offsets[which[b]] + t
            batch.before[m] = earlier + b
            m += 1
        earlier = B + first
    return m, n_steps


_lay_out = kernel(lay_out)


def windows(sizes, n_rows):
    """Cut steps into windows of at most `n_rows` rows, or one step: pairs of slices, steps and rows."""
    ends = np.cumsum(sizes)
    start = first = 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(ends, first + n_rows, side="right")))
        end = int(ends[stop - 1])
        yield slice(start, stop), slice(first, end)
        start, first = stop, end


class Arena:
    """Memory that one thread of training uses again in every update.

    Large arrays that are new each time cost the operating system more than the arithmetic done on them. What
    :meth:`array` gives is valid until the same name is asked for again.
    """

    def __init__(self):
        self._memory, self._given = {}, {}
        self._of, self._rooms = None, ((), ())

    def array(self, name, shape, dtype):
        """An array with any content."""
        given = self._given.get(name)
        if given is None or given.shape != shape or given.dtype != dtype:
            size, memory = math.prod(shape), self._memory.get(name)
            if memory is None or len(memory) < size or memory.dtype != dtype:
                memory = self._memory[name] = aligned((size,), dtype)
            given = self._given[name] = memory[:size].reshape(shape)
        return given

    def of(self, vector, make):
        """What ``make(vector, calls)`` gives, and notes among the calls it has to be done again whenever the numbers
        in the vector have changed: pairs of a function and its arguments.
        """
        if self._of is None or self._of[0] is not vector:
            calls = []
            self._of = vector, make(vector, calls), calls
        _, made, calls = self._of
        for function, arguments in calls:
            function(*arguments)
        return made

    def rooms(self, n, size, dtype, make):
        """Memory (n or more, size), and for each of its rows what `make` makes of it."""
        if len(self._rooms[0]) < n:
            sums = aligned((n, size), dtype)
            self._rooms = sums, [make(memory) for memory in sums]
        return self._rooms
