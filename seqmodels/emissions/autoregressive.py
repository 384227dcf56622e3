"""Real numbers around a mean that depends on those before."""

from typing import NamedTuple

import numpy as np

from ..arrays import mean_and_variance
from .base import Emission, keep_without_mass, refuse
from .covariance import VARIANCE_FLOOR, warn_at_floor
from .gaussian import Gaussian, GaussianParameters, variance_of_a_constant

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
        if not (isinstance(self.order, int | np.integer) and self.order >= 1):
            raise ValueError(f"order is {self.order!r}; integers from 1 are accepted")
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

    def log_table(self, values, parameters):
        K, D = parameters.intercepts.shape
        intercepts, coefficients, variances, centres, spreads = parameters
        past, table = values[:, D:].reshape(len(values), self.order, D), np.zeros((len(values), K))
        for d in range(D):
            x, gap = values[:, d, None], np.isnan(past[..., d]).any(axis=1)
            means = intercepts[:, d] + np.nan_to_num(past[..., d]) @ coefficients[..., d].T
            terms = _log_normal(x, means, variances[:, d])
            terms[gap] = _log_normal(x[gap], centres[:, d], spreads[:, d])
            table += np.where(np.isnan(x), 0.0, terms)
        return table

    def rough(self, sequences):
        mean, variances = mean_and_variance(sequences.values.astype(float))
        variances = np.where(variances > 0, variances, variance_of_a_constant(mean))
        nothing = np.zeros((1, self.order, len(mean)))
        return AutoregressiveGaussianParameters(mean[None], nothing, variances[None], mean[None], variances[None])

    def sufficient_statistics(self, values, visits, parameters):
        """Sums of products, which say all about weighted least squares."""
        D, width = parameters.intercepts.shape[-1], self.order + 2
        deviations = values.reshape(len(values), 1 + self.order, D) - parameters.centres.reshape(-1, D)[0]
        products = np.empty((visits.shape[1], D, width, width))
        for d in range(D):
            own = np.ones((len(values), width))
            own[:, 1:-1], own[:, -1] = deviations[:, 1:, d], deviations[:, 0, d]
            own[np.isnan(own).any(axis=1)] = 0.0
            pairs = (own[:, :, None] * own[:, None, :]).reshape(len(values), -1)
            products[:, d] = (visits.T @ pairs).reshape(-1, width, width)
        return AutoregressiveGaussianStatistics(products)

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
        warn_at_floor(best.variances, floor)
        return best

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


def _log_normal(x, means, variances):
    return -0.5 * ((x - means) ** 2 / variances + np.log(2 * np.pi * variances))
