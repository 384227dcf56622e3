"""What a network reads: the observation one step before, as the number of a row or as standardised numbers."""

import numpy as np

from ..arrays import mean_and_variance
from ..forms import MISSING
from ..jit import kernel

__all__ = ["DenseInput", "SymbolInput", "centre_and_scale", "input_for", "one_step_later", "standardised"]

FARTHEST = 1e6
"""Standard deviations at which inputs are cut off: any further, and hidden states could overflow."""


class SymbolInput:
    """A symbol picks a row of the input weights: never a one-hot product.

    Parameters
    ----------
    n_symbols : int
        V. The rows are those of the symbols, of the unknown symbol, of a missing one and of the start.
    """

    symbols = True

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

    def read(self, values, offsets):
        """What stands before each observation (M,) of sequences."""
        encoded = np.empty(len(values), dtype=np.int64)
        _read_symbols(values, offsets, self.n_symbols, encoded)
        return encoded


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
    columns : array of int, optional
        Which columns these are, where others hold symbols, whose embeddings mark the start.
    """

    symbols = False

    def __init__(self, centre, scale, flags, dtype, columns=None):
        self.centre = centre
        self.scale = scale
        self.flags = flags
        self.dtype = dtype
        self.columns = columns
        self.width = len(centre) * (2 if flags else 1) + (columns is None)

    def encode(self, values):
        """Input vectors (n, I) of values (n, D)."""
        if self.columns is not None:
            values = values[:, self.columns]
        missing = np.isnan(values)
        numbers = np.where(missing, 0.0, standardised(values, self.centre, self.scale))
        flags = [missing] if self.flags else []
        rest = np.zeros((len(values), self.width - len(self.centre) * (2 if self.flags else 1)))
        return np.concatenate([numbers, *flags, rest], axis=1).astype(self.dtype)

    def start(self, n):
        """What stands before the first observation, n times."""
        vectors = np.zeros((n, self.width), dtype=self.dtype)
        if self.columns is None:
            vectors[:, -1] = 1
        return vectors

    def read(self, values, offsets):
        """What stands before each observation (M, I) of sequences."""
        return one_step_later(self.encode(values), self.start(len(offsets) - 1), offsets)


def input_for(sequences, dtype, embedded=None):
    """The input layer for data of this kind; it leaves out the columns that are `embedded`, if there are any."""
    if sequences.alphabet is not None and embedded is None:
        return SymbolInput(len(sequences.alphabet))
    columns = None if embedded is None else np.setdiff1d(np.arange(sequences.n_features), embedded)
    values = sequences.values.astype(float)[:, slice(None) if columns is None else columns]
    centre, scale = centre_and_scale(values)
    return DenseInput(centre, scale, bool(np.isnan(values).any()), dtype, columns)


def one_step_later(encoded, start, offsets):
    """What stands before each observation (M, ...) of sequences, of what is read of each, and of their starts."""
    later = np.empty_like(encoded)
    later[1:] = encoded[:-1]
    later[offsets[:-1]] = start
    return later


def centre_and_scale(values):
    """Mean and standard deviation (D,) of each column of values (n, D); 0 and 1 where all are zeros and ones."""
    if np.all((values == 0) | (values == 1) | np.isnan(values)):
        return np.zeros(values.shape[1]), np.ones(values.shape[1])
    centre, variance = mean_and_variance(values)
    scale = np.sqrt(variance)
    return centre, np.where(scale > 0, scale, 1.0)


def standardised(values, centre, scale):
    """Values (n, D) in standard deviations from the centre, none too far away."""
    return np.clip((values - centre) / scale, -FARTHEST, FARTHEST)


@kernel
def _read_symbols(values, offsets, n_symbols, encoded):
    for n in range(len(offsets) - 1):
        encoded[offsets[n]] = n_symbols + 2
        for m in range(offsets[n], offsets[n + 1] - 1):
            code = values[m, 0]
            encoded[m + 1] = n_symbols + 1 if code == MISSING else min(code, n_symbols)
