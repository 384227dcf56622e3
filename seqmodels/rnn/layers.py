"""Cells stacked above each other, over the rows of a whole batch."""

import math

import numpy as np

from ..jit import inline_here
from ..products import aligned, pack, pack_transposed, padded, panels_for
from ..simd import panel_width
from .recurrence import Gradient, Tape, Weights
from .units import UNITS, Axis, clear, wide_row

__all__ = ["EIGHT", "OUTPUT", "Layout", "Stack", "in_turn"]

EIGHT = 8  # rows that the matrix products work on together
OUTPUT = "output"  # in place of a layer's number: what stands above all of them


class Layout:
    """Where each array lies in a vector; each begins at a multiple."""

    def __init__(self, shapes, multiple=1):
        self.shapes = shapes
        sizes = [math.prod(shape) for shape in shapes.values()]
        ends = np.cumsum([padded(size, multiple) for size in sizes]).tolist()
        self.size = ends[-1]
        starts = [0, *ends[:-1]]
        self._parts = [(k, slice(i, i + n), shapes[k]) for k, i, n in zip(shapes, starts, sizes, strict=True)]

    def place(self, key):
        """Where an array begins, and its shape."""
        return next((part.start, shape) for other, part, shape in self._parts if other == key)

    def named(self, vector):
        return {key: vector[part].reshape(shape) for key, part, shape in self._parts}


class Stack:
    """Causal layers, each reading the hidden states of the one below.

    Inside, every layer has a multiple of :data:`~seqmodels.rnn.units.UNITS` units, and of outputs. What is beyond
    those of the cell has no weight to anything, and its gradients are dropped.

    Parameters
    ----------
    cells : list of Cell
    """

    def __init__(self, cells):
        self.cells = cells
        self.wide = [Axis(1, cell.n_hidden).wide for cell in cells]
        self.outputs = [Axis(1, cell.n_outputs) for cell in cells]
        widths = [axis.wide for cell, own in zip(cells, self.outputs, strict=True) for axis in (own, cell.memory)]
        self.n_state = sum(widths)
        ends = np.cumsum(widths).tolist()
        self._parts = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
        self.n_outputs = self.outputs[-1].wide

    def weight_shapes(self, n_inputs, n_context=0):
        """Shapes of all weights by (layer, name); the lowest layer has some for a context, where there is one."""
        shapes = {}
        if n_context:
            shapes[0, "context"] = n_context, self.cells[0].n_gates * self.cells[0].n_hidden
        for layer, cell in enumerate(self.cells):
            for name, shape in cell.weight_shapes(n_inputs).items():
                shapes[layer, name] = shape
            n_inputs = cell.n_outputs
        return shapes

    def axes(self, n_inputs, n_context=0):
        """Along which axes the weights stand, by (layer, name): those of rows, unless it is a vector, and columns."""
        axes = {}
        for layer, cell in enumerate(self.cells):
            gates = Axis(cell.n_gates, cell.n_hidden)
            of_cell = {"bias": (gates,)} | cell.axes(n_inputs)  # gradients of a bias are added up in any case
            axes |= {(layer, name): own for name, own in of_cell.items()}
            if n_context and layer == 0:
                axes[0, "context"] = Axis(1, n_context), gates
            n_inputs = cell.n_outputs
        return axes

    def gradient_shapes(self, n_inputs, symbols, dtype, n_context=0):
        """Shapes of the arrays by (layer, name) in which gradients are added up: whole panels, whole tiles."""
        shapes = {}
        for (layer, name), (*rows, columns) in self.axes(n_inputs, n_context).items():
            n_rows = rows[0].wide if rows else 1
            if name == "input" and layer == 0:
                n_rows = n_inputs if symbols else padded(n_inputs, EIGHT)
            wide = padded(columns.wide, panel_width(dtype))
            shapes[layer, name] = n_rows, columns.length if symbols and (layer, name) == (0, "input") else wide
        return shapes

    def gradients(self, arrays):
        """The `Gradient` of each layer, of arrays by (layer, name)."""
        return [
            Gradient(arrays[n, "input"], arrays[n, "bias"], tuple(arrays[n, name] for name in cell.recurrent_axes()))
            for n, cell in enumerate(self.cells)
        ]

    def initial_weights(self, n_inputs, generator, n_context=0):
        """Weights to start from by (layer, name)."""
        weights = {}
        if n_context:
            weights[0, "context"] = self.cells[0].initial_weights(n_context, generator)["input"]
        for layer, cell in enumerate(self.cells):
            for name, array in cell.initial_weights(n_inputs, generator).items():
                weights[layer, name] = array
            n_inputs = cell.n_outputs
        return weights

    def split_state(self, state):
        """A belief (n, U) as [hidden, memory] of each layer in turn."""
        return [state[:, part] for part in self._parts]

    def prepared(self, weights, symbols, derivative, calls, embedded=False):
        """`Weights` of each layer, from arrays by (layer, name); those of inputs stay as they are for `symbols`.

        The derivative goes on below the lowest layer where its inputs are `embedded`. Notes among the `calls` what has
        to be done whenever the numbers in these arrays have changed.
        """
        found = []
        for layer, (cell, width) in enumerate(zip(self.cells, self.wide, strict=True)):
            own = {name: array for (other, name), array in weights.items() if other == layer}
            below = derivative and (layer > 0 or embedded)
            found.append(_prepared(cell, width, own, symbols and layer == 0, layer > 0, below, derivative, calls))
        return found

    def tapes(self, arena, n_sequences, n_rows, dtype, derivative, dropped=()):
        """Room for a run over so many sequences and rows.

        `derivative` says whether it will be run back, and `dropped` of what masks leave something out, see
        :class:`~seqmodels.rnn.dropout.Dropout`.
        """
        tapes, panel = [], panel_width(dtype)
        for layer, (cell, width, outputs) in enumerate(zip(self.cells, self.wide, self.outputs, strict=True)):
            gates_shape = n_rows, padded(cell.n_gates * width, panel)
            n_later = n_rows if derivative else 0
            shapes = {
                "hidden": (n_sequences + n_rows, outputs.wide),
                "memory": (n_sequences + n_rows, cell.memory.wide),
                "gates": gates_shape,
                "saved": (n_rows, cell.n_saved * width),
                "d_hidden": (n_later, padded(outputs.wide, panel)),
                "d_recurrent": (n_later, gates_shape[1]),
                "d_later": (n_sequences, padded(outputs.wide, panel)),
                "d_memory": (n_sequences, padded(cell.memory.wide, panel)),
                "scratch": cell.scratch_shape(n_sequences, width, panel),
                "passed": (n_sequences + n_rows, outputs.wide),
                "mask": (n_rows if "passed" in dropped else 0, outputs.wide),
                "recalled": (n_sequences + n_rows, outputs.wide),
                "recall_mask": (n_sequences if "recalled" in dropped else 0, outputs.wide),
                "d_recalled": (n_sequences, padded(outputs.wide, panel)),
            }
            same = {"d_recurrent": "gates"} if cell.additive else {}
            if "passed" not in dropped:
                same["passed"] = "hidden"
            if "recalled" not in dropped:
                same |= {"recalled": "hidden", "d_recalled": "d_later"}
            arrays = {n: arena.array((layer, n), shape, dtype) for n, shape in shapes.items() if n not in same}
            arrays |= {name: arrays[other] for name, other in same.items()}
            tapes.append(Tape(**arrays))
        return tapes


def _prepared(cell, width, weights, symbols, above_another, goes_below, derivative, calls):
    """The weights of one layer of h units, `width` with the padding."""
    matrix = weights["input"]
    h, G, I, dtype = cell.n_hidden, cell.n_gates, len(matrix), matrix.dtype
    bias = aligned((1, padded(G * width, panel_width(dtype))), dtype)
    if "bias" in weights:
        bias = wide_row(weights["bias"], Axis(G, h), calls)
    below = panels_for(G * width, padded(I, UNITS) if goes_below else 0, dtype)
    columns = Axis(G, h).entries
    if len(below):
        calls.append((pack_transposed, (matrix, columns, below)))
    if not symbols:
        n_inputs = padded(I, UNITS if above_another else EIGHT)
        packed = panels_for(n_inputs, G * width, dtype)
        calls.append((pack, (matrix, columns, n_inputs, packed)))
        matrix = packed
    return Weights(G, h, width, matrix, below, bias, cell.packed(weights, width, derivative, calls))


def in_turn(kernels):
    """The functions of a stack, made of those of its layers, from the bottom up.

    Returns
    -------
    forward : function
        ``forward(sizes, source, first_input, layers)``.
    backward : function
        ``backward(batch, sizes, source, first_input, layers, d_below)``, once ``d_hidden`` of the top layer is there.
    begin : function
        ``begin(n, layers)``: n sequences start from zero.
    carry : function
        ``carry(n, row, layers)``: n sequences start from what stands from `row` on.
    resume : function
        ``resume(state, column, layers)``: sequences start from `state` (n, ...), of these layers from `column` on.
    leave : function
        ``leave(sizes, n_rows, state, column, layers)``: writes to `state` what stands after the last step of each.
    """
    (_, forward, backward, _), *others = kernels

    @inline_here
    def begin(n, layers):
        clear(0, n, layers[0].tape.hidden)
        clear(0, n, layers[0].tape.memory)

    @inline_here
    def carry(n, row, layers):
        _copy(n, row, layers[0].tape.hidden)
        _copy(n, row, layers[0].tape.memory)

    @inline_here
    def resume(state, column, layers):
        hidden, memory = layers[0].tape.hidden, layers[0].tape.memory
        for b in range(len(state)):
            for j in range(hidden.shape[1]):
                hidden[b, j] = state[b, column + j]
            for j in range(memory.shape[1]):
                memory[b, j] = state[b, column + hidden.shape[1] + j]

    @inline_here
    def leave(sizes, n_rows, state, column, layers):
        hidden, memory = layers[0].tape.hidden, layers[0].tape.memory
        left, row = 0, sizes[0] + n_rows
        for t in range(len(sizes) - 1, -1, -1):
            row -= sizes[t]
            for b in range(left, sizes[t]):  # the sequences that end here
                for j in range(hidden.shape[1]):
                    state[b, column + j] = hidden[row + b, j]
                for j in range(memory.shape[1]):
                    state[b, column + hidden.shape[1] + j] = memory[row + b, j]
            left = sizes[t]

    if not others:
        return forward, backward, begin, carry, resume, leave
    forward_above, backward_above, begin_above, carry_above, resume_above, leave_above = in_turn(others)

    @inline_here
    def begin_all(n, layers):
        begin(n, layers)
        begin_above(n, layers[1:])

    @inline_here
    def carry_all(n, row, layers):
        carry(n, row, layers)
        carry_above(n, row, layers[1:])

    @inline_here
    def resume_all(state, column, layers):
        resume(state, column, layers)
        resume_above(state, column + layers[0].tape.hidden.shape[1] + layers[0].tape.memory.shape[1], layers[1:])

    @inline_here
    def leave_all(sizes, n_rows, state, column, layers):
        leave(sizes, n_rows, state, column, layers)
        above = column + layers[0].tape.hidden.shape[1] + layers[0].tape.memory.shape[1]
        leave_above(sizes, n_rows, state, above, layers[1:])

    @inline_here
    def forward_all(sizes, source, first_input, layers):
        forward(sizes, source, first_input, layers[:1])
        forward_above(sizes, layers[0].tape.passed, sizes[0], layers[1:])

    @inline_here
    def backward_all(batch, sizes, source, first_input, layers, d_below):
        tape = layers[0].tape
        backward_above(batch, sizes, tape.passed, sizes[0], layers[1:], tape.d_hidden)
        backward(batch, sizes, source, first_input, layers[:1], d_below)

    return forward_all, backward_all, begin_all, carry_all, resume_all, leave_all


@inline_here
def _copy(n, row, array):
    """Copy n rows to the front."""
    for b in range(n):
        for j in range(array.shape[1]):
            array[b, j] = array[row + b, j]
