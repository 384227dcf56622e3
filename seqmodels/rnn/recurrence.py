"""The one loop over time, forward and backward, for every cell.

Rows are time-major and the sequences of a batch stand longest first: the rows of step t are those of the first
``sizes[t]`` sequences, so that the running ones are always a prefix and no padding is ever computed. Units are
padded to a multiple of :data:`~seqmodels.rnn.units.UNITS`, which stand side by side in one vector; gate g of unit h
is column g H + h.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..jit import APART, ARITHMETIC, inline_here, kernel
from ..products import add_outer, add_product, product
from ..simd import PANEL_BYTES
from .dropout import recall
from .generation import draw
from .projection import project, weigh_input
from .units import add_rows, clear

__all__ = ["Gradient", "Kernels", "Layer", "Tape", "Weights", "unroll", "weigh_hidden"]

WEIGHED = 1 << 17
"""Gradients of gates that are gathered before those of the weights are added up: what stays in cache."""


class Weights(NamedTuple):
    """Weights of a layer of h units, H with the padding, ready for its kernels.

    The hidden state that the layer hands up and on has a width of its own, P with the padding: that of the units,
    unless the cell projects it.
    """

    n_gates: int  # G
    n_units: int  # h
    width: int  # H
    input: np.ndarray  # for symbols (S, G h) as they are, of h units; else (I, G H) in panels
    below: np.ndarray  # (G H, I) in panels: its transpose, where there is a layer below
    bias: np.ndarray  # (1, G H), or (B, G H) for each sequence its own; zero where the layer has none
    recurrent: tuple  # arrays by name, as the cell wants them
    jacobian_penalty: float = 0.0  # how strongly the lengths of gradients are held, where the kernels do that


class Tape(NamedTuple):
    """What the forward pass of a layer leaves for the backward pass, and what both work on.

    The first B rows of hidden states and memories are what a run starts from. Arrays may have more rows, and
    more columns to whole panels. A cell may have no memory, or several of H side by side.
    """

    hidden: np.ndarray  # (B + M, P)
    memory: np.ndarray  # (B + M, H), (B + M, 0) or more
    gates: np.ndarray  # (M, G H): projected inputs, then the gates, then the gradients of projected inputs
    saved: np.ndarray  # (M, ...)
    d_hidden: np.ndarray  # (M, P), from above; a step may add to it what came from the step after
    d_recurrent: np.ndarray  # (M, G H), gradients of the recurrent products; the same as `gates` where these are equal
    d_later: np.ndarray  # (B, P)
    d_memory: np.ndarray  # (B, H), (B, 0) or more
    scratch: np.ndarray
    passed: np.ndarray  # (B + M, P): hidden states as they are handed up; `hidden` itself where there is no dropout
    mask: np.ndarray  # (M, P), what they are multiplied by; no rows where there is no dropout
    recalled: np.ndarray  # (B + M, P): hidden states as recurrent products see them; `hidden` itself without dropout
    recall_mask: np.ndarray  # (B, P), what they are multiplied by at all steps; no rows where there is no dropout
    d_recalled: np.ndarray  # (B, P), their gradients; `d_later` itself without dropout


class Gradient(NamedTuple):
    """Gradients of the weights of a layer."""

    input: np.ndarray  # (S, G h) or (I, G H)
    bias: np.ndarray  # (1, G H)
    recurrent: tuple  # of arrays, in the order of the cell's recurrent weights: matrices, vectors as rows


class Layer(NamedTuple):
    """All arrays of one layer that one thread works on."""

    weights: Weights
    tape: Tape
    gradient: Gradient


class Kernels(NamedTuple):
    """What becomes of the equations of one time step: functions to be compiled into the kernels of a network."""

    key: str
    """Names the cell and its options in the disk cache."""
    forward: Callable
    """``forward(sizes, source, first_input, layers)``: the steps of a batch, one after the other, through the first
    of some layers. Inputs stand in ``source[first_input + m]``: codes of symbols (...), or vectors (..., I)."""
    backward: Callable
    """``backward(batch, sizes, source, first_input, layers, d_below)``: backpropagation through time. Adds to the
    gradients of the weights, and writes those of the inputs to `d_below` (M, I), which has no columns where nobody
    asks for them."""
    generate: Callable
    """``generate(uniforms, sharpness, weights, tape, above, raw, offset, odds, codes)``: symbols (T, n) drawn one
    after the other, each read before the next is drawn."""


def unroll(step, step_backward, key, weigh_recurrent=None):
    """Turn the equations of one time step into loops over whole batches.

    Steps get whole arrays and row numbers, for a slice costs as much as the arithmetic of a small step.

    Parameters
    ----------
    step : function
        ``step(n, first, before, after, weights, tape)``, for the n sequences that run at one time step: reads the
        projected inputs in ``gates[first + b]``, the hidden state ``hidden[before + b]`` (for recurrent products,
        ``recalled[before + b]``) and the memory beside it, all on the :class:`Tape`, and the :class:`Weights`; writes
        ``hidden[after + b]``, the memory beside it, and
        in ``gates[first + b]`` (one number a gate) and ``saved[first + b]`` what the derivative wants. `scratch` is
        of the shape that the cell asked for.
    step_backward : function
        ``step_backward(n, first, before, after, n_later, later, weights, tape, gradient)``: reads the gradients of
        what the step has written, that of the hidden state in two parts: ``d_hidden[first + b]`` from above, and
        from the step after, whose n_later rows begin at `later`, what that has left in ``d_later[b]`` and
        `d_recurrent`; products with the latter are added to ``d_recalled[b]``, and from there to the former by
        :func:`~seqmodels.rnn.dropout.recall_backward`. Turns ``gates[first + b]`` into the gradient of the projected
        inputs, ``d_memory[b]`` into that of the memory one step before, and writes that of the recurrent products. At
        first, `d_later`, `d_recalled` and `d_memory` are zero. It may add to the arrays of ``gradient.recurrent``
        what only it knows.
    key : str
        Names the cell and its options in the disk cache.
    weigh_recurrent : function, optional
        ``weigh_recurrent(n, first, after, batch, tape, out)``: adds the gradients of the recurrent weights over n
        rows, from the first one on, whose hidden states stand from `after` on, to the arrays in the tuple `out`.
        By default there is one, which multiplies the hidden state one step before.

    Returns
    -------
    Kernels
    """
    step, step_backward = inline_here(step), inline_here(step_backward)
    weigh_recurrent = inline_here(weigh_hidden if weigh_recurrent is None else weigh_recurrent)
    key = f"{key}, panels of {PANEL_BYTES} bytes"

    @kernel(key=key, **APART)
    def forward(sizes, source, first_input, layers):
        weights, tape, _ = layers[0]
        first = before = 0
        recall(sizes[0], 0, tape)
        for n in sizes:
            after = sizes[0] + first
            project(n, source, first_input + first, weights, tape.gates, first)
            step(n, first, before, after, weights, tape)
            recall(n, after, tape)
            before = after
            first += n

    @kernel(key=key, **APART)
    def backward(batch, sizes, source, first_input, layers, d_below):
        weights, tape, gradient = layers[0]
        gates, B = tape.gates, sizes[0]
        n_weighed = max(32, WEIGHED // gates.shape[1])
        clear(0, B, tape.d_later)
        clear(0, B, tape.d_recalled)
        clear(0, B, tape.d_memory)
        n_later, later = 0, _rows_of(sizes)
        end = later  # of the rows whose weights have to wait
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            first = later - n
            before = B + first - sizes[t - 1] if t > 0 else 0
            step_backward(n, first, before, B + first, n_later, later, weights, tape, gradient)
            n_later, later = n, first
            if end - first >= n_weighed or t == 0:
                weigh_recurrent(end - first, first, B + first, batch, tape, gradient.recurrent)
                add_rows(end - first, gates, first, gradient.bias)
                weigh_input(end - first, source, first_input + first, batch, weights, gates, first, gradient.input)
                if d_below.shape[1] > 0:
                    clear(first, end, d_below)
                    product(end - first, weights.n_gates * weights.width, gates, first, weights.below, d_below, first)
                end = first

    @kernel(key=key, **ARITHMETIC)
    def generate(uniforms, sharpness, weights, tape, above, raw, offset, odds, codes):
        (T, n), hidden, before = uniforms.shape, tape.hidden, 0
        for t in range(T):
            clear(0, n, raw)
            add_product(n, hidden.shape[1], hidden, before, above, raw, 0)
            for b in range(n):
                codes[t, b] = draw(raw, b, offset, sharpness, uniforms[t, b], odds)
            after = n - before
            project(n, codes[t], 0, weights, tape.gates, 0)
            step(n, 0, before, after, weights, tape)
            before = after

    return Kernels(key, forward, backward, generate)


@inline_here
def _rows_of(sizes):
    """Rows of so many steps."""
    total = 0
    for n in sizes:
        total += n
    return total


@inline_here
def weigh_hidden(n, first, after, batch, tape, out):
    """Add the gradients over n rows of weights (P, G H) of the hidden state one step before, the first in `out`."""
    add_outer(n, len(out[0]), tape.recalled, batch.before, first, tape.d_recurrent, first, out[0], 0, out[0].shape[1])
