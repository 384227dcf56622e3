"""The LSTM with layer normalisation (Ba, Kiros & Hinton 2016)."""

import functools
from typing import NamedTuple

import numpy as np

from ...jit import inline_here
from ...products import add_product, aligned, padded
from ...simd import load, panel_width, sigmoid, store, tanh
from ..dropout import recall_backward
from ..normalisation import normalise, normalise_backward
from ..recurrence import unroll
from ..units import UNITS, Axis, add_to, clear, wide_row
from .base import Cell, packed_both_ways

__all__ = ["LayerNormLSTM"]


class LayerNormLSTM(Cell):
    """An LSTM whose products and memory are normalised over the units of a layer at each step.

    Gates see ``gain_input N(x W_x) + gain_recurrent N(h_before W_h) + b``, where N takes the mean of all 4 H entries
    from each and divides by their standard deviation; ``h = o tanh(gain_memory N(memory) + b_memory)``. The memory
    itself stays as it is. Of the paper's three biases of the gates there is the sum.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at; the other biases start at 0, and gains at 1.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_gates = 4
    n_saved = 11
    n_memories = 1
    additive = False

    def __init__(self, n_hidden=64, bias=True, forget_bias=1.0, init="uniform"):
        self.n_hidden = n_hidden
        self.bias = bias
        self.forget_bias = forget_bias
        self.init = init

    def recurrent_axes(self):
        units, gates = Axis(1, self.n_hidden), Axis(4, self.n_hidden)
        gains = {"gain_input": (gates,), "gain_recurrent": (gates,), "gain_memory": (units,)}
        biases = {"gate_bias": (gates,), "memory_bias": (units,)} if self.bias else {}
        return super().recurrent_axes() | gains | biases

    def axes(self, n_inputs):
        axes = super().axes(n_inputs)
        axes.pop("bias", None)  # which would be added before the products are normalised
        return axes

    def initial_weights(self, n_inputs, generator):
        weights, H = super().initial_weights(n_inputs, generator), self.n_hidden
        for name, array in weights.items():
            if array.ndim == 1:
                array[:] = 1.0 if name.startswith("gain") else 0.0
        if self.bias:
            weights["gate_bias"][H : 2 * H] = self.forget_bias
        return weights

    def kernels(self):
        return _kernels(bool(self.bias))

    def packed(self, weights, width, derivative, calls):
        axes, dtype = self.recurrent_axes(), weights["recurrent"].dtype
        rows = [wide_row(weights[name], axes[name][0], calls) for name in list(axes)[1:]]
        if not self.bias:
            rows += [aligned((1, padded(n * width, panel_width(dtype))), dtype) for n in (4, 1)]
        real = aligned((1, 4 * width), dtype)
        real[0] = Axis(4, self.n_hidden).entries >= 0
        both = packed_both_ways(weights["recurrent"], *axes["recurrent"], derivative, calls)
        return NormalisedWeights(*both, *rows, real, self.n_hidden)

    def scratch_shape(self, n, n_units, width):
        return n, padded(4 * n_units, width)


class NormalisedWeights(NamedTuple):
    """Recurrent weights, gains and biases."""

    recurrent: np.ndarray  # (H, 4 H) in panels
    transposed: np.ndarray  # (4 H, H)
    gain_input: np.ndarray  # (1, 4 H)
    gain_recurrent: np.ndarray  # (1, 4 H)
    gain_memory: np.ndarray  # (1, H)
    gate_bias: np.ndarray  # (1, 4 H)
    memory_bias: np.ndarray  # (1, H)
    real: np.ndarray  # (1, 4 H) one for what belongs to a unit, zero for the padding
    n_hidden: int  # without the padding


# A row of `saved` has, in units of H: the normalised products of the inputs (4) and of the hidden state (4), the
# normalised memory, what is read of it, and what the three were multiplied with: the inverse standard deviations.


@inline_here
def seen(own, saved, row, j):
    """What one gate of some units sees."""
    from_input = load(own.gain_input, 0, j, UNITS) * load(saved, row, j, UNITS)
    from_hidden = load(own.gain_recurrent, 0, j, UNITS) * load(saved, row, own.real.shape[1] + j, UNITS)
    return from_input + from_hidden + load(own.gate_bias, 0, j, UNITS)


def step(n, first, before, after, weights, tape):
    H, own, gates, memory, saved = weights.width, weights.recurrent, tape.gates, tape.memory, tape.saved
    clear(0, n, tape.scratch)
    add_product(n, H, tape.recalled, before, own.recurrent, tape.scratch, 0)
    for b in range(n):
        row, scales = first + b, 10 * H
        saved[row, scales] = normalise(gates, row, 4 * H, 4 * own.n_hidden, own.real, saved, row, 0)
        saved[row, scales + 1] = normalise(tape.scratch, b, 4 * H, 4 * own.n_hidden, own.real, saved, row, 4 * H)
        for h in range(0, H, UNITS):
            i, f = sigmoid(seen(own, saved, row, h)), sigmoid(seen(own, saved, row, H + h))
            g, o = tanh(seen(own, saved, row, 2 * H + h)), sigmoid(seen(own, saved, row, 3 * H + h))
            store(gates, row, h, i)
            store(gates, row, H + h, f)
            store(gates, row, 2 * H + h, g)
            store(gates, row, 3 * H + h, o)
            store(memory, after + b, h, f * load(memory, before + b, h, UNITS) + i * g)
        saved[row, scales + 2] = normalise(memory, after + b, H, own.n_hidden, own.real, saved, row, 8 * H)
        for h in range(0, H, UNITS):
            shown = load(own.gain_memory, 0, h, UNITS) * load(saved, row, 8 * H + h, UNITS)
            shown = tanh(shown + load(own.memory_bias, 0, h, UNITS))
            store(saved, row, 9 * H + h, shown)
            store(tape.hidden, after + b, h, load(gates, row, 3 * H + h, UNITS) * shown)


@functools.cache
def _kernels(bias):
    @inline_here
    def read_backward(b, row, H, own, tape, out):
        """From the hidden state to the output gate, and to the normalised memory in the scratch."""
        for h in range(0, H, UNITS):
            d = load(tape.d_hidden, row, h, UNITS) + load(tape.d_later, b, h, UNITS)
            o, shown = load(tape.gates, row, 3 * H + h, UNITS), load(tape.saved, row, 9 * H + h, UNITS)
            d_shown = d * o
            d_seen = d_shown - d_shown * shown * shown
            store(tape.gates, row, 3 * H + h, d * shown * (o - o * o))
            store(tape.scratch, b, h, d_seen * load(own.gain_memory, 0, h, UNITS))
            add_to(out[3], h, d_seen * load(tape.saved, row, 8 * H + h, UNITS))
            if bias:
                add_to(out[5], h, d_seen)

    @inline_here
    def write_backward(b, row, before, H, tape):
        """From the memory to what the gates see, and to the memory before."""
        for h in range(0, H, UNITS):
            i, f = load(tape.gates, row, h, UNITS), load(tape.gates, row, H + h, UNITS)
            g, d = load(tape.gates, row, 2 * H + h, UNITS), load(tape.d_memory, b, h, UNITS)
            d = d + load(tape.scratch, b, h, UNITS)
            store(tape.gates, row, h, d * g * (i - i * i))
            store(tape.gates, row, H + h, d * load(tape.memory, before + b, h, UNITS) * (f - f * f))
            store(tape.gates, row, 2 * H + h, d * (i - i * g * g))
            store(tape.d_memory, b, h, d * f)

    @inline_here
    def see_backward(row, H, own, tape, out):
        """From what the gates see to the normalised products."""
        for j in range(0, 4 * H, UNITS):
            d = load(tape.gates, row, j, UNITS)
            add_to(out[1], j, d * load(tape.saved, row, j, UNITS))
            add_to(out[2], j, d * load(tape.saved, row, 4 * H + j, UNITS))
            if bias:
                add_to(out[4], j, d)
            store(tape.gates, row, j, d * load(own.gain_input, 0, j, UNITS))
            store(tape.d_recurrent, row, j, d * load(own.gain_recurrent, 0, j, UNITS))

    def step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
        H, own, saved, out = weights.width, weights.recurrent, tape.saved, gradient.recurrent
        n_hidden, scales = own.n_hidden, 10 * H
        add_product(n_later, 4 * H, tape.d_recurrent, later, own.transposed, tape.d_recalled, 0)
        recall_backward(n_later, 0, H, tape)
        for b in range(n):
            row = first + b
            read_backward(b, row, H, own, tape, out)
            normalise_backward(tape.scratch, b, H, n_hidden, saved, row, 8 * H, saved[row, scales + 2])
            write_backward(b, row, before, H, tape)
            see_backward(row, H, own, tape, out)
            normalise_backward(tape.gates, row, 4 * H, 4 * n_hidden, saved, row, 0, saved[row, scales])
            normalise_backward(tape.d_recurrent, row, 4 * H, 4 * n_hidden, saved, row, 4 * H, saved[row, scales + 1])
        clear(0, n, tape.d_later)

    return unroll(step, step_backward, f"layer-norm LSTM, bias {bias}")
