"""Cells stacked above each other, over the rows of a whole batch."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ..jit import kernel
from ..products import pack, padded
from ..simd import panel_width
from .recurrence import UNITS

__all__ = ["Stack", "scratch_of"]


class Tape(NamedTuple):
    """What the forward pass of one layer leaves for the backward pass; its first B rows are what it started from."""

    weights: tuple
    hidden: np.ndarray  # (B + M, H)
    memory: np.ndarray  # (B + M, H) or (B + M, 0)
    gates: np.ndarray  # (M, G H), of which the backward pass makes the gradient of the projected inputs
    saved: np.ndarray  # (M, ...)


class Stack:
    """Causal layers, each reading the hidden states of the one below.

    Inside, every layer is as wide as a multiple of :data:`~seqmodels.rnn.recurrence.UNITS`. What is beyond its
    units has no weight to anything, and its gradients are dropped.

    Parameters
    ----------
    cells : list of Cell
    """

    def __init__(self, cells):
        self.cells = cells
        self.wide = [clone(cell).set_params(n_hidden=padded(int(cell.n_hidden), UNITS)) for cell in cells]
        widths = [width for cell in self.wide for width in (cell.n_hidden, cell.n_memory)]
        self.n_state = sum(widths)
        ends = np.cumsum(widths).tolist()
        self._parts = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        self.n_outputs = self.wide[-1].n_hidden

    def weight_shapes(self, n_inputs, wide=False):
        """Shapes of all weights by (layer, name), as the user sees them or as wide as they are inside."""
        shapes = {}
        for layer, cell in enumerate(self.wide if wide else self.cells):
            for name, shape in cell.weight_shapes(n_inputs).items():
                shapes[layer, name] = shape
            n_inputs = cell.n_hidden
        return shapes

    def initial_weights(self, n_inputs, generator):
        """Weights to start from by (layer, name)."""
        weights = {}
        for layer, cell in enumerate(self.cells):
            for name, array in cell.initial_weights(n_inputs, generator).items():
                weights[layer, name] = array
            n_inputs = cell.n_hidden
        return weights

    def split_state(self, state):
        """A belief (n, U) as [hidden, memory] of each layer in turn."""
        return [state[:, part] for part in self._parts]

    def packed(self, weights, arena, derivative=False):
        """The recurrent weights of each layer as its kernels want them, from wide weights by (layer, name)."""
        cells = enumerate(self.wide)
        return [cell.packed(_of_layer(weights, layer), arena.part(layer), derivative) for layer, cell in cells]

    def above(self, weights, output, arena):
        """What each layer's hidden states are multiplied with next: a matrix in panels and a bias as wide.

        `output` is the matrix and the bias of what stands above the stack.
        """
        layers = range(1, len(self.wide))
        pairs = [(weights[layer, "input"], weights.get((layer, "bias"), 0)) for layer in layers]
        above = []
        for layer, (matrix, bias) in enumerate([*pairs, output]):
            n_inputs, n_columns = matrix.shape
            panels = arena.part(layer).panels("above", n_inputs, n_columns, matrix.dtype)
            pack(matrix, np.arange(n_columns), panels)
            wide = np.zeros((1, len(panels) // n_inputs * panels.shape[1]), matrix.dtype)
            wide[0, :n_columns] = bias
            above.append((panels, wide))
        return above

    def follow(self, table, rows, sizes, state, packed, above, arena):
        """As :meth:`forward`, without tapes.

        Returns
        -------
        out : array (M, J)
            What stands above the stack, as wide as its panels.
        state : array (B, U)
            Hidden states and memories after the last step; those of sequences that end before it are of no use.
        """
        B, M, dtype = len(state), len(rows), table.dtype
        parts, after = self.split_state(state), B * (len(sizes) % 2)
        last = []
        for layer, cell in enumerate(self.wide):
            hidden, memory = np.empty((2 * B, cell.n_hidden), dtype), np.empty((2 * B, cell.n_memory), dtype)
            hidden[:B], memory[:B] = parts[2 * layer], parts[2 * layer + 1]
            gates = arena.array((layer, "gates"), (B, cell.n_gates * cell.n_hidden), dtype)
            saved = arena.array((layer, "saved"), (B, cell.n_saved * cell.n_hidden), dtype)
            panels, bias = above[layer]
            out = arena.array((layer, "out"), (M, bias.shape[1]), dtype)
            scratch = scratch_of(cell, B, arena, dtype)
            follow = cell.kernels().follow
            follow(sizes, table, rows, packed[layer], hidden, memory, gates, saved, scratch, panels, bias, out)
            last += [hidden[after : after + B], memory[after : after + B]]
            table, rows = out, np.arange(M)
        return out, np.concatenate(last, axis=1)

    def forward(self, table, rows, sizes, state, weights, packed, arena):
        """Run all layers over packed rows.

        Parameters
        ----------
        table, rows : arrays (S, G H), (M,)
            Inputs of the first layer's gates, its bias included: the table's rows, and which of them each is.
        sizes : array (T,)
        state : array (B, U)
            Hidden states and memories to start from.
        weights : dict of arrays by (layer, name)
            As wide as they are inside.
        packed : list
            What :meth:`packed` made of them.
        arena : Arena

        Returns
        -------
        list of Tape, one a layer
        """
        B, M, dtype = len(state), len(rows), table.dtype
        tapes, parts = [], self.split_state(state)
        for layer, cell in enumerate(self.wide):
            if layer > 0:
                table = arena.array((layer, "projected"), (M, cell.n_gates * cell.n_hidden), dtype)
                np.dot(tapes[-1].hidden[B:], weights[layer, "input"], out=table)
                if cell.bias:
                    table += weights[layer, "bias"]
                rows = np.arange(M)
            tape = Tape(
                packed[layer],
                arena.array((layer, "hidden"), (B + M, cell.n_hidden), dtype),
                arena.array((layer, "memory"), (B + M, cell.n_memory), dtype),
                arena.array((layer, "gates"), (M, cell.n_gates * cell.n_hidden), dtype),
                arena.array((layer, "saved"), (M, cell.n_saved * cell.n_hidden), dtype),
            )
            tape.hidden[:B], tape.memory[:B] = parts[2 * layer], parts[2 * layer + 1]
            cell.kernels().forward(sizes, table, rows, *tape, scratch_of(cell, B, arena, dtype))
            tapes.append(tape)
        return tapes

    def backward(self, d_hidden, packing, tapes, weights, gradient, arena):
        """Backpropagation through time, from the gradients (M, H) of the top layer's hidden states.

        Writes to the arrays in `gradient` all but that of the first layer's input weights, and returns the
        gradients (M, G H) of the first layer's projected inputs.
        """
        (M, _), B, dtype = d_hidden.shape, packing.sizes[0], d_hidden.dtype
        for layer in range(len(self.cells) - 1, -1, -1):
            cell, tape = self.wide[layer], tapes[layer]
            d_recurrent = tape.gates if cell.additive else arena.array((layer, "d_recurrent"), tape.gates.shape, dtype)
            d_later = np.zeros((B, padded(cell.n_hidden, panel_width(dtype))), dtype)
            d_memory = np.zeros((B, cell.n_memory), dtype)
            scratch = scratch_of(cell, B, arena, dtype)
            backward = cell.kernels().backward
            backward(packing.sizes, d_hidden, d_later, d_memory, *tape, d_recurrent, scratch)
            d_inputs, before = tape.gates, tape.hidden[:M]
            if packing.sizes[-1] < B:  # else the rows one step before stand B rows earlier
                before = arena.array("before", (M, cell.n_hidden), dtype)
                _gather(tape.hidden, packing.before, before)
            cell.recurrent_gradient(before, tape.saved, d_recurrent, _of_layer(gradient, layer))
            if cell.bias:
                np.add.reduce(d_inputs, axis=0, out=gradient[layer, "bias"])
            if layer > 0:
                np.dot(tapes[layer - 1].hidden[B:].T, d_inputs, out=gradient[layer, "input"])
                d_hidden = d_inputs @ weights[layer, "input"].T
        return d_inputs


def scratch_of(cell, n, arena, dtype):
    """Working space of a cell's step with n sequences."""
    return arena.array("scratch", cell.scratch_shape(n, panel_width(dtype)), dtype)


def _of_layer(arrays, layer):
    return {name: array for (other, name), array in arrays.items() if other == layer}


@kernel
def _gather(array, rows, out):
    for m in range(len(rows)):
        for j in range(array.shape[1]):
            out[m, j] = array[rows[m], j]
