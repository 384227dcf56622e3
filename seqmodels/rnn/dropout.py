"""Dropout: what a layer hands up, to the layer above or to the output, reaches it in part."""

import functools

import numpy as np

from ..jit import APART, kernel
from ..simd import load, store
from .units import UNITS

__all__ = ["Dropout", "lay_out_masks", "with_dropout"]


class Dropout:
    """Draws masks: each unit at each step is left out at this rate, and the others make up for it.

    Those of a batch are drawn at once, so that they do not depend on how it is shared out.

    Parameters
    ----------
    rate : float
        In [0, 1).
    generator : numpy.random.Generator
    """

    def __init__(self, rate, generator):
        self.rate = rate
        self.generator = generator

    def masks(self, arena, shape, dtype):
        """Zeros, and numbers of mean 1 / (1 - rate), in the memory of an arena."""
        uniforms = arena.array("uniforms", shape, np.float32)
        self.generator.random(out=uniforms, dtype=np.float32)
        return np.multiply(
            uniforms >= self.rate, np.dtype(dtype).type(1 / (1 - self.rate)), out=arena.array("masks", shape, dtype)
        )


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
