"""Stacks driven by hand: weights, inputs and states have the width that the user sees; what is wider stays in here."""

from typing import NamedTuple

import numpy as np

from seqmodels.rnn.layers import Stack
from seqmodels.rnn.packing import Arena, Packing


class Layer(NamedTuple):
    """What one layer has found."""

    hidden: np.ndarray  # (M, H)
    memory: np.ndarray  # (M, H) or (M, 0)


def wider(array, own, wide, beyond=0.0):
    """Blocks of `own` columns, each made `wide`."""
    blocks = array.reshape(*array.shape[:-1], array.shape[-1] // own, own)
    rest = np.full((*blocks.shape[:-1], wide - own), beyond, array.dtype)
    return np.concatenate([blocks, rest], axis=-1).reshape(*array.shape[:-1], -1)


def narrower(array, own, wide):
    """The first `own` of each `wide` columns."""
    blocks = array.reshape(*array.shape[:-1], array.shape[-1] // wide, wide)
    return blocks[..., :own].reshape(*array.shape[:-1], -1)


class Driven:
    """Some cells, one above the other, with weights by (layer, name).

    Parameters
    ----------
    cells : list of Cell
    weights : dict of arrays
    beyond : float
        What stands beyond the units in all that is given from outside, and in memory that is used again.
    """

    def __init__(self, cells, weights, beyond=0.0):
        self.stack, self.weights, self.beyond = Stack(cells), weights, beyond
        self.widths = [(cell.n_hidden, wide.n_hidden) for cell, wide in zip(cells, self.stack.wide, strict=True)]
        self.wide_weights = {}
        for (layer, name), array in weights.items():
            array = wider(array, *self.widths[layer])
            if array.ndim == 2 and (name == "recurrent" or layer > 0):
                below = self.widths[layer if name == "recurrent" else layer - 1]
                array = np.concatenate([array, np.zeros((below[1] - below[0], array.shape[1]), array.dtype)])
            self.wide_weights[layer, name] = array

    @property
    def n_state(self):
        return sum(cell.n_hidden + cell.n_memory for cell in self.stack.cells)

    def wide_state(self, state):
        ends = np.cumsum([width for cell in self.stack.cells for width in (cell.n_hidden, cell.n_memory)])
        parts = np.split(state, ends[:-1], axis=1)
        widths = np.repeat(self.widths, 2, axis=0)
        return np.concatenate([wider(part, *width, self.beyond) for part, width in zip(parts, widths, strict=True)], 1)

    def forward(self, projected, sizes, state=None, arena=None):
        """Each `Layer`, given the inputs (M, G H) of the first one's gates; the state (B, U) is zero unless given."""
        dtype, sizes = projected.dtype, np.asarray(sizes)
        state = np.zeros((sizes[0], self.n_state), dtype) if state is None else state
        arena = Arena() if arena is None else arena
        self.packed = self.stack.packed(self.wide_weights, arena, True)
        table = wider(projected, *self.widths[0], self.beyond)
        rows = np.arange(len(table))
        self.tapes = self.stack.forward(
            table, rows, sizes, self.wide_state(state), self.wide_weights, self.packed, arena
        )
        first = len(state)  # rows of a tape that stand before those of the run
        self.layers = [
            Layer(narrower(tape.hidden[first:], *width), narrower(tape.memory[first:], *width))
            for tape, width in zip(self.tapes, self.widths, strict=True)
        ]
        return self.layers

    def backward(self, d_top, packing):
        """Gradients (M, G H) of the first layer's inputs, and those of all weights by (layer, name)."""
        wide = {key: np.full_like(array, np.nan) for key, array in self.wide_weights.items()}  # each is written to
        d_top = wider(d_top, *self.widths[-1], self.beyond)
        tapes = [tape._replace(gates=tape.gates.copy()) for tape in self.tapes]  # the way back uses them up
        d_projected = self.stack.backward(d_top, packing, tapes, self.wide_weights, wide, Arena())
        gradient = {}
        for (layer, name), array in self.weights.items():
            if (layer, name) != (0, "input"):  # which the input layer finds
                gradient[layer, name] = narrower(wide[layer, name], *self.widths[layer])[: len(array)]
        return narrower(d_projected, *self.widths[0]), gradient

    def states(self):
        """Hidden states and memories of all layers at each row, side by side (M, U)."""
        return np.concatenate([part for layer in self.layers for part in layer], axis=1)


def random_weights(cells, n_inputs, rng, dtype="float64"):
    """Weights by (layer, name), so small that wide layers are not saturated."""
    shapes = Stack(cells).weight_shapes(n_inputs)
    return {key: rng.normal(size=shape, scale=shape[0] ** -0.5).astype(dtype) for key, shape in shapes.items()}


def run(cell, weights, sequences, start=None):
    """Hidden states and memories of each sequence (T, I) under one cell, run as one packed batch."""
    offsets = np.cumsum([0, *(len(x) for x in sequences)])
    packing = Packing.of(offsets, np.arange(len(sequences)))
    projected = np.concatenate(sequences)[packing.rows] @ weights["input"] + weights.get("bias", 0.0)
    driven = Driven([cell], {(0, name): array for name, array in weights.items()})
    start = None if start is None else start[packing.order]
    (layer,) = driven.forward(projected.astype(weights["input"].dtype), packing.sizes, start)
    hidden, memory = np.empty_like(layer.hidden), np.empty_like(layer.memory)
    hidden[packing.rows], memory[packing.rows] = layer
    return np.split(hidden, offsets[1:-1]), np.split(memory, offsets[1:-1])
