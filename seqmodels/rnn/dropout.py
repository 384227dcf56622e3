"""Dropout: what a layer hands up, to the layer above or to the output, reaches it in part; and so does what it recalls.

Recurrent dropout is variational (Gal & Ghahramani 2016): recurrent weights see the hidden state under a mask that is
drawn once for each sequence and holds over its steps. What goes on in time without such weights does so as it is.
"""

import functools

import numpy as np

from ..jit import APART, inline_here, kernel
from ..simd import load, splat, store
from .units import UNITS

__all__ = ["Dropout", "lay_out_masks", "recall", "recall_backward", "weigh_by_mask", "with_dropout"]


class Dropout:
    """Draws masks: units are left out, and the others make up for it.

    Those of a batch are drawn at once, so that they do not depend on how it is shared out.

    Parameters
    ----------
    rates : dict of float in [0, 1)
        The share of units that are left out of what layers hand up, "passed", at each step anew, and of what they
        recall, "recalled", for whole sequences. Where there is none, all are left in.
    generator : numpy.random.Generator
    """

    def __init__(self, rates, generator):
        self.rates = rates
        self.generator = generator

    def masks(self, name, arena, shape, dtype):
        """Zeros, and numbers of mean 1 / (1 - rate), in the memory of an arena."""
        rate, uniforms = self.rates[name], arena.array(f"uniforms, {name}", shape, np.float32)
        self.generator.random(out=uniforms, dtype=np.float32)
        out = arena.array(f"masks, {name}", shape, dtype)
        return np.multiply(uniforms >= rate, np.dtype(dtype).type(1 / (1 - rate)), out=out)


@functools.cache
def with_dropout(kernels):
    """The `Kernels` of a layer that hands up what its masks leave of its hidden state; it goes on with all of it."""
    run, run_back = kernels.forward, kernels.backward
    key = f"{kernels.key}, dropout"

    @kernel(key=key, **APART)
    def forward(sizes, source, first_input, layers):
        run(sizes, source, first_input, layers)
        hidden, passed, mask = layers[0].tape.hidden, layers[0].tape.passed, layers[0].tape.mask
        first, m = sizes[0], 0
        for n in sizes:
            for _ in range(n):
                for h in range(0, hidden.shape[1], UNITS):
                    store(passed, first + m, h, load(hidden, first + m, h, UNITS) * load(mask, m, h, UNITS))
                m += 1

    @kernel(key=key, **APART)
    def backward(batch, sizes, source, first_input, layers, d_below):
        d_hidden, mask = layers[0].tape.d_hidden, layers[0].tape.mask
        m = 0
        for n in sizes:
            for _ in range(n):
                for h in range(0, mask.shape[1], UNITS):
                    store(d_hidden, m, h, load(d_hidden, m, h, UNITS) * load(mask, m, h, UNITS))
                m += 1
        run_back(batch, sizes, source, first_input, layers, d_below)

    return kernels._replace(key=key, forward=forward, backward=backward)


@kernel
def lay_out_masks(sizes, masks, firsts, column, out):
    """Write masks in the order of a batch, where those of sequence b begin at row ``firsts[b]``, and at a column."""
    m = 0
    for t in range(len(sizes)):
        for b in range(sizes[t]):
            for j in range(out.shape[1]):
                out[m, j] = masks[firsts[b] + t, column + j]
            m += 1


# -------------------------------------------------------------------- what is recalled, for the steps of cells


@inline_here
def recall(n, row, tape):
    """Write what recurrent products see of n hidden states, from `row` on; without recurrent dropout it is these."""
    if len(tape.recall_mask) > 0:
        for b in range(n):
            for h in range(0, tape.hidden.shape[1], UNITS):
                own = load(tape.hidden, row + b, h, UNITS) * load(tape.recall_mask, b, h, UNITS)
                store(tape.recalled, row + b, h, own)


@inline_here
def recall_backward(n, start, end, tape):
    """Add the gradients of what n sequences recall, of some units, to those of their hidden states in `d_later`."""
    if len(tape.recall_mask) > 0:
        zeros = splat(tape.d_recalled.dtype.type(0), UNITS)
        for b in range(n):
            for h in range(start, end, UNITS):
                own = load(tape.d_recalled, b, h, UNITS) * load(tape.recall_mask, b, h, UNITS)
                store(tape.d_later, b, h, load(tape.d_later, b, h, UNITS) + own)
                store(tape.d_recalled, b, h, zeros)


@inline_here
def weigh_by_mask(n, array, row, mask):
    """Multiply n rows by the mask of what is recalled, where there is one."""
    if len(mask) > 0:
        for b in range(n):
            for h in range(0, mask.shape[1], UNITS):
                store(array, row + b, h, load(array, row + b, h, UNITS) * load(mask, b, h, UNITS))
