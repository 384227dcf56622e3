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
    Product,
    ProductParameters,
    ZeroInflated,
    ZeroInflatedParameters,
)

K = 3  # members, such as hidden states


@dataclass
class Case:
    """One family, and how many free parameters its K members of D columns have."""

    name: str
    emission: Emission
    D: int
    n_parameters: int


V = 4  # symbols; with a prior, one more for the unknown ones

GAUSSIAN_PRIOR = {"mean_weight": 1.5, "covariance_prior": [0.5, 2.0], "covariance_weight": 2.5}
MATRIX_PRIOR = {"mean_weight": 0.7, "covariance_prior": [[2.0, -0.5], [-0.5, 1.0]], "covariance_weight": 3.0}

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
    # families with priors, and families that combine or extend others
    Case("poisson with prior", Poisson(2.5, 1.5), 2, K * 2),
    Case("gaussian diagonal with prior", Gaussian(mean_prior=[1.0, -2.0], **GAUSSIAN_PRIOR), 2, K * (2 + 2)),
    Case("gaussian full with prior", Gaussian("full", mean_prior=0.5, **GAUSSIAN_PRIOR), 2, K * (2 + 3)),
    Case("gaussian spherical with prior", Gaussian("spherical", **GAUSSIAN_PRIOR), 2, K * (2 + 1)),
    Case("gaussian tied with prior", Gaussian("tied", **MATRIX_PRIOR), 2, K * 2 + 3),
    Case("zero-inflated poisson", ZeroInflated(Poisson()), 2, K * (2 + 2)),
    Case("zero-inflated poisson with priors", ZeroInflated(Poisson(2.0, 1.5), 0.3), 1, K * (1 + 1)),
    Case("product of numbers and symbols", Product([Gaussian(), Categorical(0.7), Poisson()]), 3, K * (2 + V + 1)),
    Case("product of symbols", Product([Categorical(), Mixture(Categorical(), 2)]), 2, K * (V - 1) * 3 + K),
    Case("product of wide factors", Product([Bernoulli(), Gaussian("full")], [1, [2, 0]]), 3, K * (1 + 5)),
    Case("product of counts", Product([Poisson(), ZeroInflated(Poisson())]), 2, K * (1 + 2)),
    Case("product of products", Product([Product([Poisson(), Gaussian()]), Bernoulli(0.4)], [[0, 2], 1]), 3, K * 4),
    Case("mixture of products", Mixture(Product([Gaussian(), Categorical(0.7)]), 2), 2, K * (1 + 2 * (2 + V))),
    Case("mixture of zero-inflated poisson", Mixture(ZeroInflated(Poisson()), 2), 1, K * (1 + 2 * 2)),
]


def parts(emission):
    """A family and all that it is made of."""
    within = [emission.emission] if hasattr(emission, "emission") else getattr(emission, "emissions", [])
    return [emission, *itertools.chain(*map(parts, within))]


def has(case, kind):
    """Whether a family is of a kind, or made of one that is."""
    return any(isinstance(part, kind) for part in parts(case.emission))


def has_prior(case):
    """Whether parameters have a prior, which is mass."""
    names = "pseudo_count", "rate_weight", "mean_weight", "covariance_weight"
    return any(getattr(part, name, 0) > 0 for part in parts(case.emission) for name in names)


SINGLE = [case for case in CASES if not has(case, Mixture | ZeroInflated)]
HIDDEN = [case for case in CASES if case not in SINGLE]  # which of their parts made an observation is not seen
MIXED = [case for case in CASES if isinstance(case.emission, Mixture)]
FOR_NETWORKS = CASES  # also those of which some raw outputs are constant


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
        case ZeroInflated():
            zeros = rng.uniform(0.1, 0.6, (*leading, D))
            return ZeroInflatedParameters(zeros, random_members(emission.emission, D, leading, rng))
        case Product():
            factors = zip(emission.emissions, columns_of(emission), strict=True)
            return ProductParameters(tuple(random_members(e, len(own), leading, rng) for e, own in factors))


def columns_of(product):
    """Lists of the columns of each factor."""
    if product.columns is None:
        return [[d] for d in range(len(product.emissions))]
    return [np.atleast_1d(own).tolist() for own in product.columns]


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
    gap = -1 if case.emission.symbolic else np.nan
    gone = (rng.random(values.shape) < missing) | (rng.random((n, 1)) < missing / 3)
    return np.where(gone, gap, values)


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
            return 0.0 if row[0] == -1 or np.isnan(row[0]) else np.log(member.probabilities[int(row[0])])
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
            each = [scipy_log_density(emission.emission, row, take(member.components, c)) for c in range(emission.n)]
            return special.logsumexp(each, b=member.weights)
        case ZeroInflated():
            total = 0.0
            for d in np.flatnonzero(~np.isnan(row)):
                count = map_arrays(lambda array, d=d: array[d : d + 1], member.counts)
                own = np.exp(scipy_log_density(emission.emission, row[d : d + 1], count))
                total += np.log(member.zeros[d] * (row[d] == 0) + (1 - member.zeros[d]) * own)
            return total
        case Product():
            factors = zip(emission.emissions, columns_of(emission), member.factors, strict=True)
            return sum(scipy_log_density(e, row[own], part) for e, own, part in factors)


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
        case ZeroInflated():
            return member.zeros * (x >= 0) + (1 - member.zeros) * scipy_cdf(emission.emission, x, member.counts)
        case Product():
            columns = np.empty(sum(map(len, columns_of(emission))))
            for e, own, part in zip(emission.emissions, columns_of(emission), member.factors, strict=True):
                columns[own] = scipy_cdf(e, x, part)
            return columns


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
    return support_of(case.emission, case.D)


def support_of(emission, D):
    match emission:
        case Mixture() | ZeroInflated():
            return support_of(emission.emission, D)
        case Product():
            columns = columns_of(emission)
            each = [support_of(e, len(own)) for e, own in zip(emission.emissions, columns, strict=True)]
            chosen = np.array(list(itertools.product(*(range(len(weights)) for _, weights in each))))
            points, weights = np.empty((len(chosen), D)), np.ones(len(chosen))
            for f, own in enumerate(columns):
                points[:, own] = each[f][0][chosen[:, f]]
                weights *= each[f][1][chosen[:, f]]
            return points, weights
        case Categorical():
            n_symbols = V + (emission.pseudo_count > 0)
            return np.arange(n_symbols)[:, None], np.ones(n_symbols)
        case Bernoulli():
            grid, step = np.arange(2.0), 1.0
        case Poisson():
            grid, step = np.arange(41.0), 1.0
        case Gaussian():
            grid = np.linspace(-32, 32, 401)
            step = grid[1] - grid[0]
    points = np.array(list(itertools.product(grid, repeat=D)))
    return points, np.full(len(points), step**D)
