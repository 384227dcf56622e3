"""Layers that read each sequence from both ends, for tasks in which all of it is known."""

from typing import NamedTuple

import numpy as np

from ..products import padded
from ..simd import panel_width
from .layers import EIGHT, Layout, Stack
from .packing import Arena
from .passes import passes_of
from .recurrence import Layer
from .sums import Sums
from .units import UNITS

__all__ = ["WAYS", "Bidirectional", "reversed_rows"]

WAYS = ("", "_reverse")
"""From the first observation on, and from the last one: the endings of PyTorch's names."""


class Bidirectional:
    """Layers in both directions, each reading the hidden states of both directions of the one below.

    A hidden state knows the whole sequence, so that these layers cannot predict the next observation; they are for
    questions about sequences that are known to their end.

    Parameters
    ----------
    cells : Cell or list of Cell
        From the bottom up; a cell runs in both directions, with weights of its own in each.
    """

    def __init__(self, cells):
        self.cells = list(cells) if isinstance(cells, list | tuple) else [cells]
        for cell in self.cells:
            cell.check()
        self._stacks = [Stack([cell]) for cell in self.cells]
        self.n_outputs = 2 * self.cells[-1].n_outputs

    def __repr__(self):
        return f"Bidirectional({self.cells if len(self.cells) > 1 else self.cells[0]})"

    def _each(self, n_inputs):
        """Number, stack and inputs of each layer, and the way it is run."""
        for layer, stack in enumerate(self._stacks):
            for way in WAYS:
                yield layer, way, stack, n_inputs
            n_inputs = 2 * self.cells[layer].n_outputs

    def weight_shapes(self, n_inputs):
        """Shapes of all weights by (layer, way, name)."""
        return {
            (layer, way, name): shape
            for layer, way, stack, n in self._each(n_inputs)
            for (_, name), shape in stack.weight_shapes(n).items()
        }

    def initial_weights(self, n_inputs, generator):
        """Weights to start from by (layer, way, name)."""
        return {
            (layer, way, name): array
            for layer, way, stack, n in self._each(n_inputs)
            for (_, name), array in stack.initial_weights(n, generator).items()
        }

    def ready(self, weights, symbols=False):
        """A `Run` through the layers, whose weights by (layer, way, name) may change their numbers later.

        Where inputs are `symbols`, these pick rows of the lowest layer's weights, which are (S, G H).
        """
        n_inputs = len(weights[0, WAYS[0], "input"])
        directions = []
        for layer, way, stack, n in self._each(n_inputs):
            own = {(0, name): array for (l, w, name), array in weights.items() if (l, w) == (layer, way)}
            directions.append(Direction(stack, own, n, symbols and layer == 0))
        return Run(list(zip(directions[::2], directions[1::2], strict=True)))


class Run:
    """Sequences on their way through layers in both directions, and back."""

    def __init__(self, layers):
        self._layers = layers

    def forward(self, batch, inputs):
        """Hidden states (M, 2 P) of the top layer, those of both directions side by side.

        Parameters
        ----------
        batch : Batch
        inputs : array (M, I), or (M,) codes of symbols
            In the order of the batch: time-major, longest sequence first.
        """
        self._batch, self._reversed = batch, reversed_rows(batch.sizes)
        for onwards, back in self._layers:
            hidden = onwards.forward(batch, inputs), back.forward(batch, inputs[self._reversed])[self._reversed]
            inputs = np.concatenate(hidden, axis=1)
        return inputs

    def backward(self, d_hidden):
        """Gradients after `forward`, from those of its hidden states (M, 2 P).

        Returns
        -------
        gradients : dict of arrays
            Of the weights, by (layer, way, name).
        d_inputs : array (M, I)
            Of the inputs; without columns where these are symbols.
        """
        gradients = {}
        for layer in range(len(self._layers) - 1, -1, -1):
            (onwards, back), P = self._layers[layer], d_hidden.shape[1] // 2
            found = onwards.backward(self._batch, d_hidden[:, :P])
            found_back = back.backward(self._batch, d_hidden[self._reversed, P:])
            for way, own in zip(WAYS, (found, found_back), strict=True):
                gradients |= {(layer, way, name): array for name, array in own.gradients.items()}
            d_hidden = found.d_inputs + found_back.d_inputs[self._reversed]
        return gradients, d_hidden


class Found(NamedTuple):
    """What comes back from one direction of a layer."""

    gradients: dict  # arrays by name
    d_inputs: np.ndarray  # (M, I)


class Direction:
    """One layer, run in one direction.

    Parameters
    ----------
    stack : Stack
        Of one cell.
    weights : dict of arrays by (0, name)
    n_inputs : int
    symbols : bool
        Whether inputs are codes of symbols.
    """

    def __init__(self, stack, weights, n_inputs, symbols):
        (self._cell,), self._stack, self._n_inputs, self._symbols = stack.cells, stack, n_inputs, symbols
        self._passes, self._arena, self._calls = passes_of((self._cell.kernels(),)), Arena(), []
        self._dtype = weights[0, "input"].dtype
        (self._weights,) = stack.prepared(weights, symbols, True, self._calls, not symbols)
        self._layout = Layout({key: array.shape for key, array in weights.items()})
        shapes = stack.gradient_shapes(n_inputs, symbols, self._dtype)
        self._sums = Sums(self._layout, shapes, stack.axes(n_inputs))
        self._memory = self._arena.array("sums", (1, self._sums.size), self._dtype)

    def forward(self, batch, inputs):
        """Hidden states (M, P) after inputs (M, I) or codes (M,) of symbols, in this direction."""
        for function, arguments in self._calls:
            function(*arguments)
        M, B = len(inputs), batch.sizes[0]
        (tape,) = self._stack.tapes(self._arena, B, M, self._dtype, True)
        (gradient,) = self._stack.gradients(self._sums.named(self._memory[0]))
        self._layers = (Layer(self._weights, tape, gradient),)
        tape.hidden[:B] = 0
        tape.memory[:B] = 0
        self._source = np.ascontiguousarray(inputs, dtype=np.int64) if self._symbols else self._padded(inputs)
        self._passes.forward(batch.sizes, self._source, self._layers)
        return tape.hidden[B : B + M, : self._cell.n_outputs]

    def _padded(self, inputs):
        source = self._arena.array("source", (len(inputs), padded(self._n_inputs, EIGHT)), self._dtype)
        source[:, : self._n_inputs] = inputs
        source[:, self._n_inputs :] = 0
        return source

    def backward(self, batch, d_hidden):
        """What is `Found` from gradients (M, P) of the hidden states."""
        (layer,), M = self._layers, len(d_hidden)
        layer.tape.d_hidden[:M] = 0
        layer.tape.d_hidden[:M, : d_hidden.shape[1]] = d_hidden
        n_inputs = 0 if self._symbols else self._n_inputs
        width = padded(padded(n_inputs, UNITS), panel_width(self._dtype))
        d_inputs = self._arena.array("d_inputs", (M, width), self._dtype)
        self._passes.backward(batch, batch.sizes, self._source, self._layers, self._memory[0], d_inputs)
        gradient = np.empty(self._layout.size, self._dtype)
        self._sums.collect(self._memory, self._dtype.type(1), gradient)
        return Found({name: array for (_, name), array in self._layout.named(gradient).items()}, d_inputs[:, :n_inputs])


def reversed_rows(sizes):
    """Which row (M,) of a batch stands as far from the end of the same sequence as each does from the start."""
    n_steps, firsts = len(sizes), np.cumsum(sizes) - sizes
    lengths = (np.arange(sizes[0])[:, None] < sizes).sum(axis=1)
    steps = np.repeat(np.arange(n_steps), sizes)
    sequences = np.arange(len(steps)) - firsts[steps]
    return firsts[lengths[sequences] - 1 - steps] + sequences
