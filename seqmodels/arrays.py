"""Helpers for arrays: NamedTuples of them, nested or not; draws from tables; padding for kernels; gaps."""

import math

import numpy as np

__all__ = [
    "aligned", "choose", "map_arrays", "mean_and_variance", "mean_of_columns", "padded", "padded_width",
    "smallest_integers", "take", "vector_length",
]  # fmt: skip


def map_arrays(function, parameters, *others):
    """Apply a function to each array of a (Named)Tuple, or of several of one shape; nested ones too."""
    if isinstance(parameters, tuple):
        parts = [map_arrays(function, *arrays) for arrays in zip(parameters, *others, strict=True)]
        return tuple(parts) if type(parameters) is tuple else type(parameters)(*parts)
    return function(parameters, *others)


def take(parameters, index):
    """The members at `index` of the leading axes."""
    return map_arrays(lambda array: array[index], parameters)


def choose(probabilities, generator):
    """One index drawn from each distribution along the last axis of `probabilities` (..., V)."""
    cumulative = np.cumsum(probabilities, axis=-1)
    uniform = generator.random((*cumulative.shape[:-1], 1)) * cumulative[..., -1:]
    return np.minimum((cumulative <= uniform).sum(axis=-1), probabilities.shape[-1] - 1)


# -------------------------------------------------------------------- arrays for kernels

LINE = 64  # bytes of a line of the cache
LONGEST_VECTOR = 32


def padded_width(n):
    """How many columns there are with the padding: 4, 8, 16, or a multiple of 32."""
    for width in (4, 8, 16):
        if n <= width:
            return width
    return -(-n // LONGEST_VECTOR) * LONGEST_VECTOR


def vector_length(width):
    """The length of the vectors in which kernels read a row of this width."""
    return min(width, LONGEST_VECTOR)


def aligned(*shape):
    """An array of zeros that begins with a line of the cache."""
    size = math.prod(shape) * 8
    memory = np.zeros(size + LINE, dtype=np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(float).reshape(shape)


def padded(array, *shape):
    """The same numbers in the first rows and columns of zeros of this shape."""
    larger = aligned(*shape)
    larger[: array.shape[0], : array.shape[1]] = array
    return larger


def smallest_integers(n):
    """The smallest kind of integers in which kernels read numbers below n; there are few, for each is compiled for."""
    return np.uint8 if n <= 256 else np.int32 if n < 2**31 else np.int64


# -------------------------------------------------------------------- columns with gaps


def mean_of_columns(values):
    """Mean (D,) of what is not missing; 0 where all is."""
    return np.nansum(values, axis=0) / np.maximum((~np.isnan(values)).sum(axis=0), 1)


def mean_and_variance(values):
    """Mean (D,) and variance (D,) of what is not missing; 0 where all is."""
    mean = mean_of_columns(values)
    return mean, mean_of_columns((values - mean) ** 2)
