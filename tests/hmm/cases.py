"""Every family and data for it; symbols of three states; and what tests of many models ask for."""

import itertools

import numpy as np
from scipy.special import xlogy

from seqmodels.arrays import map_arrays
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
from seqmodels.hmm.groups import groups, long_ones

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


# -------------------------------------------------------------------- symbols of three states

INITIAL = np.array([0.6, 0.3, 0.1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.1, 0.4, 0.4], [0.25, 0.25, 0.25, 0.25]])
UNLIKELY = 1e-4
"""How probable a sample must be, by a chi-square test, that is to follow a distribution."""


def densities_of(x):
    """Log likelihoods (T, K) of a sequence of symbols."""
    with np.errstate(divide="ignore"):
        return np.array([np.zeros(3) if s is None else np.log(PROBABILITIES[:, "abcd".index(s)]) for s in x])


def continuations(truth_of, prefix, length):
    """p(what follows given the prefix), by enumeration of symbols; `truth_of` finds the log-likelihood of each."""
    following = itertools.product("abcd", repeat=length)
    joint = {more: np.exp(truth_of([*prefix, *more]).log_likelihood) for more in following}
    return {more: p / sum(joint.values()) for more, p in joint.items()}


def assert_forecasts(model, prefix, expected):
    """Of each step, that of two, as probable as all :func:`continuations` with its symbol are together."""
    for step, ahead in enumerate(model.forecast([prefix], 2)):
        probabilities = [sum(p for more, p in expected.items() if more[step] == s) for s in "abcd"]
        np.testing.assert_allclose(ahead.probabilities()[0], probabilities, rtol=1e-12)


def as_tuples(paths):
    """Paths of states, which can be counted."""
    return [tuple(int(state) for state in path) for path in paths]


# -------------------------------------------------------------------- what a fit is asked for


def objectives(model):
    return np.array([record["objective"] for record in model.history_])


def assert_never_falls(model):
    """But for rounding."""
    values = objectives(model)
    assert np.isfinite(values).all()
    assert np.diff(values).min() > -1e-10 * np.abs(values).max()


def assert_same_arrays(found, expected, rtol=0.0, atol=0.0):
    """Parameters of a family, nested or not; to the bit unless tolerances are given."""
    map_arrays(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), found, expected)


def assert_same_parameters(model, other, rtol=0.0, atol=0.0):
    """Of the chain and of its emissions; to the bit unless tolerances are given."""
    one, two = ((each.initial_, each.transition_, each.emission_) for each in (model, other))
    assert_same_arrays(one, two, rtol, atol)


def assert_several_tasks(model, X):
    """Sequences are shared out among more than one task, without which a second thread has nothing to do."""
    data = model._known(X)
    source = next(part for part in model._chain_and_source(data) if hasattr(part, "most_steps"))
    assert len(groups(source, data.offsets, long_ones(source, data.lengths))) > 1


# -------------------------------------------------------------------- what an M-step is compared with


def normalised(counts):
    return counts / counts.sum(axis=-1, keepdims=True)


def ruled_out(known, K):
    """Which states (T, K) cannot be where those of some steps (T,) are known; -1 is unknown."""
    known = np.asarray(known)[:, None]
    return (known >= 0) & (known != np.arange(K))


def matrix_from(logits, old, free):
    """Transitions whose `free` entries share what the others of a row leave in proportion to ``exp(logits)``."""
    odds = np.zeros_like(old)
    odds[free] = np.exp(logits)
    left = np.where(free, old, 0).sum(axis=1, keepdims=True)
    return np.where(free, odds / np.maximum(odds.sum(axis=1, keepdims=True), 1e-300) * left, old)


def stationary_loss(logits, starts, pairs, old, free):
    """What a chain in its stationary distribution makes of counts; that is the eigenvector for the eigenvalue 1."""
    transition = matrix_from(logits, old, free)
    values, vectors = np.linalg.eig(transition.T)
    first = np.real(vectors[:, np.argmin(abs(values - 1))])
    return -xlogy(pairs, transition)[free].sum() - xlogy(starts, first / first.sum()).sum()
