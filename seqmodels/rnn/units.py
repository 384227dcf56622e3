"""How units stand in rows: padded, in vectors side by side, the gates of all units one after the other."""

from typing import NamedTuple

import numpy as np

from ..jit import inline_here
from ..products import aligned, padded
from ..simd import PANEL_BYTES, load, panel_width, splat, store

__all__ = [
    "READ", "UNITS", "WRITE", "Axis", "add", "add_products", "add_rows", "add_to", "clear", "in_blocks", "spread",
    "units_in_block", "wide_row",
]  # fmt: skip

UNITS = 16
"""Units in a vector; layers are as wide as a multiple of it."""


class Axis(NamedTuple):
    """Entries along one axis of an array: blocks of so many units, each of which is padded by itself.

    Kernels may have one block more than the user sees, a gap in the place of one.
    """

    n_blocks: int
    n_units: int
    gap: int = -1

    @property
    def length(self):
        """Entries that the user sees."""
        return self.n_blocks * int(self.n_units)

    @property
    def block(self):
        """Entries of a block with the padding."""
        return padded(int(self.n_units), UNITS)

    @property
    def wide(self):
        """Entries with the padding, and with a gap."""
        return (self.n_blocks + (self.gap >= 0)) * self.block

    @property
    def starts(self):
        """Where each block begins."""
        return [self.block * (number + (0 <= self.gap <= number)) for number in range(self.n_blocks)]

    @property
    def entries(self):
        """Which entry that the user sees each is, with the padding; -1 where there is none."""
        entries = np.full(self.wide, -1)
        for number, start in enumerate(self.starts):
            entries[start : start + self.n_units] = np.arange(self.n_units) + number * self.n_units
        return entries


ALIKE = PANEL_BYTES // 8
"""Numbers that are copied at once; every panel has a multiple of it."""


@inline_here
def units_in_block(n_hidden, width):
    """Units that a step works on at once, where a panel has so many columns: whole panels, or all."""
    span = max(width, UNITS)
    return span if n_hidden % span == 0 else n_hidden


def in_blocks(n_hidden, n_gates, width):
    """The columns of recurrent weights (H, G H) as steps go through them: all gates of a block, then the next."""
    span = units_in_block(n_hidden, width)
    columns = np.full((n_hidden // span, padded(n_gates * span, width)), -1)
    for block, own in enumerate(columns):
        units = block * span + np.arange(span)
        own[: n_gates * span] = (np.arange(n_gates)[:, None] * n_hidden + units).ravel()
    return columns.ravel()


def wide_row(vector, axis, calls):
    """Room for a vector along an axis, as a row with the padding; its numbers are noted among the `calls`."""
    row = aligned((1, padded(axis.wide, panel_width(vector.dtype))), vector.dtype)
    own = row[0, : axis.wide].reshape(axis.n_blocks, axis.block)[:, : axis.n_units]
    calls.append((np.copyto, (own, vector.reshape(own.shape))))
    return row


@inline_here
def clear(first, end, scratch):
    """Set some rows to zero, in vectors as long as those that are read next, which would have to wait otherwise."""
    zeros = splat(scratch.dtype.type(0), ALIKE)
    for b in range(first, end):
        for j in range(0, scratch.shape[1], ALIKE):
            store(scratch, b, j, zeros)


# -------------------------------------------------------------------- whole rows


@inline_here
def add(n, a, i, j, out, row, column):
    """``out[row, column :][:n] += a[i, j :][:n]``."""
    whole = n - n % UNITS
    for h in range(0, whole, UNITS):
        store(out, row, column + h, load(out, row, column + h, UNITS) + load(a, i, j + h, UNITS))
    for h in range(whole, n):
        out[row, column + h] += a[i, j + h]


@inline_here
def spread(n, row, out, first):
    """Copy a row (1, J), or one each (n, J), to n rows."""
    last = len(row) - 1
    for b in range(n):
        for j in range(0, out.shape[1], ALIKE):
            store(out, first + b, j, load(row, min(b, last), j, ALIKE))


@inline_here
def add_rows(n, a, first, out, column=0):
    """Add the sum of n rows, from a column on, to a row (1, J)."""
    for j in range(0, out.shape[1], ALIKE):
        total = load(out, 0, j, ALIKE)
        for m in range(first, first + n):
            total = total + load(a, m, column + j, ALIKE)
        store(out, 0, j, total)


@inline_here
def add_to(row, j, vector):
    """Add a vector of units to a row (1, J), from column j on."""
    store(row, 0, j, load(row, 0, j, UNITS) + vector)


@inline_here
def add_products(n, n_columns, a, a_row, a_column, b, places, b_row, b_column, out, column):
    """``out[0, column :] += sum_m a[a_row + m, a_column :] * b[places[b_row + m], b_column :]`` over n rows."""
    for j in range(0, n_columns, UNITS):
        total = load(out, 0, column + j, UNITS)
        for m in range(n):
            total = total + load(a, a_row + m, a_column + j, UNITS) * load(b, places[b_row + m], b_column + j, UNITS)
        store(out, 0, column + j, total)


# -------------------------------------------------------------------- vectors of units, one a gate, in and out


@inline_here
def _read0(array, b, h, H):
    return ()


@inline_here
def _read1(array, b, h, H):
    return (load(array, b, h, UNITS),)


@inline_here
def _read2(array, b, h, H):
    return load(array, b, h, UNITS), load(array, b, H + h, UNITS)


@inline_here
def _read3(array, b, h, H):
    return load(array, b, h, UNITS), load(array, b, H + h, UNITS), load(array, b, 2 * H + h, UNITS)


@inline_here
def _read4(array, b, h, H):
    return (*_read3(array, b, h, H), load(array, b, 3 * H + h, UNITS))


@inline_here
def _read5(array, b, h, H):
    return (*_read4(array, b, h, H), load(array, b, 4 * H + h, UNITS))


@inline_here
def _write0(array, b, h, H, vectors):
    pass


@inline_here
def _write1(array, b, h, H, vectors):
    store(array, b, h, vectors[0])


@inline_here
def _write2(array, b, h, H, vectors):
    store(array, b, h, vectors[0])
    store(array, b, H + h, vectors[1])


@inline_here
def _write3(array, b, h, H, vectors):
    store(array, b, h, vectors[0])
    store(array, b, H + h, vectors[1])
    store(array, b, 2 * H + h, vectors[2])


@inline_here
def _write4(array, b, h, H, vectors):
    _write3(array, b, h, H, vectors)
    store(array, b, 3 * H + h, vectors[3])


@inline_here
def _write5(array, b, h, H, vectors):
    _write4(array, b, h, H, vectors)
    store(array, b, 4 * H + h, vectors[4])


READ = {0: _read0, 1: _read1, 2: _read2, 3: _read3, 4: _read4, 5: _read5}
WRITE = {0: _write0, 1: _write1, 2: _write2, 3: _write3, 4: _write4, 5: _write5}
