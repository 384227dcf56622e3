"""Log densities and moments of Gaussians whose columns are independent, in short vectors of states."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, padded, vector_length
from ..jit import kernel
from ..simd import load, number, splat, store

__all__ = ["LOG_2PI", "GaussianStatistics", "IndependentColumns", "independent_columns"]

LOG_2PI = np.log(2 * np.pi)


class GaussianStatistics(NamedTuple):
    """Moments about the means that the statistics were gathered under."""

    mass: np.ndarray  # (..., D), expected visits that saw each column
    sums: np.ndarray  # (..., D), of deviations
    seconds: np.ndarray  # (..., D) or (..., D, D), of their products


class IndependentColumns:
    """Tiles of observations (n, D) under variances by state and column; a missing entry is left out.

    Parameters
    ----------
    means, variances : arrays (K, D)
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, means, variances, width):
        self.K, D = means.shape
        self.kernels = independent_columns(vector_length(width))
        self.means, self.halved_precisions = padded(means.T, D, width), padded(0.5 / variances.T, D, width)
        self.constants = padded(-0.5 * (np.log(variances.T) + LOG_2PI), D, width)
        self.start = aligned(1, width)
        self.start[:, self.K :] = -np.inf

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        arrays = self.means, self.halved_precisions, self.constants, self.start
        self.kernels[0](np.ascontiguousarray(values, dtype=float), *arrays, out)

    def statistics(self, values, visits):
        """Moments about the means."""
        sums = [aligned(*self.means.shape) for _ in GaussianStatistics._fields]
        self.kernels[1](np.ascontiguousarray(values, dtype=float), visits, self.means, *sums)
        return GaussianStatistics(*(np.ascontiguousarray(array[:, : self.K].T) for array in sums))


@functools.cache
def independent_columns(length):
    """Kernels for variances by state and column; arrays (..., L) of states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(values, means, precisions, constants, start, out):
        """``out[n, k] = start[k] + sum_d constants[d, k] - precisions[d, k] (x[n, d] - means[d, k])^2``."""
        n, D = values.shape
        width = start.shape[1] if SEVERAL else length
        for i in range(n):
            for j in range(0, width, length):
                density = load(start, 0, j, length, width)
                for d in range(D):
                    x = number(values, i, d, D)
                    if not np.isnan(x):
                        deviation = x - load(means, d, j, length, width)
                        density = density + load(constants, d, j, length, width)
                        density = density - deviation * deviation * load(precisions, d, j, length, width)
                store(out, i, j, density, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def moments(values, visits, means, mass, sums, seconds):
        """Visits (D, L) that saw each column, and the sums of deviations from the means and of their squares."""
        n, D = values.shape
        width = means.shape[1] if SEVERAL else length
        for d in range(D):
            for j in range(0, width, length):
                mean, zeroth = load(means, d, j, length, width), splat(0.0, length)
                first, second = splat(0.0, length), splat(0.0, length)
                for i in range(n):
                    x = number(values, i, d, D)
                    if not np.isnan(x):
                        visit, deviation = load(visits, i, j, length, width), x - mean
                        weighted = visit * deviation
                        zeroth, first, second = zeroth + visit, first + weighted, second + weighted * deviation
                store(mass, d, j, zeroth, width)
                store(sums, d, j, first, width)
                store(seconds, d, j, second, width)

    return log_densities, moments
