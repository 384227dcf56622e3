"""Every family, data for it, and the chain that the data come from."""

import numpy as np

from seqmodels.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Laplace,
    LogNormal,
    Mixture,
    Multinomial,
    NegativeBinomial,
    Poisson,
    Product,
    StudentT,
    VonMises,
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
    "NegativeBinomial": NegativeBinomial(),
    "Geometric": Geometric(),
    "Multinomial": Multinomial(),
    "Multinomial, smoothed": Multinomial(0.5),
    "StudentT": StudentT(),
    "Laplace": Laplace(),
    "LogNormal": LogNormal(),
    "Exponential": Exponential(),
    "Gamma": Gamma(),
    "Beta": Beta(),
    "VonMises": VonMises(),
    "mixture of symbols": Mixture(Categorical(0.5), 2),
    "mixture of counts": Mixture(Poisson(), 2),
    "mixture of Gaussians": Mixture(Gaussian(), 2),
    "mixture of Gaussians, tied": Mixture(Gaussian("tied"), 2),
    "Poisson with a prior": Poisson(3.0, 1.5),
    "Gaussian, diagonal, with a prior": Gaussian(mean_weight=0.5, covariance_prior=2.0, covariance_weight=2.0),
    "Gaussian, full, with a prior": Gaussian("full", mean_weight=0.5, covariance_prior=[1.0, 2.0], covariance_weight=3),
    "Gaussian, tied, with a prior": Gaussian("tied", mean_weight=0.5, covariance_weight=2.0),
    "zero-inflated counts": ZeroInflated(Poisson()),
    "zero-inflated counts, overdispersed": ZeroInflated(NegativeBinomial()),
    "mixture of StudentT": Mixture(StudentT(), 2),
    "product of numbers far away": Product([StudentT(), Laplace()]),
    "product of counts and symbols": Product([Poisson(), Categorical(0.5)]),
    "mixture of products": Mixture(Product([ZeroInflated(Poisson(1.0, 0.5), 0.1), Gaussian()]), 2),
    "autoregressive": AutoregressiveGaussian(1),
    "autoregressive of order 2": AutoregressiveGaussian(2),
}


DRAWS = {  # of generator, states (T, 1) and shape
    "NegativeBinomial": lambda g, z, shape: g.negative_binomial(3, 0.6 - 0.4 * z, shape),
    "Geometric": lambda g, z, shape: g.geometric(0.7 - 0.5 * z, shape) - 1,
    "Multinomial": lambda g, z, _: g.multinomial(g.integers(3, 7, len(z)), np.hstack([0.2 + 0.6 * z, 0.8 - 0.6 * z])),
    "StudentT": lambda g, z, shape: 3 * z + g.standard_t(3, shape),
    "Laplace": lambda g, z, shape: g.laplace(3 * z, 1, shape),
    "LogNormal": lambda g, z, shape: g.lognormal(2 * z, 1, shape),
    "Exponential": lambda g, z, shape: g.exponential(1 + 5 * z, shape),
    "Gamma": lambda g, z, shape: g.gamma(2 + 6 * z, 1, shape),
    "Beta": lambda g, z, shape: g.beta(2 + 6 * z, 4 - 2 * z, shape),
    "VonMises": lambda g, z, shape: g.vonmises(2 * z, 3, shape),
}
DRAWS["Multinomial, smoothed"] = DRAWS["Multinomial"]


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
    elif family in DRAWS:
        X = [DRAWS[family](generator, path[:, None], (len(path), 2)) * 1.0 for path in paths]
    else:
        X = [generator.normal(3 * path[:, None], 1, (len(path), 2)) for path in paths]
    if gaps:
        X[0][0] = X[0][3] = X[0][4] = X[1][0] = X[2][-1] = np.nan
        if "Multinomial" not in family:
            X[0][6, 1] = X[2][2, 0] = np.nan
    return X
