import itertools

import numpy as np
import pytest
from scipy import stats

from seqmodels import HMM, RNN, Independent, Sequences, compare
from seqmodels.emissions import (
    AutoregressiveGaussian,
    AutoregressiveGaussianParameters,
    Gaussian,
    Mixture,
    Poisson,
    Product,
)
from seqmodels.emissions.covariance import VARIANCE_FLOOR


def members(rng, K=2, order=2, D=2):
    centres = np.repeat(rng.normal(size=(1, D)), K, axis=0)
    coefficients = rng.uniform(-0.4, 0.4, (K, order, D))
    spreads = rng.uniform(2.0, 5.0, (K, D))
    return AutoregressiveGaussianParameters(
        rng.normal(0, 3, (K, D)), coefficients, rng.uniform(0.3, 3.0, (K, D)), centres, spreads
    )


def with_gaps(rng, lengths=(6, 1, 9), D=2):
    X = [rng.normal(size=(length, D)) for length in lengths]
    X[0][2, 0] = X[2][4] = X[2][8, 1] = np.nan
    return X


def term_by_hand(parameters, k, x, t):
    """The log density of x[t] in state k, one column and one lag at a time."""
    total, order = 0.0, parameters.coefficients.shape[1]
    for d in range(x.shape[1]):
        mean, variance = parameters.intercepts[k, d], parameters.variances[k, d]
        for j in range(1, order + 1):
            mean += parameters.coefficients[k, j - 1, d] * x[t - j, d] if t >= j else np.nan
        if np.isnan(mean):
            mean, variance = parameters.centres[k, d], parameters.spreads[k, d]
        if not np.isnan(x[t, d]):
            total += stats.norm(mean, np.sqrt(variance)).logpdf(x[t, d])
    return total


@pytest.mark.parametrize("order", [1, 2, 3])
def test_densities_are_those_of_the_definition(order, rng):
    X, parameters = with_gaps(rng), members(rng, order=order)
    family = AutoregressiveGaussian(order)
    values = family.with_past(Sequences.wrap(X))
    assert values.shape == (16, 2 * (1 + order))
    expected = [[term_by_hand(parameters, k, x, t) for k in range(2)] for x in X for t in range(len(x))]
    np.testing.assert_allclose(family.log_density(values[:, None], parameters), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(family.log_table(values, parameters), expected, rtol=1e-12, atol=1e-14)


def test_densities_integrate_to_one(rng):
    parameters, grid = members(rng, D=1), np.linspace(-40, 40, 8001)
    for before in (-1.2, np.nan):
        values = np.column_stack([grid, np.full(8001, 0.7), np.full(8001, before)])
        density = np.exp(AutoregressiveGaussian(2).log_density(values[:, None], parameters))
        np.testing.assert_allclose(density.sum(axis=0) * (grid[1] - grid[0]), 1, rtol=1e-9)


def test_the_likelihood_is_the_sum_over_all_paths(rng):
    X, parameters = with_gaps(rng, (5, 1, 9))[:1], members(rng)
    initial, transition = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(2), 2)
    model = HMM.from_parameters(initial, transition, parameters, AutoregressiveGaussian(2))
    total = -np.inf
    for path in itertools.product(range(2), repeat=5):
        steps = np.log([initial[path[0]], *(transition[a, b] for a, b in itertools.pairwise(path))])
        total = np.logaddexp(total, steps.sum() + sum(term_by_hand(parameters, k, X[0], t) for t, k in enumerate(path)))
    assert model.log_likelihood(X)[0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("order", [1, 3])
def test_an_m_step_is_weighted_least_squares(order, rng):
    X, old = with_gaps(rng, (30, 1, 40)), members(rng, order=order)
    family = AutoregressiveGaussian(order)
    values = family.with_past(Sequences.wrap(X))
    visits = rng.random((len(values), 2))
    best = family.maximize(family.sufficient_statistics(values, visits, old), old)
    for k, d in itertools.product(range(2), range(2)):
        x, past = values[:, d], values[:, 2 + d :: 2]
        seen = ~np.isnan(x) & ~np.isnan(past).any(axis=1)
        design = np.column_stack([np.ones(seen.sum()), past[seen]])
        root = np.sqrt(visits[seen, k])
        slopes = np.linalg.lstsq(design * root[:, None], x[seen] * root, rcond=None)[0]
        np.testing.assert_allclose(best.intercepts[k, d], slopes[0], rtol=1e-8)
        np.testing.assert_allclose(best.coefficients[k, :, d], slopes[1:], rtol=1e-8)
        left = np.average((x[seen] - design @ slopes) ** 2, weights=visits[seen, k])
        np.testing.assert_allclose(best.variances[k, d], left, rtol=1e-8)
    np.testing.assert_array_equal(best.centres, old.centres)
    np.testing.assert_array_equal(best.spreads, old.spreads)


@pytest.mark.parametrize(("K", "order", "D"), [(2, 1, 1), (3, 2, 2), (40, 3, 1)])
def test_statistics_are_products_of_what_is_all_there(K, order, D, rng):
    emission, values = AutoregressiveGaussian(order), rng.normal(5, 2, (30, D))
    values[rng.random(values.shape) < 0.1] = np.nan
    past, visits = emission.with_past(Sequences.wrap([values])), rng.random((30, K))
    parameters = emission.initial_parameters(past, visits, emission.rough(Sequences.wrap([values])), None)
    expected = np.zeros((K, D, order + 2, order + 2))
    for i, d in np.ndindex(30, D):
        own = past[i, d::D] - parameters.centres[0, d]  # the present one first
        if not np.isnan(own).any():
            row = np.array([1.0, *own[1:], own[0]])
            expected[:, d] += visits[i, :, None, None] * np.outer(row, row)
    found = emission.sufficient_statistics(past, visits, parameters).products
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_statistics_add_and_scale(rng):
    family, parameters = AutoregressiveGaussian(2), members(rng)
    values = family.with_past(Sequences.wrap(with_gaps(rng)))
    visits = rng.random((16, 2))
    whole = family.sufficient_statistics(values, visits, parameters).products
    parts = [family.sufficient_statistics(values[p], visits[p], parameters).products for p in (slice(5), slice(5, 16))]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-12, atol=1e-14)
    tripled = family.sufficient_statistics(values, 3 * visits, parameters).products
    np.testing.assert_allclose(tripled, 3 * whole, rtol=1e-12, atol=1e-14)


def test_statistics_can_be_about_other_centres(rng):
    family, parameters = AutoregressiveGaussian(2), members(rng)
    values, visits = family.with_past(Sequences.wrap(with_gaps(rng))), rng.random((16, 2))
    other = parameters._replace(centres=parameters.centres + np.array([3.0, -20.0]))
    here, there = (family.sufficient_statistics(values, visits, each) for each in (parameters, other))
    rebased = family.rebased(here, parameters, other).products
    np.testing.assert_allclose(rebased, there.products, rtol=1e-12, atol=1e-10)


def test_batches_add_up_whatever_centres_are_assigned(rng):
    """They are what deviations are counted from, and the distribution of first observations; no estimate."""
    X = [np.cumsum(rng.normal(size=60)) + 100 for _ in range(3)]
    model = HMM(1, AutoregressiveGaussian(1), random_state=0).partial_fit(X)
    other = HMM(1, AutoregressiveGaussian(1), random_state=0).partial_fit(X)
    other.emission_ = other.emission_._replace(centres=other.emission_.centres + 20)
    found, expected = other.partial_fit(X).emission_, model.partial_fit(X).emission_
    for name in ("intercepts", "coefficients", "variances"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-7)


def test_states_without_mass_keep_what_they_had(rng):
    family, old = AutoregressiveGaussian(1), members(rng, order=1)
    values = family.with_past(Sequences.wrap(with_gaps(rng)))
    visits = np.column_stack([np.ones(16), np.zeros(16)])
    best = family.maximize(family.sufficient_statistics(values, visits, old), old)
    for new, kept in zip(best, old, strict=True):
        np.testing.assert_array_equal(new[1], kept[1])


@pytest.mark.filterwarnings("ignore:a variance fell to its floor")
def test_a_series_without_noise_keeps_a_floor_of_variance():
    x = 3.0 * 0.9 ** np.arange(50)
    model = HMM(1, AutoregressiveGaussian(1), max_iter=2).fit([x])
    np.testing.assert_allclose(model.emission_.variances[0] >= VARIANCE_FLOOR * x[1:].var() * (1 - 1e-9), True)
    constant = HMM(1, AutoregressiveGaussian(1), max_iter=2).fit([np.full(20, 7.0)])
    assert np.isfinite(constant.score([np.full(20, 7.0)]))


def test_far_from_zero_nothing_is_lost(rng):
    x = np.zeros(500)
    for t in range(1, 500):
        x[t] = 0.8 * x[t - 1] + rng.normal()
    one, other = (HMM(1, AutoregressiveGaussian(1), max_iter=1).fit([x + shift]) for shift in (0.0, 1e8))
    np.testing.assert_allclose(other.emission_.coefficients, one.emission_.coefficients, rtol=1e-5)
    np.testing.assert_allclose(other.emission_.variances, one.emission_.variances, rtol=1e-5)


@pytest.mark.compiled
def test_a_markov_switching_autoregression_is_recovered():
    family = AutoregressiveGaussian(2)
    given = {"intercepts": [[2.0], [0.0]], "coefficients": [[[0.9], [-0.2]], [[-0.5], [0.3]]]}
    parameters = family.parameters_from(given | {"variances": [[0.5], [1.0]]})
    truth = HMM.from_parameters([0.5, 0.5], [[0.97, 0.03], [0.03, 0.97]], parameters, family)
    X = truth.sample(8, 1000, random_state=0)
    generator = np.random.default_rng(1)
    X = [np.where(generator.random(len(x)) < 0.01, np.nan, x) for x in X]
    model = HMM(2, family, n_init=2, random_state=0).fit(X)
    order = np.argsort(-model.emission_.coefficients[:, 0, 0])
    np.testing.assert_allclose(model.emission_.coefficients[order], parameters.coefficients, atol=0.07)
    np.testing.assert_allclose(model.emission_.intercepts[order], parameters.intercepts, atol=0.15)
    np.testing.assert_allclose(np.diag(model.transition_), 0.97, atol=0.015)
    assert model.score(X) > HMM(2, Gaussian(), random_state=0).fit(X).score(X) + 0.2


def test_samples_have_the_moments_of_the_process():
    """Of one stationary state: mean, variance and autocorrelation in closed form."""
    start = {"intercepts": [[1.0]], "coefficients": [[[0.5]]], "variances": [[0.75]]}
    model = HMM.from_parameters([1.0], [[1.0]], start, AutoregressiveGaussian(1))
    samples = np.array(model.sample(300, 60, random_state=0))[:, 20:]
    assert samples.mean() == pytest.approx(2.0, abs=0.06)
    assert samples.var() == pytest.approx(1.0, abs=0.06)
    np.testing.assert_allclose(np.corrcoef(samples[:, 1:].ravel(), samples[:, :-1].ravel())[0, 1], 0.5, atol=0.03)
    np.testing.assert_allclose(model.predict([[5.0, 9.0]]), [[1 + 0.5 * 9]])
    np.testing.assert_allclose(model.predict([[5.0, 9.0]], n_steps=2)[0][1], 1 + 0.5 * 5.5, atol=0.1)
    assert np.mean(model.sample(500, 1, prefix=[0.0, 9.0], random_state=0)) == pytest.approx(5.5, abs=0.15)


def test_the_belief_holds_the_last_observations(rng):
    model = HMM.from_parameters([0.5, 0.5], np.full((2, 2), 0.5), members(rng, order=2), AutoregressiveGaussian(2))
    belief = model._beliefs_after(model._known([[[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]], [[7.0, 8.0]]]))
    np.testing.assert_array_equal(belief[:, 2:], [[5.0, 6.0, 3.0, np.nan], [7.0, 8.0, np.nan, np.nan]])


def test_first_observations_are_those_of_members_by_themselves(rng):
    family, parameters = AutoregressiveGaussian(2), members(rng)
    means = parameters.centres
    np.testing.assert_allclose(family.mean(parameters), means)
    np.testing.assert_allclose(family.mode(parameters), means)
    np.testing.assert_allclose(family.cdf(means, parameters), 0.5)
    assert family.sample(parameters, rng).shape == (2, 2)


@pytest.mark.parametrize("order", [0, 1.5, "2"])
def test_the_order_is_checked(order):
    with pytest.raises(ValueError, match=r"order is .*; integers from 1 are accepted"):
        HMM(1, AutoregressiveGaussian(order)).fit([[1.0, 2.0]])


def test_who_takes_no_family_that_depends_on_the_past(rng):
    X, family = [rng.normal(size=(9, 1))], AutoregressiveGaussian(1)
    for model, name in (
        (Independent(family), "Independent"),
        (HMM(2, Mixture(family)), "Mixture"),
        (HMM(2, Product([family])), "Product"),
    ):
        with pytest.raises(ValueError, match=f"{name} takes no family that depends on the past, such as Autoreg"):
            model.fit(X)
    with pytest.raises(ValueError, match="cannot be the output of a network"):
        RNN(emission=family).fit(X)


def test_given_parameters_are_checked():
    given = {"intercepts": [[0.0]], "coefficients": [[[0.5]]], "variances": [[1.0]]}
    family = AutoregressiveGaussian(1)
    parameters = family.parameters_from(given)
    assert (parameters.centres.tolist(), parameters.spreads.tolist()) == ([[0.0]], [[1.0]])
    for name in ("variances", "spreads"):
        with pytest.raises(ValueError, match=r"emission holds -1\.0; positive variances"):
            family.parameters_from(given | {name: [[-1.0]]})
    with pytest.raises(ValueError, match=r"coefficients of shape \(1, 1, 1\); order=2 takes \(..., 2, D\)"):
        AutoregressiveGaussian(2).parameters_from(given)
    two = {name: np.repeat(array, 2, axis=0) for name, array in given.items()}
    with pytest.raises(ValueError, match=r"emission holds 3.0; centres, the same for all states, are accepted"):
        family.parameters_from(two | {"centres": [[0.0], [3.0]]})


@pytest.mark.filterwarnings("ignore:a variance fell to its floor")
def test_comparisons_take_the_family_without_its_past_for_baseline(rng):
    X = [np.cumsum(rng.normal(size=30)) for _ in range(12)]
    found = compare({"AR": HMM(1, AutoregressiveGaussian(1))}, X, random_state=0, verbose=0)
    scores = {row.model: row.held_out for row in found.table}
    assert scores["AR"] > scores["Independent"]
    table = [np.column_stack([x, rng.poisson(3, 30)]) for x in X]
    with pytest.raises(ValueError, match="densities and probabilities do not compare"):
        compare({"a": HMM(1, Gaussian()), "b": HMM(1, Product([Gaussian(), Poisson()]))}, table, verbose=0)
