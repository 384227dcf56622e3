"""Stacks driven by hand: weights, inputs and states have the width that the user sees; what is wider stays in here."""

from typing import NamedTuple

import numpy as np

from seqmodels.products import padded
from seqmodels.rnn import recurrence
from seqmodels.rnn.layers import Layout, Stack
from seqmodels.rnn.packing import Arena, Batch, longest_first
from seqmodels.rnn.passes import passes_of
from seqmodels.rnn.units import Axis
from seqmodels.simd import panel_width

LENGTHS = (4, 1, 3, 3, 2, 1, 2, 1, 4, 2, 1)  # more sequences than rows of a tile, and a remainder


class Layer(NamedTuple):
    """What one layer has found."""

    hidden: np.ndarray  # (M, H)
    memory: np.ndarray  # (M, H) or (M, 0)


def wider(array, axis, beyond=0.0):
    """Columns (..., n) with the padding of an axis."""
    wide = np.full((*array.shape[:-1], axis.wide), beyond, array.dtype)
    wide[..., axis.entries >= 0] = array
    return wide


def narrower(array, axis):
    """Columns (..., n) without the padding of an axis, and without what is beyond it."""
    return array[..., : axis.wide][..., axis.entries >= 0]


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
        self.stack, self.beyond = Stack(cells), beyond
        self.weights = {key: np.ascontiguousarray(array) for key, array in weights.items()}
        self.axes = [(Axis(1, cell.n_outputs), cell.memory) for cell in cells]  # of hidden states and memories
        self.passes = passes_of(tuple(cell.kernels() for cell in cells))

    @property
    def n_state(self):
        return sum(axis.length for own in self.axes for axis in own)

    def put(self, state):
        """Write a state (B, U) to the first rows of the tapes."""
        ends = np.cumsum([axis.length for own in self.axes for axis in own])
        parts = iter(np.split(state, ends[:-1], axis=1))
        for layer, (outputs, memory) in zip(self.arrays, self.axes, strict=True):
            layer.tape.hidden[: len(state)] = wider(next(parts), outputs, self.beyond)
            layer.tape.memory[: len(state)] = wider(next(parts), memory, self.beyond)

    def forward(self, projected, sizes, state=None, arena=None):
        """Each `Layer`, given the inputs (M, G H) of the first one's gates; the state (B, U) is zero unless given."""
        (M, self.n_inputs), dtype, sizes = projected.shape, projected.dtype, np.asarray(sizes)
        state = np.zeros((sizes[0], self.n_state), dtype) if state is None else state
        arena = Arena() if arena is None else arena
        weights = self.weights | {(0, "input"): np.eye(self.n_inputs, dtype=dtype)}
        for layer, cell in enumerate(self.stack.cells):
            if layer == 0 or (layer, "bias") not in weights:
                weights[layer, "bias"] = np.zeros(cell.n_gates * cell.n_hidden, dtype)
        shapes = self.stack.gradient_shapes(self.n_inputs, False, dtype)
        self.sums = Layout(shapes, panel_width(np.float32))
        self.memory = np.full(self.sums.size, np.nan, dtype)
        gradients = self.sums.named(self.memory)
        calls = []
        prepared = self.stack.prepared(weights, False, True, calls)
        for function, arguments in calls:
            function(*arguments)
        tapes = self.stack.tapes(arena, len(state), M, dtype, True)
        self.arrays = tuple(
            recurrence.Layer(own, tape, gradient)
            for own, tape, gradient in zip(prepared, tapes, self.stack.gradients(gradients), strict=True)
        )
        self.source = arena.array("source", (M, padded(self.n_inputs, 8)), dtype)
        self.source[:, : self.n_inputs] = projected
        self.put(state)
        self.passes.forward(sizes, self.source, self.arrays)
        rows = slice(len(state), len(state) + M)  # after those of the start
        self.layers = [
            Layer(narrower(layer.tape.hidden[rows], outputs), narrower(layer.tape.memory[rows], memory))
            for layer, (outputs, memory) in zip(self.arrays, self.axes, strict=True)
        ]
        return self.layers

    def backward(self, d_top, batch):
        """Gradients (M, G H) of the first layer's inputs, and those of all weights by (layer, name)."""
        M = len(d_top)
        tapes = [layer.tape for layer in self.arrays]
        kept = [tape.gates.copy() for tape in tapes]  # the way back uses them up
        outputs, _ = self.axes[-1]
        tapes[-1].d_hidden[:M, : outputs.wide] = wider(d_top, outputs, self.beyond)
        self.passes.backward(batch, batch.sizes, self.source, self.arrays, self.memory, np.empty((0, 0), d_top.dtype))
        axes, gradients = self.stack.axes(self.n_inputs), self.sums.named(self.memory)
        d_projected = narrower(tapes[0].gates[:M], axes[0, "input"][1]).copy()
        for tape, gates in zip(tapes, kept, strict=True):
            tape.gates[...] = gates
        gradient = {}
        for layer, name in self.weights:
            if (layer, name) != (0, "input"):  # which is not that of the identity
                *rows, columns = axes[layer, name]
                found = narrower(gradients[layer, name], columns)
                gradient[layer, name] = narrower(found.T, rows[0]).T if rows else found[0]
        return d_projected, gradient

    def states(self):
        """Hidden states and memories of all layers at each row, side by side (M, U)."""
        return np.concatenate([part for layer in self.layers for part in layer], axis=1)


def random_weights(cells, n_inputs, rng, dtype="float64"):
    """Weights by (layer, name), so small that wide layers are not saturated."""
    shapes = Stack(cells).weight_shapes(n_inputs)
    return {key: rng.normal(size=shape, scale=shape[0] ** -0.5).astype(dtype) for key, shape in shapes.items()}


def batch_of(lengths):
    """All sequences of these lengths, which stand one after the other in the data."""
    offsets = np.cumsum([0, *lengths])
    return Batch.of(offsets, longest_first(offsets, np.arange(len(lengths))))


def inputs_for(driven, batch, rng):
    """Random inputs (M, G H) of the first layer's gates, gradients (M, P) from above, and a state (B, U)."""
    first, last = driven.stack.cells[0], driven.stack.cells[-1]
    dtype = driven.weights[0, "recurrent"].dtype
    shapes = (len(batch.rows), first.n_gates * first.n_hidden), (len(batch.rows), last.n_outputs)
    return [rng.normal(size=shape).astype(dtype) for shape in (*shapes, (batch.sizes[0], driven.n_state))]


def assert_beyond_never_matters(cells, beyond, rng):
    """What is beyond the units: neither in what is given from outside, nor in memory that is used again."""
    weights, batch = random_weights(cells, 2, rng), batch_of(LENGTHS)
    clean, dirty = Driven(cells, weights), Driven(cells, weights, beyond)
    projected, d_top, state = inputs_for(clean, batch, rng)
    arena = Arena()
    dirty.forward(projected[::-1].copy() * 1e3, batch.sizes, state, arena)  # leaves its states in the arena
    results = []
    for driven, memory in ((clean, Arena()), (dirty, arena)):
        driven.forward(projected, batch.sizes, state, memory)
        d_projected, gradient = driven.backward(d_top, batch)
        results.append([driven.states(), d_projected, *gradient.values()])
    for own, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(own, expected)


def run(cell, weights, sequences, start=None):
    """Hidden states and memories of each sequence (T, I) under one cell, run as one packed batch."""
    offsets = np.cumsum([0, *(len(x) for x in sequences)])
    batch = batch_of(np.diff(offsets))
    projected = np.concatenate(sequences)[batch.rows] @ weights["input"] + weights.get("bias", 0.0)
    driven = Driven([cell], {(0, name): array for name, array in weights.items()})
    if start is not None:
        start = start[np.searchsorted(offsets, batch.rows[: len(start)])]  # longest first, as the batch's first rows
    (layer,) = driven.forward(projected.astype(weights["input"].dtype), batch.sizes, start)
    hidden, memory = np.empty_like(layer.hidden), np.empty_like(layer.memory)
    hidden[batch.rows], memory[batch.rows] = layer
    return np.split(hidden, offsets[1:-1]), np.split(memory, offsets[1:-1])
