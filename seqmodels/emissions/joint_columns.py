"""Log densities and moments of Gaussians with covariance matrices, in short vectors of states."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, padded, vector_length
from ..jit import inline_here, kernel
from ..simd import load, number, splat, store
from .moments import LOG_2PI, GaussianStatistics

__all__ = ["JointColumns", "in_part", "normal", "patterns"]

ROWS = 4
"""So many observations are whitened side by side."""

BLOCK = 16
"""So many deviations are gathered before their products are added."""


class JointColumns:
    """Tiles of observations (n, D) under covariance matrices; missing entries are integrated over.

    Observations are gathered by the columns that they have, and are complete under the distribution of these.

    Parameters
    ----------
    means, matrices : arrays (K, D) and (K, D, D)
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, means, matrices, width):
        self.K, self.D = means.shape
        self.given, self.width, self.parts = (means, matrices), width, {}
        self.kernels = joint_columns(vector_length(width))
        self.of_nothing = np.where(np.arange(width) < self.K, 0.0, -np.inf)

    def _part(self, seen):
        """The distribution of the columns that are seen."""
        key = seen.tobytes()
        if key not in self.parts:
            self.parts[key] = Part.of(*self.given, seen, self.width)
        return self.parts[key]

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        values, missing = np.ascontiguousarray(values, dtype=float), np.isnan(values)
        if missing.any():
            out[:] = self.of_nothing
        for which, seen in by_columns(missing):
            part = self._part(seen)
            deviations = aligned(len(part.columns) * ROWS, self.width)
            self.kernels[0](values, which, part.columns, part.means, part.roots, part.constants, deviations, out)

    def statistics(self, values, visits):
        """Moments about the means; what is missing is expected, given what is seen (Little and Rubin 2002)."""
        values, (K, D) = np.ascontiguousarray(values, dtype=float), self.given[0].shape
        found = GaussianStatistics(np.zeros((K, D)), np.zeros((K, D)), np.zeros((K, D, D)))
        for which, seen in by_columns(np.isnan(values)):
            part = self._part(seen)
            own = self._moments(values, visits, which, part)
            own = own if seen.all() else part.expected(*own)
            for total, added in zip(found, own, strict=True):
                total += added
        return found

    def _moments(self, values, visits, which, part):
        """Moments of the columns seen, of observations that are complete in them."""
        O, T = len(part.columns), len(part.roots)
        mass, sums, products = (aligned(n, self.width) for n in (1, O, T))
        scratch = aligned(O * BLOCK, self.width), aligned(O * BLOCK, self.width)
        self.kernels[1](values, which, part.columns, visits, part.means, *scratch, mass, sums, products)
        seconds, (rows, columns) = np.empty((self.K, O, O)), part.entries
        seconds[:, rows, columns] = seconds[:, columns, rows] = products[:, : self.K].T
        return GaussianStatistics(mass[0, : self.K, None], sums[:, : self.K].T, seconds)


class Part(NamedTuple):
    """The distribution of O of the columns, and that of the others given these."""

    columns: np.ndarray  # (O,) which
    means: np.ndarray  # (O, L)
    roots: np.ndarray  # (O (O + 1) / 2, L), what whitens: inverse Cholesky factors, row by row
    entries: tuple  # of those: rows and columns
    constants: np.ndarray  # (1, L), log densities at the means
    slopes: np.ndarray  # (K, O, D), of all columns in those seen
    left: np.ndarray  # (K, D, D), covariances given what is seen

    @classmethod
    def of(cls, means, matrices, seen, width):
        """From means (K, D), matrices (K, D, D) and which columns are seen (D,)."""
        (columns,), (K, D) = np.nonzero(seen), means.shape
        factors = np.linalg.cholesky(in_part(matrices, seen, seen))  # (K, O, O)
        whitening = np.linalg.inv(factors)
        constants = np.full((1, width), -np.inf)
        logarithms = np.log(np.diagonal(factors, axis1=1, axis2=2))
        constants[0, :K] = -logarithms.sum(axis=1) - len(columns) * LOG_2PI / 2
        entries = np.tril_indices(len(columns))
        roots = whitening[:, *entries].T * np.sqrt(0.5)
        slopes, left = np.empty((K, 0, D)), np.empty((K, 0, 0))
        if not seen.all():
            whitened = whitening @ matrices[:, seen]  # (K, O, D)
            slopes = whitening.swapaxes(1, 2) @ whitened
            left = matrices - whitened.swapaxes(1, 2) @ whitened
        return cls(
            columns, padded(means[:, seen].T, len(columns), width), padded(roots, len(roots), width), entries,
            constants, slopes, left,
        )  # fmt: skip

    def expected(self, mass, sums, seconds):
        """Moments of all columns, from those of the columns seen."""
        return GaussianStatistics(
            mass,
            (sums[:, None] @ self.slopes)[:, 0],
            self.slopes.swapaxes(1, 2) @ seconds @ self.slopes + mass[..., None] * self.left,
        )


def by_columns(missing):
    """Which observations have which columns: pairs of an index (m,) and the columns seen (D,), where any are.

    Parameters
    ----------
    missing : array (n, D) of bool
    """
    n, D = missing.shape
    if not missing.any():
        return [(np.arange(n), np.ones(D, dtype=bool))]
    if D <= 8:
        n_numbers, numbers = 2**D, np.empty(n, dtype=np.int64)
        _number(missing, numbers)
    else:
        kinds, numbers = np.unique(np.packbits(missing, axis=1), axis=0, return_inverse=True)
        n_numbers, numbers = len(kinds), numbers.reshape(-1)
    order, others, ends = (np.zeros(size, dtype=np.int64) for size in (n, n, n_numbers + 1))
    _sort(numbers, ends, order, others)
    groups = (order[begin:end] for begin, end in zip(np.r_[0, ends], ends[:-1], strict=False) if begin < end)
    return [(which, seen) for which in groups if (seen := ~missing[which[0]]).any()]


@kernel
def _number(missing, out):
    """Write the number whose bits are what each observation (n, D) misses."""
    n, D = missing.shape
    for i in range(n):
        number_of_row = 0
        for d in range(D):
            number_of_row |= np.int64(missing[i, d]) << d
        out[i] = number_of_row


@kernel
def _sort(numbers, ends, order, others):
    """Write to `order` which of n small numbers are 0, which are 1, ..., and to `ends` (S + 1,) where each end.

    Most are 0, of which counting would wait for itself.
    """
    n_zeros, n_others = 0, 0
    for i in range(len(numbers)):
        order[n_zeros] = i
        others[n_others] = i
        n_zeros += numbers[i] == 0
        n_others += numbers[i] != 0
    ends[0] = n_zeros
    for i in others[:n_others]:
        ends[numbers[i] + 1] += 1
    for kind in range(len(ends) - 1):
        ends[kind + 1] += ends[kind]
    for i in others[:n_others]:
        order[ends[numbers[i]]] = i
        ends[numbers[i]] += 1


def patterns(missing):
    """The same of observations that miss some of their columns (..., D); the index is one into `...`."""
    if not missing.any():
        return []
    found = by_columns(missing.reshape(-1, missing.shape[-1]))
    return [(np.unravel_index(which, missing.shape[:-1]), seen) for which, seen in found if not seen.all()]


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
def joint_columns(length):
    """Kernels for covariance matrices; arrays (..., L) of states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(values, which, columns, means, roots, constants, deviations, out):
        """``out[n, k] = constants[k] - |R_k (x[n, columns] - means[k])|^2`` for the n in `which`, ROWS at a time."""
        n, O, D = len(which), len(columns), values.shape[1]
        width = means.shape[1] if SEVERAL else length
        for first in range(0, n, ROWS):  # beyond the last row comes the last row
            for j in range(0, width, length):
                for r in range(ROWS):
                    i = which[min(first + r, n - 1)]
                    for o in range(O):
                        deviation = number(values, i, columns[o], D) - load(means, o, j, length, width)
                        store(deviations, ROWS * o + r, j, deviation, width)
                a = b = c = d = load(constants, 0, j, length, width)
                place = 0
                for o in range(O):
                    p = q = s = t = splat(0.0, length)
                    for e in range(o + 1):
                        root = load(roots, place + e, j, length, width)
                        p = p + load(deviations, ROWS * e, j, length, width) * root
                        q = q + load(deviations, ROWS * e + 1, j, length, width) * root
                        s = s + load(deviations, ROWS * e + 2, j, length, width) * root
                        t = t + load(deviations, ROWS * e + 3, j, length, width) * root
                    a, b, c, d = a - p * p, b - q * q, c - s * s, d - t * t
                    place += o + 1
                store(out, which[first], j, a, width)
                store(out, which[min(first + 1, n - 1)], j, b, width)
                store(out, which[min(first + 2, n - 1)], j, c, width)
                store(out, which[min(first + 3, n - 1)], j, d, width)

    @inline_here()
    def add_products(weighted, deviations, o, size, seconds, place, j, width):
        """Add ``weighted[o] deviations[e]`` for all e up to o to what begins at a place, four at a time."""
        for e in range(0, o - 2, 4):
            at = place + e
            a, b = load(seconds, at, j, length, width), load(seconds, at + 1, j, length, width)
            c, d = load(seconds, at + 2, j, length, width), load(seconds, at + 3, j, length, width)
            for r in range(size):
                own, other = load(weighted, o * BLOCK + r, j, length, width), e * BLOCK + r
                a = a + own * load(deviations, other, j, length, width)
                b = b + own * load(deviations, other + BLOCK, j, length, width)
                c = c + own * load(deviations, other + 2 * BLOCK, j, length, width)
                d = d + own * load(deviations, other + 3 * BLOCK, j, length, width)
            store(seconds, at, j, a, width)
            store(seconds, at + 1, j, b, width)
            store(seconds, at + 2, j, c, width)
            store(seconds, at + 3, j, d, width)
        for e in range((o + 1) // 4 * 4, o + 1):
            a = load(seconds, place + e, j, length, width)
            for r in range(size):
                own = load(weighted, o * BLOCK + r, j, length, width)
                a = a + own * load(deviations, e * BLOCK + r, j, length, width)
            store(seconds, place + e, j, a, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def moments(values, which, columns, visits, means, deviations, weighted, mass, sums, seconds):
        """Visits (1, L), sums of deviations (O, L) and of their products, row by row, over the rows in `which`."""
        n, O, D = len(which), len(columns), values.shape[1]
        width = means.shape[1] if SEVERAL else length
        for first in range(0, n, BLOCK):
            size = min(BLOCK, n - first)
            for j in range(0, width, length):
                seen = load(mass, 0, j, length, width)
                for r in range(size):
                    i = which[first + r]
                    visit = load(visits, i, j, length, width)
                    seen = seen + visit
                    for o in range(O):
                        deviation = number(values, i, columns[o], D) - load(means, o, j, length, width)
                        store(deviations, o * BLOCK + r, j, deviation, width)
                        store(weighted, o * BLOCK + r, j, visit * deviation, width)
                store(mass, 0, j, seen, width)
                place = 0
                for o in range(O):
                    row = load(sums, o, j, length, width)
                    for r in range(size):
                        row = row + load(weighted, o * BLOCK + r, j, length, width)
                    store(sums, o, j, row, width)
                    add_products(weighted, deviations, o, size, seconds, place, j, width)
                    place += o + 1

    return log_densities, moments
