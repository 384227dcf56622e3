"""The one loop over time, forward and backward, for every cell.

Rows are time-major and the sequences of a batch stand longest first: the rows of step t are those of the first
``sizes[t]`` sequences, so that the running ones are always a prefix and no padding is ever computed. Units are
padded to a multiple of :data:`UNITS`, which stand side by side in one vector; gate g of unit h is column g H + h.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..jit import ARITHMETIC, inline, kernel
from ..products import add_product
from ..simd import PANEL_BYTES, load, store
from .generation import draw

__all__ = ["UNITS", "Kernels", "clear", "pointwise", "unroll"]

UNITS = 16
"""Units in a vector; layers are as wide as a multiple of it."""


def unroll(step, step_backward, key):
    """Turn the equations of one time step into kernels over whole batches.

    Hidden states and memories stand in arrays of B + M rows, the first B those that the run starts from. Steps
    get whole arrays and row numbers, for a slice costs as much as the arithmetic of a small step.

    Parameters
    ----------
    step : function
        ``step(n, first, record, before, after, table, rows, weights, hidden, memory, saved, scratch)``, for the
        n sequences that run at one time step: reads the projected inputs ``table[rows[first + b]]``, the hidden
        state ``hidden[before + b]``, the memory beside it, and the cell's weights (a NamedTuple); writes
        ``hidden[after + b]``, the memory beside it, and in ``saved[record + b]`` what the derivative wants.
        `scratch` is of the shape that the cell asked for.
    step_backward : function
        ``step_backward(n, first, before, after, d_hidden, d_later, d_memory, weights, hidden, memory, saved,
        d_inputs, d_recurrent, scratch)``: reads the gradients of what the step has written, that of the hidden state in
        two parts, ``d_hidden[first + b]`` from above and ``d_later[b]`` from the step after; writes those of the
        projected inputs and of the recurrent products, and turns ``d_later[b]`` and ``d_memory[b]`` into the
        gradients of the hidden state and memory one step before.
    key : str
        Names the cell and its options in the disk cache.

    Returns
    -------
    Kernels
    """
    step, step_backward = inline(step), inline(step_backward)
    key = f"{key}, panels of {PANEL_BYTES} bytes"

    @kernel(key=key, **ARITHMETIC)
    def forward(sizes, table, rows, weights, hidden, memory, saved, scratch):
        B = len(hidden) - len(rows)
        first = before = 0
        for n in sizes:
            step(n, first, first, before, B + first, table, rows, weights, hidden, memory, saved, scratch)
            before = B + first
            first += n

    @kernel(key=key, **ARITHMETIC)
    def backward(sizes, d_hidden, d_later, d_memory, weights, hidden, memory, saved, d_inputs, d_recurrent, scratch):
        B = len(hidden) - len(d_hidden)
        first = len(d_hidden)
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            first -= n
            before = B + first - sizes[t - 1] if t > 0 else 0
            step_backward(
                n, first, before, B + first, d_hidden, d_later, d_memory, weights, hidden, memory, saved, d_inputs,
                d_recurrent, scratch,
            )  # fmt: skip

    @kernel(key=key, **ARITHMETIC)
    def follow(sizes, table, rows, weights, hidden, memory, saved, scratch, above, bias, out):
        B, H = len(saved), hidden.shape[1]
        first = before = 0
        for n in sizes:
            after = B - before
            step(n, first, 0, before, after, table, rows, weights, hidden, memory, saved, scratch)
            for b in range(n):
                for j in range(out.shape[1]):
                    out[first + b, j] = bias[j]
            add_product(n, H, hidden, after, above, out, first)
            before = after
            first += n

    @kernel(key=key, **ARITHMETIC)
    def generate(
        uniforms, sharpness, table, weights, hidden, memory, saved, scratch, above, raw, offset, odds, codes
    ):
        (T, n), H = uniforms.shape, hidden.shape[1]
        before = 0
        for t in range(T):
            clear(0, n, raw)
            add_product(n, H, hidden, before, above, raw, 0)
            for b in range(n):
                codes[t, b] = draw(raw, b, offset, sharpness, uniforms[t, b], odds)
            after = n - before
            step(n, 0, 0, before, after, table, codes[t], weights, hidden, memory, saved, scratch)
            before = after

    return Kernels(forward, backward, follow, generate)


class Kernels(NamedTuple):
    """What becomes of the equations of one time step."""

    forward: Callable
    """``forward(sizes, table, rows, weights, hidden, memory, saved, scratch)``"""
    backward: Callable
    """``backward(sizes, d_hidden, d_later, d_memory, weights, hidden, memory, saved, d_inputs, d_recurrent,
    scratch)``, where `d_later` and `d_memory` are zero."""
    follow: Callable
    """``follow(sizes, table, rows, weights, hidden, memory, saved, scratch, above, bias, out)``: forward without
    leaving a tape. Hidden states and memories have 2 B rows, which are before and after in turn, and `out`
    (M, J) is what the layer `above`, a matrix in panels, makes of the hidden states."""
    generate: Callable
    """``generate(uniforms, sharpness, table, weights, hidden, memory, saved, scratch, above, raw, offset, odds,
    codes)``: symbols (T, n) drawn one after the other, each read before the next is drawn."""


def pointwise(equations, derivative, n_gates, n_saved, has_memory):
    """Steps of a cell whose equations hold for each unit by itself, once the recurrent product is known.

    Parameters
    ----------
    equations : function
        ``equations(inputs, recurrent, before, memory) -> hidden, memory, saved``, all of them vectors of units:
        `inputs` and `recurrent` are tuples of one vector a gate, `saved` a tuple of `n_saved` vectors.
    derivative : function
        ``derivative(d_hidden, d_memory, saved, before, memory_before, hidden) -> d_inputs, d_recurrent,
        d_before, d_memory_before``, the first two tuples of one vector a gate.
    n_gates, n_saved : int
    has_memory : bool
        Whether the cell keeps a memory beside its hidden state.

    Returns
    -------
    step, step_backward : functions for :func:`unroll`; the weights have the fields `recurrent` (H, G H) and
        `transposed` (G H, H), both in panels, and scratch has B rows as wide as the panels of the first.
    """
    equations, derivative = inline(equations), inline(derivative)
    read_gates, write_gates = _READ[n_gates], _WRITE[n_gates]
    read_saved, write_saved = _READ[n_saved], _WRITE[n_saved]

    def step(n, first, record, before, after, table, rows, weights, hidden, memory, saved, scratch):
        H = hidden.shape[1]
        clear(0, n, scratch)
        add_product(n, H, hidden, before, weights.recurrent, scratch, 0)
        for b in range(n):
            row = rows[first + b]
            for h in range(0, H, UNITS):
                own = load(hidden, before + b, h, UNITS)
                old = load(memory, before + b, h, UNITS) if has_memory else own
                inputs, recurrent = read_gates(table, row, h, H), read_gates(scratch, b, h, H)
                new, new_memory, keep = equations(inputs, recurrent, own, old)
                store(hidden, after + b, h, new)
                write_saved(saved, record + b, h, H, keep)
                if has_memory:
                    store(memory, after + b, h, new_memory)

    def step_backward(
        n, first, before, after, d_hidden, d_later, d_memory, weights, hidden, memory, saved, d_inputs, d_recurrent,
        scratch,
    ):  # fmt: skip
        H = hidden.shape[1]
        for b in range(n):
            for h in range(0, H, UNITS):
                d_new = load(d_hidden, first + b, h, UNITS) + load(d_later, b, h, UNITS)
                own = load(hidden, before + b, h, UNITS)
                d_new_memory = load(d_memory, b, h, UNITS) if has_memory else d_new
                old = load(memory, before + b, h, UNITS) if has_memory else own
                d_in, d_product, d_direct, d_old = derivative(
                    d_new, d_new_memory, read_saved(saved, first + b, h, H), own, old, load(hidden, after + b, h, UNITS)
                )
                write_gates(d_inputs, first + b, h, H, d_in)
                write_gates(d_recurrent, first + b, h, H, d_product)
                store(d_later, b, h, d_direct)
                if has_memory:
                    store(d_memory, b, h, d_old)
        add_product(n, n_gates * H, d_recurrent, first, weights.transposed, d_later, 0)

    return step, step_backward


@inline
def clear(first, end, scratch):
    """Set some rows to zero."""
    for b in range(first, end):
        for j in range(scratch.shape[1]):
            scratch[b, j] = 0


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
