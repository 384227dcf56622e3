"""The LSTM whose hidden state is a projection of what its units put out (Sak, Senior & Beaufays 2014)."""

import functools
from typing import NamedTuple

import numpy as np

from ...checks import check_count
from ...jit import inline_here
from ...products import add_outer, add_product, padded
from ...simd import load, store
from ..dropout import recall_backward
from ..pointwise import on_units
from ..recurrence import unroll, weigh_hidden
from ..units import UNITS, Axis, clear
from . import peephole_lstm
from .base import Cell, packed_both_ways, row_of_vectors
from .lstm_equations import lstm_equations

__all__ = ["ProjectedLSTM"]


class ProjectedLSTM(Cell):
    """An LSTM of many units with few weights: its hidden state ``h = m W_m`` projects what its H units put out, m.

    The first P columns of h are the recurrent projection: they are what the gates see one step later. Then come Q
    columns of the non-recurrent projection, which only what is above the layer sees (arXiv 1402.1128). PyTorch's
    ``proj_size`` is the case without peepholes and with Q = 0.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    n_projected : int
        P, the width of the recurrent projection.
    n_unrecurrent : int
        Q, the width of the non-recurrent projection.
    peepholes : bool
        Whether each gate sees the memory of its own unit, as in :class:`PeepholeLSTM` and in the paper.
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_gates = 4
    n_saved = 2
    n_memories = 1
    forget_gate = 1

    def __init__(
        self, n_hidden=64, n_projected=32, n_unrecurrent=0, peepholes=False, bias=True, forget_bias=1.0, init="uniform"
    ):  # fmt: skip
        self.n_hidden = n_hidden
        self.n_projected = n_projected
        self.n_unrecurrent = n_unrecurrent
        self.peepholes = peepholes
        self.bias = bias
        self.forget_bias = forget_bias
        self.init = init

    @property
    def n_outputs(self):
        return self.n_projected + self.n_unrecurrent

    def check(self):
        super().check()
        check_count("n_projected", self.n_projected)
        check_count("n_unrecurrent", self.n_unrecurrent, 0)

    def recurrent_axes(self):
        H = self.n_hidden
        axes = {
            "recurrent": (Axis(1, self.n_projected), Axis(4, H)),
            "projection": (Axis(1, H), Axis(1, self.n_outputs)),
        }
        return axes | ({"peephole": (Axis(3, H),)} if self.peepholes else {})

    def kernels(self):
        return _kernels(bool(self.peepholes))

    def packed(self, weights, width, derivative, calls):
        axes = self.recurrent_axes()
        both = [packed_both_ways(weights[name], *axes[name], derivative, calls) for name in ("recurrent", "projection")]
        return ProjectedWeights(*both[0], *both[1], row_of_vectors(weights, axes, calls), axes["recurrent"][0].wide)

    def scratch_shape(self, n, n_units, width):
        return n, padded(max(n_units, Axis(1, self.n_outputs).wide), width)


class ProjectedWeights(NamedTuple):
    """Recurrent weights and those of the projection; with the padding, P columns of a hidden state are recurrent."""

    recurrent: np.ndarray  # (P, 4 H) in panels
    transposed: np.ndarray  # (4 H, P)
    projection: np.ndarray  # (H, P + Q)
    projection_transposed: np.ndarray  # (P + Q, H)
    vectors: np.ndarray  # (1, 3 H) peepholes, or (1, 0)
    n_recurrent: int  # P


@functools.cache
def _kernels(peepholes):
    both = (peephole_lstm.equations, peephole_lstm.derivative) if peepholes else lstm_equations()
    equations, derivative = map(inline_here, both)

    def put_out(inputs, recurrent, before, memory, weights):
        m, new, gates, saved = equations(inputs, recurrent, before, memory, weights)
        return m, new, gates, (m, *saved)

    def put_out_derivative(d_m, d_memory, gates, saved, before, memory_before, weights):
        return derivative(d_m, d_memory, gates, saved[1:], before, memory_before, weights)

    n_vectors = 3 if peepholes else 0
    forward, backward = on_units(put_out, put_out_derivative, 4, 2, 1, n_vectors, projected=True)

    def step(n, first, before, after, weights, tape):
        H, own, hidden, scratch = weights.width, weights.recurrent, tape.hidden, tape.scratch
        add_product(n, own.n_recurrent, tape.recalled, before, own.recurrent, tape.gates, first)
        forward(n, first, before, after, 0, H, H, own.vectors, tape)
        clear(0, n, scratch)
        add_product(n, H, tape.saved, first, own.projection, scratch, 0)
        for b in range(n):
            for j in range(0, hidden.shape[1], UNITS):
                store(hidden, after + b, j, load(scratch, b, j, UNITS))

    def step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
        H, own, d_hidden, d_later = weights.width, weights.recurrent, tape.d_hidden, tape.d_later
        clear(0, n_later, d_later)
        add_product(n_later, 4 * H, tape.gates, later, own.transposed, tape.d_recalled, 0)
        recall_backward(n_later, 0, own.n_recurrent, tape)
        for b in range(n_later):
            for j in range(0, own.n_recurrent, UNITS):
                store(d_hidden, first + b, j, load(d_hidden, first + b, j, UNITS) + load(d_later, b, j, UNITS))
        clear(0, n, tape.scratch)
        add_product(n, tape.hidden.shape[1], d_hidden, first, own.projection_transposed, tape.scratch, 0)
        backward(n, first, before, 0, H, H, own.vectors, tape)

    def weigh_recurrent(n, first, after, batch, tape, out):
        weigh_hidden(n, first, after, batch, tape, out)
        add_outer(n, len(out[1]), tape.saved, batch.places, first, tape.d_hidden, first, out[1], 0, out[1].shape[1])
        if peepholes:
            peephole_lstm.weigh_peepholes(n, first, after, batch, tape, out[2])

    return unroll(step, step_backward, f"projected LSTM, peepholes {peepholes}", weigh_recurrent)
