"""A network on its way through sequences: what it expects at each step, and what it then knows."""

import numpy as np

from ..products import padded
from ..threads import in_threads
from .generation import LANES
from .layers import OUTPUT
from .packing import Batch, measure, windows
from .rooms import Room
from .shards import dealt_out, shard_size

__all__ = ["Following", "states_in"]

LARGEST_BATCH = 64  # sequences that one thread scores together


class Following:
    """The part of a `Network` that needs no gradient: scoring, and steps one at a time."""

    def _batches(self, sequences, batch_size):
        """All sequences in batches of similar length."""
        order = sequences.longest_first()
        work = 2 * self.n_weights * sequences.n_observations
        return dealt_out(order, batch_size or shard_size(len(order), LARGEST_BATCH, work))

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
            state = states_in(layers, slice(last, last + running))
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
        states = states_in(room.layers, slice(n, 2 * n))
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
                states[which[ending], :U] = states_in(layers, last[ending] - rows.start + n_before)
                values = reading.values[batch.rows[last[ending]]]
                states[which[ending]] = self.next_state(ready, states[which[ending]], values)

        in_threads(follow, self._batches(sequences, batch_size), n_jobs)
        return states

    def parameters_of(self, ready, state):
        """Parameters (n,) of the family, for the next observations."""
        hidden = self.stack.split_state(state)[-2]
        return self.family.from_raw(self._raw(hidden, ready).astype(float), self.marginal)


def _fill(source, encoded):
    """Let a run read what is encoded (n, ...); columns may be padded."""
    source[(slice(len(encoded)), *map(slice, encoded.shape[1:]))] = encoded


def states_in(layers, rows):
    """Hidden state and memory of all layers side by side, (n, U), in some rows of the tapes."""
    return np.concatenate([part[rows] for layer in layers for part in (layer.tape.hidden, layer.tape.memory)], axis=1)
