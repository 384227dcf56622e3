"""Input, causal layers and output of a network under one emission: terms, loss and gradient."""

import numpy as np

from .layers import Packing, Stack

__all__ = ["Network"]

OUTPUT = "output"
BATCH_SIZE = 256  # sequences that are scored together
N_ROWS = 50_000  # time steps, of all of them, whose hidden states are held at once


class Network:
    """The function that weights turn sequences into: raw outputs, and from them likelihoods.

    All weights live in one vector; :meth:`named` gives views of its parts.

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
        self.shapes = self.stack.weight_shapes(inputs.width) | {
            (OUTPUT, "weight"): (self.stack.n_outputs, family.n_raw(marginal)),
            (OUTPUT, "bias"): (family.n_raw(marginal),),
        }
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        self._ends = np.cumsum(sizes)
        self.n_weights = int(self._ends[-1])

    def named(self, vector):
        """Views of a vector (W,) as arrays by (layer, name)."""
        parts = np.split(vector, self._ends[:-1])
        return {key: part.reshape(shape) for (key, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def initial_weights(self, generator):
        """A vector (W,) to start from: the cells' own choice, and zero above them."""
        vector = np.zeros(self.n_weights, self.dtype)
        weights = self.named(vector)
        for key, array in self.stack.initial_weights(self.inputs.width, generator).items():
            weights[key][...] = array
        return vector

    # ---------------------------------------------------------------- forward

    def _project(self, encoded, weights):
        projected = self.inputs.project(encoded, weights[0, "input"])
        if self.stack.cells[0].bias:
            projected += weights[0, "bias"]
        return projected

    def _raw(self, hidden, weights):
        return hidden @ weights[OUTPUT, "weight"] + weights[OUTPUT, "bias"]

    def _encoded(self, values, packing):
        """What the network reads at each packed row: the observation before, or the start."""
        started = packing.before < 0
        encoded = self.inputs.encode(np.take(values, np.maximum(packing.before, 0), axis=0))
        encoded[started] = self.inputs.start(int(started.sum()))
        return encoded

    def _forward(self, values, packing, weights):
        encoded = self._encoded(values, packing)
        state = np.zeros((packing.sizes[0], self.stack.n_state), self.dtype)
        tapes = self.stack.forward(self._project(encoded, weights), packing.sizes, state, weights)
        return encoded, tapes

    def _sweep(self, weights, sequences, batch_size, n_rows):
        """Forward over all sequences, so many at once, and of those so many rows that they stay small in memory.

        Yields the packing of the batch, the packed rows of the window, the values of the batch and the tapes.
        """
        for packing in self.packings(sequences, batch_size):
            values = sequences.values[packing.rows]
            encoded = self._encoded(values, packing)
            state = np.zeros((packing.sizes[0], self.stack.n_state), self.dtype)
            for steps, rows in packing.windows(n_rows):
                projected = self._project(encoded[rows], weights)
                tapes = self.stack.forward(projected, packing.sizes[steps], state, weights)
                yield packing, rows, values, tapes
                running = packing.sizes[steps.stop] if steps.stop < len(packing.sizes) else 0
                last = rows.stop - rows.start - packing.sizes[steps.stop - 1]
                state = _states(tapes)[last : last + running]

    def terms(self, vector, sequences, batch_size=BATCH_SIZE, n_rows=N_ROWS):
        """The terms log p(x_t given x_<t), (M,)."""
        weights, terms = self.named(vector), np.empty(sequences.n_observations)
        for packing, rows, values, tapes in self._sweep(weights, sequences, batch_size, n_rows):
            raw = self._raw(tapes[-1].hidden, weights)
            found = self.family.value_and_gradient(values[rows], raw, self.marginal, np.empty_like(raw))
            terms[packing.rows[rows]] = found
        return terms

    def packings(self, sequences, batch_size):
        """All sequences in batches of similar length."""
        order = sequences.longest_first()
        for first in range(0, len(order), batch_size):
            yield Packing.of(sequences.offsets, order[first : first + batch_size])

    # ---------------------------------------------------------------- loss and gradient

    def loss_and_gradient(self, vector, sequences, which, row_weights=None):
        """Log-likelihood of some sequences, and the gradient of its negative mean over their observations.

        Parameters
        ----------
        vector : array (W,)
        sequences : Sequences
        which : array of int
            The sequences of the batch.
        row_weights : array (M,), optional
            How often each observation of `sequences` counts.

        Returns
        -------
        log_likelihood : float
            Sum over the batch.
        mass : float
            The (weighted) number of observations it is a sum over.
        gradient : array (W,)
            Of the loss ``-log_likelihood / mass``.
        """
        weights, packing = self.named(vector), Packing.of(sequences.offsets, which)
        values = sequences.values[packing.rows]
        counted = sequences.scored[packing.rows].astype(float)
        if row_weights is not None:
            counted *= row_weights[packing.rows]
        mass = max(counted.sum(), np.finfo(float).tiny)
        encoded, tapes = self._forward(values, packing, weights)
        hidden = tapes[-1].hidden
        raw = self._raw(hidden, weights)
        d_raw = np.empty_like(raw)
        terms = self.family.value_and_gradient(values, raw, self.marginal, d_raw)
        d_raw *= (-counted / mass).astype(self.dtype)[:, None]

        vector_of_gradients = np.zeros_like(vector)
        gradient = self.named(vector_of_gradients)
        gradient[OUTPUT, "weight"] += hidden.T @ d_raw
        gradient[OUTPUT, "bias"] += d_raw.sum(axis=0)
        d_hidden = d_raw @ weights[OUTPUT, "weight"].T
        d_projected = self.stack.backward(d_hidden, packing, tapes, weights, gradient)
        self.inputs.gradient(encoded, d_projected, gradient[0, "input"])
        return float(terms @ counted), mass, vector_of_gradients

    # ---------------------------------------------------------------- step by step

    def start_state(self, vector, n):
        """Hidden states and memories (n, U) once the start has been read."""
        state = np.zeros((n, self.stack.n_state), self.dtype)
        return self._advance(state, self.inputs.start(n), self.named(vector))

    def next_state(self, vector, state, values):
        """Hidden states and memories (n, U) after reading values (n, D)."""
        return self._advance(state, self.inputs.encode(values), self.named(vector))

    def _advance(self, state, encoded, weights):
        tapes = self.stack.forward(self._project(encoded, weights), np.array([len(state)]), state, weights)
        return _states(tapes)

    def states_after(self, vector, sequences, batch_size=BATCH_SIZE, n_rows=N_ROWS):
        """Hidden states and memories (N, U) after all of each sequence."""
        weights, states = self.named(vector), np.empty((len(sequences), self.stack.n_state), self.dtype)
        for packing, rows, values, tapes in self._sweep(weights, sequences, batch_size, n_rows):
            last = packing.last
            ending = (rows.start <= last) & (last < rows.stop)
            before = _states(tapes)[last[ending] - rows.start]
            states[packing.order[ending]] = self._advance(before, self.inputs.encode(values[last[ending]]), weights)
        return states

    def parameters_of(self, vector, state):
        """Parameters (n,) of the family, for the next observations."""
        weights = self.named(vector)
        hidden = self.stack.split_state(state)[-2]
        return self.family.from_raw(self._raw(hidden, weights).astype(float), self.marginal)


def _states(tapes):
    """Hidden state and memory of all layers side by side, (n, U), row by row."""
    return np.concatenate([part for tape in tapes for part in (tape.hidden, tape.memory)], axis=1)
