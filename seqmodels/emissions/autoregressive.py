"""Real numbers around a mean that depends on those before."""

import functools
from typing import NamedTuple

import numpy as np

from ..arrays import LONGEST_VECTOR, aligned, mean_and_variance, padded, padded_width, vector_length
from ..checks import check_count
from ..jit import kernel
from ..simd import load, number, store
from .base import Emission
from .covariance import VARIANCE_FLOOR, warn_at_floor
from .gaussian import Gaussian, GaussianParameters, variance_of_a_constant
from .helpers import keep_without_mass, refuse
from .tiles import Tiles

__all__ = ["AutoregressiveGaussian", "AutoregressiveGaussianParameters"]


class AutoregressiveGaussianParameters(NamedTuple):
    """Parameters of :class:`AutoregressiveGaussian`."""

    intercepts: np.ndarray  # (..., D)
    coefficients: np.ndarray  # (..., order, D)
    variances: np.ndarray  # (..., D)
    centres: np.ndarray  # (..., D), means of all the data; not estimated
    spreads: np.ndarray  # (..., D), their variances, likewise


class AutoregressiveGaussianStatistics(NamedTuple):
    """Sums of products of one, the observations before and the observation, in deviations from the centres."""

    products: np.ndarray  # (..., D, order + 2, order + 2)


class AutoregressiveGaussian(Emission):
    """Normal distributions of D columns, each around a linear function of its own last observations.

    ``x_t ~ N(intercept + sum_j coefficient_j x_(t - j), variance)`` for j from 1 to `order`, the parameters those of
    the state: a Markov-switching autoregression (Hamilton 1989, whose means switch where intercepts do here). Where
    not all of these x_(t - j) are there, before the start of a sequence or as they are missing, x_t has the mean and
    the variance of all training data, whatever the state: the first terms are those of the Independent model, and
    say nothing about the coefficients. The family serves hidden Markov models; a network has a memory of its own.

    Parameters
    ----------
    order : int
        How many observations back each one depends on.
    """

    Parameters = AutoregressiveGaussianParameters
    for_networks = False

    def __init__(self, order=1):
        self.order = order

    def check(self, sequences, name="X"):
        check_count("order", self.order)
        super().check(sequences, name)

    def given(self, parameters, past):
        intercepts, coefficients, variances, centres, spreads = parameters
        past = past.reshape(*past.shape[:-1], self.order, -1)
        gap = np.isnan(past).any(axis=-2)
        means = intercepts + (coefficients * np.nan_to_num(past)).sum(axis=-2)
        return Gaussian(), GaussianParameters(np.where(gap, centres, means), np.where(gap, spreads, variances))

    def _alone(self, parameters):
        """The distributions of first observations."""
        return self.given(parameters, np.full(self.order * parameters.intercepts.shape[-1], np.nan))

    def log_density(self, values, parameters):
        """Of observations with those before, (..., D (1 + order)), see :meth:`with_past`."""
        D = parameters.intercepts.shape[-1]
        family, own = self.given(parameters, values[..., D:])
        return family.log_density(values[..., :D], own)

    # ---------------------------------------------------------------- hidden Markov models

    def in_tiles(self, parameters, width):
        return AutoregressiveTiles(self, parameters, width)

    def log_table(self, values, parameters):
        width = padded_width(len(parameters.intercepts))
        table = aligned(len(values), width)
        self.in_tiles(parameters, width).fill_log_table(values, table)
        return table[:, : len(parameters.intercepts)]

    def rough(self, sequences):
        mean, variances = mean_and_variance(sequences.values.astype(float))
        variances = np.where(variances > 0, variances, variance_of_a_constant(mean))
        nothing = np.zeros((1, self.order, len(mean)))
        return AutoregressiveGaussianParameters(mean[None], nothing, variances[None], mean[None], variances[None])

    def sufficient_statistics(self, values, visits, parameters):
        """Sums of products, which say all about weighted least squares."""
        width = padded_width(visits.shape[1])
        return self.in_tiles(parameters, width).statistics(values, padded(visits, len(visits), width))

    def maximize(self, statistics, parameters):
        """Weighted least squares in each state and column; what nothing determines is zero."""
        products, (intercepts, coefficients, variances, centres, spreads) = statistics.products, parameters
        mass, design = products[..., 0, 0], products[..., :-1, :-1]
        scale = np.sqrt(np.diagonal(design, axis1=-2, axis2=-1))
        scale = np.where(scale > 0, scale, 1.0)
        relative = design / (scale[..., :, None] * scale[..., None, :])
        slopes = (np.linalg.pinv(relative, hermitian=True) @ (products[..., :-1, -1] / scale)[..., None])[
            ..., 0
        ] / scale
        residual = np.concatenate([-slopes, np.ones((*mass.shape, 1))], axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = np.einsum("...i,...ij,...j->...", residual, products, residual) / mass
        floor = VARIANCE_FLOOR * self._overall_variance(products, centres)
        own = np.swapaxes(slopes[..., 1:], -1, -2)
        levels = centres + slopes[..., 0] - own.sum(axis=-2) * centres
        best = AutoregressiveGaussianParameters(
            keep_without_mass(mass, levels, intercepts),
            np.where(mass[..., None, :] > 0, own, coefficients),
            keep_without_mass(mass, np.maximum(left, floor), variances),
            centres,
            spreads,
        )
        warn_at_floor(best.variances / floor)
        return best

    def rebased(self, statistics, old, new):
        """Sums about other centres: training does not move these, users may."""
        shift = old.centres - new.centres  # what is added to deviations
        moves = np.broadcast_to(np.eye(self.order + 2), statistics.products.shape).copy()
        moves[..., 1:, 0] = shift[..., None]
        return AutoregressiveGaussianStatistics(moves @ statistics.products @ np.swapaxes(moves, -1, -2))

    def _overall_variance(self, products, centres):
        """Variance (D,) of each column over all states."""
        total = products.reshape(-1, *products.shape[-3:]).sum(axis=0)  # (D, order + 2, order + 2)
        mass = np.maximum(total[:, 0, 0], np.finfo(float).tiny)
        variances = total[:, -1, -1] / mass - (total[:, 0, -1] / mass) ** 2
        mean = centres.reshape(-1, len(total))[0] + total[:, 0, -1] / mass
        constant = variances <= 1e-28 * np.maximum(mean**2, np.finfo(float).tiny)
        return np.where(constant, variance_of_a_constant(mean), variances)

    def parameters_from(self, given):
        """As of any family; `centres` are 0 and `spreads` 1 unless given."""
        if isinstance(given, dict) and "intercepts" in given:
            like = np.asarray(given["intercepts"], dtype=float)
            given = {"centres": np.zeros_like(like), "spreads": np.ones_like(like)} | given
        return super().parameters_from(given)

    def check_parameters(self, parameters):
        for variances in (parameters.variances, parameters.spreads):
            refuse(~(variances > 0), variances, "positive variances")
        if parameters.coefficients.ndim < 2 or parameters.coefficients.shape[-2] != self.order:
            raise ValueError(
                f"emission has coefficients of shape {parameters.coefficients.shape}; order={self.order} takes "
                f"(..., {self.order}, D)"
            )
        centres = parameters.centres.reshape(-1, parameters.centres.shape[-1])
        refuse(centres != centres[0], centres, "centres, the same for all states,")

    def n_parameters(self, parameters):
        return parameters.intercepts.size + parameters.coefficients.size + parameters.variances.size

    # ---------------------------------------------------------------- of first observations

    def sample(self, parameters, generator):
        family, own = self._alone(parameters)
        return family.sample(own, generator)

    def mean(self, parameters):
        return self._alone(parameters)[1].means

    def mode(self, parameters):
        return self.mean(parameters)

    def cdf(self, values, parameters):
        family, own = self._alone(parameters)
        return family.cdf(values, own)


class AutoregressiveTiles(Tiles):
    """Log densities in short vectors of states."""

    def __init__(self, emission, parameters, width):
        super().__init__(emission, parameters)
        intercepts, coefficients, variances, centres, spreads = parameters
        K = len(intercepts)
        self.kernels, self.width = _kernels(vector_length(width)), width
        coefficients = np.moveaxis(coefficients, 0, -1).reshape(-1, K)  # (order D, K)
        arrays = [intercepts.T, coefficients]
        for variance in (variances.T, spreads.T):
            arrays += [0.5 / variance, -0.5 * np.log(2 * np.pi * variance)]
        self.arrays = [padded(array, len(array), width) for array in [*arrays, centres.T]]
        self.start = aligned(1, width)
        self.start[:, K:] = -np.inf

    def fill_log_table(self, values, out):
        order = self.emission.order
        self.kernels[0](np.ascontiguousarray(values, dtype=float), order, *self.arrays, self.start, out)

    def statistics(self, values, visits):
        """Sums of products of one, the deviations before and the deviation."""
        K, D = self.parameters.intercepts.shape
        centres, n = np.ascontiguousarray(self.parameters.centres[0]), self.emission.order + 2
        rows, columns = np.triu_indices(n)
        sums, own = aligned(D * len(rows), self.width), np.ones((1, n))
        self.kernels[1](np.ascontiguousarray(values, dtype=float), visits, centres, own, sums)
        products, sums = np.empty((K, D, n, n)), sums[:, :K].T.reshape(K, D, -1)
        products[..., rows, columns] = products[..., columns, rows] = sums
        return AutoregressiveGaussianStatistics(products)


@functools.cache
def _kernels(length):
    """Kernels for arrays (..., L) of states in vectors of this length."""
    SEVERAL = length == LONGEST_VECTOR

    @kernel(key=f"vectors of {length}", _nrt=False)
    def log_densities(
        values,
        order,
        intercepts,
        coefficients,
        precisions,
        constants,
        wide_precisions,
        wide_constants,
        centres,
        start,
        out,
    ):
        """Of observations with those before (n, D (1 + order)), column by column."""
        n, width_of_values = values.shape
        D, width = width_of_values // (1 + order), start.shape[1] if SEVERAL else length
        for i in range(n):
            for j in range(0, width, length):
                density = load(start, 0, j, length, width)
                for d in range(D):
                    x, before = number(values, i, d, width_of_values), 0.0
                    mean = load(intercepts, d, j, length, width)
                    for lag in range(order):
                        past = number(values, i, (1 + lag) * D + d, width_of_values)
                        before += past
                        mean = mean + past * load(coefficients, lag * D + d, j, length, width)
                    if np.isnan(x):
                        continue
                    if np.isnan(before):  # not all is there
                        deviation = x - load(centres, d, j, length, width)
                        density = density + load(wide_constants, d, j, length, width)
                        density = density - deviation * deviation * load(wide_precisions, d, j, length, width)
                    else:
                        deviation = x - mean
                        density = density + load(constants, d, j, length, width)
                        density = density - deviation * deviation * load(precisions, d, j, length, width)
                store(out, i, j, density, width)

    @kernel(key=f"vectors of {length}", _nrt=False)
    def products(values, visits, centres, own, sums):
        """Weighted products of one, the deviations before and the deviation, of each column, no pair twice."""
        n, D, size = len(values), len(centres), own.shape[1]
        width = visits.shape[1] if SEVERAL else length
        n_pairs = size * (size + 1) // 2
        for i in range(n):
            for d in range(D):
                total = 0.0
                for lag in range(size - 1):
                    deviation = number(values, i, lag * D + d, (size - 1) * D) - centres[d]
                    own[0, lag if lag else size - 1] = deviation
                    total += deviation
                if np.isnan(total):  # not all is there
                    continue
                for j in range(0, width, length):
                    place, visit = d * n_pairs, load(visits, i, j, length, width)
                    for a in range(size):
                        weighted = visit * number(own, 0, a, size)
                        for b in range(a, size):
                            sum_of_pair = load(sums, place, j, length, width)
                            store(sums, place, j, sum_of_pair + weighted * number(own, 0, b, size), width)
                            place += 1

    return log_densities, products
