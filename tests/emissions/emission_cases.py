"""Every family with members of it and data for it, and what scipy says about them."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from seqmodels import Sequences
from seqmodels.arrays import map_arrays, take
from seqmodels.emissions import (
    Bernoulli,
    BernoulliParameters,
    Categorical,
    CategoricalParameters,
    Emission,
    Gaussian,
    GaussianParameters,
    Mixture,
    MixtureParameters,
    Poisson,
    PoissonParameters,
)

K = 3  # members, such as hidden states


@dataclass
class Case:
    """One family, and how many free parameters its K members of D columns have."""

    name: str
    emission: Emission
    D: int
    n_parameters: int

    @property
    def base(self):
        """The family under mixtures."""
        emission = self.emission
        while isinstance(emission, Mixture):
            emission = emission.emission
        return emission

    @property
    def rows_are_whole(self):
        """Whether observations are either complete or missing altogether."""
        return isinstance(self.base, Categorical) or not getattr(self.base, "_shape", Gaussian()._shape).independent


V = 4  # symbols; with a prior, one more for the unknown ones

CASES = [
    Case("categorical", Categorical(), 1, K * (V - 1)),
    Case("categorical with prior", Categorical(0.7), 1, K * V),
    Case("bernoulli", Bernoulli(), 3, K * 3),
    Case("bernoulli with prior", Bernoulli(0.4), 3, K * 3),
    Case("poisson", Poisson(), 2, K * 2),
    Case("gaussian diagonal", Gaussian(), 2, K * (2 + 2)),
    Case("gaussian full", Gaussian("full"), 2, K * (2 + 3)),
    Case("gaussian spherical", Gaussian("spherical"), 2, K * (2 + 1)),
    Case("gaussian tied", Gaussian("tied"), 2, K * 2 + 3),
    Case("gaussian of one column", Gaussian(), 1, K * 2),
    Case("mixture of categorical", Mixture(Categorical(), 2), 1, K * (1 + 2 * (V - 1))),
    Case("mixture of bernoulli", Mixture(Bernoulli(0.4), 3), 2, K * (2 + 3 * 2)),
    Case("mixture of poisson", Mixture(Poisson(), 3), 1, K * (2 + 3)),
    Case("mixture of gaussian diagonal", Mixture(Gaussian(), 2), 2, K * (1 + 2 * 4)),
    Case("mixture of gaussian full", Mixture(Gaussian("full"), 2), 2, K * (1 + 2 * 5)),
    Case("mixture of gaussian spherical", Mixture(Gaussian("spherical"), 2), 2, K * (1 + 2 * 3)),
    Case("mixture of gaussian tied", Mixture(Gaussian("tied"), 2), 2, K * (1 + 2 * 2 + 3)),
    Case("mixture of mixtures", Mixture(Mixture(Poisson(), 2), 2), 2, K * (1 + 2 * (1 + 2 * 2))),
]
SINGLE = [case for case in CASES if not isinstance(case.emission, Mixture)]
MIXED = [case for case in CASES if isinstance(case.emission, Mixture)]
FOR_NETWORKS = [case for case in CASES if case.emission.for_networks]


def random_members(emission, D, leading, rng):
    """Members with the given leading axes, none of them extreme."""
    match emission:
        case Categorical():
            n_symbols = V + (emission.pseudo_count > 0)
            return CategoricalParameters(rng.dirichlet(np.full(n_symbols, 2.0), leading))
        case Bernoulli():
            return BernoulliParameters(rng.uniform(0.1, 0.9, (*leading, D)))
        case Poisson():
            return PoissonParameters(rng.uniform(0.5, 6.0, (*leading, D)))
        case Gaussian():
            means = rng.normal(0, 3, (*leading, D))
            return GaussianParameters(means, random_covariances(emission.covariance, D, leading, rng))
        case Mixture():
            weights = rng.dirichlet(np.full(emission.n, 3.0), leading)
            return MixtureParameters(weights, random_members(emission.emission, D, (*leading, emission.n), rng))


def random_covariances(kind, D, leading, rng):
    if kind == "diagonal":
        return rng.uniform(0.3, 3.0, (*leading, D))
    if kind == "spherical":
        return rng.uniform(0.3, 3.0, leading)
    sharing = (*leading[:-1], 1) if kind == "tied" else leading
    root = rng.normal(size=(*sharing, D, D))
    matrices = root @ root.swapaxes(-1, -2) + 0.3 * np.eye(D)
    return np.broadcast_to(matrices, (*leading, D, D)).copy()


def random_values(case, parameters, n, rng, missing=0.0):
    """Values (n, D) from the members in turn, some of them missing."""
    tiled = map_arrays(lambda array: np.resize(array, (n, *array.shape[1:])), parameters)
    values = case.emission.sample(tiled, rng)
    shape = (n, 1) if case.rows_are_whole else values.shape
    gap = -1 if case.emission.symbolic else np.nan
    return np.where(rng.random(shape) < missing, gap, values)


def as_sequences(case, values):
    """As one long and one short sequence."""
    alphabet = tuple(range(V)) if case.emission.symbolic else None
    return Sequences(values, np.array([0, len(values) - 2, len(values)]), alphabet)


def is_missing(case, values):
    return values < 0 if case.emission.symbolic else np.isnan(values)


def scipy_log_density(emission, row, member):
    """Of one observation (D,) under one member, from scipy; missing entries marginalised."""
    match emission:
        case Categorical():
            return 0.0 if row[0] == -1 else np.log(member.probabilities[row[0]])
        case Bernoulli():
            seen = ~np.isnan(row)
            return stats.bernoulli(member.probabilities[seen]).logpmf(row[seen]).sum()
        case Poisson():
            seen = ~np.isnan(row)
            return stats.poisson(member.rates[seen]).logpmf(row[seen]).sum()
        case Gaussian():
            seen = ~np.isnan(row)
            if not seen.any():
                return 0.0
            matrix = covariance_matrix(emission, member)[np.ix_(seen, seen)]
            return stats.multivariate_normal(member.means[seen], matrix).logpdf(row[seen])
        case Mixture():
            parts = [scipy_log_density(emission.emission, row, take(member.components, c)) for c in range(emission.n)]
            return special.logsumexp(parts, b=member.weights)


def scipy_cdf(emission, x, member):
    """Distribution functions (D,) of the columns at x."""
    match emission:
        case Bernoulli():
            return stats.bernoulli(member.probabilities).cdf(x)
        case Poisson():
            return stats.poisson(member.rates).cdf(x)
        case Gaussian():
            return stats.norm(member.means, np.sqrt(np.diag(covariance_matrix(emission, member)))).cdf(x)
        case Mixture():
            return member.weights @ [
                scipy_cdf(emission.emission, x, take(member.components, c)) for c in range(emission.n)
            ]


def covariance_matrix(emission, member):
    D = len(member.means)
    match emission.covariance:
        case "diagonal":
            return np.diag(member.covariances)
        case "spherical":
            return member.covariances * np.eye(D)
        case _:
            return member.covariances


def scipy_table(emission, values, parameters):
    """Log densities (S, K)."""
    return np.array([[scipy_log_density(emission, row, take(parameters, k)) for k in range(K)] for row in values])


def support(case):
    """Points (S, D) and weights (S,), so that sums over them are expectations' sums or integrals."""
    match case.base:
        case Categorical():
            n_symbols = V + (case.base.pseudo_count > 0)
            return np.arange(n_symbols)[:, None], np.ones(n_symbols)
        case Bernoulli():
            grid, step = np.arange(2.0), 1.0
        case Poisson():
            grid, step = np.arange(41.0), 1.0
        case Gaussian():
            grid = np.linspace(-32, 32, 401)
            step = grid[1] - grid[0]
    points = np.array(list(itertools.product(grid, repeat=case.D)))
    return points, np.full(len(points), step**case.D)
