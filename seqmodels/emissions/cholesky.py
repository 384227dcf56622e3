"""Means and covariance matrices as raw outputs of networks: Cholesky factors, relative to that of a marginal.

The raw outputs are D means, in standard deviations, the logarithms of the factor's D diagonal entries, and what
stands below them, row by row.
"""

import numpy as np

from ..jit import kernel
from .joint_columns import patterns
from .moments import LOG_2PI

__all__ = ["n_raw", "of_raw", "value_and_gradient"]


def n_raw(D):
    """How many raw outputs there are."""
    return 2 * D + D * (D - 1) // 2


def _factors(raw, D, floor):
    """Lower triangular matrices (..., D, D)."""
    matrices = np.zeros((*raw.shape[:-1], D, D))
    matrices[..., range(D), range(D)] = np.exp(np.clip(raw[..., D : 2 * D], floor, -floor))
    matrices[(..., *np.tril_indices(D, -1))] = np.clip(raw[..., 2 * D :], -np.exp(-floor), np.exp(-floor))
    return matrices


def _within(raw, D, floor):
    """Whether raw outputs (n, R) lie within the limits; means have none."""
    ratios = np.abs(raw[:, D:])
    ratios[:, D:] = np.where(ratios[:, D:] < np.exp(-floor), 0.0, np.inf)
    return np.concatenate([np.ones((len(raw), D), dtype=bool), ratios < -floor], axis=1)


def of_raw(raw, means, matrix, floor):
    """Means (..., D) and covariances (..., D, D) that raw outputs (..., R) stand for.

    Parameters
    ----------
    raw : array (..., R)
    means, matrix : arrays (D,), (D, D)
        Of the marginal.
    floor : float
        Of the logarithms of diagonal entries; no entry is larger than ``exp(-floor)``.
    """
    D = len(means)
    roots = np.linalg.cholesky(matrix) @ _factors(raw, D, floor)
    return means + raw[..., :D] * np.sqrt(np.diagonal(matrix)), roots @ roots.swapaxes(-1, -2)


def value_and_gradient(values, raw, means, matrix, floor, out):
    """Log densities (n,) of values (n, D), and their gradient in `raw` (n, R) written to `out`."""
    root, scales = np.linalg.cholesky(matrix), np.sqrt(np.diagonal(matrix))
    constant = -np.log(np.diagonal(root)).sum() - 0.5 * len(means) * LOG_2PI
    log_density = _complete(values, raw, means, scales, np.linalg.inv(root), constant, floor, out)
    for (which,), seen in patterns(np.isnan(values)):
        log_density[which], out[which] = _in_part(values[which], seen, raw[which].astype(float), means, matrix, floor)
    return log_density


def _in_part(values, seen, raw, means, matrix, floor):
    """Log densities (n,) where the same columns are missing, and their gradient (n, R)."""
    D, root, factors = len(means), np.linalg.cholesky(matrix), _factors(raw, len(means), floor)
    scales = np.sqrt(np.diagonal(matrix))
    deviations = (values - means - raw[:, :D] * scales)[:, seen]
    # the covariance of what is seen is R'R: nothing is squared
    q, r = np.linalg.qr((root @ factors)[:, seen].swapaxes(1, 2))  # (n, D, O), (n, O, O)
    z = np.linalg.solve(r.swapaxes(1, 2), deviations[..., None])
    w = np.linalg.solve(r, z)
    d_roots = np.zeros_like(factors)
    d_roots[:, seen] = w @ (q @ z).swapaxes(1, 2) - np.linalg.solve(r, q.swapaxes(1, 2))
    d_factors, gradient = root.T @ d_roots, np.zeros_like(raw)
    gradient[:, :D][:, seen] = w[..., 0] * scales[seen]
    gradient[:, D : 2 * D] = (d_factors * factors)[:, range(D), range(D)]
    gradient[:, 2 * D :] = d_factors[(slice(None), *np.tril_indices(D, -1))]
    log_determinant = np.log(np.abs(np.diagonal(r, axis1=1, axis2=2))).sum(axis=1)
    log_density = -0.5 * (z[..., 0] ** 2).sum(axis=1) - log_determinant - 0.5 * seen.sum() * LOG_2PI
    return log_density, np.where(_within(raw, D, floor), gradient, 0.0)


@kernel
def _complete(values, raw, means, scales, whitening, constant, floor, out):
    """The same of observations without a gap; 0 of others. `whitening` is the inverse of the marginal's factor."""
    n, D = values.shape
    highest = np.exp(-floor)
    log_density, deviation = np.zeros(n), np.zeros(D)
    z, w, log_scale, factor = np.zeros(D), np.zeros(D), np.zeros(D), np.zeros((D, D))
    for i in range(n):
        out[i] = 0
        gap = False
        for d in range(D):
            gap |= np.isnan(values[i, d])
            deviation[d] = values[i, d] - means[d] - scales[d] * raw[i, d]
            log_scale[d] = min(max(np.float64(raw[i, D + d]), floor), -floor)
            for e in range(d):
                factor[d, e] = min(max(np.float64(raw[i, 2 * D + d * (d - 1) // 2 + e]), -highest), highest)
        if gap:
            continue
        total = constant
        for d in range(D):  # z solves M z = whitened deviation
            rest = whitening[d, d] * deviation[d]
            for e in range(d):
                rest += whitening[d, e] * deviation[e] - factor[d, e] * z[e]
            z[d] = rest * np.exp(-log_scale[d])
            total -= 0.5 * z[d] * z[d] + log_scale[d]
        for d in range(D - 1, -1, -1):  # w solves M' w = z
            rest = z[d]
            for e in range(d + 1, D):
                rest -= factor[e, d] * w[e]
            w[d] = rest * np.exp(-log_scale[d])
        for d in range(D):
            row, slope = 2 * D + d * (d - 1) // 2, 0.0
            for e in range(d, D):
                slope += whitening[e, d] * w[e]
            out[i, d] = scales[d] * slope
            if abs(raw[i, D + d]) < -floor:
                out[i, D + d] = w[d] * z[d] * np.exp(log_scale[d]) - 1
            for e in range(d):
                if abs(factor[d, e]) < highest:
                    out[i, row + e] = w[d] * z[e]
        log_density[i] = total
    return log_density
