"""Gradients that keep their length on the way back: the regulariser of Pascanu, Mikolov & Bengio (2013)."""

import functools
import math

from ..jit import APART, kernel
from ..products import add_outer, add_product
from .dropout import weigh_by_mask
from .units import clear

__all__ = ["with_jacobian_penalty"]

SHORTEST = 1e-30
"""Length below which a gradient has vanished, and has no direction."""


@functools.cache
def with_jacobian_penalty(kernels):
    """The `Kernels` of a layer whose hidden state is all that it remembers, h = f(x W_x + h_before W_h + b).

    The loss grows by ``jacobian_penalty sum_t (|d[t + 1] J[t + 1]| / |d[t + 1]| - 1)^2``, where d[t] is the gradient
    of the hidden state at step t and ``J[t + 1]`` the derivative of that at step t + 1 in it. Its gradient is the
    immediate one, in W_h alone: all else is held as it is. What a step sends back is ``u = p W_h^T``, p the gradient
    of what its units sum up, so that each adds an outer product of u and p, which the pass back has left on the tape.
    With recurrent dropout, both the hidden state and u are under its mask.
    """
    run_back = kernels.backward
    key = f"{kernels.key}, Jacobian"

    @kernel(key=key, **APART)
    def backward(batch, sizes, source, first_input, layers, d_below):
        run_back(batch, sizes, source, first_input, layers, d_below)
        weights, tape, gradient = layers[0]
        transposed, strength = weights.recurrent.transposed, weights.jacobian_penalty
        P, end, n_later = tape.hidden.shape[1], 0, 0
        for n in sizes:
            end += n
        M, sent, lengths = end, tape.d_later, tape.scratch
        for t in range(len(sizes) - 1, 0, -1):
            n = sizes[t]
            first = end - n
            clear(n_later, n, sent)
            for b in range(n):  # of the gradient of the hidden state: from above, and sent back by the step after
                squares = 0.0
                for j in range(weights.n_units):
                    d = float(tape.d_hidden[first + b, j]) + sent[b, j]
                    squares += d * d
                lengths[b, 0] = math.sqrt(squares)
            clear(0, n, sent)
            add_product(n, weights.n_gates * weights.width, tape.d_recurrent, first, transposed, sent, 0)
            weigh_by_mask(n, sent, 0, tape.recall_mask)
            for b in range(n):
                squares = 0.0
                for j in range(weights.n_units):
                    squares += float(sent[b, j]) * sent[b, j]
                length, before = float(lengths[b, 0]), math.sqrt(squares)
                pull = 0.0
                if length > SHORTEST and before > SHORTEST:
                    pull = -2 * strength * (before / length - 1) / length / before
                for j in range(P):
                    tape.d_hidden[first + b, j] = pull * sent[b, j]  # which nobody reads again
            weigh_by_mask(n, tape.d_hidden, first, tape.recall_mask)
            n_later, end = n, first
        rows = M - sizes[0]
        out = gradient.recurrent[0]
        add_outer(rows, P, tape.d_hidden, batch.places, sizes[0], tape.d_recurrent, sizes[0], out, 0, out.shape[1])

    return kernels._replace(key=key, backward=backward)
