"""Real numbers around a mean."""

from typing import NamedTuple

import numpy as np
from scipy import special

from ..arrays import aligned, mean_and_variance, padded, padded_width
from ..jit import kernel
from . import cholesky
from .base import Emission
from .covariance import COVARIANCES, VARIANCE_FLOOR, warn_at_floor
from .helpers import keep_without_mass, refuse, refuse_unless_number
from .joint_columns import normal, patterns

__all__ = ["Gaussian", "GaussianParameters", "variance_of_a_constant"]

HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
LOG_FLOOR = 0.5 * np.log(VARIANCE_FLOOR)  # of the logarithm of a scale


class GaussianParameters(NamedTuple):
    """Parameters of :class:`Gaussian`."""

    means: np.ndarray  # (..., D)
    covariances: np.ndarray  # (..., D), (..., D, D) or (...)


class Gaussian(Emission):
    """Normal distributions of D columns.

    No variance falls below a millionth of the variance of its column in the training data; the floor holds at
    every M-step and under networks too.

    Parameters
    ----------
    covariance : {"diagonal", "full", "spherical", "tied"}
        One variance a column, a matrix, one variance for all columns, or one matrix shared by all states.
        A missing entry is integrated over, and the others of its row count; with matrices, M-steps expect it
        given these (the EM of Little and Rubin 2002).
    mean_prior, mean_weight : float or array (D,), float
        A prior worth `mean_weight` more observations a state, all of them at `mean_prior`.
    covariance_prior, covariance_weight : float, array (D,) or (D, D), float
        A prior worth `covariance_weight` more observations a state, which say nothing of its mean and have this
        covariance (the variances alone, if no matrix). Together these are the normal-inverse-Wishart family
        (columns apart: normal-inverse-gamma); weights of 0 are maximum likelihood.
    """

    Parameters = GaussianParameters

    def __init__(
        self, covariance="diagonal", *, mean_prior=0.0, mean_weight=0.0, covariance_prior=1.0, covariance_weight=0.0
    ):
        self.covariance = covariance
        self.mean_prior = mean_prior
        self.mean_weight = mean_weight
        self.covariance_prior = covariance_prior
        self.covariance_weight = covariance_weight

    @property
    def _shape(self):
        if self.covariance not in COVARIANCES:
            raise ValueError(f"covariance is {self.covariance!r}; {', '.join(map(repr, COVARIANCES))} are accepted")
        return COVARIANCES[self.covariance]

    def check(self, sequences, name="X"):
        super().check(sequences, name)
        shape, D = self._shape, sequences.n_features
        for weight in ("mean_weight", "covariance_weight"):
            refuse_unless_number(getattr(self, weight), weight)
        mean, covariance = (np.asarray(prior, dtype=float) for prior in (self.mean_prior, self.covariance_prior))
        if mean.shape not in ((), (D,)) or not np.isfinite(mean).all():
            raise ValueError(f"mean_prior is {self.mean_prior!r}; a number or {D} of them are accepted")
        if covariance.shape not in ((), (D,), *[(D, D)] * (not shape.independent)):
            raise ValueError(f"covariance_prior has shape {covariance.shape}; a number or {D} of them are accepted")
        matrix = covariance if covariance.ndim == 2 else np.diag(np.broadcast_to(covariance, D))
        if not (np.isfinite(matrix).all() and np.linalg.eigvalsh(matrix)[0] > 0):
            raise ValueError(f"covariance_prior is {self.covariance_prior!r}; positive (co)variances are accepted")

    def log_density(self, values, parameters):
        return self._shape.log_density(values - parameters.means, parameters.covariances)

    # ---------------------------------------------------------------- hidden Markov models

    def in_tiles(self, parameters, width):
        return self._shape.in_tiles(*parameters, width)

    def log_table(self, values, parameters):
        width = padded_width(len(parameters.means))
        table = aligned(len(values), width)
        self.in_tiles(parameters, width).fill_log_table(values, table)
        return table[:, : len(parameters.means)]

    def one_step_is_enough(self, values):
        return self._shape.independent or not patterns(np.isnan(values))

    def rough(self, sequences):
        mean, variances = mean_and_variance(sequences.values.astype(float))
        variances = np.where(variances > 0, variances, variance_of_a_constant(mean))
        return GaussianParameters(mean[None], self._shape.rough(variances))

    def sufficient_statistics(self, values, visits, parameters):
        """Moments about the means in `parameters`, which keeps them exact far from zero."""
        width = padded_width(visits.shape[1])
        return self.in_tiles(parameters, width).statistics(values, padded(visits, len(visits), width))

    def maximize(self, statistics, parameters):
        """Means and (co)variances of the data each state is responsible for, variances floored."""
        return self.maximize_free(statistics, parameters, ())

    @property
    def freezable(self):
        """Both; the variances are then those about the means that are held."""
        return GaussianParameters._fields

    def maximize_free(self, statistics, parameters, fixed):
        floor = VARIANCE_FLOOR * self._overall_variance(statistics, parameters)
        mass, sums, seconds = self._with_mean_prior(statistics, parameters)
        if "means" in fixed:
            sums = np.zeros_like(sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = parameters.means + sums / mass
        means = keep_without_mass(mass, means, parameters.means)
        if "covariances" in fixed:
            return GaussianParameters(means, parameters.covariances)
        prior = self.covariance_weight, self._prior_covariance(len(floor))
        covariances = self._shape.maximize(mass, sums, seconds, parameters.covariances, floor, *prior)
        warn_at_floor(self._shape.above_floor(covariances, floor))
        return GaussianParameters(means, covariances)

    def rebased(self, statistics, old, new):
        """The same moments about other means."""
        mass, sums, seconds = statistics
        shift = old.means - new.means  # what is added to deviations
        if self._shape.independent:
            return type(statistics)(mass, sums + mass * shift, seconds + (2 * sums + mass * shift) * shift)
        crossed = sums[..., :, None] * shift[..., None, :]
        seconds = seconds + crossed + crossed.swapaxes(-1, -2)
        seconds = seconds + mass[..., None] * shift[..., :, None] * shift[..., None, :]
        return type(statistics)(mass, sums + mass * shift, seconds)

    def _with_mean_prior(self, statistics, parameters):
        """The moments with `mean_weight` more observations at `mean_prior`."""
        mass, sums, seconds = statistics
        if self.mean_weight == 0:
            return statistics
        apart = self.mean_prior - parameters.means
        products = apart**2 if self._shape.independent else apart[..., :, None] * apart[..., None, :]
        weight = self.mean_weight
        return mass + weight, sums + weight * apart, seconds + weight * products

    def _prior_covariance(self, D):
        """`covariance_prior` as variances (D,) or, where covariances are matrices, (D, D)."""
        prior = np.asarray(self.covariance_prior, dtype=float)
        if prior.ndim < 2:
            prior = np.broadcast_to(prior, D)
            return prior if self._shape.independent else np.diag(prior)
        return prior

    def log_prior(self, parameters):
        if self.mean_weight == 0 and self.covariance_weight == 0:
            return 0.0
        D = parameters.means.shape[-1]
        matrices, prior = self._shape.full(parameters.covariances, D), self._prior_covariance(D)
        prior = prior if prior.ndim == 2 else np.diag(prior)
        on_means = normal(self.mean_prior - parameters.means, matrices).sum()
        traces = np.trace(np.linalg.solve(matrices, np.broadcast_to(prior, matrices.shape)), axis1=-2, axis2=-1)
        on_covariances = -0.5 * (np.linalg.slogdet(matrices)[1] + traces).sum()
        return float(self.mean_weight * on_means + self.covariance_weight * on_covariances)

    def _overall_variance(self, statistics, parameters):
        """Variance (D,) of each column over all states, from their moments about their old means."""
        mass, sums, seconds = statistics
        squares = seconds if self._shape.independent else np.diagonal(seconds, axis1=-2, axis2=-1)
        states = tuple(range(mass.ndim - 1))
        total = np.maximum(mass.sum(axis=states), np.finfo(float).tiny)
        mean = (mass * parameters.means + sums).sum(axis=states) / total
        centred = parameters.means - mean
        variances = (squares + 2 * centred * sums + mass * centred**2).sum(axis=states) / total
        # what is left of a constant column is rounding, some 1e-16 of its value
        constant = variances <= 1e-28 * np.maximum(mean**2, np.finfo(float).tiny)
        return np.where(constant, variance_of_a_constant(mean), variances)

    def check_parameters(self, parameters):
        means, covariances = parameters
        own = self._shape.rough(np.ones(means.shape[-1] if means.ndim else 1)).shape[1:]
        if covariances.shape[covariances.ndim - len(own) :] != own:
            accepted = ", ".join(["..."] + [str(n) for n in own])
            raise ValueError(f"emission has covariances of shape {covariances.shape}; {self!r} takes ({accepted})")
        variances = self._shape.smallest_variances(parameters.covariances)
        refuse(~(variances > 0), variances, "positive (co)variances")

    def n_parameters(self, parameters):
        return self.n_free(parameters, ())

    def n_free(self, parameters, fixed):
        in_covariances = self._shape.n_parameters(parameters.covariances)
        return parameters.means.size * ("means" not in fixed) + in_covariances * ("covariances" not in fixed)

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """A mean a column, in standard deviations, and the logarithm of each scale (or a Cholesky factor)."""
        D = marginal.means.shape[-1]
        if not self._shape.independent:
            return cholesky.n_raw(D)
        return D + (marginal.covariances.shape[-1] if marginal.covariances.ndim else 1)

    def constant_raw(self, marginal):
        return np.arange(self.n_raw(marginal)) >= (len(marginal.means) if self.covariance == "tied" else np.inf)

    def from_raw(self, raw, marginal):
        """Means and scales (or Cholesky factors), both relative to the marginal's."""
        if not self._shape.independent:
            return GaussianParameters(*cholesky.of_raw(raw, *marginal, LOG_FLOOR))
        D = marginal.means.shape[-1]
        scale = np.sqrt(marginal.covariances)
        ratio = np.exp(np.maximum(raw[..., D:], LOG_FLOOR)) ** 2
        means = marginal.means + raw[..., :D] * scale
        return GaussianParameters(means, marginal.covariances * (ratio if scale.ndim else ratio[..., 0]))

    def value_and_gradient(self, values, raw, marginal, out):
        """Log densities (n,), and their gradient in `raw` (n, R) written to `out`."""
        if not self._shape.independent:
            return cholesky.value_and_gradient(values, raw, *marginal, LOG_FLOOR, out)
        scale = np.atleast_1d(np.sqrt(marginal.covariances))
        return _location_scale(values, raw, marginal.means, scale, LOG_FLOOR, out)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        normal = generator.standard_normal(parameters.means.shape)
        return parameters.means + self._shape.sample(normal, parameters.covariances)

    def mean(self, parameters):
        return parameters.means

    def mode(self, parameters):
        return parameters.means

    def cdf(self, values, parameters):
        D = parameters.means.shape[-1]
        deviation = np.sqrt(self._shape.variances(parameters.covariances, D))
        return special.ndtr((values - parameters.means) / deviation)


def variance_of_a_constant(mean):
    """A scale for a column without any variance."""
    return np.maximum(mean**2, 1.0)


@kernel
def _location_scale(values, raw, means, scales, floor, out):
    n, D = values.shape
    shared = len(scales) < D or raw.shape[1] == D + 1  # one scale for all columns
    log_density = np.zeros(n)
    for i in range(n):
        total = 0.0
        out[i, D:] = 0
        for d in range(D):
            x = values[i, d]
            if np.isnan(x):
                out[i, d] = 0
                continue
            e = 0 if shared else d
            log_scale = max(np.float64(raw[i, D + e]), floor)
            z = ((x - means[d]) / scales[e] - raw[i, d]) * np.exp(-log_scale)
            total -= 0.5 * z * z + log_scale + np.log(scales[e]) + HALF_LOG_2PI
            out[i, d] = z * np.exp(-log_scale)
            if raw[i, D + e] > floor:
                out[i, D + e] += z * z - 1
        log_density[i] = total
    return log_density
