"""Input, causal layers and output of a network under one emission: terms, loss and gradient."""

import math
from typing import NamedTuple

import numpy as np

from ..products import padded
from ..threads import in_threads
from .generation import LANES
from .layers import Stack, scratch_of
from .output import output_kernel
from .packing import Arena, Packing, longest_first

__all__ = ["Network", "Reading", "Ready"]

OUTPUT = "output"
EIGHT = 8  # rows that the matrix product works on together
LARGEST_SHARD = 32  # sequences that one thread trains on together
LARGEST_BATCH = 64  # sequences that one thread scores together
WINDOW = 1 << 21  # inputs of gates that are held at once while scoring
LITTLE_WORK, MUCH_WORK = 3.5e7, 3e8  # multiplications and additions
TINY = float(np.finfo(float).tiny)
N_OUTPUTS = 1 << 17  # raw outputs that are held at once, so that they stay in cache


class Reading(NamedTuple):
    """Sequences as a network reads and predicts them."""

    encoded: np.ndarray  # (M,) or (M, I) what stands before each observation
    values: np.ndarray  # (M, D) the observations
    offsets: np.ndarray  # (N + 1,)
    counted: np.ndarray  # (M,) how often each counts: 0 where it is missing or merely given
    masses: np.ndarray  # (N,) their sums
    plain: bool  # whether all that are not missing count once


class Ready(NamedTuple):
    """Weights ready for use."""

    weights: dict  # wide arrays by (layer, name)
    packed: list  # the recurrent weights of each layer as its kernels want them
    above: list  # and what stands above each layer; none for the derivative


class _Layout:
    """Where each array lies in a vector of weights."""

    def __init__(self, shapes):
        self.shapes = shapes
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()]).tolist()
        self.size = ends[-1]
        starts = [0, *ends[:-1]]
        self._parts = [(key, slice(*part), shapes[key]) for key, *part in zip(shapes, starts, ends, strict=True)]

    def named(self, vector):
        return {key: vector[part].reshape(shape) for key, part, shape in self._parts}


class Network:
    """The function that weights turn sequences into: raw outputs, and from them likelihoods.

    All weights live in one vector; :meth:`named` gives views of its parts. Inside, layers are a little wider
    (see :class:`~seqmodels.rnn.layers.Stack`), and so is their vector.

    Parameters
    ----------
    inputs : SymbolInput or DenseInput
    cells : list of Cell
    family : Emission
    marginal : NamedTuple
        The member of the family that fits all training data, which raw outputs of zero stand for.
    dtype : dtype
        Precision of weights and hidden states.
    """

    def __init__(self, inputs, cells, family, marginal, dtype):
        self.inputs = inputs
        self.stack = Stack(cells)
        self.family = family
        self.marginal = marginal
        self.dtype = np.dtype(dtype)
        R = family.n_raw(marginal)
        self._layout, self._wide = (
            _Layout(
                self.stack.weight_shapes(inputs.width, wide)
                | {(OUTPUT, "weight"): (layers[-1].n_hidden, R), (OUTPUT, "bias"): (R,)}
            )
            for wide, layers in ((False, cells), (True, self.stack.wide))
        )
        self._rows_of_outputs = max(EIGHT, N_OUTPUTS // R)
        self._compiled_gradient, self._constants = family.compiled_gradient(marginal, self.dtype)
        self._columns = {OUTPUT: (R, R)}
        for layer, (cell, wide) in enumerate(zip(cells, self.stack.wide, strict=True)):
            self._columns[layer] = cell.n_hidden, wide.n_hidden
        self.shapes, self.n_weights = self._layout.shapes, self._layout.size

    def named(self, vector):
        """Views of a vector (W,) as arrays by (layer, name)."""
        return self._layout.named(vector)

    def initial_weights(self, generator):
        """A vector (W,) to start from: the cells' own choice, and zero above them."""
        vector = np.zeros(self.n_weights, self.dtype)
        weights = self.named(vector)
        for key, array in self.stack.initial_weights(self.inputs.width, generator).items():
            weights[key][...] = array
        return vector

    # ---------------------------------------------------------------- wide weights

    def _pairs(self, vector, wide_vector):
        """Each array of a vector, and the part of the wide array that it is."""
        wide = self._wide.named(wide_vector)
        for key, array in self.named(vector).items():
            own, wider = self._columns[key[0]]
            array = array.reshape(*array.shape[:-1], -1, own)
            part = wide[key].reshape(*wide[key].shape[:-1], -1, wider)[..., :own]
            yield array, part[: len(array)]

    def ready(self, vector, arena=None, derivative=False):
        """Prepare a vector (W,) of weights, for `derivative` or for scoring alone."""
        arena = Arena() if arena is None else arena
        wide = vector
        if self._wide.size > self.n_weights:
            wide = arena.array("wide weights", (self._wide.size,), self.dtype)
            for array, part in self._pairs(vector, wide):
                part[...] = array
        weights = self._wide.named(wide)
        packed = self.stack.packed(weights, arena, derivative)
        output = weights[OUTPUT, "weight"], weights[OUTPUT, "bias"]
        return Ready(weights, packed, [] if derivative else self.stack.above(weights, output, arena))

    def _narrow(self, wide_gradient):
        if self._wide.size == self.n_weights:
            return wide_gradient
        gradient = np.empty(self.n_weights, self.dtype)
        for array, part in self._pairs(gradient, wide_gradient):
            array[...] = part
        return gradient

    # ---------------------------------------------------------------- forward

    def read(self, sequences, row_weights=None):
        """What the network reads at each observation of a `Sequences`, and what is to be predicted there.

        Parameters
        ----------
        sequences : Sequences
        row_weights : array (M,), optional
            How often each observation counts.
        """
        encoded = self.inputs.encode(sequences.values)
        starts = sequences.offsets[:-1]
        encoded[1:] = encoded[:-1].copy()
        encoded[starts] = self.inputs.start(len(starts))
        counted = sequences.scored.astype(float)
        plain = bool((sequences.scored | sequences.missing.all(axis=1)).all()) and row_weights is None
        if row_weights is not None:
            counted *= row_weights
        masses = np.add.reduceat(counted, starts)
        return Reading(encoded, sequences.values, sequences.offsets, counted, masses, plain)

    def _forward(self, encoded, sizes, state, ready, arena):
        table, rows = self._projected(encoded, ready)
        return self.stack.forward(table, rows, sizes, state, ready.weights, ready.packed, arena)

    def _projected(self, encoded, ready):
        return self.inputs.project(encoded, ready.weights[0, "input"], ready.weights.get((0, "bias")))

    def _raw(self, hidden, ready, out=None):
        raw = np.dot(hidden, ready.weights[OUTPUT, "weight"], out=out)
        raw += ready.weights[OUTPUT, "bias"]
        return raw

    def _sweep(self, ready, reading, packing, n_rows):
        """Forward over some sequences, so many rows at once that they stay small in memory.

        Yields the packed rows of each window, the number of rows that stand before them on its tapes, and the
        tapes, which are valid until the next window.
        """
        arena = Arena()
        n_rows = n_rows or max(EIGHT, WINDOW // self.stack.n_state)
        state = np.zeros((packing.sizes[0], self.stack.n_state), self.dtype)
        for steps, rows in packing.windows(n_rows):
            encoded = reading.encoded[packing.rows[rows]]
            tapes = self._forward(encoded, packing.sizes[steps], state, ready, arena)
            yield rows, len(state), tapes
            running = packing.sizes[steps.stop] if steps.stop < len(packing.sizes) else 0
            last = len(state) + rows.stop - rows.start - packing.sizes[steps.stop - 1]
            state = _states(tapes, slice(last, last + running))

    def _batches(self, sequences, batch_size):
        """All sequences in batches of similar length."""
        order = sequences.longest_first()
        work = 2 * self.n_weights * sequences.n_observations
        return _shards(order, batch_size or shard_size(len(order), LARGEST_BATCH, work))

    def terms(self, ready, sequences, batch_size=None, n_rows=None, n_jobs=None):
        """The terms log p(x_t given x_<t), (M,)."""
        reading, terms = self.read(sequences), np.empty(sequences.n_observations)
        n_rows = n_rows or max(EIGHT, WINDOW // max(bias.shape[1] for _, bias in ready.above))
        n_raw = self.family.n_raw(self.marginal)

        def score(which):
            packing, arena = Packing.of(reading.offsets, which), Arena()
            state = np.zeros((len(which), self.stack.n_state), self.dtype)
            for steps, rows in packing.windows(n_rows):
                here, sizes = packing.rows[rows], packing.sizes[steps]
                table, codes = self._projected(reading.encoded[here], ready)
                raw, state = self.stack.follow(table, codes, sizes, state[: sizes[0]], ready.packed, ready.above, arena)
                raw = np.ascontiguousarray(raw[:, :n_raw])
                d_raw = arena.array("d_raw", raw.shape, self.dtype)
                terms[here] = self.family.value_and_gradient(reading.values[here], raw, self.marginal, d_raw)

        in_threads(score, self._batches(sequences, batch_size), n_jobs)
        return terms

    def _parts_of(self, n_rows):
        """Cut rows such that the raw outputs of each part stay in cache."""
        step = self._rows_of_outputs
        return [slice(first, min(first + step, n_rows)) for first in range(0, n_rows, step)]

    # ---------------------------------------------------------------- loss and gradient

    def loss_and_gradient(self, vector, reading, which, arena=None, n_jobs=None):
        """Log-likelihood of some sequences, and the gradient of its negative mean over their observations.

        Parameters
        ----------
        vector : array (W,)
        reading : Reading
        which : array of int
            The sequences of the batch.
        arena : Arena, optional
            Memory to use again, update after update.
        n_jobs : int, optional
            Threads that share the batch, in shards that do not depend on their number.

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
        mass = max(float(np.add.reduce(reading.masses[which])), TINY)
        work = 6 * self.n_weights * int(np.add.reduce(reading.offsets[which + 1] - reading.offsets[which]))
        size = shard_size(len(which), LARGEST_SHARD, work)
        shards = _shards(longest_first(reading.offsets, which), size)
        tasks = [(shard, arena.part(("shard", number))) for number, shard in enumerate(shards)]
        found = in_threads(lambda task: self._shard(ready, reading, *task), tasks, n_jobs)
        log_likelihood, total = found[0]
        for value, gradient in found[1:]:
            log_likelihood += value
            total += gradient
        gradient = self._narrow(total)
        gradient *= self.dtype.type(-1 / mass)
        return log_likelihood, mass, gradient

    def _shard(self, ready, reading, which, arena):
        """Log-likelihood of some sequences, and its gradient (wide), in one thread."""
        packing = Packing.of(reading.offsets, which)
        encoded = reading.encoded[packing.rows]
        state = np.zeros((len(which), self.stack.n_state), self.dtype)
        tapes = self._forward(encoded, packing.sizes, state, ready, arena)
        vector = arena.array("gradient", (self._wide.size,), self.dtype)
        gradient = self._wide.named(vector)
        value, d_hidden = self._output(tapes[-1].hidden[len(which) :], reading, packing.rows, ready, gradient, arena)
        d_projected = self.stack.backward(d_hidden, packing, tapes, ready.weights, gradient, arena)
        self.inputs.gradient(encoded, d_projected, gradient[0, "input"])
        return value, vector

    def _output(self, hidden, reading, rows, ready, gradient, arena):
        """Log-likelihood above given hidden states, and its gradient in them; a part of the rows at a time."""
        weight = ready.weights[OUTPUT, "weight"]
        d_weight, d_bias = gradient[OUTPUT, "weight"], gradient[OUTPUT, "bias"]
        d_hidden = arena.array("d_hidden", hidden.shape, self.dtype)
        if self._compiled_gradient is not None:
            n = min(len(hidden), self._rows_of_outputs)
            raw, d_raw = (arena.array(name, (n, len(d_bias)), self.dtype) for name in ("raw", "d_raw"))
            d_weight_part = arena.array("d_weight", weight.shape, self.dtype)
            output = output_kernel(self._compiled_gradient, type(self.family).__name__)
            log_likelihood = output(
                hidden, weight, ready.weights[OUTPUT, "bias"], reading.values, rows, reading.counted, reading.plain,
                self._constants, raw, d_raw, d_hidden, d_weight, d_weight_part, d_bias,
            )  # fmt: skip
            return log_likelihood, d_hidden
        log_likelihood = 0.0
        for part in self._parts_of(len(hidden)):
            here = rows[part]
            shape = len(here), len(d_bias)
            raw = self._raw(hidden[part], ready, arena.array("raw", shape, self.dtype))
            d_raw = arena.array("d_raw", shape, self.dtype)
            terms = self.family.value_and_gradient(reading.values[here], raw, self.marginal, d_raw)
            if reading.plain:
                log_likelihood += float(np.add.reduce(terms))
            else:
                counted = reading.counted[here]
                log_likelihood += float(terms @ counted)
                d_raw *= counted.astype(self.dtype)[:, None]
            np.dot(d_raw, weight.T, out=d_hidden[part])
            if part.start == 0:
                np.dot(hidden[part].T, d_raw, out=d_weight)
                np.add.reduce(d_raw, axis=0, out=d_bias)
            else:
                d_weight += hidden[part].T @ d_raw
                d_bias += d_raw.sum(axis=0)
        return log_likelihood, d_hidden

    # ---------------------------------------------------------------- step by step

    def generate(self, ready, state, uniforms, temperature):
        """Codes (T, n) of symbols drawn one after the other, by numbers (T, n) in [0, 1).

        For one layer that reads symbols, under the family of symbols.
        """
        (T, n), (cell,), dtype = uniforms.shape, self.stack.wide, self.dtype
        table, _ = self._projected(np.arange(self.inputs.width), ready)
        hidden, memory = (np.concatenate([part, part]) for part in self.stack.split_state(state))
        arena, ((above, _),) = Arena(), ready.above
        offset = ready.weights[OUTPUT, "bias"] + np.log(self.marginal.probabilities)
        odds = np.full((1, padded(len(offset), LANES)), -np.inf)
        raw = arena.array("raw", (n, len(above) // cell.n_hidden * above.shape[1]), dtype)
        gates = arena.array("gates", (n, cell.n_gates * cell.n_hidden), dtype)
        saved = arena.array("saved", (n, cell.n_saved * cell.n_hidden), dtype)
        codes = np.empty((T, n), dtype=np.int64)
        scratch = scratch_of(cell, n, arena, dtype)
        cell.kernels().generate(
            uniforms, 1 / temperature, table, ready.packed[0], hidden, memory, gates, saved, scratch, above, raw,
            offset, odds, codes,
        )  # fmt: skip
        return codes

    def start_state(self, ready, n):
        """Hidden states and memories (n, U) once the start has been read."""
        state = np.zeros((n, self.stack.n_state), self.dtype)
        return self._advance(state, self.inputs.start(n), ready)

    def next_state(self, ready, state, values):
        """Hidden states and memories (n, U) after reading values (n, D)."""
        return self._advance(state, self.inputs.encode(values), ready)

    def _advance(self, state, encoded, ready):
        n = len(state)
        return _states(self._forward(encoded, np.array([n]), state, ready, Arena()), slice(n, None))

    def states_after(self, ready, sequences, batch_size=None, n_rows=None, n_jobs=None):
        """Hidden states and memories (N, U) after all of each sequence."""
        reading, states = self.read(sequences), np.empty((len(sequences), self.stack.n_state), self.dtype)

        def follow(which):
            packing = Packing.of(reading.offsets, which)
            last = packing.last
            for rows, n_before, tapes in self._sweep(ready, reading, packing, n_rows):
                ending = (rows.start <= last) & (last < rows.stop)
                before = _states(tapes, last[ending] - rows.start + n_before)
                encoded = self.inputs.encode(reading.values[packing.rows[last[ending]]])
                states[packing.order[ending]] = self._advance(before, encoded, ready)

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
    return [order[first : first + size] for first in range(0, len(order), size)]


def _states(tapes, rows):
    """Hidden state and memory of all layers side by side, (n, U), in some rows of the tapes."""
    return np.concatenate([part[rows] for tape in tapes for part in (tape.hidden, tape.memory)], axis=1)
