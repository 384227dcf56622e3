"""What a network reads: the observation one step before, as a gathered row or as standardised numbers."""

import numpy as np

from ..arrays import mean_and_variance
from ..forms import MISSING
from ..jit import kernel

__all__ = ["DenseInput", "SymbolInput", "input_for"]

FARTHEST = 1e6
"""Standard deviations at which inputs are cut off: any further, and hidden states could overflow."""


class SymbolInput:
    """A symbol picks a row of the input weights: never a one-hot product.

    Parameters
    ----------
    n_symbols : int
        V. The rows are those of the symbols, of the unknown symbol, of a missing one and of the start.
    """

    def __init__(self, n_symbols):
        self.n_symbols = n_symbols
        self.width = n_symbols + 3

    def encode(self, values):
        """Row numbers (n,) of values (n, 1)."""
        codes = values[:, 0]
        return np.where(codes == MISSING, self.n_symbols + 1, np.minimum(codes, self.n_symbols))

    def start(self, n):
        """What stands before the first observation, n times."""
        return np.full(n, self.n_symbols + 2)

    def project(self, encoded, weights, bias):
        """Inputs of the first layer's gates, as a table (S, G H) and the row (n,) of each: a gather."""
        if len(weights) > len(encoded):  # a large alphabet: only what occurs
            weights, encoded = np.take(weights, encoded, axis=0), np.arange(len(encoded))
        return (weights if bias is None else weights + bias), encoded

    def gradient(self, encoded, d_projected, out):
        """Gradient of the input weights, written to `out`: a scatter."""
        out[...] = 0
        _scatter_add(encoded, d_projected, out)


class DenseInput:
    """Numbers, standardised (columns of zeros and ones are left as they are).

    A missing entry enters as zero, and raises a flag of its own where the training data had missing entries;
    one more flag marks the start.

    Parameters
    ----------
    centre, scale : arrays (D,)
    flags : bool
        Whether there are flags for missing entries.
    dtype : dtype
    """

    def __init__(self, centre, scale, flags, dtype):
        self.centre = centre
        self.scale = scale
        self.flags = flags
        self.dtype = dtype
        self.width = len(centre) * (2 if flags else 1) + 1

    def encode(self, values):
        """Input vectors (n, I) of values (n, D)."""
        missing = np.isnan(values)
        numbers = np.where(missing, 0.0, np.clip((values - self.centre) / self.scale, -FARTHEST, FARTHEST))
        flags = [missing] if self.flags else []
        return np.concatenate([numbers, *flags, np.zeros((len(values), 1))], axis=1).astype(self.dtype)

    def start(self, n):
        """What stands before the first observation, n times."""
        vectors = np.zeros((n, self.width), dtype=self.dtype)
        vectors[:, -1] = 1
        return vectors

    def project(self, encoded, weights, bias):
        """Inputs of the first layer's gates, as a table (n, G H) and the row (n,) of each."""
        projected = encoded @ weights
        if bias is not None:
            projected += bias
        return projected, np.arange(len(encoded))

    def gradient(self, encoded, d_projected, out):
        """Gradient of the input weights, written to `out`."""
        np.dot(encoded.T, d_projected, out=out)


def input_for(sequences, dtype):
    """The input layer for data of this kind."""
    if sequences.alphabet is not None:
        return SymbolInput(len(sequences.alphabet))
    values, missing = sequences.values.astype(float), sequences.missing
    if np.all((values == 0) | (values == 1) | missing):
        centre, scale = np.zeros(sequences.n_features), np.ones(sequences.n_features)
    else:
        centre, variance = mean_and_variance(values)
        scale = np.sqrt(variance)
        scale = np.where(scale > 0, scale, 1.0)
    return DenseInput(centre, scale, bool(missing.any()), dtype)


@kernel
def _scatter_add(encoded, d_projected, out):
    n, width = d_projected.shape
    for m in range(n):
        row = encoded[m]
        for j in range(width):
            out[row, j] += d_projected[m, j]
