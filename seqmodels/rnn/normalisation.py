"""Rows with mean zero and standard deviation one, and the way back."""

import numpy as np

from ..jit import inline_here
from ..simd import load, splat, store, total
from .units import UNITS

__all__ = ["EPSILON", "normalise", "normalise_backward"]

EPSILON = 1e-5
"""Added to the variance, so that rows of equal numbers become zero; as in PyTorch."""


@inline_here
def normalise(a, row, n_columns, n_real, real, out, out_row, column):
    """Write a row of `a` to ``out[out_row, column :]``, normalised over `n_real` entries; the others become zero.

    Returns what the entries were multiplied with, once their mean was taken from them: the inverse of the standard
    deviation. Where `real` (1, ...) is zero, there is no entry.
    """
    sums = splat(a.dtype.type(0), UNITS)
    for j in range(0, n_columns, UNITS):
        sums = sums + load(real, 0, j, UNITS) * load(a, row, j, UNITS)
    mean = total(sums) / n_real
    squares = splat(a.dtype.type(0), UNITS)
    for j in range(0, n_columns, UNITS):
        centred = load(real, 0, j, UNITS) * (load(a, row, j, UNITS) - mean)
        squares = squares + centred * centred
        store(out, out_row, column + j, centred)
    scale = 1 / np.sqrt(total(squares) / n_real + EPSILON)
    for j in range(column, column + n_columns, UNITS):
        store(out, out_row, j, load(out, out_row, j, UNITS) * scale)
    return scale


@inline_here
def normalise_backward(d, row, n_columns, n_real, normalised, normalised_row, column, scale):
    """Turn the gradient of normalised entries, a row of `d`, into that of the entries themselves."""
    sums = products = splat(d.dtype.type(0), UNITS)
    for j in range(0, n_columns, UNITS):
        own = load(d, row, j, UNITS)
        sums = sums + own
        products = products + own * load(normalised, normalised_row, column + j, UNITS)
    mean, along = total(sums) / n_real, total(products) / n_real
    for j in range(0, n_columns, UNITS):
        own = load(d, row, j, UNITS) - mean - along * load(normalised, normalised_row, column + j, UNITS)
        store(d, row, j, own * scale)
