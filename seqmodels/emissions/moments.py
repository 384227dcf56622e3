"""Log densities and moments of Gaussians, in short vectors.

Vectors run over the states where columns are independent, and over the columns where they are not.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import aligned, padded, padded_width, vector_length
from ..jit import inline, kernel
from ..simd import load, splat, store, total

__all__ = ["GaussianStatistics", "IndependentColumns", "JointColumns", "sums_of_products"]

LOG_2PI = np.log(2 * np.pi)

BLOCK = 64
"""So many deviations are gathered before their products are added."""


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


class JointColumns:
    """Tiles of observations (n, D) under covariance matrices; an observation is complete or missing altogether.

    Parameters
    ----------
    means, matrices : arrays (K, D) and (K, D, D)
    """

    def __init__(self, means, matrices):
        self.K, self.D = means.shape
        self.width = padded_width(self.D)
        self.kernels = joint_columns(vector_length(self.width))
        self.means = np.ascontiguousarray(means, dtype=float)
        roots = np.linalg.cholesky(matrices)
        self.constants = -np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1) - self.D * LOG_2PI / 2
        whitening = np.linalg.inv(roots).swapaxes(1, 2).reshape(-1, self.D)  # (K D, D), R transposed
        self.whitening = padded(whitening, self.K * self.D, self.width)

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        out[:, self.K :] = -np.inf
        self.kernels[0](np.ascontiguousarray(values, dtype=float), self.means, self.whitening, self.constants, out)

    def statistics(self, values, visits):
        """Moments about the means."""
        width, mass, sums = self.width, np.zeros(self.K), aligned(self.K, self.width)
        deviations, weighted, seconds = (aligned(n, width) for n in (BLOCK, BLOCK, self.K * width))
        values = np.ascontiguousarray(values, dtype=float)
        self.kernels[1](values, visits, self.means, deviations, weighted, mass, sums, seconds)
        seconds = seconds.reshape(self.K, width, width)[:, : self.D, : self.D]
        return GaussianStatistics(np.repeat(mass[:, None], self.D, axis=1), sums[:, : self.D].copy(), seconds.copy())


@functools.cache
def sums_of_products(length):
    """The function that adds the products of the rows of two arrays; for rows of this length, or of several of 32."""

    @inline(_nrt=False)
    def add_products(left, right, sums, n, width):
        """``sums[i, j] += sum_r left[r, i] right[r, j]`` over the first n rows, four rows of the sums at a time."""
        for j in range(0, width, length):
            for i in range(0, width, 4):
                a, b = load(sums, i, j, length), load(sums, i + 1, j, length)
                c, d = load(sums, i + 2, j, length), load(sums, i + 3, j, length)
                for r in range(n):
                    row = load(right, r, j, length)
                    a, b = a + left[r, i] * row, b + left[r, i + 1] * row
                    c, d = c + left[r, i + 2] * row, d + left[r, i + 3] * row
                store(sums, i, j, a)
                store(sums, i + 1, j, b)
                store(sums, i + 2, j, c)
                store(sums, i + 3, j, d)

    return add_products


@functools.cache
def independent_columns(length):
    """Kernels for variances by state and column; arrays (..., L) of states in vectors of this length."""

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(values, means, precisions, constants, start, out):
        """``out[n, k] = start[k] + sum_d constants[d, k] - precisions[d, k] (x[n, d] - means[d, k])^2``."""
        n, D = values.shape
        for i in range(n):
            for j in range(0, start.shape[1], length):
                density = load(start, 0, j, length)
                for d in range(D):
                    x = values[i, d]
                    if not np.isnan(x):
                        deviation = x - load(means, d, j, length)
                        density = density + load(constants, d, j, length)
                        density = density - deviation * deviation * load(precisions, d, j, length)
                store(out, i, j, density)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def moments(values, visits, means, mass, sums, seconds):
        """Visits (D, L) that saw each column, and the sums of deviations from the means and of their squares."""
        n, D = values.shape
        for d in range(D):
            for j in range(0, means.shape[1], length):
                mean, zeroth = load(means, d, j, length), splat(0.0, length)
                first, second = splat(0.0, length), splat(0.0, length)
                for i in range(n):
                    x = values[i, d]
                    if not np.isnan(x):
                        visit, deviation = load(visits, i, j, length), x - mean
                        weighted = visit * deviation
                        zeroth, first, second = zeroth + visit, first + weighted, second + weighted * deviation
                store(mass, d, j, zeroth)
                store(sums, d, j, first)
                store(seconds, d, j, second)

    return log_densities, moments


@functools.cache
def joint_columns(length):
    """Kernels for covariance matrices; arrays (..., L) of columns in vectors of this length."""
    add_products = sums_of_products(length)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(values, means, roots, constants, out):
        """``out[n, k] = constants[k] - |R_k (x_n - mean_k)|^2 / 2``; `roots` (K D, L) holds the transposes of all R."""
        n, D = values.shape
        for i in range(n):
            for k in range(len(constants)):
                squares = splat(0.0, length)
                for j in range(0, roots.shape[1], length):
                    a, b = splat(0.0, length), splat(0.0, length)
                    for d in range(0, D - 1, 2):
                        a = a + (values[i, d] - means[k, d]) * load(roots, k * D + d, j, length)
                        b = b + (values[i, d + 1] - means[k, d + 1]) * load(roots, k * D + d + 1, j, length)
                    if D % 2 == 1:
                        a = a + (values[i, D - 1] - means[k, D - 1]) * load(roots, k * D + D - 1, j, length)
                    squares = squares + (a + b) * (a + b)
                out[i, k] = 0.0 if np.isnan(values[i, 0]) else constants[k] - 0.5 * total(squares)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def moments(values, visits, means, deviations, weighted, mass, sums, seconds):
        """Visits (K,) of each state, and sums of deviations (K, L) and of their products (K L, L)."""
        n, D = values.shape
        K, width = sums.shape
        for k in range(K):
            products = seconds[k * width : (k + 1) * width]
            for first in range(0, n, BLOCK):
                size = 0
                for i in range(first, min(first + BLOCK, n)):
                    visit = visits[i, k]
                    if np.isnan(values[i, 0]):
                        continue
                    mass[k] += visit
                    for d in range(D):
                        deviation = values[i, d] - means[k, d]
                        deviations[size, d], weighted[size, d] = deviation, visit * deviation
                        sums[k, d] += visit * deviation
                    size += 1
                add_products(weighted, deviations, products, size, width)

    return log_densities, moments
