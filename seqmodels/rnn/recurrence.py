"""The one loop over time, forward and backward, for every cell.

Rows are time-major and the sequences of a batch stand longest first: the rows of step t are those of the first
``sizes[t]`` sequences, so that the running ones are always a prefix and no padding is ever computed.
"""

import numpy as np

from ..jit import inline, kernel

__all__ = ["add_product", "pointwise", "relu", "sigmoid", "tanh", "unroll"]


def unroll(step, step_backward, key):
    """Turn the equations of one time step into kernels over whole batches.

    Parameters
    ----------
    step : function
        ``step(inputs, before, memory_before, weights, hidden, memory, saved)``, on the n rows of one time
        step: reads the projected inputs (n, G H), the hidden state and memory one step before, and the cell's
        weights (a NamedTuple); writes hidden (n, H), memory and whatever the derivative wants to be saved.
    step_backward : function
        ``step_backward(d_hidden, d_memory, before, memory_before, weights, hidden, memory, saved, d_inputs,
        d_recurrent, d_before)``: reads the gradients of what the step has written; writes those of the
        projected inputs and of the recurrent products, turns `d_memory` into that of the memory before, and
        adds to `d_before`.
    key : str
        Names the cell and its options in the disk cache.

    Returns
    -------
    forward, backward : kernels
        ``forward(inputs, sizes, start, memory_start, weights, hidden, memory, saved)`` and
        ``backward(d_hidden, sizes, start, memory_start, weights, hidden, memory, saved, d_inputs,
        d_recurrent)``; the latter turns `d_hidden`, the gradients from above, into those of above and ahead.
    """
    step, step_backward = inline(step), inline(step_backward)

    @kernel(key=key)
    def forward(inputs, sizes, start, memory_start, weights, hidden, memory, saved):
        before, memory_before = start, memory_start
        first = 0
        for n in sizes:
            rows = slice(first, first + n)
            step(inputs[rows], before[:n], memory_before[:n], weights, hidden[rows], memory[rows], saved[rows])
            before, memory_before = hidden[rows], memory[rows]
            first += n

    @kernel(key=key)
    def backward(d_hidden, sizes, start, memory_start, weights, hidden, memory, saved, d_inputs, d_recurrent):
        d_memory = np.zeros_like(memory_start)
        d_start = np.zeros_like(start)
        first = len(hidden)
        for t in range(len(sizes) - 1, -1, -1):
            n = sizes[t]
            first -= n
            rows = slice(first, first + n)
            if t > 0:
                earlier = slice(first - sizes[t - 1], first - sizes[t - 1] + n)
                before, memory_before, d_before = hidden[earlier], memory[earlier], d_hidden[earlier]
            else:
                before, memory_before, d_before = start[:n], memory_start[:n], d_start[:n]
            step_backward(
                d_hidden[rows], d_memory[:n], before, memory_before, weights, hidden[rows], memory[rows], saved[rows],
                d_inputs[rows], d_recurrent[rows], d_before,
            )  # fmt: skip

    return forward, backward


def pointwise(equations, derivative, n_gates, n_saved, has_memory):
    """Steps of a cell whose equations hold for each unit by itself, once the recurrent product is known.

    Parameters
    ----------
    equations : function
        ``equations(inputs, recurrent, before, memory) -> hidden, memory, saved``: `inputs` and `recurrent` are
        tuples of one number a gate, `saved` a tuple of `n_saved` numbers.
    derivative : function
        ``derivative(d_hidden, d_memory, saved, before, memory_before, hidden) -> d_inputs, d_recurrent,
        d_before, d_memory_before``, the first two tuples of one number a gate.
    n_gates, n_saved : int
    has_memory : bool
        Whether the cell keeps a memory beside its hidden state.

    Returns
    -------
    step, step_backward : functions for :func:`unroll`; the weights have the fields `recurrent` (H, G H) and
        `transposed` (G H, H).
    """
    equations, derivative = inline(equations), inline(derivative)
    read_gates, write_gates = _READ[n_gates], _WRITE[n_gates]
    read_saved, write_saved = _READ[n_saved], _WRITE[n_saved]

    def step(inputs, before, memory_before, weights, hidden, memory, saved):
        n, H = hidden.shape
        recurrent = np.zeros_like(inputs)
        add_product(before, weights.recurrent, recurrent)
        for b in range(n):
            for h in range(H):
                old = memory_before[b, h] if has_memory else before[b, h]
                hidden[b, h], new, keep = equations(
                    read_gates(inputs, b, h, H), read_gates(recurrent, b, h, H), before[b, h], old
                )
                write_saved(saved, b, h, H, keep)
                if has_memory:
                    memory[b, h] = new

    def step_backward(
        d_hidden, d_memory, before, memory_before, weights, hidden, memory, saved, d_inputs, d_recurrent, d_before
    ):
        n, H = hidden.shape
        for b in range(n):
            for h in range(H):
                d_new = d_memory[b, h] if has_memory else d_hidden[b, h]
                old = memory_before[b, h] if has_memory else before[b, h]
                d_in, d_product, d_direct, d_old = derivative(
                    d_hidden[b, h], d_new, read_saved(saved, b, h, H), before[b, h], old, hidden[b, h]
                )
                write_gates(d_inputs, b, h, H, d_in)
                write_gates(d_recurrent, b, h, H, d_product)
                d_before[b, h] += d_direct
                if has_memory:
                    d_memory[b, h] = d_old
        add_product(d_recurrent, weights.transposed, d_before)

    return step, step_backward


@inline
def add_product(a, b, out):
    """``out += a @ b``, four rows of b at a time."""
    n, K = a.shape
    J = b.shape[1]
    whole = K - K % 4
    for i in range(n):
        for k in range(0, whole, 4):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            for j in range(J):
                out[i, j] += a0 * b[k, j] + a1 * b[k + 1, j] + a2 * b[k + 2, j] + a3 * b[k + 3, j]
        for k in range(whole, K):
            for j in range(J):
                out[i, j] += a[i, k] * b[k, j]


# -------------------------------------------------------------------- activations
# No integer literals beside numbers of single precision: Numba would go on in double precision.


@inline
def sigmoid(x):
    """``1 / (1 + exp(-x))`` without overflow."""
    one = type(x)(1)
    small = np.exp(-abs(x))
    return (one if x >= 0 else small) / (one + small)


@inline
def tanh(x):
    """Hyperbolic tangent, within a few units of the last place: Padé's [7/6] near 0, else by the exponential."""
    number = type(x)
    if abs(x) < number(0.25):
        y = x * x
        above = ((y + number(378)) * y + number(17325)) * y + number(135135)
        below = ((number(28) * y + number(3150)) * y + number(62370)) * y + number(135135)
        return x * above / below
    small = np.exp(number(-2) * abs(x))
    size = (number(1) - small) / (number(1) + small)
    return size if x > 0 else -size


@inline
def relu(x):
    """The positive part."""
    return x if x > 0 else x - x


# -------------------------------------------------------------------- numbers of one unit, in and out
# Gate g of unit h of row b stands in column g H + h.


@inline
def _read0(array, b, h, H):
    return ()


@inline
def _read1(array, b, h, H):
    return (array[b, h],)


@inline
def _read3(array, b, h, H):
    return array[b, h], array[b, H + h], array[b, 2 * H + h]


@inline
def _read4(array, b, h, H):
    return array[b, h], array[b, H + h], array[b, 2 * H + h], array[b, 3 * H + h]


@inline
def _read5(array, b, h, H):
    return array[b, h], array[b, H + h], array[b, 2 * H + h], array[b, 3 * H + h], array[b, 4 * H + h]


@inline
def _write0(array, b, h, H, numbers):
    pass


@inline
def _write1(array, b, h, H, numbers):
    (array[b, h],) = numbers


@inline
def _write3(array, b, h, H, numbers):
    array[b, h], array[b, H + h], array[b, 2 * H + h] = numbers


@inline
def _write4(array, b, h, H, numbers):
    array[b, h], array[b, H + h], array[b, 2 * H + h], array[b, 3 * H + h] = numbers


@inline
def _write5(array, b, h, H, numbers):
    array[b, h], array[b, H + h], array[b, 2 * H + h], array[b, 3 * H + h], array[b, 4 * H + h] = numbers


_READ = {0: _read0, 1: _read1, 3: _read3, 4: _read4, 5: _read5}
_WRITE = {0: _write0, 1: _write1, 3: _write3, 4: _write4, 5: _write5}
