"""Shapes of a Gaussian's covariance: what each stores, its density, its M-step."""

import warnings

import numpy as np

from .helpers import keep_without_mass
from .joint_columns import JointColumns, in_part, normal, patterns
from .moments import LOG_2PI, IndependentColumns

__all__ = ["COVARIANCES", "VARIANCE_FLOOR", "warn_at_floor"]

VARIANCE_FLOOR = 1e-6
"""Smallest variance that an M-step or a network may give, relative to the variance in the training data."""


class Diagonal:
    """A variance a column, (..., D)."""

    independent = True

    def full(self, covariances, D):
        """As matrices (..., D, D)."""
        return covariances[..., None] * np.eye(D)

    def log_density(self, deviations, covariances):
        """Of deviations from the mean (..., D), missing entries left out."""
        with np.errstate(invalid="ignore"):
            terms = -0.5 * (deviations**2 / covariances + np.log(covariances) + LOG_2PI)
        return np.where(np.isnan(deviations), 0.0, terms).sum(axis=-1)

    def in_tiles(self, means, covariances, width):
        """The face to an E-step."""
        return IndependentColumns(means, self.variances(covariances, means.shape[-1]), width)

    def maximize(self, mass, sums, seconds, old, floor, weight=0.0, prior=0.0):
        """From moments about the old mean.

        `floor` (D,) holds the smallest variances; `weight` more observations a state are of the covariance
        `prior`, (D,) or (D, D).
        """
        total = mass + weight
        with np.errstate(invalid="ignore", divide="ignore"):
            variances = (_scatter(mass, sums, seconds) + weight * prior) / total
        return keep_without_mass(total, np.maximum(variances, floor), old)

    def smallest_variances(self, covariances):
        """What has to be positive: the variances, or the smallest eigenvalue of each matrix."""
        return covariances

    def rough(self, variances):
        """Covariances (1, ...) from the variances (D,) of all the data."""
        return variances[None]

    def n_parameters(self, covariances):
        """Free numbers in it."""
        return covariances.size

    def sample(self, normal, covariances):
        """Turn standard normal numbers (..., D) into deviations."""
        return normal * np.sqrt(covariances)

    def variances(self, covariances, D):
        """Variance (..., D) of each column."""
        return covariances

    def above_floor(self, covariances, floor):
        """The smallest variance in any direction, in units of the floor (D,)."""
        return self.variances(covariances, len(floor)) / floor


class Spherical(Diagonal):
    """One variance for all columns, (...)."""

    def full(self, covariances, D):
        return super().full(self.variances(covariances, D), D)

    def log_density(self, deviations, covariances):
        return super().log_density(deviations, covariances[..., None])

    def maximize(self, mass, sums, seconds, old, floor, weight=0.0, prior=0.0):
        total = (mass + weight).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            pooled = (_scatter(mass, sums, seconds) + weight * prior).sum(axis=-1) / total
        return keep_without_mass(total, np.maximum(pooled, floor.mean()), old)

    def rough(self, variances):
        return np.array([variances.mean()])

    def sample(self, normal, covariances):
        return normal * np.sqrt(covariances)[..., None]

    def variances(self, covariances, D):
        return np.repeat(covariances[..., None], D, axis=-1)


class Full:
    """A matrix, (..., D, D)."""

    independent = False

    def full(self, covariances, D):
        return covariances

    def log_density(self, deviations, covariances):
        """Of deviations from the mean (..., D), missing entries integrated over."""
        if deviations.ndim == 1:
            return self.log_density(deviations[None], covariances)[0]
        missing = np.isnan(deviations)
        density = np.where(missing.all(axis=-1), 0.0, normal(np.nan_to_num(deviations), covariances))
        for place, seen in patterns(missing):
            own = covariances
            if covariances.ndim > 2:
                own = np.broadcast_to(covariances, (*missing.shape, missing.shape[-1]))[place]
            density[place] = normal(deviations[place][:, seen], in_part(own, seen, seen))
        return density

    def in_tiles(self, means, covariances, width):
        """The face to an E-step."""
        return JointColumns(means, covariances, width)

    def maximize(self, mass, sums, seconds, old, floor, weight=0.0, prior=0.0):
        total = mass[..., 0] + weight
        with np.errstate(invalid="ignore", divide="ignore"):
            matrices = (_scatter_matrices(mass, sums, seconds) + weight * prior) / total[..., None, None]
        return keep_without_mass(total, _floored(matrices, total > 0, floor, old), old)

    def smallest_variances(self, covariances):
        return np.linalg.eigvalsh(covariances)[..., 0]

    def rough(self, variances):
        return np.diag(variances)[None]

    def n_parameters(self, covariances):
        D = covariances.shape[-1]
        return covariances.size // D**2 * (D * (D + 1) // 2)

    def sample(self, normal, covariances):
        return (np.linalg.cholesky(covariances) @ normal[..., None])[..., 0]

    def variances(self, covariances, D):
        return np.diagonal(covariances, axis1=-2, axis2=-1)

    def above_floor(self, covariances, floor):
        scale = np.sqrt(floor)
        return np.linalg.eigvalsh(covariances / np.outer(scale, scale))[..., 0]


class Tied(Full):
    """One matrix shared by all states (in a mixture, by a state's components), broadcast to (..., D, D)."""

    def maximize(self, mass, sums, seconds, old, floor, weight=0.0, prior=0.0):
        total = (mass[..., 0] + weight).sum(axis=-1)
        scatter = _scatter_matrices(mass, sums, seconds) + weight * prior
        pooled = scatter.sum(axis=-3) / np.maximum(total, np.finfo(float).tiny)[..., None, None]
        pooled = _floored(pooled, total > 0, floor, old[..., 0, :, :])
        shared = keep_without_mass(total, pooled, old[..., 0, :, :])
        return np.broadcast_to(shared[..., None, :, :], old.shape).copy()

    def n_parameters(self, covariances):
        sharing = covariances.shape[-3] if covariances.ndim > 2 else 1
        return super().n_parameters(covariances) // sharing


COVARIANCES = {"diagonal": Diagonal(), "full": Full(), "spherical": Spherical(), "tied": Tied()}


def warn_at_floor(smallest):
    """Say so where the smallest variances of an M-step, in units of their floor, are at it."""
    if np.any(smallest <= 1 + 1e-9):
        warnings.warn(
            f"a variance fell to its floor, {VARIANCE_FLOOR:g} times the variance of the data: a distribution "
            "stands for a single value; fewer states or more data would help",
            stacklevel=3,
        )


def _scatter(mass, sums, seconds):
    """Sums of squares about the mean; 0 without mass."""
    return seconds - np.where(mass > 0, sums**2 / np.where(mass > 0, mass, 1.0), 0.0)


def _scatter_matrices(mass, sums, seconds):
    """Sums of products about the mean; 0 without mass."""
    shift = np.where(mass > 0, sums / np.where(mass > 0, mass, 1.0), 0.0)
    return seconds - mass[..., None] * shift[..., :, None] * shift[..., None, :]


def _floored(matrices, valid, floor, old):
    """Lift the eigenvalues of matrices (..., D, D), in units of the data's scale, to the floor.

    Among matrices that are nowhere below the floor, this one has the highest likelihood. The floor is never above
    the smallest eigenvalue of the old matrix: what missing entries are expected to be moves the scale of the data
    from step to step, and the objective must not fall for that.
    """
    scale = np.sqrt(floor)
    relative = np.where(valid[..., None, None], matrices, np.eye(len(floor))) / np.outer(scale, scale)
    values, vectors = np.linalg.eigh((relative + relative.swapaxes(-1, -2)) / 2)
    if np.all(values >= 1):
        return matrices
    least = np.minimum(np.linalg.eigvalsh(old / np.outer(scale, scale))[..., :1], 1.0)
    lifted = (vectors * np.maximum(values, least)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return np.where((values >= least).all(axis=-1)[..., None, None], matrices, lifted * np.outer(scale, scale))
