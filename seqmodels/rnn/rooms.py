"""Where a thread works: arrays that are furnished once and used again, call after call."""

import operator
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from ..jit import code_for
from ..products import aligned, padded
from ..simd import panel_width
from .context import add_up_steps
from .dropout import lay_out_masks
from .layers import EIGHT, OUTPUT
from .packing import Arena, Batch
from .passes import Output
from .recurrence import Layer
from .units import UNITS

__all__ = ["Ready", "Room"]


class Ready(NamedTuple):
    """Weights ready for use."""

    weights: dict  # arrays by (layer, name), as the user sees them
    layers: list  # Weights of each layer
    output: tuple  # those of the output as panels (H, R), transposed ones (none for scoring), and bias
    table: np.ndarray  # (S, E) vectors of symbols, learned ones and others; (0, 0) where there are none
    rooms: list  # in which nobody scores at the moment


class Room:
    """What one thread works in: arrays for so many sequences, rows and steps, or more.

    Parameters
    ----------
    network : Network
    sums : array, optional
        Memory in which gradients are added up; without it, there is no way back.
    dropped : collection of str
        Of what masks leave something out, see :class:`~seqmodels.rnn.dropout.Dropout`.
    """

    def __init__(self, network, sums=None, dropped=()):
        self._network, self.sums, self._dropped, self._arena = network, sums, dropped, Arena()
        self._size, self._ready, self._code = (0, 0, 0, 0), None, {}
        self.nothing = np.empty((0, 0), network.dtype)
        self.gradients = defaultdict(lambda: self.nothing) if sums is None else network.sums.named(sums)

    def enter(self, ready, n_sequences, n_rows, n_steps, n_held=None, context=None):
        """The room itself, once it is large enough; `n_held` rows are held at once (all, by default).

        Where sequences have a context (n_sequences, C), they stand in its order.
        """
        size = n_sequences, n_rows, n_steps, n_rows if n_held is None else n_held
        larger = any(map(operator.lt, self._size, size))
        if larger:
            self._size = tuple(map(max, self._size, size))
            self._furnish(*self._size)
        if larger or self._ready is not ready:
            self._ready = ready
            weights, gradients = list(ready.layers), self._network.stack.gradients(self.gradients)
            if self._biases is not None:
                weights[0] = weights[0]._replace(bias=self._biases)
            self.layers = tuple(map(Layer, weights, self._tapes, gradients))
            self.output = Output(*ready.output, *self._above)
        if context is not None:
            own = {name: array for (layer, name), array in ready.weights.items() if layer == 0}
            self._network.context.write_biases(context, own, self.layers[0].weights, self._biases)
        return self

    def run(self, kernel, reading, *arguments):
        """Call a kernel with arguments that, but for what is read, are of the same types in every call of this room."""
        key = kernel, reading.encoded.dtype, reading.values.dtype
        code = self._code.get(key)
        if code is None:
            code = self._code[key] = code_for(kernel, (reading, *arguments))
        return code(reading, *arguments)

    def mask(self, sizes, masks, firsts):
        """Drop what `masks` (..., U) leave out, those of sequence b from row ``firsts[b]`` on, layer by layer."""
        column = 0
        for layer in self.layers:
            lay_out_masks(sizes, masks, firsts, column, layer.tape.mask)
            column += layer.tape.mask.shape[1]

    def mask_recalled(self, masks):
        """Let recurrent weights see what `masks` (B, U) leave of the states of each sequence, layer by layer."""
        column = 0
        for layer in self.layers:
            mask = layer.tape.recall_mask
            mask[: len(masks)] = masks[:, column : column + mask.shape[1]]
            column += mask.shape[1]

    def weigh_context(self, sizes, context):
        """Write the gradient of the weights of contexts (B, C), once those of the lowest layer's inputs are there."""
        d_biases = self._arena.array("d_biases", (len(context), self._biases.shape[1]), self._network.dtype)
        add_up_steps(sizes, self.layers[0].tape.gates, d_biases)
        np.matmul(context.T, d_biases, out=self.gradients[0, "context"][: context.shape[1]])

    def _furnish(self, n_sequences, n_rows, n_steps, n_held):
        network, dtype = self._network, self._network.dtype
        self.batch = Batch.of_size(n_sequences, n_rows, n_steps)
        if network.inputs.symbols:
            self.source = np.empty(n_held, dtype=np.int64)
        else:
            self.source = self._arena.array("source", (n_held, padded(network.n_inputs, EIGHT)), dtype)
        self.d_inputs = self.nothing
        if network.embedding is not None and self.sums is not None:
            width = padded(padded(network.n_inputs, UNITS), panel_width(dtype))
            self.d_inputs = self._arena.array("d_inputs", (n_rows, width), dtype)
        derivative = self.sums is not None
        self._tapes = network.stack.tapes(self._arena, n_sequences, n_held, dtype, derivative, self._dropped)
        self._biases = None
        if network.context is not None:
            self._biases = aligned((n_sequences, self._tapes[0].gates.shape[1]), dtype)
        raw = self._arena.array("raw", (network.n_output_rows, network.n_output_columns), dtype)
        d_weight, d_bias = self.gradients[OUTPUT, "weight"], self.gradients[OUTPUT, "bias"]
        self._above = network.n_raw, network.constants, raw, np.empty(len(raw)), d_weight, d_bias
