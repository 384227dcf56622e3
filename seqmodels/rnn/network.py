"""Input, causal layers and output of a network under one emission: terms, loss and gradient."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..products import aligned, pack, pack_transposed, padded, panels_for
from ..simd import panel_width
from ..threads import in_threads
from .dropout import with_dropout
from .embedding import EMBEDDING
from .generation import LANES
from .layers import EIGHT, OUTPUT, Layout, Stack
from .packing import Arena, Batch, longest_first, measure, windows
from .passes import Counts, Reading, passes_of
from .rooms import Ready, Room
from .sums import Sums
from .truncation import Window, cut, windows_in_turn
from .units import UNITS

__all__ = ["Network", "Weighted"]

LARGEST_SHARD = 32  # sequences that one thread trains on together
LARGEST_BATCH = 64  # sequences that one thread scores together
WINDOW = 1 << 17  # gates that are held at once while scoring, so that they stay in cache
LITTLE_WORK, MUCH_WORK = 3.5e7, 3e8  # multiplications and additions
NO_CODES = np.empty(0, dtype=np.int64)
N_OUTPUTS = 1 << 17  # raw outputs that are held at once, so that they stay in cache


class Weighted(NamedTuple):
    """Sequences that a network reads and predicts, and how often they count in the loss."""

    reading: Reading
    counts: Counts
    masses: np.ndarray  # (W,) the number of observations that count in each window
    offsets: np.ndarray  # (N + 1,) of whole sequences; those of the reading are of windows (W + 1,)
    firsts: np.ndarray | None  # (N + 1,) the first window of each sequence, where they are cut


class Shard(NamedTuple):
    """A part of a batch, for one thread."""

    which: np.ndarray  # (n,) its sequences, longest first
    room: Room
    state: np.ndarray | None  # (n, U) where they start from, and where what is after them is left
    firsts: np.ndarray | None  # (n,) the first row of the masks of each
    masks: np.ndarray | None  # those of all of the batch, where there is dropout


class Network:
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
        return self._passes_of(tuple(cell.kernels() for cell in self.stack.cells))

    @cached_property
    def _passes_with_dropout(self):
        return self._passes_of(tuple(with_dropout(cell.kernels()) for cell in self.stack.cells))

    def _passes_of(self, kernels):
        if self._compiled is None:
            return passes_of(kernels)
        log_density, gradient = self._compiled[:2]
        return passes_of(kernels, (log_density, gradient), f"{type(self.family).__name__} by {gradient.__name__}")

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

    def weighted(self, sequences, row_weights=None, truncation=None):
        """The same for training; `row_weights` (M,) say how often each observation counts.

        Where there is a `truncation`, sequences are cut into windows of so many steps.
        """
        scored = sequences.scored
        plain = bool((scored | sequences.missing.all(axis=1)).all()) and row_weights is None
        counted = scored * (1.0 if row_weights is None else row_weights)
        offsets, firsts = cut(sequences.offsets, truncation)
        masses = np.add.reduceat(counted, offsets[:-1])
        reading, firsts = self.read(sequences), None if truncation is None else firsts
        if truncation is not None:
            reading = reading._replace(offsets=offsets, context=np.repeat(reading.context, np.diff(firsts), axis=0))
        return Weighted(reading, Counts(counted, plain), masses, sequences.offsets, firsts)

    def windows(self, weighted, which):
        """What updates on the sequences `which` learn from, one after the other: each `Window` for itself."""
        if weighted.firsts is None:
            return [Window(which, None, 1.0)]
        return windows_in_turn(weighted.offsets, weighted.firsts, which, self.stack.n_state, self.dtype)

    # ---------------------------------------------------------------- scoring

    def _batches(self, sequences, batch_size):
        """All sequences in batches of similar length."""
        order = sequences.longest_first()
        work = 2 * self.n_weights * sequences.n_observations
        return _shards(order, batch_size or shard_size(len(order), LARGEST_BATCH, work))

    def _n_rows(self, n_rows, B):
        """Rows of a window: at least the sequences that run side by side."""
        return max(B, n_rows or self._window)

    def terms(self, ready, sequences, batch_size=None, n_rows=None, n_jobs=None):
        """The terms log p(x_t given x_<t), (M,)."""
        reading, terms = self._at(ready, self.read(sequences)), np.empty(sequences.n_observations)

        def score(which):
            n_rows_here, n_steps, _ = measure(reading.offsets, which)
            held = min(n_rows_here, self._n_rows(n_rows, len(which)))
            context = self._context(reading, which)
            room = self._room(ready).enter(ready, len(which), n_rows_here, n_steps, held, context)
            room.run(self._passes.score, reading, which, room.batch, room.source, held, room.layers, room.output, terms)
            ready.rooms.append(room)

        def score_in_windows(which):
            for batch, rows, n_before, layers in self._sweep(ready, reading, which, n_rows):
                hidden = layers[-1].tape.hidden[n_before : n_before + rows.stop - rows.start]
                raw, here = self._raw(hidden, ready), batch.rows[rows]
                terms[here] = self.family.value_and_gradient(
                    reading.values[here], raw, self.marginal, np.empty_like(raw)
                )

        task = score if self._passes.score else score_in_windows
        in_threads(task, self._batches(sequences, batch_size), n_jobs)
        return terms

    def _room(self, ready):
        """A room that nobody else is in; who leaves it in order puts it back among ``ready.rooms``."""
        try:
            return ready.rooms.pop()
        except IndexError:
            return Room(self)

    def _sweep(self, ready, reading, which, n_rows):
        """Forward over some sequences, so many rows at once that they stay small in memory.

        Yields the batch, its rows in each window, the number of rows that stand before them on the tapes, and the
        layers, whose tapes are valid until the next window.
        """
        batch, B = Batch.of(reading.offsets, which), len(which)
        size = min(len(batch.rows), self._n_rows(n_rows, B))
        state = np.zeros((B, self.stack.n_state), self.dtype)
        room = self._room(ready).enter(ready, B, 0, 0, size, self._context(reading, which))
        layers = room.layers
        for steps, rows in windows(batch.sizes, size):
            n = rows.stop - rows.start
            self._fill(room.source, reading, batch.rows[rows])
            self._put(layers, state)
            self._passes.forward(batch.sizes[steps], room.source, layers)
            yield batch, rows, len(state), layers
            running = batch.sizes[steps.stop] if steps.stop < len(batch.sizes) else 0
            last = len(state) + n - batch.sizes[steps.stop - 1]
            state = _states(layers, slice(last, last + running))
        ready.rooms.append(room)

    def _fill(self, source, reading, rows):
        """Let a run read what some rows read."""
        _fill(source, reading.encoded[rows])
        if self.embedding is not None:
            self._embed(source, reading.table[reading.codes[rows]])

    def _embed(self, source, vectors):
        """Write vectors (n, K, E) of symbols beside the other inputs."""
        n, first = len(vectors), self.inputs.width
        source[:n, first : self.n_inputs] = vectors.reshape(n, -1)

    def _put(self, layers, state):
        """Let runs start from a state (n, U)."""
        parts = iter(self.stack.split_state(state))
        for layer in layers:
            layer.tape.hidden[: len(state)] = next(parts)
            layer.tape.memory[: len(state)] = next(parts)

    def _raw(self, hidden, ready):
        """Raw outputs (n, R) above hidden states (n, H)."""
        weight = ready.weights[OUTPUT, "weight"]
        return hidden[:, : len(weight)] @ weight + ready.weights[OUTPUT, "bias"]

    # ---------------------------------------------------------------- loss and gradient

    def loss_and_gradient(self, vector, weighted, which, arena=None, n_jobs=None, state=None, dropout=None):
        """Log-likelihood of some sequences, and the gradient of its negative mean over their observations.

        Of windows it is the gradient that takes the state before them as given.

        Parameters
        ----------
        vector : array (W,)
        weighted : Weighted
        which : array of int
            The sequences of the batch, or their windows where they are cut.
        arena : Arena, optional
            Memory to use again, update after update.
        n_jobs : int, optional
            Threads that share the batch, in shards that do not depend on their number.
        state : array (n, U), optional
            Hidden states and memories before each, longest first; zero by default. Those after them are left there.
        dropout : Dropout, optional
            Draws masks for what layers hand up; an arena serves either with or without.

        Returns
        -------
        log_likelihood : float
            Sum over the batch.
        mass : float
            The (weighted) number of observations it is a sum over.
        gradient : array (W,)
            Of the loss ``-log_likelihood / mass``; in the memory of the arena.
        """
        arena = Arena() if arena is None else arena
        ready = self.ready(vector, arena, derivative=True)
        reading = self._at(ready, weighted.reading)
        weighted = weighted._replace(reading=reading)
        which = longest_first(reading.offsets, which)
        M, _, _ = measure(reading.offsets, which)
        size = shard_size(len(which), LARGEST_SHARD, 6 * self.n_weights * M)
        shards = _shards(which, size)
        states = firsts = [None] * len(shards)
        masks = None
        if state is not None:
            states = _shards(state, size)
        if dropout is not None:
            masks = dropout.masks(arena, (M, sum(axis.wide for axis in self.stack.outputs)), self.dtype)
            ends = np.cumsum(reading.offsets[which + 1] - reading.offsets[which])
            firsts = _shards(np.concatenate([[0], ends[:-1]]), size)
        sums, rooms = arena.rooms(
            len(shards), self.sums.size, self.dtype, lambda memory: Room(self, memory, dropout is not None)
        )
        run = self._shard if self._passes.shard else self._shard_in_parts
        tasks = [Shard(*parts, masks) for parts in zip(shards, rooms[: len(shards)], states, firsts, strict=True)]
        found = in_threads(lambda shard: run(ready, weighted, shard), tasks, n_jobs)
        for number in range(len(shards) if state is not None else 0):
            state[number :: len(shards)] = states[number]
        mass = float(np.add.reduce(weighted.masses[which]))
        scale = -1 / mass if mass > 0 else 0.0  # windows, and sequences, may have no observation at all
        gradient = arena.array("gradient", (self.n_weights,), self.dtype)
        self.sums.collect(sums[: len(shards)], self.dtype.type(scale), gradient)
        self._hold_constant(gradient)
        return sum(found), mass, gradient

    def _hold_constant(self, gradient):
        """No gradient in the weights of raw outputs that are constant, so that they stay 0 and only the bias moves."""
        if len(self._constant):
            self.named(gradient)[OUTPUT, "weight"][:, self._constant] = 0

    def _shard(self, ready, weighted, shard):
        """Log-likelihood of some sequences; adds up the gradients, and leaves the state after them."""
        which, room, state, firsts, masks = shard
        n_rows, n_steps, _ = measure(weighted.reading.offsets, which)
        context = self._context(weighted.reading, which)
        room.enter(ready, len(which), n_rows, n_steps, context=context)
        passes = self._passes
        if masks is not None:
            passes = self._passes_with_dropout
            room.mask(Batch.of(weighted.reading.offsets, which).sizes, masks, firsts)
        log_likelihood = room.run(
            passes.shard, weighted.reading, weighted.counts, which, room.batch, room.source, room.layers,
            room.output, room.sums, room.d_inputs, room.nothing if state is None else state,
        )  # fmt: skip
        self._weigh_below(room, weighted.reading, room.batch.rows[:n_rows], room.batch.sizes[:n_steps], context)
        return log_likelihood

    def _weigh_below(self, room, reading, rows, sizes, context):
        """The gradients of what stands below the layers, once theirs are there."""
        if context is not None:
            room.weigh_context(sizes, context)
        if self.embedding is not None:
            out = room.gradients[EMBEDDING, "weight"]
            self.embedding.weigh(reading.codes, rows, room.d_inputs, self.inputs.width, out)

    def _shard_in_parts(self, ready, weighted, shard):
        """The same under a family whose gradient is not for kernels."""
        which, room, state, firsts, masks = shard
        reading, B = weighted.reading, len(which)
        batch = Batch.of(reading.offsets, which)
        M = len(batch.rows)
        context = self._context(reading, which)
        layers, source, gradients = room.enter(ready, B, M, 0, context=context).layers, room.source, room.gradients
        tape = layers[-1].tape
        self._fill(source, reading, batch.rows)
        self._put(layers, np.zeros((B, self.stack.n_state), self.dtype) if state is None else state)
        passes = self._passes
        if masks is not None:
            passes = self._passes_with_dropout
            room.mask(batch.sizes, masks, firsts)
        passes.forward(batch.sizes, source, layers)
        if state is not None:
            state[...] = _states(layers, B + batch.last)
        weight = ready.weights[OUTPUT, "weight"]
        log_likelihood, d_weight, d_bias = 0.0, np.zeros_like(weight), np.zeros(self.n_raw, self.dtype)
        tape.d_hidden[:M] = 0
        size = max(EIGHT, N_OUTPUTS // self.n_raw)
        for first in range(0, M, size):
            rows = batch.rows[first : first + size]
            end = first + len(rows)
            hidden = tape.passed[B + first : B + end, : len(weight)]
            raw, values = self._raw(hidden, ready), reading.values[rows]
            value, d_raw = self._value_and_gradient(raw, values, weighted.counts, rows)
            log_likelihood += value
            tape.d_hidden[first:end, : len(weight)] = d_raw @ weight.T
            d_weight += hidden.T @ d_raw
            d_bias += d_raw.sum(axis=0)
        passes.backward(batch, batch.sizes, source, layers, room.sums, room.d_inputs)
        self._weigh_below(room, reading, batch.rows, batch.sizes, context)
        gradients[OUTPUT, "weight"][: len(weight), : self.n_raw] = d_weight
        gradients[OUTPUT, "bias"][0, : self.n_raw] = d_bias
        return log_likelihood

    def _value_and_gradient(self, raw, values, counts, rows):
        """Log-likelihood under raw outputs (n, R), and its gradient in them."""
        d_raw = np.empty_like(raw)
        terms = self.family.value_and_gradient(values, raw, self.marginal, d_raw)
        if counts.plain:
            return float(np.add.reduce(terms)), d_raw
        counted = counts.counted[rows]
        d_raw *= counted.astype(self.dtype)[:, None]
        return float(terms @ counted), d_raw

    # ---------------------------------------------------------------- step by step

    def generate(self, ready, state, uniforms, temperature):
        """Codes (T, n) of symbols drawn one after the other, by numbers (T, n) in [0, 1).

        For one layer that reads symbols, under the family of symbols.
        """
        (T, n), (cell,) = uniforms.shape, self.stack.cells
        offset = ready.weights[OUTPUT, "bias"] + np.log(self.marginal.probabilities)
        odds = np.full((1, padded(len(offset), LANES)), -np.inf)
        raw, codes = np.empty((n, self.n_output_columns), self.dtype), np.empty((T, n), dtype=np.int64)
        room = self._room(ready).enter(ready, n, 0, 0, n, self._context_in(state))
        (layer,) = room.layers
        self._put([layer], state)
        cell.kernels().generate(
            uniforms, 1 / temperature, layer.weights, layer.tape, ready.output[0], raw, offset, odds, codes
        )
        ready.rooms.append(room)
        return codes

    def start_state(self, ready, n, context=None):
        """Hidden states and memories (n, U) once the start has been read, and encoded contexts (n, C) beside them."""
        state = np.zeros((n, self.stack.n_state), self.dtype)
        state = np.concatenate([state, self._encoded_context(n, context)], axis=1)
        codes = None if self.embedding is None else self.embedding.start(n)
        return self._advance(state, self.inputs.start(n), ready, codes)

    def _context_in(self, state):
        """The context (n, C) that a state (n, U + C) carries on; None where there is none."""
        return None if self.context is None else state[:, self.stack.n_state :]

    def next_state(self, ready, state, values):
        """Hidden states and memories (n, U), and what else a state carries on, after reading values (n, D)."""
        codes = None if self.embedding is None else self.embedding.encode(values)
        return self._advance(state, self.inputs.encode(values), ready, codes)

    def _advance(self, state, encoded, ready, codes=None):
        n = len(state)
        room = self._room(ready).enter(ready, n, 0, 0, n, self._context_in(state))
        _fill(room.source, encoded)
        if codes is not None:
            self._embed(room.source, ready.table[codes])
        self._put(room.layers, state)
        self._passes.forward(np.array([n]), room.source, room.layers)
        states = _states(room.layers, slice(n, 2 * n))
        ready.rooms.append(room)
        return states if self.context is None else np.concatenate([states, self._context_in(state)], axis=1)

    def states_after(self, ready, sequences, batch_size=None, n_rows=None, n_jobs=None):
        """Hidden states and memories (N, U) after all of each sequence, and contexts (N, C) beside them."""
        reading, U = self._at(ready, self.read(sequences)), self.stack.n_state
        states = np.empty((len(sequences), U + self.n_context), self.dtype)
        states[:, U:] = reading.context

        def follow(which):
            for batch, rows, n_before, layers in self._sweep(ready, reading, which, n_rows):
                last = batch.last
                ending = (rows.start <= last) & (last < rows.stop)
                states[which[ending], :U] = _states(layers, last[ending] - rows.start + n_before)
                values = reading.values[batch.rows[last[ending]]]
                states[which[ending]] = self.next_state(ready, states[which[ending]], values)

        in_threads(follow, self._batches(sequences, batch_size), n_jobs)
        return states

    def parameters_of(self, ready, state):
        """Parameters (n,) of the family, for the next observations."""
        hidden = self.stack.split_state(state)[-2]
        return self.family.from_raw(self._raw(hidden, ready).astype(float), self.marginal)


def shard_size(n, largest, work):
    """Sequences that are worked on together, of n: whole tiles of the product, and shards for two or four threads.

    Each shard has a cost of its own, so that there are the fewer, the less `work` there is.
    """
    n_shards = 1 if work < LITTLE_WORK else 2 if work < MUCH_WORK else 4
    return min(largest, padded(-(-n // n_shards), EIGHT))


def _shards(order, size):
    """Dealt out one by one, so that no shard has all the long sequences."""
    n_shards = -(-len(order) // size)
    return [order] if n_shards == 1 else [order[number::n_shards].copy() for number in range(n_shards)]


def _fill(source, encoded):
    """Let a run read what is encoded (n, ...); columns may be padded."""
    source[(slice(len(encoded)), *map(slice, encoded.shape[1:]))] = encoded


def _states(layers, rows):
    """Hidden state and memory of all layers side by side, (n, U), in some rows of the tapes."""
    return np.concatenate([part[rows] for layer in layers for part in (layer.tape.hidden, layer.tape.memory)], axis=1)
