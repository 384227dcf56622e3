"""Where gradients are added up: wider than the weights, shard by shard, and then collected."""

import numpy as np

from ..jit import kernel
from ..simd import load, panel_width, store
from .layers import Layout
from .units import UNITS, Axis

__all__ = ["Sums"]


class Sums:
    """The gradients of all weights as kernels add them up, padded, and the way back to a vector of weights.

    Parameters
    ----------
    layout : Layout
        Of the vector of weights.
    shapes : dict
        Of the padded arrays, by (layer, name).
    axes : dict
        Tuples of `Axis` by (layer, name): how units are padded, where they are.
    """

    def __init__(self, layout, shapes, axes):
        self._wide = Layout(shapes, multiple=panel_width(np.float32))
        self.size = self._wide.size
        self._pieces = np.array([piece for key in layout.shapes for piece in self._pieces_of(key, layout, axes)])

    def named(self, memory):
        """The arrays by (layer, name), in memory for all of them."""
        return self._wide.named(memory)

    def collect(self, sums, scale, gradient):
        """Write to `gradient` (W,) the sum over rows of such memory, times `scale`."""
        _collect(sums, self._pieces, scale, gradient[None])

    def _pieces_of(self, key, layout, axes):
        """Where the parts of an array stand in a vector of weights and among the sums of gradients.

        Start and step from row to row in the one, the same in the other, rows and columns.
        """
        (start, shape), (wide_start, wide_shape) = layout.place(key), self._wide.place(key)
        *rows, columns = axes.get(key, [Axis(1, n) for n in shape])
        n_rows, row_starts = (rows[0].n_units, rows[0].starts) if rows else (1, [0])
        own, starts, step, wide_step = columns.n_units, columns.starts, columns.length, wide_shape[1]
        if step == wide_step:  # nothing is padded
            own, starts = step, [0]
        for number, row in enumerate(row_starts):
            for gate, column in enumerate(starts):
                place = start + number * n_rows * step + gate * own
                yield place, step, wide_start + row * wide_step + column, wide_step, n_rows, own


@kernel
def _collect(sums, pieces, scale, gradient):
    """The sum over shards of the gradients, times `scale`, without the padding; `gradient` is one row (1, W)."""
    for p in range(len(pieces)):
        start, step, wide_start, wide_step, n_rows, n_columns = pieces[p]
        whole = n_columns - n_columns % UNITS
        for row in range(n_rows):
            place, wide_place = start + row * step, wide_start + row * wide_step
            for j in range(0, whole, UNITS):
                total = load(sums, 0, wide_place + j, UNITS)
                for shard in range(1, len(sums)):
                    total = total + load(sums, shard, wide_place + j, UNITS)
                store(gradient, 0, place + j, scale * total)
            for j in range(whole, n_columns):
                entry = sums[0, wide_place + j]
                for shard in range(1, len(sums)):
                    entry += sums[shard, wide_place + j]
                gradient[0, place + j] = scale * entry
