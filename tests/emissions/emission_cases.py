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
    Beta,
    BetaParameters,
    Categorical,
    CategoricalParameters,
    Emission,
    Exponential,
    ExponentialParameters,
    Gamma,
    GammaParameters,
    Gaussian,
    GaussianParameters,
    Geometric,
    GeometricParameters,
    Laplace,
    LaplaceParameters,
    LogNormal,
    LogNormalParameters,
    Mixture,
    MixtureParameters,
    Multinomial,
    MultinomialParameters,
    NegativeBinomial,
    NegativeBinomialParameters,
    Poisson,
    PoissonParameters,
    Product,
    ProductParameters,
    StudentT,
    StudentTParameters,
    VonMises,
    VonMisesParameters,
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
TRIALS = 5  # of multinomial members

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
    Case("negative binomial", NegativeBinomial(), 2, K * 2 * 2),
    Case("geometric", Geometric(), 2, K * 2),
    Case("multinomial", Multinomial(), 3, K * 2),
    Case("multinomial with prior", Multinomial(0.3), 3, K * 2),
    Case("student t", StudentT(), 2, K * 2 * 3),
    Case("laplace", Laplace(), 2, K * 2 * 2),
    Case("log-normal", LogNormal(), 2, K * 2 * 2),
    Case("exponential", Exponential(), 2, K * 2),
    Case("gamma", Gamma(), 2, K * 2 * 2),
    Case("beta", Beta(), 2, K * 2 * 2),
    Case("von mises", VonMises(), 2, K * 2 * 2),
    Case("mixture of categorical", Mixture(Categorical(), 2), 1, K * (1 + 2 * (V - 1))),
    Case("mixture of bernoulli", Mixture(Bernoulli(0.4), 3), 2, K * (2 + 3 * 2)),
    Case("mixture of poisson", Mixture(Poisson(), 3), 1, K * (2 + 3)),
    Case("mixture of gaussian diagonal", Mixture(Gaussian(), 2), 2, K * (1 + 2 * 4)),
    Case("mixture of gaussian full", Mixture(Gaussian("full"), 2), 2, K * (1 + 2 * 5)),
    Case("mixture of gaussian spherical", Mixture(Gaussian("spherical"), 2), 2, K * (1 + 2 * 3)),
    Case("mixture of gaussian tied", Mixture(Gaussian("tied"), 2), 2, K * (1 + 2 * 2 + 3)),
    Case("mixture of negative binomial", Mixture(NegativeBinomial(), 2), 1, K * (1 + 2 * 2)),
    Case("mixture of gamma", Mixture(Gamma(), 2), 2, K * (1 + 2 * 4)),
    Case("mixture of student t", Mixture(StudentT(), 2), 1, K * (1 + 2 * 3)),
    Case("mixture of laplace", Mixture(Laplace(), 2), 1, K * (1 + 2 * 2)),
    Case("mixture of geometric", Mixture(Geometric(), 2), 2, K * (1 + 2 * 2)),
    Case("mixture of multinomial", Mixture(Multinomial(0.3), 2), 3, K * (1 + 2 * 2)),
    Case("mixture of log-normal", Mixture(LogNormal(), 2), 1, K * (1 + 2 * 2)),
    Case("mixture of exponential", Mixture(Exponential(), 2), 2, K * (1 + 2 * 2)),
    Case("mixture of beta", Mixture(Beta(), 2), 1, K * (1 + 2 * 2)),
    Case("mixture of von mises", Mixture(VonMises(), 2), 1, K * (1 + 2 * 2)),
    Case("mixture of mixtures", Mixture(Mixture(Poisson(), 2), 2), 2, K * (1 + 2 * (1 + 2 * 2))),
    # families with priors, and families that combine or extend others
    Case("poisson with prior", Poisson(2.5, 1.5), 2, K * 2),
    Case("gaussian diagonal with prior", Gaussian(mean_prior=[1.0, -2.0], **GAUSSIAN_PRIOR), 2, K * (2 + 2)),
    Case("gaussian full with prior", Gaussian("full", mean_prior=0.5, **GAUSSIAN_PRIOR), 2, K * (2 + 3)),
    Case("gaussian spherical with prior", Gaussian("spherical", **GAUSSIAN_PRIOR), 2, K * (2 + 1)),
    Case("gaussian tied with prior", Gaussian("tied", **MATRIX_PRIOR), 2, K * 2 + 3),
    Case("zero-inflated poisson", ZeroInflated(Poisson()), 2, K * (2 + 2)),
    Case("zero-inflated poisson with priors", ZeroInflated(Poisson(2.0, 1.5), 0.3), 1, K * (1 + 1)),
    Case("zero-inflated negative binomial", ZeroInflated(NegativeBinomial()), 1, K * (1 + 2)),
    Case("zero-inflated geometric", ZeroInflated(Geometric(), 0.3), 2, K * (2 + 2)),
    Case("product of numbers and symbols", Product([Gaussian(), Categorical(0.7), Poisson()]), 3, K * (2 + V + 1)),
    Case("product of symbols", Product([Categorical(), Mixture(Categorical(), 2)]), 2, K * (V - 1) * 3 + K),
    Case("product of wide factors", Product([Bernoulli(), Gaussian("full")], [1, [2, 0]]), 3, K * (1 + 5)),
    Case("product of counts", Product([Poisson(), ZeroInflated(Poisson())]), 2, K * (1 + 2)),
    Case("product of products", Product([Product([Poisson(), Gaussian()]), Bernoulli(0.4)], [[0, 2], 1]), 3, K * 4),
    Case("product of all counts", Product([NegativeBinomial(), Multinomial()], [1, [0, 2, 3]]), 4, K * (2 + 2)),
    Case("product of two centres", Product([StudentT(), Laplace()]), 2, K * (3 + 2)),
    Case("product of angles and amounts", Product([VonMises(), Gamma()]), 2, K * (2 + 2)),
    Case("product of shares and sizes", Product([Beta(), LogNormal()], [1, 0]), 2, K * (2 + 2)),
    Case("product of times and waits", Product([Exponential(), Geometric()]), 2, K * (1 + 1)),
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
        case NegativeBinomial():
            shape = (*leading, D)
            return NegativeBinomialParameters(rng.uniform(0.5, 4.0, shape), rng.uniform(1.5, 6.0, shape))
        case Geometric():
            return GeometricParameters(rng.uniform(0.3, 0.9, (*leading, D)))
        case Multinomial():
            return MultinomialParameters(rng.dirichlet(np.full(D, 2.0), leading), np.full(leading, float(TRIALS)))
        case StudentT():
            shape = (*leading, D)
            return StudentTParameters(rng.normal(0, 3, shape), rng.uniform(0.5, 2.0, shape), rng.uniform(9, 30, shape))
        case Laplace():
            shape = (*leading, D)  # at ends of intervals of integration, for the density has a peak there
            return LaplaceParameters(1.0 * rng.integers(-4, 5, shape), rng.uniform(0.5, 2.0, shape))
        case LogNormal():
            return LogNormalParameters(rng.uniform(-1, 1, (*leading, D)), rng.uniform(0.2, 0.6, (*leading, D)))
        case Exponential():
            return ExponentialParameters(rng.uniform(0.5, 3.0, (*leading, D)))
        case Gamma():
            return GammaParameters(rng.uniform(0.7, 5.0, (*leading, D)), rng.uniform(0.5, 2.0, (*leading, D)))
        case Beta():
            return BetaParameters(*rng.uniform(0.7, 5.0, (2, *leading, D)))
        case VonMises():
            return VonMisesParameters(rng.uniform(-np.pi, np.pi, (*leading, D)), rng.uniform(0.3, 6.0, (*leading, D)))
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


def families_of_columns(emission, D):
    """The simple family of each column."""
    if not isinstance(emission, Product):
        return families_of_columns(emission.emission, D) if hasattr(emission, "emission") else [emission] * D
    found = [None] * D
    for e, own in zip(emission.emissions, columns_of(emission), strict=True):
        for d, family in zip(own, families_of_columns(e, len(own)), strict=True):
            found[d] = family
    return found


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
    families = families_of_columns(case.emission, case.D)
    together = [families.index(f) if isinstance(f, Multinomial) else d for d, f in enumerate(families)]
    gone = (rng.random(values.shape) < missing)[:, together]
    if missing > 0:  # one altogether
        gone[7 % n] = True
    return np.where(gone, gap, values)


def as_sequences(case, values):
    """As one long and one short sequence."""
    alphabet = tuple(range(V)) if case.emission.symbolic else None
    return Sequences(values, np.array([0, len(values) - 2, len(values)]), alphabet)


def is_missing(case, values):
    return values < 0 if case.emission.symbolic else np.isnan(values)


def scipy_columns(emission, member):
    """Frozen distributions of scipy's, of whose arrays each stands for D columns that are independent."""
    match emission:
        case Bernoulli():
            return stats.bernoulli(member.probabilities)
        case Poisson():
            return stats.poisson(member.rates)
        case NegativeBinomial():
            return stats.nbinom(member.sizes, member.sizes / (member.sizes + member.means))
        case Geometric():
            return stats.geom(member.probabilities, loc=-1)
        case StudentT():
            return stats.t(member.degrees, member.locations, member.scales)
        case Laplace():
            return stats.laplace(member.locations, member.scales)
        case LogNormal():
            return stats.lognorm(member.scales, scale=np.exp(member.locations))
        case Exponential():
            return stats.expon(scale=member.scales)
        case Gamma():
            return stats.gamma(member.shapes, scale=member.scales)
        case Beta():
            return stats.beta(*member)
        case VonMises():
            return stats.vonmises(member.concentrations, member.locations)


def scipy_log_density(emission, row, member):
    """Of one observation (D,) under one member, from scipy; missing entries marginalised."""
    match emission:
        case Categorical():
            return 0.0 if row[0] == -1 or np.isnan(row[0]) else np.log(member.probabilities[int(row[0])])
        case Multinomial():
            return 0.0 if np.isnan(row[0]) else stats.multinomial(row.sum(), member.probabilities).logpmf(row)
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
        case _:
            columns = scipy_columns(emission, member)
            return np.nansum((columns.logpmf if emission.discrete else columns.logpdf)(row))


def scipy_cdf(emission, x, member):
    """Distribution functions (D,) of the columns at x."""
    match emission:
        case Multinomial():
            return stats.binom(member.trials, member.probabilities).cdf(x)
        case VonMises():  # scipy's goes around the circle, from the far side of the location
            columns = scipy_columns(emission, member)
            return columns.cdf(np.clip(x, -np.pi, np.pi)) - columns.cdf(-np.pi)
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
        case _:
            return scipy_columns(emission, member).cdf(x)


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
    """The same of a family."""
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
        case Multinomial():
            points = np.array([p for p in itertools.product(range(TRIALS + 1), repeat=D) if sum(p) == TRIALS])
            return 1.0 * points, np.ones(len(points))
        case Bernoulli():
            grid, weights = np.arange(2.0), np.ones(2)
        case Poisson():
            grid, weights = np.arange(41.0), np.ones(41)
        case NegativeBinomial() | Geometric():
            grid, weights = np.arange(151.0), np.ones(151)
        case Gaussian():
            grid = np.linspace(-32, 32, 401)
            weights = np.full(401, grid[1] - grid[0])
        case Laplace():
            nodes, weights = np.polynomial.legendre.leggauss(5)
            grid = (np.arange(-40, 40)[:, None] + (nodes + 1) / 2).ravel()
            weights = np.tile(weights / 2, 80)
        case VonMises():
            grid = np.linspace(-np.pi, np.pi, 200, endpoint=False)
            weights = np.full(200, np.pi / 100)
        case StudentT():
            grid, weights = substituted(np.sinh, np.cosh, -9, 9)
        case LogNormal() | Exponential() | Gamma():
            grid, weights = substituted(np.exp, np.exp, -36, 5)
        case Beta():
            grid, weights = substituted(special.expit, lambda t: special.expit(t) * special.expit(-t), -34, 34)
    points = np.array(list(itertools.product(grid, repeat=D)))
    return points, np.array(list(itertools.product(weights, repeat=D))).prod(axis=1)


def substituted(x, slope, low, high):
    """Points and weights of an integral over x = x(t), in equal steps of t."""
    t, step = np.linspace(low, high, 301, retstep=True)
    return x(t), slope(t) * step
