"""The one loop over time, forward and backward, for every cell.

Rows are time-major and the sequences of a batch stand longest first: the rows of step t are those of the first
``sizes[t]`` sequences, so that the running ones are always a prefix and no padding is ever computed. Units are
padded to a multiple of :data:`UNITS`, which stand side by side in one vector; gate g of unit h is column g H + h.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..jit import ARITHMETIC, inline, kernel
from ..products import add_panel, add_product, padded
from ..simd import PANEL_BYTES, load, splat, store
from .generation import draw

__all__ = ["UNITS", "Kernels", "clear", "in_blocks", "pointwise", "units_in_block", "unroll"]

UNITS = 16
"""Units in a vector; layers are as wide as a multiple of it."""

ALIKE = PANEL_BYTES // 8
"""Numbers that are copied at once; every panel has a multiple of it."""


def unroll(step, step_backward, key):
    """Turn the equations of one time step into kernels over whole batches.

    Hidden states and memories stand in arrays of B + M rows, the first B those that the run starts from. Steps
    get whole arrays and row numbers, for a slice costs as much as the arithmetic of a small step.

    Parameters
    ----------
    step : function
        ``step(n, first, record, before, after, table, rows, weights, hidden, memory, gates, saved, scratch)``,
        for the n sequences that run at one time step: reads the projected inputs ``table[rows[first + b]]``, the
        hidden state ``hidden[before + b]``, the memory beside it, and the cell's weights (a NamedTuple); writes
        ``hidden[after + b]``, the memory beside it, and in ``gates[record + b]`` (one number a gate) and
        ``saved[record + b]`` what the derivative wants. `scratch` is of the shape that the cell asked for.
    step_backward : function
        ``step_backward(n, first, before, n_later, later, d_hidden, d_later, d_memory, weights, hidden, memory,
        gates, saved, d_recurrent, scratch)``: reads the gradients of what the step has written, that of the
        hidden state in two parts: ``d_hidden[first + b]`` from above, and from the step after, whose n_later
        rows begin at `later`, what that has left in ``d_later[b]`` and `d_recurrent`. Turns ``gates[first + b]``
        into the gradient of the projected inputs, ``d_memory[b]`` into that of the memory one step before, and
        writes that of the recurrent products. At first, `d_later` and `d_memory` are zero.
    key : str
        Names the cell and its options in the disk cache.

    Returns
    -------
    Kernels
    """
    step, step_backward = inline(step), inline(step_backward)
    key = f"{key}, panels of {PANEL_BYTES} bytes"

    @kernel(key=key, **ARITHMETIC)
    def forward(sizes, table, rows, weights, hidden, memory, gates, saved, scratch):
        B = len(hidden) - len(rows)
        first = before = 0
        for n in sizes:
            after = B + first
            step(n, first, first, before, after, table, rows, weights, hidden, memory, gates, saved, scratch)
            before = after
            first += n

    @kernel(key=key, **ARITHMETIC)
    def backward(sizes, d_hidden, d_later, d_memory, weights, hidden, memory, gates, saved, d_recurrent, scratch):
        B = len(hidden) - len(d_hidden)
        n_later, later = 0, len(d_hidden)
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            first = later - n
            before = B + first - sizes[t - 1] if t > 0 else 0
            step_backward(
                n, first, before, n_later, later, d_hidden, d_later, d_memory, weights, hidden, memory, gates, saved,
                d_recurrent, scratch,
            )  # fmt: skip
            n_later, later = n, first

    @kernel(key=key, **ARITHMETIC)
    def follow(sizes, table, rows, weights, hidden, memory, gates, saved, scratch, above, bias, out):
        B, H = len(gates), hidden.shape[1]
        first = before = 0
        for n in sizes:
            after = B - before
            step(n, first, 0, before, after, table, rows, weights, hidden, memory, gates, saved, scratch)
            for b in range(n):
                for j in range(0, out.shape[1], ALIKE):
                    store(out, first + b, j, load(bias, 0, j, ALIKE))
            add_product(n, H, hidden, after, above, out, first)
            before = after
            first += n

    @kernel(key=key, **ARITHMETIC)
    def generate(
        uniforms, sharpness, table, weights, hidden, memory, gates, saved, scratch, above, raw, offset, odds, codes
    ):
        (T, n), H = uniforms.shape, hidden.shape[1]
        before = 0
        for t in range(T):
            clear(0, n, raw)
            add_product(n, H, hidden, before, above, raw, 0)
            for b in range(n):
                codes[t, b] = draw(raw, b, offset, sharpness, uniforms[t, b], odds)
            after = n - before
            step(n, 0, 0, before, after, table, codes[t], weights, hidden, memory, gates, saved, scratch)
            before = after

    return Kernels(forward, backward, follow, generate)


class Kernels(NamedTuple):
    """What becomes of the equations of one time step."""

    forward: Callable
    """``forward(sizes, table, rows, weights, hidden, memory, gates, saved, scratch)``"""
    backward: Callable
    """``backward(sizes, d_hidden, d_later, d_memory, weights, hidden, memory, gates, saved, d_recurrent,
    scratch)``, where `d_later` and `d_memory` are zero; turns `gates` into the gradient of projected inputs."""
    follow: Callable
    """``follow(sizes, table, rows, weights, hidden, memory, gates, saved, scratch, above, bias, out)``: forward
    without leaving a tape. Hidden states and memories have 2 B rows, which are before and after in turn, and
    `out` (M, J) is what the layer `above`, a matrix in panels, makes of the hidden states."""
    generate: Callable
    """``generate(uniforms, sharpness, table, weights, hidden, memory, gates, saved, scratch, above, raw, offset,
    odds, codes)``: symbols (T, n) drawn one after the other, each read before the next is drawn."""


def pointwise(equations, derivative, n_gates, n_saved=0, has_memory=False, additive=True):
    """Steps of a cell whose equations hold for each unit by itself, once the recurrent product is known.

    Parameters
    ----------
    equations : function
        ``equations(inputs, recurrent, before, memory) -> hidden, memory, gates, saved``, all of them vectors of
        units: `inputs`, `recurrent` and `gates` are tuples of one vector a gate, `saved` one of `n_saved`.
    derivative : function
        ``derivative(d_hidden, d_memory, gates, saved, before, memory_before) -> d_inputs, d_recurrent, d_before,
        d_memory_before``, the first two tuples of one vector a gate.
    n_gates, n_saved : int
    has_memory : bool
        Whether the cell keeps a memory beside its hidden state.
    additive : bool
        Whether `d_inputs` and `d_recurrent` are the same.

    Returns
    -------
    step, step_backward : functions for :func:`unroll`; the weights have the fields `recurrent` (H, G H), its
        columns in the order of :func:`in_blocks`, and `transposed` (G H, H), both in panels.
    """
    equations, derivative = inline(equations), inline(derivative)
    read_gates, write_gates = _READ[n_gates], _WRITE[n_gates]
    read_saved, write_saved = _READ[n_saved], _WRITE[n_saved]

    def step(n, first, record, before, after, table, rows, weights, hidden, memory, gates, saved, scratch):
        H, width = hidden.shape[1], weights.recurrent.shape[1]
        span, panel = units_in_block(H, width), 0
        for block in range(0, H, span):  # so many units at once that what they need stays near
            clear(0, n, scratch)
            for column in range(0, n_gates * span, width):
                add_panel(n, H, hidden, before, weights.recurrent, panel, scratch, 0, column)
                panel += H
            for b in range(n):
                for h in range(block, block + span, UNITS):
                    own = load(hidden, before + b, h, UNITS)
                    old = load(memory, before + b, h, UNITS) if has_memory else own
                    inputs = read_gates(table, rows[first + b], h, H)
                    new, new_memory, values, keep = equations(
                        inputs, read_gates(scratch, b, h - block, span), own, old
                    )
                    store(hidden, after + b, h, new)
                    write_gates(gates, record + b, h, H, values)
                    write_saved(saved, record + b, h, H, keep)
                    if has_memory:
                        store(memory, after + b, h, new_memory)

    def step_backward(
        n, first, before, n_later, later, d_hidden, d_later, d_memory, weights, hidden, memory, gates, saved,
        d_recurrent, scratch,
    ):  # fmt: skip
        H, width = hidden.shape[1], weights.transposed.shape[1]
        span, panel = units_in_block(H, width), 0
        for block in range(0, H, span):
            for column in range(block, block + span, width):
                add_panel(n_later, n_gates * H, d_recurrent, later, weights.transposed, panel, d_later, 0, column)
                panel += n_gates * H
            for b in range(n):
                for h in range(block, block + span, UNITS):
                    d_new = load(d_hidden, first + b, h, UNITS) + load(d_later, b, h, UNITS)
                    own = load(hidden, before + b, h, UNITS)
                    d_new_memory = load(d_memory, b, h, UNITS) if has_memory else d_new
                    old = load(memory, before + b, h, UNITS) if has_memory else own
                    values, kept = read_gates(gates, first + b, h, H), read_saved(saved, first + b, h, H)
                    d_in, d_product, d_direct, d_old = derivative(d_new, d_new_memory, values, kept, own, old)
                    write_gates(gates, first + b, h, H, d_in)
                    if not additive:
                        write_gates(d_recurrent, first + b, h, H, d_product)
                    store(d_later, b, h, d_direct)
                    if has_memory:
                        store(d_memory, b, h, d_old)

    return step, step_backward


@inline
def units_in_block(n_hidden, width):
    """Units that a step works on at once, where a panel has so many columns: whole panels, or all."""
    span = max(width, UNITS)
    return span if n_hidden % span == 0 else n_hidden


def in_blocks(n_hidden, n_gates, width):
    """The columns of recurrent weights (H, G H) as steps go through them: all gates of a block, then the next."""
    span = units_in_block(n_hidden, width)
    columns = np.full((n_hidden // span, padded(n_gates * span, width)), -1)
    for block, own in enumerate(columns):
        units = block * span + np.arange(span)
        own[: n_gates * span] = (np.arange(n_gates)[:, None] * n_hidden + units).ravel()
    return columns.ravel()


@inline
def clear(first, end, scratch):
    """Set some rows to zero, in vectors as long as those that are read next, which would have to wait otherwise."""
    zeros = splat(scratch.dtype.type(0), ALIKE)
    for b in range(first, end):
        for j in range(0, scratch.shape[1], ALIKE):
            store(scratch, b, j, zeros)


# -------------------------------------------------------------------- vectors of units, one a gate, in and out


@inline
def _read0(array, b, h, H):
    return ()


@inline
def _read1(array, b, h, H):
    return (load(array, b, h, UNITS),)


@inline
def _read3(array, b, h, H):
    return load(array, b, h, UNITS), load(array, b, H + h, UNITS), load(array, b, 2 * H + h, UNITS)


@inline
def _read4(array, b, h, H):
    return (*_read3(array, b, h, H), load(array, b, 3 * H + h, UNITS))


@inline
def _read5(array, b, h, H):
    return (*_read4(array, b, h, H), load(array, b, 4 * H + h, UNITS))


@inline
def _write0(array, b, h, H, vectors):
    pass


@inline
def _write1(array, b, h, H, vectors):
    store(array, b, h, vectors[0])


@inline
def _write3(array, b, h, H, vectors):
    store(array, b, h, vectors[0])
    store(array, b, H + h, vectors[1])
    store(array, b, 2 * H + h, vectors[2])


@inline
def _write4(array, b, h, H, vectors):
    _write3(array, b, h, H, vectors)
    store(array, b, 3 * H + h, vectors[3])


@inline
def _write5(array, b, h, H, vectors):
    _write4(array, b, h, H, vectors)
    store(array, b, 4 * H + h, vectors[4])


_READ = {0: _read0, 1: _read1, 3: _read3, 4: _read4, 5: _read5}
_WRITE = {0: _write0, 1: _write1, 3: _write3, 4: _write4, 5: _write5}
