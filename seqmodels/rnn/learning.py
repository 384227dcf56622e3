"""What a network learns from: losses and gradients over batches of sequences, in shards for several threads."""

from typing import NamedTuple

import numpy as np

from ..threads import in_threads
from .embedding import EMBEDDING
from .following import states_in
from .layers import EIGHT, OUTPUT
from .packing import Arena, Batch, longest_first, measure
from .passes import Counts, Reading
from .rooms import Room
from .shards import dealt_out, shard_size
from .truncation import Window, cut, windows_in_turn

__all__ = ["N_OUTPUTS", "Learning", "Weighted"]

LARGEST_SHARD = 32  # sequences that one thread trains on together
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
    masks: np.ndarray | None  # those of all of the batch, where layers hand up what these leave
    recall_masks: np.ndarray | None  # (n, P of all layers) those of each sequence, where there is recurrent dropout


class Learning:
    """The part of a `Network` that is for training."""

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
            Draws masks for what layers hand up and recall; an arena serves either with or without.

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
        shards = dealt_out(which, size)
        states = firsts = recall_masks = [None] * len(shards)
        masks, dropped = None, () if dropout is None else tuple(dropout.rates)
        width = sum(axis.wide for axis in self.stack.outputs)
        if state is not None:
            states = dealt_out(state, size)
        if "passed" in dropped:
            masks = dropout.masks("passed", arena, (M, width), self.dtype)
            ends = np.cumsum(reading.offsets[which + 1] - reading.offsets[which])
            firsts = dealt_out(np.concatenate([[0], ends[:-1]]), size)
        if "recalled" in dropped:
            recall_masks = dealt_out(dropout.masks("recalled", arena, (len(which), width), self.dtype), size)
        sums, rooms = arena.rooms(len(shards), self.sums.size, self.dtype, lambda memory: Room(self, memory, dropped))
        run = self._shard if self._passes.shard else self._shard_in_parts
        tasks = [
            Shard(*parts, masks, own)
            for *parts, own in zip(shards, rooms[: len(shards)], states, firsts, recall_masks, strict=True)
        ]
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
        which, room, state = shard[:3]
        n_rows, n_steps, _ = measure(weighted.reading.offsets, which)
        context = self._context(weighted.reading, which)
        room.enter(ready, len(which), n_rows, n_steps, context=context)
        passes = self._masked(shard, weighted.reading)
        log_likelihood = room.run(
            passes.shard, weighted.reading, weighted.counts, which, room.batch, room.source, room.layers,
            room.output, room.sums, room.d_inputs, room.nothing if state is None else state,
        )  # fmt: skip
        self._weigh_below(room, weighted.reading, room.batch.rows[:n_rows], room.batch.sizes[:n_steps], context)
        return log_likelihood

    def _masked(self, shard, reading):
        """The passes for a shard, once its masks are in its room."""
        if shard.recall_masks is not None:
            shard.room.mask_recalled(shard.recall_masks)
        if shard.masks is None:
            return self._passes
        shard.room.mask(Batch.of(reading.offsets, shard.which).sizes, shard.masks, shard.firsts)
        return self._passes_with_dropout

    def _weigh_below(self, room, reading, rows, sizes, context):
        """The gradients of what stands below the layers, once theirs are there."""
        if context is not None:
            room.weigh_context(sizes, context)
        if self.embedding is not None:
            out = room.gradients[EMBEDDING, "weight"]
            self.embedding.weigh(reading.codes, rows, room.d_inputs, self.inputs.width, out)

    def _shard_in_parts(self, ready, weighted, shard):
        """The same under a family whose gradient is not for kernels."""
        which, room, state = shard[:3]
        reading, B = weighted.reading, len(which)
        batch = Batch.of(reading.offsets, which)
        M = len(batch.rows)
        context = self._context(reading, which)
        layers, source, gradients = room.enter(ready, B, M, 0, context=context).layers, room.source, room.gradients
        tape = layers[-1].tape
        self._fill(source, reading, batch.rows)
        self._put(layers, np.zeros((B, self.stack.n_state), self.dtype) if state is None else state)
        passes = self._masked(shard, reading)
        passes.forward(batch.sizes, source, layers)
        if state is not None:
            state[...] = states_in(layers, B + batch.last)
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
