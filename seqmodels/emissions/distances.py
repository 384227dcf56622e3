"""Log densities and statistics of families whose density is a function of the distance from a location.

In short vectors, which run over the states.
"""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, padded, vector_length
from ..jit import kernel
from ..simd import load, maximum, number, splat, store, where_positive
from .columns import blocks
from .moments import independent_columns

__all__ = ["LaplaceStatistics", "LaplaceTiles", "Spread", "StudentTStatistics", "StudentTTiles"]

TOUCHING = 1e-13
"""Distances, in scales, that are none."""


class Spread(NamedTuple):
    """Moments of all that is seen, about a fixed place; each state has its share of them."""

    mass: np.ndarray  # (..., D)
    sums: np.ndarray  # (..., D), of deviations
    squares: np.ndarray  # (..., D)

    def rebased(self, shift):
        """The same about another place, with what is added to deviations (D,)."""
        added = self.mass * shift
        return Spread(self.mass, self.sums + added, self.squares + (2 * self.sums + added) * shift)

    def deviation(self):
        """Standard deviation (D,) of all that is seen; 1 of a constant."""
        states = tuple(range(self.mass.ndim - 1))
        mass, sums, squares = (array.sum(axis=states) for array in self)
        mass = np.maximum(mass, np.finfo(float).tiny)
        variance = squares / mass - (sums / mass) ** 2
        constant = variance <= 1e-13 * squares / mass
        return np.sqrt(np.where(constant, 1.0, variance))


class LaplaceStatistics(NamedTuple):
    """Expected visits, and sums over what they saw; observations that touch the location are apart."""

    mass: np.ndarray  # (..., D)
    distances: np.ndarray  # (..., D), from the location
    touching: np.ndarray  # (..., D), visits
    signs: np.ndarray  # (..., D), of the deviations of what does not touch
    inverses: np.ndarray  # (..., D), of its distances
    spread: Spread


class StudentTStatistics(NamedTuple):
    """Expected visits, and sums over what they saw of its expected precision, and of this one's logarithm."""

    mass: np.ndarray  # (..., D)
    precisions: np.ndarray  # (..., D), in units of the scale's
    sums: np.ndarray  # (..., D), of deviations from the location, times precisions
    squares: np.ndarray  # (..., D), of deviations, times precisions
    logs: np.ndarray  # (..., D), of 1 + z^2 / degrees
    spread: Spread


class Tiles:
    """What both have in common.

    Parameters
    ----------
    locations : array (K, D)
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, locations, width):
        (self.K, self.D), self.width = locations.shape, width
        self.kernels = by_distance(vector_length(width))
        self.moments = independent_columns(vector_length(width))[1]
        self.locations = self.of_states(locations)
        self.centres = aligned(self.D, width)
        self.centres[:] = locations.mean(axis=0)[:, None]
        self.start = aligned(1, width)
        self.start[:, self.K :] = -np.inf

    def of_states(self, array):
        """An array (K, D) as (D, L)."""
        return padded(array.T, self.D, self.width)

    def apart(self, sums):
        """Sums (D, L) as (K, D)."""
        return [np.ascontiguousarray(array[:, : self.K].T) for array in sums]

    def spread(self, values, visits):
        """Moments about the centre of all locations."""
        moments = [aligned(self.D, self.width) for _ in Spread._fields]
        self.moments(values, visits, self.centres, *moments)
        return Spread(*self.apart(moments))


class LaplaceTiles(Tiles):
    """Tiles of observations (n, D) under Laplace distributions; a missing entry is left out.

    Parameters
    ----------
    parameters : LaplaceParameters
        Leading axis K.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, parameters, width):
        super().__init__(parameters.locations, width)
        self.rates = self.of_states(1 / parameters.scales)
        self.constants = self.of_states(-np.log(2 * parameters.scales))
        self.near = self.of_states(TOUCHING * parameters.scales)

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        values = np.ascontiguousarray(values, dtype=float)
        self.kernels.laplace_log_densities(values, self.locations, self.rates, self.constants, self.start, out)

    def statistics(self, values, visits):
        """Sums of distances, signs and inverse distances."""
        values = np.ascontiguousarray(values, dtype=float)
        sums = [aligned(self.D, self.width) for _ in range(5)]
        self.kernels.laplace_sums(values, visits, self.locations, self.near, *sums)
        sums = self.apart(sums)
        return LaplaceStatistics(*sums, self.spread(values, visits))


class StudentTTiles(Tiles):
    """Tiles of observations (n, D) under Student's t distributions; a missing entry is left out.

    Parameters
    ----------
    parameters : StudentTParameters
        Leading axis K.
    constants : array (K, D)
        Log densities at the locations.
    width : int
        L, the number of states with their padding.
    """

    def __init__(self, parameters, constants, width):
        locations, scales, degrees = parameters
        super().__init__(locations, width)
        self.constants, self.powers = self.of_states(constants), self.of_states(0.5 * (degrees + 1))
        self.inverses, self.largest = self.of_states(1 / (degrees * scales**2)), self.of_states(1 + 1 / degrees)

    def _logs(self, values):
        """For each column of some rows: these, and the logarithms (n, L) of 1 + z^2 / degrees."""
        all_rows = blocks(len(values), self.width)
        memory = aligned(min(len(values), all_rows[0].stop), self.width) if all_rows else None
        for rows in all_rows:
            logs, own = memory[: rows.stop - rows.start], values[rows]
            for d in range(self.D):
                self.kernels.student_quotients(own, d, self.locations, self.inverses, logs)
                yield rows, own, d, np.log(logs, out=logs)

    def fill_log_table(self, values, out):
        """Write log densities to `out` (n, L)."""
        values = np.ascontiguousarray(values, dtype=float)
        out[:] = self.start
        for rows, own, d, logs in self._logs(values):
            self.kernels.student_log_densities(own, d, logs, self.constants, self.powers, out[rows])

    def statistics(self, values, visits):
        """Sums under expected precisions (Lange, Little and Taylor 1989)."""
        values = np.ascontiguousarray(values, dtype=float)
        sums = [aligned(self.D, self.width) for _ in range(5)]
        for rows, own, d, logs in self._logs(values):
            self.kernels.student_sums(own, d, visits[rows], logs, self.locations, self.inverses, self.largest, *sums)
        sums = self.apart(sums)
        return StudentTStatistics(*sums, self.spread(values, visits))


class Kernels(NamedTuple):
    """For vectors of one length."""

    laplace_log_densities: object
    laplace_sums: object
    student_quotients: object
    student_log_densities: object
    student_sums: object


@functools.cache
def by_distance(length):
    """Kernels for locations by state and column; arrays (..., L) of states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def laplace_log_densities(values, locations, rates, constants, start, out):
        """``out[n, k] = start[k] + sum_d constants[d, k] - |x[n, d] - locations[d, k]| rates[d, k]``."""
        n, D = values.shape
        width = start.shape[1] if SEVERAL else length
        for i in range(n):
            for j in range(0, width, length):
                density = load(start, 0, j, length, width)
                for d in range(D):
                    x = number(values, i, d, D)
                    if not np.isnan(x):
                        deviation = x - load(locations, d, j, length, width)
                        distance = maximum(deviation, -deviation)
                        density = density + load(constants, d, j, length, width)
                        density = density - distance * load(rates, d, j, length, width)
                store(out, i, j, density, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def laplace_sums(values, visits, locations, near, mass, distances, touching, signs, inverses):
        """Sums (D, L) over the visits that saw each column."""
        n, D = values.shape
        width = near.shape[1] if SEVERAL else length
        for d in range(D):
            for j in range(0, width, length):
                location, limit = load(locations, d, j, length, width), load(near, d, j, length, width)
                seen, far, touched = splat(0.0, length), splat(0.0, length), splat(0.0, length)
                signed, inverse = splat(0.0, length), splat(0.0, length)
                for i in range(n):
                    x = number(values, i, d, D)
                    if not np.isnan(x):
                        visit, deviation = load(visits, i, j, length, width), x - location
                        distance = maximum(deviation, -deviation)
                        own = where_positive(distance - limit, visit)
                        seen, far, touched = seen + visit, far + visit * distance, touched + (visit - own)
                        signed = signed + (where_positive(deviation, own) - where_positive(-deviation, own))
                        inverse = inverse + own / maximum(distance, 1e-300)
                store(mass, d, j, seen, width)
                store(distances, d, j, far, width)
                store(touching, d, j, touched, width)
                store(signs, d, j, signed, width)
                store(inverses, d, j, inverse, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def student_quotients(values, d, locations, inverses, out):
        """``1 + (x[n, d] - locations[d, k])^2 inverses[d, k]``, and 1 where x is missing."""
        n, D = values.shape
        width = locations.shape[1] if SEVERAL else length
        for i in range(n):
            x = number(values, i, d, D)
            for j in range(0, width, length):
                if np.isnan(x):
                    store(out, i, j, splat(1.0, length), width)
                else:
                    deviation = x - load(locations, d, j, length, width)
                    store(out, i, j, deviation * deviation * load(inverses, d, j, length, width) + 1.0, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def student_log_densities(values, d, logs, constants, powers, out):
        """``out[n, k] += constants[d, k] - powers[d, k] logs[n, k]``, but where ``x[n, d]`` is missing."""
        n, D = values.shape
        width = constants.shape[1] if SEVERAL else length
        for i in range(n):
            if not np.isnan(number(values, i, d, D)):
                for j in range(0, width, length):
                    density = load(out, i, j, length, width) + load(constants, d, j, length, width)
                    density = density - load(powers, d, j, length, width) * load(logs, i, j, length, width)
                    store(out, i, j, density, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def student_sums(
        values, d, visits, logs, locations, inverses, largest, mass, precisions, sums, squares, sums_of_logs
    ):
        """Add to sums (D, L) over the visits that saw column d."""
        n, D = values.shape
        width = locations.shape[1] if SEVERAL else length
        for j in range(0, width, length):
            location, scaled = load(locations, d, j, length, width), load(inverses, d, j, length, width)
            most = load(largest, d, j, length, width)
            seen, zeroth = load(mass, d, j, length, width), load(precisions, d, j, length, width)
            first, second = load(sums, d, j, length, width), load(squares, d, j, length, width)
            logarithms = load(sums_of_logs, d, j, length, width)
            for i in range(n):
                x = number(values, i, d, D)
                if not np.isnan(x):
                    visit, deviation = load(visits, i, j, length, width), x - location
                    weighted = visit * (most / (deviation * deviation * scaled + 1.0))
                    seen, logarithms = seen + visit, logarithms + visit * load(logs, i, j, length, width)
                    zeroth, weighted = zeroth + weighted, weighted * deviation
                    first, second = first + weighted, second + weighted * deviation
            store(mass, d, j, seen, width)
            store(precisions, d, j, zeroth, width)
            store(sums, d, j, first, width)
            store(squares, d, j, second, width)
            store(sums_of_logs, d, j, logarithms, width)

    return Kernels(laplace_log_densities, laplace_sums, student_quotients, student_log_densities, student_sums)
