"""Families at the edges of their parameters and of their data."""

import numpy as np
import pytest
from scipy import special, stats

from seqmodels import HMM, Sequences
from seqmodels.arrays import map_arrays, take
from seqmodels.baselines import Independent
from seqmodels.emissions import (
    Beta,
    Exponential,
    Gamma,
    Geometric,
    Laplace,
    LogNormal,
    Mixture,
    Multinomial,
    NegativeBinomial,
    StudentT,
    VonMises,
)
from seqmodels.emissions.columns import levels
from seqmodels.emissions.distances import Spread
from seqmodels.emissions.special import log_minus_digamma
from seqmodels.predictive import Predictive

floor_warning = pytest.mark.filterwarnings("ignore:.* fell to its floor")
REAL = {
    "StudentT": StudentT(), "Laplace": Laplace(), "LogNormal": LogNormal(), "Exponential": Exponential(),
    "Gamma": Gamma(), "Beta": Beta(), "VonMises": VonMises(),
}  # fmt: skip
COUNTS = {"NegativeBinomial": NegativeBinomial(), "Geometric": Geometric(), "Multinomial": Multinomial()}
each_of_real_numbers = pytest.mark.parametrize("emission", REAL.values(), ids=REAL)
each_of_counts = pytest.mark.parametrize("emission", COUNTS.values(), ids=COUNTS)


def one(emission, **arrays):
    """A single member with one column."""
    return emission.Parameters(**{name: np.array([number], dtype=float) for name, number in arrays.items()})


def m_step(emission, values, visits):
    rough = emission.rough(Sequences.wrap([values]))
    return emission.initial_parameters(values, visits, rough, np.random.default_rng(0))


# -------------------------------------------------------------------- densities against fifty digits

DENSITIES = [
    (NegativeBinomial(), {"means": 1e9, "sizes": 1e6}, 1e9, -14.734948924668906),
    (NegativeBinomial(), {"means": 1e9, "sizes": 3.0}, 1000100000, -21.12067616300121),
    (NegativeBinomial(), {"means": 1e9, "sizes": 0.001}, 0, -0.02763102111592955),
    (NegativeBinomial(), {"means": 1e-300, "sizes": 5.0}, 1, -690.7755278982137),
    (NegativeBinomial(), {"means": 2.0, "sizes": 1e6}, 3, -1.7123189275473858),
    (NegativeBinomial(), {"means": 1e6, "sizes": 0.5}, 7, -8.817494686492553),
    (Gamma(), {"shapes": 0.002, "scales": 1.0}, 1e-300, 683.180519888658),
    (Gamma(), {"shapes": 1e8, "scales": 1e-5}, 1000.5, -11.112688211290115),
    (Gamma(), {"shapes": 2.0, "scales": 1e299}, 1e300, -696.1703577122256),
    (Beta(), {"alphas": 0.002, "betas": 1.0}, 1e-300, 683.179368743995),
    (Beta(), {"alphas": 2.0, "betas": 0.01}, 1 - 2**-53, 31.774212708845408),
    (Beta(), {"alphas": 1e7, "betas": 3e7}, 0.25001, 8.659551537770996),
    (StudentT(), {"locations": 0.0, "scales": 1.0, "degrees": 0.05}, 3.0, -4.953889676824214),
    (StudentT(), {"locations": 0.0, "scales": 1.0, "degrees": 1e5}, 3.0, -5.418783543328974),
    (StudentT(), {"locations": 0.0, "scales": 1.0, "degrees": 1.0}, 1e10, -47.196431745730315),
    (StudentT(), {"locations": 3.0, "scales": 1.0, "degrees": 0.05}, 3.0, -2.2246787354096553),
    (VonMises(), {"locations": 1.0, "concentrations": 1e6}, 1.0001, 5.983816620781569),
    (VonMises(), {"locations": 3.14, "concentrations": 50.0}, -3.14, 1.0342937773876106),
    (VonMises(), {"locations": 1.0, "concentrations": 0.0}, 2.0, -np.log(2 * np.pi)),
]


@pytest.mark.parametrize(("emission", "arrays", "x", "expected"), DENSITIES, ids=str)
def test_densities_keep_their_digits(emission, arrays, x, expected):
    own = emission.log_density(np.array([[float(x)]]), one(emission, **arrays))
    np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-9)


def test_of_a_mean_of_zero_all_counts_are_zero():
    parameters = one(NegativeBinomial(), means=0.0, sizes=2.0)
    np.testing.assert_array_equal(NegativeBinomial().log_density(np.array([[0.0], [3.0]]), parameters), [0, -np.inf])
    certain = one(Geometric(), probabilities=1.0)
    np.testing.assert_array_equal(Geometric().log_density(np.array([[0.0], [3.0]]), certain), [0, -np.inf])
    table = Geometric().log_table(np.array([[0.0], [3.0], [np.nan]]), Geometric.Parameters(np.array([[1.0], [0.5]])))
    np.testing.assert_allclose(table, [[0, np.log(0.5)], [-np.inf, 4 * np.log(0.5)], [0, 0]])


@pytest.mark.parametrize("emission", [NegativeBinomial(), Geometric()], ids=str)
def test_counts_never_seen_above_zero_do_not_become_impossible(emission):
    model = Independent(emission).fit([np.zeros((10, 1)), np.zeros((10, 1))])
    assert emission.mean(model.emission_)[0] == pytest.approx(0.5 / 20)
    assert np.isfinite(model.score([np.array([[1.0]])]))


def test_a_geometric_count_is_that_of_failures():
    """scipy's is that of trials."""
    x = np.arange(5.0)
    own = Geometric().log_density(x[:, None], one(Geometric(), probabilities=0.3))
    np.testing.assert_allclose(own, stats.geom(0.3).logpmf(x + 1))


# -------------------------------------------------------------------- single values


@each_of_real_numbers
@pytest.mark.parametrize("n", [1, 4])
def test_identical_values_leave_a_floor(emission, n):
    values = np.full((n, 1), 0.7)
    if isinstance(emission, Exponential):  # whose only floor is above zero
        values[:] = 0.0
    with pytest.warns(UserWarning, match=r"fell to its floor, .*: a distribution stands for a single value; fewer"):
        parameters = emission.fit_marginal(Sequences.wrap([values]))
    emission.check_parameters(parameters)
    assert np.isfinite(emission.log_density(values, parameters)).all()
    if not isinstance(emission, Exponential):
        np.testing.assert_allclose(emission.mean(parameters), 0.7, rtol=1e-5)
    np.testing.assert_allclose(emission.sample(parameters, np.random.default_rng(0)), values[0], atol=1e-2)


@pytest.mark.compiled
@each_of_real_numbers
def test_a_state_that_stands_for_one_value_keeps_its_floor_and_says_so_once(emission, rng):
    """The likelihood has no upper bound without it."""
    spread = emission.sample(emission.Parameters(*np.full((len(emission.Parameters._fields), 60, 1), 0.8)), rng)
    single = 0.0 if isinstance(emission, Exponential) else 0.3
    X = [np.concatenate([spread, np.full((20, 1), single), spread[:20]])]
    with pytest.warns(UserWarning, match="fell to its floor") as caught:
        start = m_step(emission, X[0], np.eye(2)[np.repeat([0, 1, 0], [60, 20, 20])])
        model = HMM(2, emission, init={"emission": start}, max_iter=8, tol=0, random_state=0).fit(X)
    assert len({str(warning.message) for warning in caught}) == 1
    objective = np.array([record["objective"] for record in model.history_])
    assert np.diff(objective).min() > -1e-10 * np.abs(objective).max()
    assert np.isfinite(objective).all()


@each_of_counts
def test_identical_counts_are_fitted(emission):
    values = np.full((5, 2), 4.0)
    parameters = emission.fit_marginal(Sequences.wrap([values]))
    np.testing.assert_allclose(emission.mean(parameters), 4.0, rtol=0.2)
    assert np.isfinite(emission.log_density(values, parameters)).all()


@floor_warning
@pytest.mark.parametrize("emission", [*REAL.values(), *COUNTS.values()], ids=[*REAL, *COUNTS])
def test_columns_of_which_nothing_is_seen(emission):
    values = np.full((4, 2), np.nan)
    if not isinstance(emission, Multinomial):
        values[:, 0] = [0.1, 0.4, 0.2, 0.9] if emission.discrete is False else [1, 0, 2, 5]
    parameters = emission.fit_marginal(Sequences.wrap([values]))
    emission.check_parameters(parameters)
    assert all(np.isfinite(array).all() for array in parameters)


def test_at_the_floor_degrees_of_freedom_are_still_the_best(rng):
    """Of a scale that is held, so that an M-step is one of plain EM."""
    values = np.concatenate([np.zeros(30), rng.normal(0, 1e-3, 4), [3.0, -4.0]])[:, None]
    parameters, heights = StudentT().rough(Sequences.wrap([values])), []
    with pytest.warns(UserWarning, match="a scale fell to its floor"):
        for _ in range(3000):
            statistics = StudentT().sufficient_statistics(values, np.ones((36, 1)), parameters)
            parameters = StudentT().maximize(statistics, parameters)
            heights.append(StudentT().log_density(values, take(parameters, 0)).sum())
    np.testing.assert_allclose(parameters.scales, 1e-6 * values.std())
    assert np.diff(heights).min() > -1e-9
    for factor in (0.99, 1.01):
        other = parameters._replace(degrees=factor * parameters.degrees)
        assert StudentT().log_density(values, take(other, 0)).sum() < heights[-1]


@each_of_real_numbers
def test_many_rows_are_as_good_as_few(emission, rng):
    """They are taken in blocks."""
    members = emission.Parameters(*rng.uniform(0.5, 2, (len(emission.Parameters._fields), 3, 2)))
    values = emission.sample(take(members, rng.integers(0, 3, 9000)), rng)
    values[rng.random(values.shape) < 0.1] = np.nan
    visits = rng.random((9000, 3))
    expected = emission.log_density(values[:, None], members)
    np.testing.assert_allclose(emission.log_table(values, members), expected, rtol=1e-9, atol=1e-9)
    parts = [slice(first, first + 900) for first in range(0, 9000, 900)]
    parts = [emission.sufficient_statistics(values[part], visits[part], members) for part in parts]
    whole = emission.sufficient_statistics(values, visits, members)
    map_arrays(
        lambda own, *others: np.testing.assert_allclose(own, np.sum(others, axis=0), rtol=1e-9, atol=1e-9),
        whole, *parts,
    )  # fmt: skip


@pytest.mark.parametrize("n_states", [1, 5, 40])
@each_of_real_numbers
def test_many_states_are_as_good_as_few(emission, n_states, rng):
    """They are padded to vectors, of which there may be several."""
    members = emission.Parameters(*rng.uniform(0.5, 2, (len(emission.Parameters._fields), n_states, 2)))
    values = emission.sample(take(members, rng.integers(0, n_states, 20)), rng)
    values[3], values[5, 1] = np.nan, np.nan
    visits = rng.random((20, n_states))
    expected = emission.log_density(values[:, None], members)
    np.testing.assert_allclose(emission.log_table(values, members), expected, rtol=1e-9, atol=1e-9)
    together = emission.maximize(emission.sufficient_statistics(values, visits, members), members)
    for k in (0, n_states // 2, n_states - 1):
        own = take(members, slice(k, k + 1))
        alone = emission.maximize(emission.sufficient_statistics(values, visits[:, k : k + 1], own), own)
        map_arrays(lambda a, b, k=k: np.testing.assert_allclose(a[k], b[0], rtol=1e-8), together, alone)


# -------------------------------------------------------------------- extreme data

HARD = {
    "counts around 1e9": (NegativeBinomial(), lambda g: g.poisson(g.gamma(4, 2.5e8, 80)) * 1.0),
    "counts of 1e9 among zeros": (NegativeBinomial(), lambda g: 1e9 * (g.random(80) < 0.2)),
    "counts of Poisson's variance": (NegativeBinomial(), lambda g: g.poisson(1000, 80) * 1.0),
    "geometric counts of 1e9": (Geometric(), lambda g: np.floor(g.exponential(1e9, 80))),
    "vectors of 1e9": (Multinomial(), lambda g: g.multinomial(10**9, [0.2, 1e-9, 0.8], 80) * 1.0),
    "tiny gaps": (Exponential(), lambda g: np.where(g.random(80) < 0.3, 1e-300, g.exponential(1, 80))),
    "gaps of zero": (Exponential(), lambda g: np.where(g.random(80) < 0.3, 0.0, g.exponential(1, 80))),
    "tiny Gamma values": (Gamma(), lambda g: np.where(g.random(80) < 0.3, 1e-300, g.gamma(2, 1, 80))),
    "steady Gamma values": (Gamma(), lambda g: 1000 + g.normal(0, 0.1, 80)),
    "tiny log-normal values": (LogNormal(), lambda g: np.where(g.random(80) < 0.3, 1e-300, g.lognormal(0, 1, 80))),
    "steady log-normal values": (LogNormal(), lambda g: np.exp(300 + g.normal(0, 1e-6, 80))),
    "shares next to 0 and 1": (Beta(), lambda g: g.choice([1e-300, 0.2, 0.5, 0.9, 1 - 2**-53], 80)),
    "steady shares": (Beta(), lambda g: 0.3 + g.normal(0, 1e-4, 80)),
    "angles in a degree": (VonMises(), lambda g: 3.14 + g.normal(0, 0.003, 80)),
    "angles of many turns": (VonMises(), lambda g: g.vonmises(1, 3, 80) + 2 * np.pi * g.integers(-9, 9, 80)),
    "few degrees of freedom": (StudentT(), lambda g: 5 + g.standard_t(0.4, 80)),
    "normal numbers": (StudentT(), lambda g: g.normal(1e6, 1, 80)),
    "ties": (Laplace(), lambda g: np.round(g.laplace(0, 2, 80))),
    "far from zero": (Laplace(), lambda g: g.laplace(1e9, 1, 80)),
    "outliers": (Laplace(), lambda g: np.where(g.random(80) < 0.1, 1e12, g.laplace(0, 1, 80))),
}


@floor_warning
@pytest.mark.parametrize(("emission", "draw"), HARD.values(), ids=HARD)
@pytest.mark.parametrize("n_states", [1, 3])
@pytest.mark.compiled
def test_the_objective_never_falls_on_hard_data(emission, draw, n_states):
    x = draw(np.random.default_rng(1)).reshape(80, -1)
    x[[3, 4, 40]] = np.nan
    model = HMM(n_states, emission, max_iter=25, tol=0, random_state=0).fit([x[:50], x[50:]])
    objective = np.array([record["objective"] for record in model.history_])
    assert np.isfinite(objective).all()
    assert np.diff(objective).min() > -1e-10 * np.abs(objective).max()
    network = emission.fit_marginal(Sequences.wrap([x]))
    raw, out = np.zeros((80, emission.n_raw(network))), np.empty((80, emission.n_raw(network)))
    value = emission.value_and_gradient(x, raw, network, out)
    # the probability of each of 1e9 trials is rounded
    rounding = 1e-15 * np.nansum(x, axis=1).max() if isinstance(emission, Multinomial) else 1e-9
    np.testing.assert_allclose(value, emission.log_density(x, network), rtol=1e-9, atol=rounding)
    assert np.isfinite(out).all()


def test_a_shape_solves_its_equation():
    x = np.array([1e-300, 1e-3, 0.2, 5.0, 700.0])
    shapes, scales = Gamma().fit_marginal(Sequences.wrap([x]))
    np.testing.assert_allclose(log_minus_digamma(shapes), np.log(x.mean()) - np.log(x).mean(), rtol=1e-12)
    np.testing.assert_allclose(shapes * scales, x.mean(), rtol=1e-12)


def test_beta_parameters_solve_their_equations(rng):
    for x in (rng.beta(0.05, 3, 50), rng.beta(300, 2, 50), np.array([1e-300, 1 - 2**-53, 0.5]), rng.beta(2, 2, 2)):
        x = np.clip(x, 1e-300, 1 - 2**-53)
        a, b = Beta().fit_marginal(Sequences.wrap([x]))
        np.testing.assert_allclose(special.digamma(a) - special.digamma(a + b), np.log(x).mean(), rtol=1e-9)
        np.testing.assert_allclose(special.digamma(b) - special.digamma(a + b), np.log1p(-x).mean(), rtol=1e-9)


def test_beta_at_its_floor_has_the_best_mean(rng):
    """Of all members of that total."""
    values = np.concatenate([rng.beta(2, 2, 40), np.full(3, 0.123)])[:, None]
    with pytest.warns(UserWarning, match="a Beta dispersion fell to its floor"):
        a, b = m_step(Beta(), values, np.eye(2)[np.repeat([0, 1], [40, 3])])
    total = a[1] + b[1]
    assert 1e5 < total < 1e8
    in_mean = special.digamma(a[1]) - special.digamma(b[1])
    np.testing.assert_allclose(in_mean, np.log(0.123) - np.log1p(-0.123), rtol=1e-12)


def test_a_size_solves_its_equation(rng):
    for mean, size in ((3, 2), (0.2, 0.05), (50, 30), (1e6, 5), (1e9, 0.3), (1e9, 1e4)):
        x = rng.poisson(rng.gamma(size, mean / size, 300)) * 1.0
        means, sizes = NegativeBinomial().fit_marginal(Sequences.wrap([x]))
        np.testing.assert_allclose(means, x.mean())
        slope = special.digamma(sizes + x).mean() - special.digamma(sizes) - np.log1p(means / sizes)
        np.testing.assert_allclose(sizes * slope, 0, atol=1e-9)
        np.testing.assert_allclose(sizes, size, rtol=0.5)


def test_counts_that_vary_little_are_poisson():
    x = np.array([4.0, 5, 5, 6, 5, 4, 5])
    means, sizes = NegativeBinomial().fit_marginal(Sequences.wrap([x]))
    np.testing.assert_allclose(sizes, 1e6)
    own = NegativeBinomial().log_density(x[:, None], NegativeBinomial.Parameters(means, sizes))
    np.testing.assert_allclose(own, stats.poisson(x.mean()).logpmf(x), atol=1e-4)


def test_concentrations_solve_their_equation(rng):
    for kappa in (1e-6, 0.3, 2.0, 40.0, 1e4, 1e7):
        x = stats.vonmises(kappa, 3.0).rvs(500, random_state=rng)
        locations, concentrations = VonMises().fit_marginal(Sequences.wrap([x]))
        vector = np.exp(1j * x).mean()
        np.testing.assert_allclose(locations, np.angle(vector))
        resultant = special.i1e(concentrations) / special.i0e(concentrations)
        np.testing.assert_allclose(1 - resultant, 1 - np.abs(vector), rtol=1e-6, atol=1e-14)


def test_angles_are_taken_modulo_a_turn():
    parameters = one(VonMises(), locations=3.0, concentrations=20.0)
    angles = np.array([[3.1], [3.1 - 2 * np.pi], [3.1 + 20 * np.pi]])
    assert np.ptp(VonMises().log_density(angles, parameters)) < 1e-12
    states = VonMises.Parameters(np.array([[3.0], [-3.0]]), np.array([[20.0], [5.0]]))
    table = VonMises().log_table(angles, states)
    np.testing.assert_allclose(table, np.repeat(table[:1], 3, axis=0), rtol=1e-12)


def test_directions_lie_within_a_turn():
    far = one(VonMises(), locations=7.0, concentrations=2.0)
    np.testing.assert_allclose([VonMises().mean(far), VonMises().mode(far)], 7 - 2 * np.pi)
    marginal = one(VonMises(), locations=3.0, concentrations=1.0)
    found = VonMises().from_raw(np.array([-1.0, 5.0]), marginal)  # a quarter of a turn to the left
    np.testing.assert_allclose(np.concatenate(found), [3 - 1.5 * np.pi, 5.0])


def test_the_mean_of_a_mixture_of_directions_is_a_direction():
    template = Sequences.wrap([[3.0]])
    states = VonMises.Parameters(np.array([[[3.0], [-3.0]]]), np.full((1, 2, 1), 9.0))
    predictive = Predictive(VonMises(), np.array([[0.5, 0.5], [1.0, 0.0]]), states, template)
    np.testing.assert_allclose(np.abs(predictive.mean()), [np.pi, 3.0])
    nested = Mixture.Parameters(np.array([[[0.5, 0.5]]]), VonMises.Parameters(*(array[:, None] for array in states)))
    predictive = Predictive(Mixture(VonMises()), np.ones((1, 1)), nested, template)
    np.testing.assert_allclose(np.abs(predictive.mean()), np.pi)


def test_medians_of_weighted_values(rng):
    values, weights = rng.normal(size=(41, 2)), rng.random((41, 3))
    values[5, 0] = np.nan
    start = m_step(Laplace(), values, weights)
    for k in range(3):
        for d in range(2):
            x, w = values[:, d], np.where(np.isnan(values[:, d]), 0, weights[:, k])
            best = min(x[w > 0], key=lambda m: np.nansum(w * np.abs(x - m)))
            assert start.locations[k, d] == best
            np.testing.assert_allclose(start.scales[k, d], np.nansum(w * np.abs(x - best)) / w.sum())
    even = Laplace().fit_marginal(Sequences.wrap([[1.0, 2.0, 5.0, 9.0]]))
    np.testing.assert_allclose(even, [[3.5], [2.75]])


def test_steps_leave_observations_that_are_not_the_median():
    """Where Weiszfeld's own algorithm stays for ever."""
    values, visits = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]]), np.ones((5, 1))
    parameters = Laplace.Parameters(np.array([[10.0]]), np.array([[1.0]]))
    for _ in range(200):
        parameters = Laplace().maximize(Laplace().sufficient_statistics(values, visits, parameters), parameters)
    np.testing.assert_allclose(parameters.locations, 2, atol=1e-9)
    np.testing.assert_allclose(parameters.scales, 2.4)


def test_degrees_of_freedom_are_those_of_scipy():
    """Its fit goes a way of its own, by a simplex."""
    x = stats.t(3, 2, 0.7).rvs(400, random_state=2)
    degrees, location, scale = stats.t.fit(x)
    found = [array[0] for array in StudentT().fit_marginal(Sequences.wrap([x]))]
    np.testing.assert_allclose(found, [location, scale, degrees], rtol=1e-3)
    own, other = (stats.t(d, m, s).logpdf(x).sum() for m, s, d in (found, (location, scale, degrees)))
    assert own >= other - 1e-9


def test_zero_trials_say_nothing_and_any_number_is_taken():
    p = Multinomial.Parameters(np.array([0.2, 0.3, 0.5]), np.array(4.0))
    values = np.array([[0.0, 0, 0], [1, 2, 3], [7, 0, 0]])
    expected = [stats.multinomial(row.sum(), p.probabilities).logpmf(row) for row in values]
    np.testing.assert_allclose(Multinomial().log_density(values, p), expected, atol=1e-14)


def test_samples_of_counts_take_the_mean_number_of_trials(rng):
    X = [rng.multinomial(6, [0.2, 0.8], 10), rng.multinomial(8, [0.2, 0.8], 10)]
    model = HMM(2, Multinomial(), max_iter=2, random_state=0).fit(X)
    np.testing.assert_array_equal(model.emission_.trials, 7)
    np.testing.assert_array_equal(model.sample(1, 30, random_state=0)[0].sum(axis=1), 7)
    np.testing.assert_allclose(np.sum(model.predict(X)[0]), 7)


def test_the_deviation_of_all_that_is_seen(rng):
    x = rng.normal(1e6, 3, 50)
    shares = rng.dirichlet([1, 1], 50)
    moments = [(shares * (x[:, None] - 1e6) ** power).sum(axis=0)[:, None] for power in range(3)]
    np.testing.assert_allclose(Spread(*moments).deviation(), x.std())


@pytest.mark.parametrize("column", [[3, 0, np.nan, 3, 7], [1e12, 5, 1e12, np.nan, 0], [2, 2], [np.nan] * 2], ids=str)
def test_levels_of_counts(column):
    column = np.array(column, dtype=float)
    distinct, rows = levels(column)
    np.testing.assert_array_equal(np.append(distinct, np.nan)[rows], column)


# -------------------------------------------------------------------- under networks


def test_a_marginal_at_a_limit_can_be_left():
    """Or a network would begin there and never learn otherwise."""
    x = np.array([[4.0], [9.0], [0.0]])
    marginal = NegativeBinomial.Parameters(np.array([5.0]), np.array([1e6]))
    out = np.zeros((3, 2))
    NegativeBinomial().value_and_gradient(x, np.zeros((3, 2)), marginal, out)
    assert (out[:, 1] != 0).all()


@each_of_real_numbers
def test_gradients_are_zero_where_a_limit_holds(emission, rng):
    marginal = emission.Parameters(*np.full((len(emission.Parameters._fields), 1), 0.8))
    n_raw = emission.n_raw(marginal)
    raw = np.concatenate([np.eye(n_raw), -np.eye(n_raw)]) * 1e9
    values, out = np.full((2 * n_raw, 1), 0.6), np.empty((2 * n_raw, n_raw))
    value = emission.value_and_gradient(values, raw, marginal, out)
    assert not np.isnan(value).any()
    shifts = isinstance(emission, StudentT | Laplace | LogNormal)  # whose location has no limit
    held = np.concatenate([np.eye(n_raw), np.eye(n_raw)]).astype(bool)
    held[:, 0] &= not shifts
    assert not out[held].any()
    at_limit = emission.log_density(values, emission.from_raw(raw, marginal))
    np.testing.assert_allclose(value, at_limit)


@pytest.mark.parametrize(
    ("emission", "given", "message"),
    [
        (NegativeBinomial(), {"means": [[-1.0]], "sizes": [[1.0]]}, "-1.0; means from 0"),
        (NegativeBinomial(), {"means": [[1.0]], "sizes": [[0.0]]}, "0.0; sizes between 0.001 and 1e.06"),
        (Geometric(), {"probabilities": [[0.0]]}, "0.0; probabilities above 0"),
        (Multinomial(), {"probabilities": [[0.5, 0.4]], "trials": [3]}, "as the sum of probabilities"),
        (Multinomial(), {"probabilities": [[0.5, 0.5]], "trials": [2.5]}, "2.5; numbers of trials"),
        (StudentT(), {"locations": [[0]], "scales": [[0.0]], "degrees": [[1]]}, "0.0; positive scales"),
        (StudentT(), {"locations": [[0]], "scales": [[1]], "degrees": [[-2.0]]}, "-2.0; degrees of freedom between"),
        (Laplace(), {"locations": [[0]], "scales": [[-1.0]]}, "-1.0; positive scales"),
        (LogNormal(), {"locations": [[0]], "scales": [[0.0]]}, "0.0; positive scales"),
        (Exponential(), {"scales": [[0.0]]}, "0.0; positive scales"),
        (Gamma(), {"shapes": [[0.0]], "scales": [[1]]}, "0.0; positive shapes"),
        (Gamma(), {"shapes": [[1]], "scales": [[-3.0]]}, "-3.0; positive scales"),
        (Beta(), {"alphas": [[0.0]], "betas": [[1]]}, "0.0; positive alphas"),
        (Beta(), {"alphas": [[1]], "betas": [[-1.0]]}, "-1.0; positive betas"),
        (VonMises(), {"locations": [[0]], "concentrations": [[-1.0]]}, "-1.0; concentrations from 0"),
    ],
    ids=str,
)
def test_given_parameters_are_checked(emission, given, message):
    with pytest.raises(ValueError, match=f"emission holds {message}|emission holds 0.9; {message}"):
        emission.parameters_from(given)


def test_intervals_of_positive_numbers_and_shares():
    template = Sequences.wrap([[0.5]])
    for emission, expected in (
        (Gamma.Parameters(np.array([[[2.0]]]), np.array([[[3.0]]])), stats.gamma(2, scale=3)),
        (Beta.Parameters(np.array([[[2.0]]]), np.array([[[0.5]]])), stats.beta(2, 0.5)),
        (LogNormal.Parameters(np.array([[[2.0]]]), np.array([[[0.5]]])), stats.lognorm(0.5, scale=np.exp(2))),
        (Exponential.Parameters(np.array([[[2.0]]])), stats.expon(scale=2)),
        (StudentT.Parameters(*np.array([2.0, 0.1, 1.5])[:, None, None, None]), stats.t(1.5, 2, 0.1)),
        (Laplace.Parameters(*np.array([2.0, 0.1])[:, None, None, None]), stats.laplace(2, 0.1)),
        (NegativeBinomial.Parameters(*np.array([8.0, 2.0])[:, None, None, None]), stats.nbinom(2, 0.2)),
        (Geometric.Parameters(np.array([[[0.1]]])), stats.geom(0.1, loc=-1)),
    ):
        family = globals()[type(emission).__name__.removesuffix("Parameters")]()
        lower, upper = Predictive(family, np.ones((1, 1)), emission, template).interval(0.8)
        np.testing.assert_allclose([lower[0], upper[0]], expected.interval(0.8), rtol=1e-9)
