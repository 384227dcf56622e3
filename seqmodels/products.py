"""The tiled matrix product that the loops over time are built on: small rows times packed weights."""

import math

import numpy as np

from .jit import APART, inline, kernel
from .simd import PANEL_BYTES, load_panel, panel_width, store

__all__ = [
    "add_outer", "add_panel", "add_product", "aligned", "pack", "pack_transposed", "padded", "panels_for",
    "panels_shape", "product",
]  # fmt: skip


SQUARE = 16  # rows and columns that are transposed at once


def padded(n, multiple):
    """The next multiple."""
    return -(-n // multiple) * multiple


def panels_shape(n_rows, n_columns, dtype):
    """Shape of a packed matrix: panel p holds all rows of columns p W to (p + 1) W, one below the other."""
    width = panel_width(dtype)
    return padded(n_columns, width) // width * n_rows, width


def panels_for(n_rows, n_columns, dtype):
    """Room for a packed matrix."""
    return aligned(panels_shape(n_rows, n_columns, dtype), dtype)


def aligned(shape, dtype):
    """Zeros that begin with a cache line, so that no load of a whole register straddles two."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


@kernel
def pack(matrix, columns, n_rows, panels):
    """Pack some columns of a matrix (K, ...) in panels of `n_rows` rows; where a column is -1, there is nothing.

    Nothing is written where there is nothing: what stands there, zero as a rule, stays.
    """
    width = panels.shape[1]
    for panel in range(len(panels) // n_rows):
        own = columns[panel * width : (panel + 1) * width]
        if len(own) == width and own[width - 1] == own[0] + width - 1 and own[0] >= 0:
            for k in range(len(matrix)):
                store(panels, panel * n_rows + k, 0, load_panel(matrix, k, own[0]))
        else:
            for j in range(len(own)):
                if own[j] >= 0:
                    for k in range(len(matrix)):
                        panels[panel * n_rows + k, j] = matrix[k, own[j]]


@kernel
def pack_transposed(matrix, rows, panels):
    """Pack the transpose of a matrix (J, ...) in panels, a square at a time; row k of them is column ``rows[k]``."""
    J, K = len(matrix), len(rows)
    width = panels.shape[1]
    for panel in range(len(panels) // K):
        first, end = panel * width, min(panel * width + width, J)
        for start in range(0, K, SQUARE):
            own = rows[start : start + SQUARE]
            if len(own) == SQUARE and own[0] >= 0 and own[SQUARE - 1] == own[0] + SQUARE - 1:
                place, column = np.uint64(panel * K + start), np.uint64(own[0])  # which nothing is to be added to
                for j in range(first, end):
                    for k in range(SQUARE):
                        panels[place + np.uint64(k), np.uint64(j - first)] = matrix[np.uint64(j), column + np.uint64(k)]
            else:
                for k in range(len(own)):
                    if own[k] >= 0:
                        for j in range(first, end):
                            panels[panel * K + start + k, j - first] = matrix[j, own[k]]


@inline
def add_product(n, K, a, a_row, panels, out, out_row):
    """``out[out_row :][:n] += a[a_row :][:n, :K] @ b`` where b (K, J) is packed in panels.

    `out` has the columns of whole panels, or more.
    """
    for panel in range(len(panels) // K):
        add_panel(n, K, a, a_row, panels, panel * K, out, out_row, panel * panels.shape[1])


product = kernel(add_product, **APART)
"""The same as a function of its own, for many rows: what is compiled into its callers takes its time to compile."""


@inline
def add_panel(n, K, a, a_row, panels, first, out, out_row, j):
    """The same for one panel, that of the K rows from `first` on, and the columns of `out` from j on.

    Eight rows at a time share each row of the panel; a tile that is not full repeats its last row.
    """
    i = 0
    while n - i > 4:
        _add_eight_rows(K, a, a_row + i, panels, first, out, out_row + i, j, n - 1 - i)
        i += 8
    if n - i > 1:
        _add_four_rows(K, a, a_row + i, panels, first, out, out_row + i, j, n - 1 - i)
    elif n - i == 1:
        _add_row(K, a, a_row + i, panels, first, out, out_row + i, j)


@inline
def _add_eight_rows(K, a, i, panels, first, out, o, j, last):
    r1, r2, r3 = min(1, last), min(2, last), min(3, last)
    r4, r5, r6, r7 = min(4, last), min(5, last), min(6, last), min(7, last)
    s0, s1 = load_panel(out, o, j), load_panel(out, o + r1, j)
    s2, s3 = load_panel(out, o + r2, j), load_panel(out, o + r3, j)
    s4, s5 = load_panel(out, o + r4, j), load_panel(out, o + r5, j)
    s6, s7 = load_panel(out, o + r6, j), load_panel(out, o + r7, j)
    for k in range(K):
        b = load_panel(panels, first + k, 0)
        s0, s1, s2, s3 = s0 + a[i, k] * b, s1 + a[i + r1, k] * b, s2 + a[i + r2, k] * b, s3 + a[i + r3, k] * b
        s4, s5, s6, s7 = s4 + a[i + r4, k] * b, s5 + a[i + r5, k] * b, s6 + a[i + r6, k] * b, s7 + a[i + r7, k] * b
    store(out, o, j, s0)
    store(out, o + r1, j, s1)
    store(out, o + r2, j, s2)
    store(out, o + r3, j, s3)
    store(out, o + r4, j, s4)
    store(out, o + r5, j, s5)
    store(out, o + r6, j, s6)
    store(out, o + r7, j, s7)


@inline
def _add_four_rows(K, a, i, panels, first, out, o, j, last):
    r1, r2, r3 = min(1, last), min(2, last), min(3, last)
    s0, s1 = load_panel(out, o, j), load_panel(out, o + r1, j)
    s2, s3 = load_panel(out, o + r2, j), load_panel(out, o + r3, j)
    for k in range(K):
        b = load_panel(panels, first + k, 0)
        s0, s1, s2, s3 = s0 + a[i, k] * b, s1 + a[i + r1, k] * b, s2 + a[i + r2, k] * b, s3 + a[i + r3, k] * b
    store(out, o, j, s0)
    store(out, o + r1, j, s1)
    store(out, o + r2, j, s2)
    store(out, o + r3, j, s3)


@inline
def _add_row(K, a, i, panels, first, out, o, j):
    s0 = load_panel(out, o, j)
    s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0 * load_panel(panels, first, 0)  # no sum waits for another
    whole = K - K % 8
    for k in range(0, whole, 8):
        p = first + k
        s0, s1 = s0 + a[i, k] * load_panel(panels, p, 0), s1 + a[i, k + 1] * load_panel(panels, p + 1, 0)
        s2, s3 = s2 + a[i, k + 2] * load_panel(panels, p + 2, 0), s3 + a[i, k + 3] * load_panel(panels, p + 3, 0)
        s4, s5 = s4 + a[i, k + 4] * load_panel(panels, p + 4, 0), s5 + a[i, k + 5] * load_panel(panels, p + 5, 0)
        s6, s7 = s6 + a[i, k + 6] * load_panel(panels, p + 6, 0), s7 + a[i, k + 7] * load_panel(panels, p + 7, 0)
    for k in range(whole, K):
        s0 = s0 + a[i, k] * load_panel(panels, first + k, 0)
    store(out, o, j, ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))


@kernel(**APART)
def add_outer(n, K, a, places, a_row, b, b_row, out, first, end):
    """``out[:K] += sum_m outer(a[places[a_row + m], :K], b[b_row + m])`` over n rows, in columns `first` to `end`.

    The columns are those of whole panels, and a and `out` have eight rows and columns to a multiple of K.
    """
    width = PANEL_BYTES // out.itemsize
    for j in range(first, end, width):
        for k in range(0, K, 8):
            s0, s1, s2, s3 = (
                load_panel(out, k, j),
                load_panel(out, k + 1, j),
                load_panel(out, k + 2, j),
                load_panel(out, k + 3, j),
            )
            s4, s5, s6, s7 = (
                load_panel(out, k + 4, j),
                load_panel(out, k + 5, j),
                load_panel(out, k + 6, j),
                load_panel(out, k + 7, j),
            )
            for m in range(n):
                i, x = places[a_row + m], load_panel(b, b_row + m, j)
                s0, s1, s2, s3 = s0 + a[i, k] * x, s1 + a[i, k + 1] * x, s2 + a[i, k + 2] * x, s3 + a[i, k + 3] * x
                s4, s5, s6, s7 = s4 + a[i, k + 4] * x, s5 + a[i, k + 5] * x, s6 + a[i, k + 6] * x, s7 + a[i, k + 7] * x
            store(out, k, j, s0)
            store(out, k + 1, j, s1)
            store(out, k + 2, j, s2)
            store(out, k + 3, j, s3)
            store(out, k + 4, j, s4)
            store(out, k + 5, j, s5)
            store(out, k + 6, j, s6)
            store(out, k + 7, j, s7)
