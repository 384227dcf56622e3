"""Input, causal layers and output of a network under one emission: its weights, and what kernels make of them."""

import copy
from functools import cached_property

import numpy as np

from ..products import aligned, pack, pack_transposed, padded, panels_for
from ..simd import panel_width
from .dropout import with_dropout
from .embedding import EMBEDDING
from .following import Following
from .jacobian import with_jacobian_penalty
from .layers import OUTPUT, Layout, Stack
from .learning import N_OUTPUTS, Learning
from .packing import Arena
from .passes import Reading, passes_of
from .rooms import Ready
from .sums import Sums
from .units import UNITS

__all__ = ["Network"]

WINDOW = 1 << 17  # gates that are held at once while scoring, so that they stay in cache
NO_CODES = np.empty(0, dtype=np.int64)


class Network(Learning, Following):
    """The function that weights turn sequences into: raw outputs, and from them likelihoods.

    All weights live in one vector; :meth:`named` gives views of its parts. Inside, layers are a little wider
    (see :class:`~seqmodels.rnn.layers.Stack`).

    Parameters
    ----------
    inputs : SymbolInput or DenseInput
    cells : list of Cell
    family : Emission
    marginal : NamedTuple
        The member of the family that fits all training data, which raw outputs of zero stand for.
    dtype : dtype
        Precision of weights and hidden states.
    context : ContextInput, optional
        What conditions whole sequences.
    embedding : EmbeddingInput, optional
        What reads columns of symbols as vectors, beside the other inputs.
    """

    def __init__(self, inputs, cells, family, marginal, dtype, context=None, embedding=None):
        self.inputs = inputs
        self.embedding = embedding
        self.n_inputs = inputs.width + (0 if embedding is None else embedding.width)
        self.context = context
        self.n_context = 0 if context is None else context.width
        self.stack = Stack(cells)
        self.jacobian_penalty = 0.0
        self.family = family
        self.marginal = marginal
        self.dtype = np.dtype(dtype)
        self._no_table = np.empty((0, 0), self.dtype)
        R, H = family.n_raw(marginal), self.stack.n_outputs
        self.n_raw = R
        self._constant = np.flatnonzero(family.constant_raw(marginal))
        own = {} if embedding is None else {(EMBEDDING, "weight"): (len(embedding.learned), embedding.table.shape[1])}
        self._layout = Layout(
            own
            | self.stack.weight_shapes(self.n_inputs, self.n_context)
            | {(OUTPUT, "weight"): (cells[-1].n_outputs, R), (OUTPUT, "bias"): (R,)}
        )
        self._compiled = family.compiled(marginal, self.dtype)
        room = 0 if self._compiled is None else self._compiled.room
        self.n_output_columns = columns = padded(padded(R + room, UNITS), panel_width(self.dtype))
        wide = (
            own
            | self.stack.gradient_shapes(self.n_inputs, inputs.symbols, self.dtype, self.n_context)
            | {(OUTPUT, "weight"): (H, columns), (OUTPUT, "bias"): (1, columns)}
        )
        self.sums = Sums(self._layout, wide, self.stack.axes(self.n_inputs, self.n_context))
        self.n_output_rows = min(128, max(32, N_OUTPUTS // columns))
        widest = max(cell.n_gates * width for cell, width in zip(cells, self.stack.wide, strict=True))
        self._window = max(128, WINDOW // widest)
        self.shapes, self.n_weights = self._layout.shapes, self._layout.size
        self.n_parameters = self.n_weights - len(self._constant) * cells[-1].n_outputs

    @cached_property
    def _passes(self):
        return self._passes_of(tuple(map(self._kernels_of, self.stack.cells)))

    @cached_property
    def _passes_with_dropout(self):
        return self._passes_of(tuple(with_dropout(self._kernels_of(cell)) for cell in self.stack.cells))

    def _passes_of(self, kernels):
        if self._compiled is None:
            return passes_of(kernels)
        log_density, gradient = self._compiled[:2]
        return passes_of(kernels, (log_density, gradient), f"{type(self.family).__name__} by {gradient.__name__}")

    def with_penalty(self, jacobian_penalty):
        """The same network with the regulariser of :mod:`~seqmodels.rnn.jacobian` of this strength."""
        if jacobian_penalty == self.jacobian_penalty:
            return self
        network = copy.copy(self)
        network.jacobian_penalty = float(jacobian_penalty)
        return network

    def _kernels_of(self, cell):
        return with_jacobian_penalty(cell.kernels()) if self.jacobian_penalty > 0 else cell.kernels()

    def __getstate__(self):  # kernels cannot be pickled
        return {name: value for name, value in vars(self).items() if not name.startswith("_passes")}

    def named(self, vector):
        """Views of a vector (W,) as arrays by (layer, name)."""
        return self._layout.named(vector)

    @property
    def constants(self):
        """What the family wants to know within kernels."""
        return () if self._compiled is None else self._compiled.constants

    def initial_weights(self, generator):
        """A vector (W,) to start from: the cells' own choice, and zero above them."""
        vector = np.zeros(self.n_weights, self.dtype)
        weights = self.named(vector)
        for key, array in self.stack.initial_weights(self.n_inputs, generator, self.n_context).items():
            weights[key][...] = array
        if self.embedding is not None:
            weights[EMBEDDING, "weight"][...] = self.embedding.initial(generator)
        return vector

    def in_matrices(self):
        """A vector (W,): one where a weight is that of a matrix, zero where it is that of a vector, such as a bias."""
        vector = np.zeros(self.n_weights, self.dtype)
        for array in self.named(vector).values():
            array[...] = array.ndim == 2
        return vector

    def ready(self, vector, arena=None, derivative=False):
        """Prepare a vector (W,) of weights, for scoring or for the `derivative` too."""
        arena = Arena() if arena is None else arena
        return arena.of(vector, lambda vector, calls: self._prepared(vector, derivative, calls))

    def _prepared(self, vector, derivative, calls):
        weights, H, R = self.named(vector), self.stack.n_outputs, self.n_raw
        embedded, table = self.embedding is not None, self._no_table
        layers = self.stack.prepared(weights, self.inputs.symbols, derivative, calls, embedded)
        layers = [own._replace(jacobian_penalty=self.jacobian_penalty) for own in layers]
        if embedded:
            table = self.embedding.prepared(weights[EMBEDDING, "weight"], calls)
        matrix, columns = weights[OUTPUT, "weight"], np.arange(R)
        packed = panels_for(H, padded(R, UNITS), self.dtype)
        transposed = panels_for(R, H if derivative else 0, self.dtype)
        bias = aligned((1, self.n_output_columns), self.dtype)
        bias[0, R:] = 0.0 if self._compiled is None else self._compiled.beyond
        offset = 0.0 if self._compiled is None else self._compiled.offset
        calls += [(pack, (matrix, columns, H, packed)), (np.add, (weights[OUTPUT, "bias"], offset, bias[0, :R]))]
        if derivative:
            calls.append((pack_transposed, (matrix, columns, transposed)))
        return Ready(weights, layers, (packed, transposed, bias), table, [])

    # ---------------------------------------------------------------- what kernels work on

    def read(self, sequences):
        """What the network reads at each observation of a `Sequences`, and what is to be predicted there."""
        values, offsets = np.ascontiguousarray(sequences.values), sequences.offsets  # what code of rooms relies on
        context = self._encoded_context(len(sequences), sequences.context)
        codes = NO_CODES if self.embedding is None else self.embedding.read(values, offsets)
        return Reading(self.inputs.read(values, offsets), values, offsets, context, codes, self._no_table)

    def _at(self, ready, reading):
        """The same reading, with the weights that it needs."""
        return reading if self.embedding is None else reading._replace(table=ready.table)

    def _encoded_context(self, n, context):
        """What conditions n sequences, (n, C) or (n, 0)."""
        return np.empty((n, 0), self.dtype) if self.context is None else self.context.encode(context)

    def _context(self, reading, which):
        """What conditions some sequences, (n, C); None where nothing does."""
        return None if self.context is None else reading.context[which]
