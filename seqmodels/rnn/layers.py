"""Cells stacked above each other, over the rows of a whole batch."""

from typing import NamedTuple

import numpy as np

__all__ = ["Packing", "Stack"]


class Packing(NamedTuple):
    """Where the observations of some sequences stand, time-major and longest sequence first."""

    rows: np.ndarray  # (M,) their places in the data
    sizes: np.ndarray  # (T,) how many sequences still run at each step
    before: np.ndarray  # (M,) the packed row one step before, -1 at the start
    order: np.ndarray  # (N,) the sequences, longest first

    @classmethod
    def of(cls, offsets, which):
        """Pack the sequences `which` of those between `offsets`."""
        lengths = offsets[which + 1] - offsets[which]
        order = which[np.argsort(-lengths, kind="stable")]
        lengths = offsets[order + 1] - offsets[order]
        running = np.arange(lengths[0])[:, None] < lengths  # (T, N)
        step, sequence = np.nonzero(running)
        sizes = running.sum(axis=1)
        firsts = np.cumsum(sizes) - sizes
        before = np.where(step > 0, firsts[step - 1] + sequence, -1)
        return cls(offsets[order][sequence] + step, sizes, before, order)

    def windows(self, n_rows):
        """Cut the steps into windows of at most `n_rows` rows, or one step: pairs of slices, steps and rows."""
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


class Tape(NamedTuple):
    """What the forward pass of one layer leaves for the backward pass."""

    start: np.ndarray  # (B, H)
    memory_start: np.ndarray  # (B, H) or (B, 0)
    weights: tuple
    hidden: np.ndarray  # (M, H)
    memory: np.ndarray  # (M, H) or (M, 0)
    saved: np.ndarray


class Stack:
    """Causal layers, each reading the hidden states of the one below.

    Parameters
    ----------
    cells : list of Cell
    """

    def __init__(self, cells):
        self.cells = cells
        self._widths = [width for cell in cells for width in (cell.n_hidden, cell.n_memory)]
        self.n_state = sum(self._widths)
        self.n_outputs = cells[-1].n_hidden

    def weight_shapes(self, n_inputs):
        """Shapes of all weights by (layer, name)."""
        shapes = {}
        for layer, cell in enumerate(self.cells):
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
        return np.split(state, np.cumsum(self._widths)[:-1], axis=1)

    def forward(self, projected, sizes, state, weights):
        """Run all layers over packed rows.

        Parameters
        ----------
        projected : array (M, G H)
            Inputs of the first layer's gates, its bias included.
        sizes : array (T,)
        state : array (B, U)
            Hidden states and memories to start from.
        weights : dict of arrays by (layer, name)

        Returns
        -------
        list of Tape, one a layer
        """
        parts = [np.ascontiguousarray(part) for part in self.split_state(state)]
        tapes = []
        for layer, cell in enumerate(self.cells):
            if layer > 0:
                projected = tapes[-1].hidden @ weights[layer, "input"]
                if cell.bias:
                    projected += weights[layer, "bias"]
            M, H = len(projected), cell.n_hidden
            tape = Tape(
                parts[2 * layer],
                parts[2 * layer + 1],
                cell.packed(weights[layer, "recurrent"]),
                np.empty((M, H), projected.dtype),
                np.empty((M, cell.n_memory), projected.dtype),
                np.empty((M, cell.n_saved * H), projected.dtype),
            )
            forward, _ = cell.kernels()
            forward(projected, sizes, *tape)
            tapes.append(tape)
        return tapes

    def backward(self, d_hidden, packing, tapes, weights, gradient):
        """Backpropagation through time, from the gradients (M, H) of the top layer's hidden states.

        Adds to the arrays in `gradient` all but that of the first layer's input weights, and returns the
        gradients (M, G H) of the first layer's projected inputs.
        """
        for layer in range(len(self.cells) - 1, -1, -1):
            cell, tape = self.cells[layer], tapes[layer]
            shape = (len(d_hidden), cell.n_gates * cell.n_hidden)
            d_inputs = np.empty(shape, d_hidden.dtype)
            d_recurrent = d_inputs if cell.additive else np.empty_like(d_inputs)
            _, backward = cell.kernels()
            backward(d_hidden, packing.sizes, *tape, d_inputs, d_recurrent)
            started = packing.before < 0
            before = np.take(tape.hidden, packing.before, axis=0)
            before[started] = tape.start
            gradient[layer, "recurrent"] += cell.recurrent_gradient(before, tape.saved, d_recurrent)
            if cell.bias:
                gradient[layer, "bias"] += d_inputs.sum(axis=0)
            if layer > 0:
                gradient[layer, "input"] += tapes[layer - 1].hidden.T @ d_inputs
                d_hidden = d_inputs @ weights[layer, "input"].T
        return d_inputs
