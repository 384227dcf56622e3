"""What holds for every family."""

import numpy as np
import pytest
from emission_cases import (
    CASES,
    FOR_NETWORKS,
    HIDDEN,
    MIXED,
    SINGLE,
    K,
    V,
    as_sequences,
    families_of_columns,
    has,
    has_prior,
    is_missing,
    parts,
    random_members,
    random_values,
    scipy_cdf,
    scipy_table,
    support,
)
from sklearn.base import clone

from seqmodels.arrays import map_arrays, take
from seqmodels.emissions import (
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Laplace,
    LogNormal,
    Multinomial,
    NegativeBinomial,
    Poisson,
    Product,
    StudentT,
    VonMises,
)

each_family = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_single_family = pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
each_hidden_family = pytest.mark.parametrize("case", HIDDEN, ids=lambda case: case.name)
each_mixture = pytest.mark.parametrize("case", MIXED, ids=lambda case: case.name)
each_output = pytest.mark.parametrize("case", FOR_NETWORKS, ids=lambda case: case.name)


@pytest.fixture
def members(case, rng):
    return random_members(case.emission, case.D, (K,), rng)


@pytest.fixture
def values(case, members, rng):
    return random_values(case, members, 60, rng, missing=0.15)


def leaves(parameters):
    """The arrays in a nested NamedTuple."""
    if isinstance(parameters, tuple):
        return [array for part in parameters for array in leaves(part)]
    return [np.asarray(parameters)]


def assert_same(actual, expected, **tolerances):
    for a, e in zip(leaves(actual), leaves(expected), strict=True):
        np.testing.assert_allclose(a, e, **tolerances)


# -------------------------------------------------------------------- densities


@each_family
def test_density_is_that_of_scipy(case, members, values):
    densities = case.emission.log_density(values[:, None], members)
    np.testing.assert_allclose(densities, scipy_table(case.emission, values, members), rtol=1e-10, atol=1e-12)


@each_family
def test_density_sums_or_integrates_to_one(case, members):
    points, weights = support(case)
    density = np.exp(case.emission.log_density(points[:, None], members))
    np.testing.assert_allclose(weights @ density, 1, rtol=1e-6)


PAIRS = [case for case in CASES if case.D == 2 and not has(case, Multinomial | Product)]


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.name)
def test_a_missing_entry_is_summed_or_integrated_over(case, members):
    points, weights = support(case)  # all pairs of G numbers
    G = round(len(points) ** 0.5)
    density = np.exp(case.emission.log_density(points[:, None], members)).reshape(G, G, K)
    integrated = np.einsum("gek,e->gk", density, np.sqrt(weights.reshape(G, G).diagonal()))
    with_gap = points.reshape(G, G, 2)[:, 0].copy()
    with_gap[:, 1] = np.nan
    expected = np.exp(case.emission.log_density(with_gap[:, None], members))
    if "full" in case.name or "tied" in case.name:  # given one entry far away, the other may lie beyond the grid
        near = expected > 1e-15
        assert near.any(axis=0).all()
        integrated, expected = integrated[near], expected[near]
    np.testing.assert_allclose(integrated, expected, rtol=1e-6, atol=1e-300)


@each_family
def test_leading_axes_are_those_of_states_of_time_steps_or_none(case, values, rng):
    per_step = random_members(case.emission, case.D, (len(values),), rng)
    densities = case.emission.log_density(values, per_step)
    alone = [case.emission.log_density(row, take(per_step, n)) for n, row in enumerate(values)]
    np.testing.assert_allclose(densities, alone, rtol=1e-12)
    shared = take(per_step, 0)
    expected = [case.emission.log_density(row, shared) for row in values]
    np.testing.assert_allclose(case.emission.log_density(values, shared), expected, rtol=1e-12)


@each_family
def test_table_is_the_density_of_every_row_under_every_state(case, members, values):
    expected = case.emission.log_density(values[:, None], members)
    np.testing.assert_allclose(case.emission.log_table(values, members), expected, rtol=1e-10, atol=1e-12)


@each_family
def test_what_is_missing_has_density_one(case, members, rng):
    nothing = random_values(case, members, 4, rng, missing=1.1)
    np.testing.assert_allclose(case.emission.log_density(nothing[:, None], members), 0, atol=1e-14)
    np.testing.assert_allclose(case.emission.log_table(nothing, members), 0, atol=1e-14)


@each_family
def test_distinct_rows_stand_for_all(case, members, values):
    values = np.concatenate([values, values[::2]])
    distinct, rows = case.emission.distinct(values)
    np.testing.assert_array_equal(distinct[rows], values)
    if case.emission.discrete:
        n_patterns = len({str(row) for row in values.tolist()})  # NaN is not equal to itself, but its name is
        assert len(distinct) <= (V + 2 if case.emission.symbolic else n_patterns)


# -------------------------------------------------------------------- samples, means, modes, quantiles


@each_family
def test_samples_have_the_moments_of_the_density(case, members, rng):
    n = 20_000
    tiled = map_arrays(lambda array: np.broadcast_to(array, (n, *array.shape)), members)
    sample = case.emission.sample(tiled, rng)
    assert sample.shape == (n, K, case.D)
    points, weights = support(case)
    p = weights[:, None] * np.exp(case.emission.log_density(points[:, None], members))  # (S, K)
    mean = p.T @ points
    second = np.einsum("sk,sd,se->kde", p, points, points)
    fourth = np.einsum("sk,sd,se->kde", p, points**2, points**2)
    error = np.sqrt(np.maximum(second[:, range(case.D), range(case.D)] - mean**2, 0) / n)
    assert np.all(np.abs(sample.mean(axis=0) - mean) <= 4.5 * error + 1e-9)
    error = np.sqrt(np.maximum(fourth - second**2, 0) / n)
    assert np.all(np.abs(np.einsum("nkd,nke->kde", sample, sample) / n - second) <= 4.5 * error + 1e-6)
    if case.emission.symbolic:
        frequencies = (sample[..., 0, None] == points[:, 0]).mean(axis=0)  # (K, S)
        np.testing.assert_allclose(frequencies, p.T, atol=4.5 * 0.5 / np.sqrt(n))
        return
    families, own = families_of_columns(case.emission, case.D), case.emission.mean(members)
    vectors = np.einsum("sk,sd->kd", p, np.exp(1j * points))
    for d, family in enumerate(families):
        if isinstance(family, VonMises):  # whose mean is a direction
            np.testing.assert_allclose(np.exp(1j * own[:, d]), vectors[:, d] / np.abs(vectors[:, d]), rtol=1e-9)
            at = np.exp(1j * sample[..., d]).mean(axis=0)
            np.testing.assert_allclose(at, vectors[:, d], atol=4.5 / np.sqrt(n))
        elif not family.symbolic:
            np.testing.assert_allclose(own[:, d], mean[:, d], rtol=1e-6, atol=1e-6)


@each_family
def test_mode_is_the_densest_point(case, members):
    mode = case.emission.mode(members)
    assert mode.shape == (K, case.D)
    at_mode = np.array([case.emission.log_density(mode[k], take(members, k)) for k in range(K)])
    points, _ = support(case)
    density = case.emission.log_density(points[:, None], members)
    # a mixture's mode is taken among those of its components
    slack = 0.0 if case in SINGLE or case.emission.symbolic else 0.35
    assert np.all(at_mode >= density.max(axis=0) - slack - 1e-9)


@each_family
def test_distribution_functions_of_the_columns_are_those_of_scipy(case, members):
    if has(case, Categorical):
        with pytest.raises(TypeError, match="symbols have no order"):
            case.emission.cdf(np.zeros((1, case.D)), members)
        return
    for x in (-5.0, -0.5, 0.0, 0.5, 1.0, 2.0, 7.3):
        expected = [scipy_cdf(case.emission, x, take(members, k)) for k in range(K)]
        own = case.emission.cdf(np.full((1, case.D), x), members)
        np.testing.assert_allclose(own, expected, rtol=1e-10, atol=1e-14)


# -------------------------------------------------------------------- statistics and M-steps


@each_family
def test_statistics_add_over_batches_and_scale_with_weights(case, members, values, rng):
    visits = rng.random((len(values), K))
    whole = case.emission.sufficient_statistics(values, visits, members)
    parts = [
        case.emission.sufficient_statistics(values[part], visits[part], members)
        for part in (slice(0, 17), slice(17, None))
    ]
    assert_same(map_arrays(np.add, *parts), whole, rtol=1e-10, atol=1e-12)
    scaled = case.emission.sufficient_statistics(values, 2.5 * visits, members)
    assert_same(scaled, map_arrays(lambda array: 2.5 * array, whole), rtol=1e-10, atol=1e-12)


@each_family
def test_statistics_of_distinct_rows_are_those_of_all_rows(case, members, values, rng):
    visits = rng.random((len(values), K))
    distinct, rows = case.emission.distinct(values)
    gathered = np.zeros((len(distinct), K))
    np.add.at(gathered, rows, visits)
    whole = case.emission.sufficient_statistics(values, visits, members)
    assert_same(case.emission.sufficient_statistics(distinct, gathered, members), whole, rtol=1e-10, atol=1e-12)


@each_family
def test_missing_observations_contribute_nothing_to_an_m_step(case, members, values, rng):
    missing = is_missing(case, values).all(axis=1)
    assert missing.any()
    visits = rng.random((len(values), K))
    other_visits = np.where(missing[:, None], 100 * visits, visits)
    steps = [
        case.emission.maximize(case.emission.sufficient_statistics(values, v, members), members)
        for v in (visits, other_visits)
    ]
    assert_same(steps[1], steps[0], rtol=1e-10)


def moved(emission, parameters, step):
    """Members nearby: `step` maps a shape to displacements in unconstrained coordinates."""
    match type(parameters).__name__:
        case "CategoricalParameters":
            odds = parameters.probabilities * np.exp(step(parameters.probabilities.shape))
            return type(parameters)(odds / odds.sum(axis=-1, keepdims=True))
        case "BernoulliParameters":
            p = parameters.probabilities
            odds = p / (1 - p) * np.exp(step(p.shape))
            return type(parameters)(odds / (1 + odds))
        case "MultinomialParameters":
            odds = parameters.probabilities * np.exp(step(parameters.probabilities.shape))
            return parameters._replace(probabilities=odds / odds.sum(axis=-1, keepdims=True))
        case "GeometricParameters":
            p = parameters.probabilities
            return type(parameters)(1 / (1 + (1 - p) / p * np.exp(step(p.shape))))
        case "GaussianParameters":
            means = parameters.means + step(parameters.means.shape)
            return type(parameters)(means, parameters.covariances)
        case "ProductParameters":
            factors = zip(emission.emissions, parameters.factors, strict=True)
            return type(parameters)(tuple(moved(e, part, step) for e, part in factors))
        case _:
            moves = step((len(parameters), *parameters[0].shape))
            pairs = zip(parameters._fields, parameters, moves, strict=True)
            return type(parameters)(
                *(array + move if name == "locations" else array * np.exp(move) for name, array, move in pairs)
            )


def moved_covariances(emission, parameters, step):
    if hasattr(emission, "emissions"):
        factors = zip(emission.emissions, parameters.factors, strict=True)
        return type(parameters)(tuple(moved_covariances(e, part, step) for e, part in factors))
    if not isinstance(emission, Gaussian):
        return parameters
    covariances = parameters.covariances
    if emission.covariance in ("diagonal", "spherical"):
        return parameters._replace(covariances=covariances * np.exp(step(covariances.shape)))
    shape = covariances.shape[-2:] if emission.covariance == "tied" else covariances.shape
    change = np.eye(shape[-1]) + step(shape)
    return parameters._replace(covariances=change @ covariances @ change.swapaxes(-1, -2))


def stepped(emission, values, visits, parameters, n_steps):
    """After so many M-steps."""
    for _ in range(n_steps):
        parameters = emission.maximize(emission.sufficient_statistics(values, visits, parameters), parameters)
    return parameters


@each_single_family
def test_m_step_is_the_top_of_the_expected_log_likelihood(case, members, values, rng):
    emission = case.emission
    visits = rng.random((len(values), K))
    by_steps = not emission.one_step_is_enough(values)
    if has(case, StudentT):
        values[::9] *= 4  # outliers, or the top is where degrees of freedom have no end
    best = stepped(emission, values, visits, members, 1000 if by_steps else 1)
    assert_same(stepped(emission, values, visits, best, 1), best, rtol=1e-6 if by_steps else 1e-11)

    def objective(parameters):
        return (visits * emission.log_density(values[:, None], parameters)).sum() + emission.log_prior(parameters)

    top = objective(best)
    for trial in range(40):
        size = 0.1 if trial < 20 else 1e-3

        def step(shape, trial=trial, size=size):
            return size * np.random.default_rng(trial).normal(size=shape)

        def opposite(shape, step=step):
            return -step(shape)

        move = moved_covariances if has(case, Gaussian) and trial % 2 else moved
        sides = np.array([objective(move(emission, best, to)) for to in (step, opposite)])
        assert sides.max() < top
        if size == 1e-3 and not has(case, Laplace):  # whose top is a ridge
            # on a slope, the two sides would differ more than they fall
            assert abs(sides[0] - sides[1]) < 0.05 * (top - sides.mean())


@each_hidden_family
def test_m_steps_climb_to_a_stationary_point_where_parts_are_hidden(case, values, rng):
    emission = case.emission
    visits = rng.random((len(values), K))
    parameters = random_members(emission, case.D, (K,), rng)

    def objective(parameters):
        return (visits * emission.log_table(values, parameters)).sum() + emission.log_prior(parameters)

    heights = [objective(parameters)]
    for _ in range(40):
        statistics = emission.sufficient_statistics(values, visits, parameters)
        parameters = emission.maximize(statistics, parameters)
        heights.append(objective(parameters))
    gains = np.diff(heights)
    assert gains.min() >= -1e-9 * abs(heights[-1])
    assert gains[0] > 100 * gains[-1]
    assert heights[-1] > heights[0]


@pytest.mark.parametrize("case", [c for c in SINGLE if has(c, StudentT | Laplace)], ids=str)
def test_m_steps_by_steps_never_fall(case, members, values, rng):
    visits = rng.random((len(values), K))
    heights = []
    for _ in range(60):
        heights.append((visits * case.emission.log_density(values[:, None], members)).sum())
        members = stepped(case.emission, values, visits, members, 1)
    assert np.diff(heights).min() >= -1e-12 * abs(heights[-1])
    assert heights[1] > heights[0]


@each_mixture
def test_an_m_step_of_a_mixture_is_one_of_each_component_under_its_responsibilities(case, members, values, rng):
    emission, mixed = case.emission, case.emission.emission
    visits = rng.random((len(values), K))
    observed = ~is_missing(case, values).all(axis=1)
    best = emission.maximize(emission.sufficient_statistics(values, visits, members), members)
    for k in range(K):
        member = take(members, k)
        joint = np.exp(mixed.log_density(values[:, None], member.components)) * member.weights
        shares = visits[:, k : k + 1] * joint / joint.sum(axis=1, keepdims=True)  # (S, C)
        mass = shares[observed].sum(axis=0)
        np.testing.assert_allclose(best.weights[k], mass / mass.sum(), rtol=1e-9)
        expected = mixed.maximize(mixed.sufficient_statistics(values, shares, member.components), member.components)
        assert_same(take(best.components, k), expected, rtol=1e-8)


@each_family
def test_states_without_mass_keep_what_they_had(case, members, values, rng):
    visits = rng.random((len(values), K))
    visits[:, 1] = 0
    best = case.emission.maximize(case.emission.sufficient_statistics(values, visits, members), members)
    kept, had = take(best, 1), take(members, 1)
    if "tied" in case.name and case in SINGLE:  # the others' matrix is its own
        kept, had = kept.means, had.means
    if not has_prior(case):  # a prior is mass
        assert_same(kept, had, rtol=1e-14)
    assert all(np.isfinite(array).all() for array in leaves(best))


@each_family
def test_number_of_free_parameters(case, members):
    assert case.emission.n_parameters(members) == case.n_parameters


# -------------------------------------------------------------------- starts


@each_family
def test_marginal_is_the_best_single_member(case, members, values):
    sequences = as_sequences(case, values)
    marginal = case.emission.fit_marginal(sequences)
    score = case.emission.log_density(values, marginal).sum()
    assert np.isfinite(score)
    assert case.emission.log_density(values[:1], marginal).shape == (1,)
    if case in SINGLE:
        smoothed = case.emission.smoothed()
        single = map_arrays(lambda array: np.asarray(array)[None], marginal)

        def objective(parameters):
            return smoothed.log_density(values, parameters).sum() + smoothed.log_prior(parameters)

        for trial in range(10):
            nearby = moved(smoothed, single, lambda shape, t=trial: 0.03 * np.random.default_rng(t).normal(size=shape))
            assert objective(nearby) < objective(single)


@each_single_family
def test_weights_of_the_marginal_repeat_observations(case, members, values):
    weights = np.arange(len(values)) % 3
    repeated = np.repeat(values, weights, axis=0)
    weighted = case.emission.fit_marginal(as_sequences(case, values), weights)
    expected = case.emission.fit_marginal(as_sequences(case, repeated))
    if not case.emission.one_step_is_enough(values):  # to a tolerance
        scores = [
            case.emission.log_density(repeated, marginal).sum() + case.emission.log_prior(marginal)
            for marginal in (weighted, expected)
        ]
        assert abs(scores[0] - scores[1]) < 1e-5 * len(repeated)
        return
    assert_same(weighted, expected, rtol=1e-9)


@each_mixture
def test_weights_of_a_mixtures_marginal_are_those_of_what_it_fits(case, members, values):
    weights = np.arange(len(values)) % 3
    score = weights @ case.emission.log_density(values, case.emission.fit_marginal(as_sequences(case, values), weights))
    mixed = case.emission.emission
    single = weights @ mixed.log_density(values, mixed.fit_marginal(as_sequences(case, values), weights))
    assert score > single - 1e-3 * weights.sum()


@pytest.mark.filterwarnings("ignore:a variance fell to its floor")
@each_family
def test_a_start_from_responsibilities_is_usable(case, members, values, rng):
    rough = case.emission.rough(as_sequences(case, values))
    visits = np.eye(K)[rng.integers(0, K, len(values))]
    start = case.emission.initial_parameters(values, visits, rough, rng)
    assert {len(array) for array in leaves(start)} == {K}
    table = case.emission.log_table(values, start)
    assert table.shape == (len(values), K)
    assert np.isfinite((visits * np.where(visits > 0, table, 0)).sum())


@each_family
def test_points_for_clusters_are_standardised_and_complete(case, members, values):
    points = case.emission.points(values)
    if all(family.symbolic for family in families_of_columns(case.emission, case.D)):
        assert points is None
        return
    assert np.isfinite(points).all()
    if has(case, Product):  # some columns of it, by factors
        return
    if has(case, VonMises):
        angles = points[:, : case.D] + 1j * points[:, case.D :]
        np.testing.assert_allclose(angles, np.where(np.isnan(values), 0, np.exp(1j * np.nan_to_num(values))))
        return
    observed = np.where(np.isnan(values), np.nan, points)
    np.testing.assert_allclose(np.nanmean(observed, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(observed, axis=0), 1)
    assert not points[np.isnan(values)].any()


@each_family
def test_hyperparameters_are_clone_safe(case):
    copy = clone(case.emission)
    assert copy is not case.emission
    assert repr(copy) == repr(case.emission)


# -------------------------------------------------------------------- outputs of networks


@pytest.fixture
def output(case, members, values, rng):
    """A marginal, and raw outputs (n, R) around zero."""
    marginal = case.emission.fit_marginal(as_sequences(case, values))
    return marginal, rng.normal(0, 0.7, (len(values), case.emission.n_raw(marginal)))


def value_and_gradient(case, values, raw, marginal):
    out = np.full_like(raw, np.nan)
    return case.emission.value_and_gradient(values, raw, marginal, out), out


@each_output
def test_raw_output_of_zero_is_the_marginal(case, values, output):
    marginal, raw = output
    assert_same(case.emission.from_raw(np.zeros(raw.shape[1]), marginal), marginal, rtol=1e-14)
    value, _ = value_and_gradient(case, values, np.zeros_like(raw), marginal)
    np.testing.assert_allclose(value, case.emission.log_density(values, marginal), rtol=1e-12, atol=1e-13)


@each_output
def test_value_is_the_density_of_what_the_raw_output_means(case, values, output):
    marginal, raw = output
    value, _ = value_and_gradient(case, values, raw, marginal)
    expected = case.emission.log_density(values, case.emission.from_raw(raw, marginal))
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12)


@each_output
def test_gradient_is_that_of_central_differences(case, values, output):
    marginal, raw = output
    _, gradient = value_and_gradient(case, values, raw, marginal)
    differences = np.empty_like(raw)
    h = 1e-5
    for r in range(raw.shape[1]):
        step = h * np.eye(raw.shape[1])[r]
        up, down = (value_and_gradient(case, values, raw + s * step, marginal)[0] for s in (1, -1))
        differences[:, r] = (up - down) / (2 * h)
    assert np.abs(gradient - differences).max() <= 1e-7 * np.abs(gradient).max()


@each_output
def test_single_precision_agrees_with_double(case, values, output):
    marginal, raw = output
    value, gradient = value_and_gradient(case, values, raw, marginal)
    low_value, low_gradient = value_and_gradient(case, values, raw.astype(np.float32), marginal)
    assert low_gradient.dtype == np.float32
    np.testing.assert_allclose(low_value, value, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(low_gradient, gradient, rtol=1e-3, atol=1e-4)


@each_output
def test_missing_entries_have_no_value_and_no_gradient(case, values, output):
    marginal, raw = output
    value, gradient = value_and_gradient(case, values, raw, marginal)
    missing = is_missing(case, values)
    assert missing.all(axis=1).any()
    assert not value[missing.all(axis=1)].any()
    assert not gradient[missing.all(axis=1)].any()
    assert np.isfinite(gradient).all()
    if len(parts(case.emission)) == 1 and not isinstance(case.emission, Categorical | Multinomial):
        independent = not isinstance(case.emission, Gaussian) or case.emission._shape.independent
        for p in range(raw.shape[1] // case.D if independent else 1):
            assert not gradient[:, p * case.D : (p + 1) * case.D][missing].any()


@each_output
@pytest.mark.parametrize("size", [50.0, 700.0])
def test_extreme_raw_outputs_neither_overflow_nor_give_nan(case, values, output, size):
    marginal, raw = output
    if has(case, Poisson):
        size = min(size, 300.0)
    raw = np.sign(raw) * size
    value, gradient = value_and_gradient(case, values, raw, marginal)
    assert not np.isnan(value).any()
    assert not np.isnan(gradient).any()
    assert np.all(value <= (1e-9 if has(case, NegativeBinomial) else 0)) or not case.emission.discrete
    if not has(case, Gaussian | Poisson | LogNormal | StudentT):
        assert np.isfinite(value).all()


# -------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("emission", "value", "message"),
    [
        (Bernoulli(), 2.0, "is 2.0; 0 and 1 are accepted"),
        (Bernoulli(), -1.0, "is -1.0; 0 and 1 are accepted"),
        (Poisson(), -1.0, r"is -1.0; counts \(integers from 0\) are accepted"),
        (Poisson(), 2.5, r"is 2.5; counts \(integers from 0\) are accepted"),
        (Gaussian(), np.inf, "is inf; finite numbers are accepted"),
        (NegativeBinomial(), 0.5, r"is 0.5; counts \(integers from 0\) are accepted"),
        (Geometric(), -1.0, r"is -1.0; counts \(integers from 0\) are accepted"),
        (Multinomial(), 1.5, r"is 1.5; counts \(integers from 0\) are accepted"),
        (Multinomial(), -np.inf, "is -inf; finite numbers are accepted"),
        (StudentT(), np.inf, "is inf; finite numbers are accepted"),
        (Laplace(), -np.inf, "is -inf; finite numbers are accepted"),
        (LogNormal(), 0.0, "is 0.0; positive numbers are accepted"),
        (Exponential(), -0.1, "is -0.1; numbers from 0 are accepted"),
        (Gamma(), 0.0, "is 0.0; positive numbers are accepted"),
        (Beta(), 0.0, r"is 0.0; numbers between 0 and 1 \(both excluded\) are accepted"),
        (Beta(), 1.0, r"is 1.0; numbers between 0 and 1 \(both excluded\) are accepted"),
        (VonMises(), np.inf, "is inf; finite numbers are accepted"),
    ],
    ids=str,
)
def test_values_of_no_such_distribution_are_named_with_their_place(emission, value, message):
    case = next(c for c in CASES if isinstance(c.emission, type(emission)))
    values = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 0.0], [1.0, 1.0]])
    if isinstance(emission, Multinomial):
        values[2] = np.nan
    if isinstance(emission, Beta | LogNormal | Gamma):  # inside of what they take
        values = 0.5 - 0.25 * values
    good = values[3, 1]
    values[3, 1] = value
    with pytest.raises(ValueError, match=rf"data\[1\], position 1, column 1 {message}"):
        emission.check(as_sequences(case, values), "data")
    values[3, 1] = good
    emission.check(as_sequences(case, values), "data")


def test_a_vector_of_counts_is_complete_or_missing_altogether():
    values = np.array([[1.0, 0.0], [np.nan, np.nan], [np.nan, 0.0], [1.0, 1.0]])
    case = next(c for c in CASES if isinstance(c.emission, Multinomial))
    with pytest.raises(ValueError, match=r"data\[1\], position 0 is missing in part; with Multinomial"):
        case.emission.check(as_sequences(case, values), "data")


@pytest.mark.parametrize(
    ("emission", "message"),
    [
        (Categorical(-1), "pseudo_count is -1; numbers from 0 are accepted"),
        (Categorical(float("nan")), "pseudo_count is nan"),
        (Categorical(unknown="drop"), "unknown is 'drop'; 'keep' and 'error' are accepted"),
        (Bernoulli(-0.5), "pseudo_count is -0.5"),
        (Multinomial(-0.5), "pseudo_count is -0.5"),
        (Gaussian("round"), "covariance is 'round'; 'diagonal', 'full', 'spherical', 'tied' are accepted"),
    ],
    ids=str,
)
def test_hyperparameters_are_checked(emission, message):
    case = CASES[0] if emission.symbolic else CASES[2]
    values = np.zeros((4, 1), dtype=np.int64 if emission.symbolic else float)
    with pytest.raises(ValueError, match=message):
        emission.check(as_sequences(case, values))
