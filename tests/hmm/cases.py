"""Every family, data for it, and the chain that the data come from."""

import numpy as np

from seqmodels.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Categorical,
    Gaussian,
    Mixture,
    Poisson,
    Product,
    ZeroInflated,
)

FAMILIES = {
    "Categorical": Categorical(),
    "Categorical, smoothed": Categorical(0.5),
    "Bernoulli": Bernoulli(),
    "Bernoulli, smoothed": Bernoulli(0.5),
    "Poisson": Poisson(),
    "Gaussian, diagonal": Gaussian(),
    "Gaussian, full": Gaussian("full"),
    "Gaussian, spherical": Gaussian("spherical"),
    "Gaussian, tied": Gaussian("tied"),
    "mixture of symbols": Mixture(Categorical(0.5), 2),
    "mixture of counts": Mixture(Poisson(), 2),
    "mixture of Gaussians": Mixture(Gaussian(), 2),
    "mixture of Gaussians, tied": Mixture(Gaussian("tied"), 2),
    "Poisson with a prior": Poisson(3.0, 1.5),
    "Gaussian, diagonal, with a prior": Gaussian(mean_weight=0.5, covariance_prior=2.0, covariance_weight=2.0),
    "Gaussian, full, with a prior": Gaussian("full", mean_weight=0.5, covariance_prior=[1.0, 2.0], covariance_weight=3),
    "Gaussian, tied, with a prior": Gaussian("tied", mean_weight=0.5, covariance_weight=2.0),
    "zero-inflated counts": ZeroInflated(Poisson()),
    "product of counts and symbols": Product([Poisson(), Categorical(0.5)]),
    "mixture of products": Mixture(Product([ZeroInflated(Poisson(1.0, 0.5), 0.1), Gaussian()]), 2),
    "autoregressive": AutoregressiveGaussian(1),
    "autoregressive of order 2": AutoregressiveGaussian(2),
}


def states(generator, length, stay=0.8):
    """A chain of two states."""
    return np.cumsum(generator.random(length) > stay) % 2


def sequences(family, generator, lengths=(12, 1, 9, 5), gaps=False):
    """Sequences that the family can have made; with `gaps`, steps are missing, and parts of steps where it can be."""
    emission = FAMILIES[family]
    paths = [states(generator, length) for length in lengths]
    if emission.symbolic:
        X = [[int(code) for code in (generator.integers(3, size=len(path)) + path)] for path in paths]
        if gaps:
            X[0][0] = X[0][3] = X[0][4] = X[1][0] = X[2][-1] = None
        return X
    if "Bernoulli" in family:
        X = [1.0 * (generator.random((len(path), 3)) < 0.2 + 0.6 * path[:, None]) for path in paths]
    elif family == "mixture of products":
        X = [np.column_stack([generator.poisson(1 + 4 * p), generator.normal(3 * p)]) for p in paths]
    elif "Poisson" in family or "counts" in family:
        X = [generator.poisson(2 + 6 * path[:, None], (len(path), 2)) * 1.0 for path in paths]
    else:
        X = [generator.normal(3 * path[:, None], 1, (len(path), 2)) for path in paths]
    if gaps:
        X[0][0] = X[0][3] = X[0][4] = X[1][0] = X[2][-1] = np.nan
        X[0][6, 1] = X[2][2, 0] = np.nan
    return X
