"""Log densities and moments of Gaussians, in short vectors.

Vectors run over the states where columns are independent, and over the columns where they are not.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, padded, padded_width, vector_length
from ..jit import inline, kernel
from ..simd import load, number, splat, store, total

__all__ = [
    "GaussianStatistics", "IndependentColumns", "JointColumns", "in_part", "normal", "patterns", "sums_of_products",
]  # fmt: skip

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
    """Tiles of observations (n, D) under covariance matrices; missing entries are integrated over.

    Observations that are complete, or missing altogether, go through kernels. The others are gathered by the
    columns that they have, and are complete under the distribution of these.

    Parameters
    ----------
    means, matrices : arrays (K, D) and (K, D, D)
    """

    def __init__(self, means, matrices):
        self.K, self.D = means.shape
        self.given, self.parts = (means, matrices), {}
        self.width = padded_width(self.D)
        self.kernels = joint_columns(vector_length(self.width))
        self.means = padded(means, self.K, self.width)
        roots = np.linalg.cholesky(matrices)
        self.constants = -np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1) - self.D * LOG_2PI / 2
        whitening = np.linalg.inv(roots).swapaxes(1, 2).reshape(-1, self.D)  # (K D, D), R transposed
        self.whitening = padded(whitening, self.K * self.D, self.width)

    def _rows(self, values):
        if self.D == self.width:
            return np.ascontiguousarray(values, dtype=float)
        return padded(values, len(values), self.width)

    def _part(self, seen):
        """The distribution of the columns that are seen."""
        key = seen.tobytes()
        if key not in self.parts:
            means, matrices = self.given
            self.parts[key] = JointColumns(means[:, seen], in_part(matrices, seen, seen))
        return self.parts[key]

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        out[:, self.K :] = -np.inf
        arrays = self.means, self.whitening, self.constants, aligned(1, self.width)
        self.kernels[0](self._rows(values), self.D, *arrays, out)
        for (which,), seen in patterns(np.isnan(values)):
            table = np.empty((len(which), out.shape[1]))
            self._part(seen).fill_log_table(values[which][:, seen], table)
            out[which] = table

    def statistics(self, values, visits):
        """Moments about the means; what is missing is expected, given what is seen (Little and Rubin 2002)."""
        found = patterns(np.isnan(values))
        whole = values
        if found:
            whole = values.copy()
            whole[np.concatenate([which for (which,), _ in found])] = np.nan
        mass, sums, seconds = self._complete(whole, visits)
        for (which,), seen in found:
            added = self._part(seen)._complete(values[which][:, seen], visits[which])
            expected = self._expected(seen, *added)
            mass, sums, seconds = mass + expected.mass, sums + expected.sums, seconds + expected.seconds
        return GaussianStatistics(mass, sums, seconds)

    def _complete(self, values, visits):
        """Moments of observations that are complete or missing altogether."""
        width, mass, sums = self.width, np.zeros(self.K), aligned(self.K, self.width)
        deviations, weighted, seconds = (aligned(n, width) for n in (BLOCK, BLOCK, self.K * width))
        self.kernels[1](self._rows(values), visits, self.means, deviations, weighted, mass, sums, seconds)
        seconds = seconds.reshape(self.K, width, width)[:, : self.D, : self.D]
        return GaussianStatistics(np.repeat(mass[:, None], self.D, axis=1), sums[:, : self.D].copy(), seconds.copy())

    def _expected(self, seen, mass, sums, seconds):
        """Moments of all columns, from those of the columns seen."""
        matrices = self.given[1]
        across = in_part(matrices, np.ones(self.D, dtype=bool), seen)  # (K, D, O)
        slopes = np.linalg.solve(in_part(matrices, seen, seen), across.swapaxes(1, 2))  # (K, O, D)
        left = matrices - across @ slopes  # covariances given what is seen
        total = mass[:, :1]
        return GaussianStatistics(
            np.repeat(total, self.D, axis=1),
            (sums[:, None] @ slopes)[:, 0],
            slopes.swapaxes(1, 2) @ seconds @ slopes + total[..., None] * left,
        )


def patterns(missing):
    """Which observations miss which columns (..., D), in part: pairs of an index into `...` and the columns seen."""
    if not missing.any():
        return []
    *leading, D = missing.shape
    bits = np.packbits(missing.reshape(-1, D), axis=1)
    # of few columns, a byte is its own number; and bytes are sorted fast
    numbers = bits[:, 0] if D <= 8 else np.unique(bits, axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order]))
    found = []
    for which in np.split(order, starts + 1):
        seen = ~missing.reshape(-1, D)[which[0]]
        if seen.any() and not seen.all():
            found.append((np.unravel_index(which, leading), seen))
    return found


def normal(deviations, covariances):
    """Log densities of complete deviations (..., D)."""
    root = np.linalg.cholesky(covariances)  # (..., D, D)
    whitened = np.linalg.solve(root, deviations[..., None])[..., 0]
    log_determinant = 2 * np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    return -0.5 * ((whitened**2).sum(axis=-1) + log_determinant + deviations.shape[-1] * LOG_2PI)


def in_part(matrices, rows, columns):
    """Some rows and columns (bool) of matrices (..., D, D)."""
    return matrices[..., rows, :][..., columns]


@functools.cache
def sums_of_products(length):
    """The function that adds the products of the rows of two arrays; for rows of this length, or of several of 32."""

    @inline(_nrt=False, forceinline=True)
    def add_products(left, right, sums, n, width):
        """``sums[i, j] += sum_r left[r, i] right[r, j]`` over the first n rows, four rows of the sums at a time."""
        for j in range(0, width, length):
            for i in range(0, width, 4):
                a, b = load(sums, i, j, length, width), load(sums, i + 1, j, length, width)
                c, d = load(sums, i + 2, j, length, width), load(sums, i + 3, j, length, width)
                for r in range(n):
                    row = load(right, r, j, length, width)
                    a, b = a + number(left, r, i, width) * row, b + number(left, r, i + 1, width) * row
                    c, d = c + number(left, r, i + 2, width) * row, d + number(left, r, i + 3, width) * row
                store(sums, i, j, a, width)
                store(sums, i + 1, j, b, width)
                store(sums, i + 2, j, c, width)
                store(sums, i + 3, j, d, width)

    return add_products


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


@functools.cache
def joint_columns(length):
    """Kernels for covariance matrices; arrays (..., L) of columns in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR
    add_products = sums_of_products(length)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(values, D, means, roots, constants, deviation, out):
        """``out[n, k] = constants[k] - |R_k (x_n - mean_k)|^2 / 2``; `roots` (K D, L) holds the R, transposed."""
        width = means.shape[1] if SEVERAL else length
        for i in range(len(values)):
            for k in range(len(constants)):
                for j in range(0, width, length):
                    x = load(values, i, j, length, width)
                    store(deviation, 0, j, x - load(means, k, j, length, width), width)
                squares = splat(0.0, length)
                for j in range(0, width, length):
                    a = number(deviation, 0, 0, width) * load(roots, k * D, j, length, width)
                    b = splat(0.0, length)
                    for d in range(1, D - 1, 2):
                        a = a + number(deviation, 0, d, width) * load(roots, k * D + d, j, length, width)
                        b = b + number(deviation, 0, d + 1, width) * load(roots, k * D + d + 1, j, length, width)
                    if D % 2 == 0:
                        a = a + number(deviation, 0, D - 1, width) * load(roots, k * D + D - 1, j, length, width)
                    squares = squares + (a + b) * (a + b)
                out[i, k] = 0.0 if np.isnan(values[i, 0]) else constants[k] - 0.5 * total(squares)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def moments(values, visits, means, deviations, weighted, mass, sums, seconds):
        """Visits (K,) of each state, and sums of deviations (K, L) and of their products (K L, L)."""
        n, width = len(values), means.shape[1] if SEVERAL else length
        for k in range(len(mass)):
            products = seconds[k * width : (k + 1) * width]
            for first in range(0, n, BLOCK):
                size = 0
                for i in range(first, min(first + BLOCK, n)):
                    if np.isnan(values[i, 0]):
                        continue
                    visit = visits[i, k]
                    mass[k] += visit
                    for j in range(0, width, length):
                        deviation = load(values, i, j, length, width) - load(means, k, j, length, width)
                        store(deviations, size, j, deviation, width)
                        store(weighted, size, j, visit * deviation, width)
                    size += 1
                for j in range(0, width, length):
                    row = load(sums, k, j, length, width)
                    for r in range(size):
                        row = row + load(weighted, r, j, length, width)
                    store(sums, k, j, row, width)
                add_products(weighted, deviations, products, size, width)

    return log_densities, moments
