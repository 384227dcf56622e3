import numpy as np
import pytest
from emission_cases import random_covariances
from scipy import stats

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import Gaussian, GaussianParameters, Mixture
from seqmodels.emissions.covariance import COVARIANCES, VARIANCE_FLOOR
from seqmodels.emissions.joint_columns import by_columns

each_covariance = pytest.mark.parametrize("covariance", list(COVARIANCES))
floor_warning = pytest.mark.filterwarnings("ignore:a variance fell to its floor")


def m_step(emission, values, visits):
    start = emission.rough(Sequences.wrap([values]))
    return emission.initial_parameters(values, visits, start, None)


def variances(emission, parameters):
    return emission._shape.variances(parameters.covariances, parameters.means.shape[-1])


@each_covariance
def test_a_state_that_stands_for_one_value_keeps_a_floor_of_variance(covariance, rng):
    values = np.concatenate([rng.normal(0, 10, (50, 2)), np.full((5, 2), 3.0)])
    visits = np.zeros((55, 2))
    visits[:50, 0], visits[50:, 1] = 1, 1
    if covariance == "tied":
        values[:50] = np.array([7.0, -7.0])  # all states together have no variance but between them
    with pytest.warns(UserWarning, match="a variance fell to its floor, 1e-06 times the variance of the data"):
        parameters = m_step(Gaussian(covariance), values, visits)
    floor = VARIANCE_FLOOR * values.var(axis=0)
    expected = floor.mean() if covariance == "spherical" else floor
    np.testing.assert_allclose(variances(Gaussian(covariance), parameters)[1], expected, rtol=1e-6)
    np.testing.assert_allclose(parameters.means[1], 3.0)


@floor_warning
@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_collinear_columns_keep_a_floor_in_every_direction(covariance, rng):
    x = rng.normal(0, 5, (200, 1))
    values = np.hstack([x, 3 * x])
    parameters = m_step(Gaussian(covariance), values, np.ones((200, 1)))
    scale = values.std(axis=0)
    eigenvalues = np.linalg.eigvalsh(parameters.covariances[0] / np.outer(scale, scale))
    np.testing.assert_allclose(eigenvalues, [VARIANCE_FLOOR, 2.0], rtol=1e-6)
    assert np.isfinite(Gaussian(covariance).log_density(values[:, None], parameters)).all()


@each_covariance
@floor_warning
@pytest.mark.parametrize("constant", [0.0, 5.0, -1e8])
def test_a_constant_column_has_a_finite_density(covariance, constant):
    values = np.column_stack([np.full(20, constant), np.arange(20.0)])
    parameters = Gaussian(covariance).fit_marginal(Sequences.wrap([values]))
    assert np.isfinite(Gaussian(covariance).log_density(values, parameters)).all()
    np.testing.assert_allclose(parameters.means, [constant, 9.5], rtol=1e-12, atol=1e-9)


@each_covariance
def test_variances_are_exact_far_from_zero(covariance, rng):
    """Moments about zero would lose all digits of the variance here."""
    values = 1e9 + rng.normal(size=(500, 2))
    deviations = values - values.mean(axis=0)
    marginal = Gaussian(covariance).fit_marginal(Sequences.wrap([values]))
    own = variances(Gaussian(covariance), marginal)
    expected = deviations.var(axis=0)
    np.testing.assert_allclose(own, expected.mean() if covariance == "spherical" else expected, rtol=1e-6)


def test_the_default_on_the_scale_of_the_nile(rng):
    flows = rng.normal(900, 170, 100)
    model = Independent().fit([flows])
    expected = stats.norm(flows.mean(), flows.std()).logpdf(flows).mean()
    assert model.score([flows]) == pytest.approx(expected, rel=1e-12)


@each_covariance
def test_known_moments_of_weighted_data(covariance, rng):
    values, weights = rng.normal(size=(30, 3)), rng.random((30, 2))
    parameters = m_step(Gaussian(covariance), values, weights)
    scatters = []
    for k in range(2):
        np.testing.assert_allclose(parameters.means[k], np.average(values, axis=0, weights=weights[:, k]))
        scatters.append(np.cov(values.T, aweights=weights[:, k], ddof=0))
    pooled = sum(scatter * mass for scatter, mass in zip(scatters, weights.sum(axis=0), strict=True)) / weights.sum()
    for k, scatter in enumerate(scatters):
        expected = {
            "full": scatter,
            "tied": pooled,
            "diagonal": np.diag(scatter),
            "spherical": np.diag(scatter).mean(),
        }
        np.testing.assert_allclose(parameters.covariances[k], expected[covariance])


def test_a_tied_matrix_in_a_mixture_is_shared_within_each_state(rng):
    values = rng.normal(size=(80, 2)) * [1, 3]
    emission = Mixture(Gaussian("tied"), 2)
    parameters = emission.initial_parameters(values, rng.random((80, 2)), emission.rough(Sequences.wrap([values])), rng)
    for _ in range(3):
        parameters = emission.maximize(
            emission.sufficient_statistics(values, np.eye(2)[np.arange(80) % 2], parameters), parameters
        )
    matrices = parameters.components.covariances
    np.testing.assert_array_equal(matrices[:, 0], matrices[:, 1])
    assert not np.allclose(matrices[0], matrices[1])


def test_under_a_network_no_variance_falls_below_the_floor():
    marginal = GaussianParameters(np.array([1.0]), np.array([4.0]))
    raw = np.array([[0.1, -50.0], [0.1, np.log(VARIANCE_FLOOR) / 2 + 0.1]])
    parameters = Gaussian().from_raw(raw, marginal)
    np.testing.assert_allclose(parameters.covariances[:, 0], 4 * VARIANCE_FLOOR * np.array([1, np.exp(0.2)]))
    out = np.empty_like(raw)
    values = np.array([[1.201], [1.201]])
    value = Gaussian().value_and_gradient(values, raw, marginal, out)
    np.testing.assert_allclose(value, Gaussian().log_density(values, parameters))
    assert out[0, 1] == 0  # at the floor the scale no longer matters
    assert out[1, 1] != 0


@each_covariance
def test_covariances_as_matrices(covariance, rng):
    shape, D = COVARIANCES[covariance], 3
    covariances = random_covariances(covariance, D, (4,), rng)
    matrices = shape.full(covariances, D)
    assert matrices.shape == (4, D, D)
    np.testing.assert_array_equal(np.diagonal(matrices, axis1=1, axis2=2), shape.variances(covariances, D))
    deviations = rng.normal(size=(4, D))
    expected = [stats.multivariate_normal(np.zeros(D), m).logpdf(d) for m, d in zip(matrices, deviations, strict=True)]
    np.testing.assert_allclose(shape.log_density(deviations, covariances), expected)


def test_integers_are_numbers_too():
    """Samples of a model of real numbers are real numbers, whatever it was fitted to."""
    model = Independent(Gaussian()).fit([np.array([1120, 1160, 963, 1210])])
    sample = model.sample(1, 5, random_state=0)[0]
    assert sample.dtype == float
    assert np.any(sample != np.round(sample))


# -------------------------------------------------------------------- entries missing under matrices


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_a_missing_entry_is_integrated_over(covariance, rng):
    emission = Gaussian(covariance)
    parameters = GaussianParameters(rng.normal(size=(3, 3)), random_covariances(covariance, 3, (3,), rng))
    row, grid = np.array([0.3, -1.0, 0.7]), np.linspace(-30, 30, 20_001)
    points = np.tile(row, (len(grid), 1))
    points[:, 1] = grid
    integral = np.log(np.exp(emission.log_density(points[:, None], parameters)).sum(axis=0) * (grid[1] - grid[0]))
    row[1] = np.nan
    np.testing.assert_allclose(emission.log_density(row, parameters), integral, rtol=1e-8)
    np.testing.assert_allclose(emission.log_table(row[None], parameters)[0], integral, rtol=1e-8)


def expected_moments(row, mean, matrix):
    """E(x) and E(x x') of a row of which some is missing, given the rest: one entry at a time, by hand."""
    seen = ~np.isnan(row)
    x, spread = row.copy(), np.zeros((len(row), len(row)))
    regression = matrix[np.ix_(~seen, seen)] @ np.linalg.inv(matrix[np.ix_(seen, seen)])
    x[~seen] = mean[~seen] + regression @ (row[seen] - mean[seen])
    spread[np.ix_(~seen, ~seen)] = matrix[np.ix_(~seen, ~seen)] - regression @ matrix[np.ix_(seen, ~seen)]
    return x, np.outer(x, x) + spread


@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_an_m_step_expects_what_is_missing(covariance, rng):
    """The EM of Little and Rubin, row by row."""
    emission, K, D = Gaussian(covariance), 2, 3
    old = GaussianParameters(rng.normal(size=(K, D)), random_covariances(covariance, D, (K,), rng))
    values, visits = rng.normal(size=(25, D)), rng.random((25, K))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[3] = np.nan
    matrices, masses = [], []
    own = emission.maximize(emission.sufficient_statistics(values, visits, old), old)
    for k in range(K):
        rows = [n for n in range(25) if not np.isnan(values[n]).all()]
        moments = [expected_moments(values[n], old.means[k], old.covariances[k]) for n in rows]
        weights = visits[rows, k]
        mean = sum(w * x for w, (x, _) in zip(weights, moments, strict=True)) / weights.sum()
        second = sum(w * xx for w, (_, xx) in zip(weights, moments, strict=True)) / weights.sum()
        np.testing.assert_allclose(own.means[k], mean, rtol=1e-10)
        matrices.append(second - np.outer(mean, mean))
        masses.append(weights.sum())
    if covariance == "tied":
        matrices = [np.average(matrices, axis=0, weights=masses)] * K
    np.testing.assert_allclose(own.covariances, matrices, rtol=1e-9)


def test_em_finds_a_covariance_that_is_never_seen_whole(rng):
    """A third of the entries is gone, and with them the bias that dropping rows or filling in means would have."""
    truth = np.array([[2.0, 1.2, 0.0], [1.2, 1.5, -0.6], [0.0, -0.6, 1.0]])
    values = rng.multivariate_normal([1.0, -2.0, 0.0], truth, 6000)
    values[values[:, 0] > 1.0, 1] = np.nan  # what is missing depends on what is seen
    values[rng.random(6000) < 0.2, 2] = np.nan
    marginal = Gaussian("full").fit_marginal(Sequences.wrap([values]))
    np.testing.assert_allclose(marginal.covariances, truth, atol=0.12)
    np.testing.assert_allclose(marginal.means, [1.0, -2.0, 0.0], atol=0.06)


# -------------------------------------------------------------------- priors


@each_covariance
def test_priors_are_observations_more_in_every_state(covariance, rng):
    values, visits = rng.normal(size=(20, 2)), np.eye(2)[np.arange(20) % 2]
    emission = Gaussian(
        covariance, mean_prior=[3.0, -1.0], mean_weight=2.0, covariance_prior=[0.5, 1.5], covariance_weight=4.0
    )
    own = m_step(emission, values, visits)
    means, scatters = [], []
    for k in range(2):
        x = np.vstack([values[k::2], [[3.0, -1.0]] * 2])
        means.append(x.mean(axis=0))
        scatters.append((x - means[k]).T @ (x - means[k]) + 4 * np.diag([0.5, 1.5]))
    np.testing.assert_allclose(own.means, means)
    matrices = [scatter / 16 for scatter in scatters]
    expected = {
        "full": matrices,
        "tied": [sum(matrices) / 2] * 2,
        "diagonal": [np.diag(matrix) for matrix in matrices],
        "spherical": [np.diag(matrix).mean() for matrix in matrices],
    }
    np.testing.assert_allclose(own.covariances, expected[covariance])


@each_covariance
def test_the_log_prior_is_the_log_density_of_the_observations_more(covariance, rng):
    emission = Gaussian(covariance, mean_prior=0.5, mean_weight=2.0, covariance_prior=1.5, covariance_weight=3.0)

    def by_hand(means, covariances):
        total = 0.0
        for mean, matrix in zip(means, COVARIANCES[covariance].full(covariances, 2), strict=True):
            total += 2 * stats.multivariate_normal(mean, matrix).logpdf([0.5, 0.5])
            total -= 1.5 * (np.log(np.linalg.det(matrix)) + np.trace(1.5 * np.linalg.inv(matrix)))
        return total

    for _ in range(2):
        parameters = GaussianParameters(rng.normal(size=(3, 2)), random_covariances(covariance, 2, (3,), rng))
        assert emission.log_prior(parameters) == pytest.approx(by_hand(*parameters), rel=1e-10)
    assert Gaussian(covariance).log_prior(parameters) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean_weight": -1.0}, "mean_weight is -1.0; numbers from 0 are accepted"),
        ({"covariance_weight": np.nan}, "covariance_weight is nan; numbers from 0"),
        ({"mean_prior": [1.0, 2.0, 3.0]}, "mean_prior is .*; a number or 2 of them"),
        ({"covariance_prior": 0.0}, "covariance_prior is 0.0; positive"),
        ({"covariance_prior": [[1.0, 2.0], [2.0, 1.0]], "covariance": "full"}, "covariance_prior is .*; positive"),
        ({"covariance_prior": np.eye(2)}, r"covariance_prior has shape \(2, 2\); a number or 2 of them"),
    ],
)
def test_priors_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Independent(Gaussian(**options)).fit([np.zeros((3, 2))])


@pytest.mark.parametrize(
    ("covariance", "given", "accepted"),
    [("full", (2, 1), "1, 1"), ("tied", (2, 3), "3, 3"), ("full", (2, 3, 1), "3, 3"), ("diagonal", (2, 2), "3")],
)
def test_covariances_of_another_shape_are_refused(covariance, given, accepted):
    D = int(accepted[0])
    message = rf"emission has covariances of shape \({', '.join(map(str, given))}\); Gaussian.* \(..., {accepted}\)"
    with pytest.raises(ValueError, match=message):
        Gaussian(covariance).parameters_from({"means": np.zeros((2, D)), "covariances": np.ones(given)})


# -------------------------------------------------------------------- matrices under networks


def test_tied_matrices_are_constant_raw_outputs():
    marginal = GaussianParameters(np.zeros(3), np.eye(3))
    np.testing.assert_array_equal(Gaussian("tied").constant_raw(marginal), [False] * 3 + [True] * 6)
    assert not Gaussian("full").constant_raw(marginal).any()


def test_components_of_a_mixture_share_what_is_constant(rng):
    emission = Mixture(Gaussian("tied"), 2)
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    marginal = type(emission).Parameters(
        np.array([0.4, 0.6]), GaussianParameters(np.array([[0.0, 0.0], [3.0, 3.0]]), np.array([matrix, matrix]))
    )
    assert emission.n_raw(marginal) == 2 + 2 * 2 + 3
    np.testing.assert_array_equal(emission.constant_raw(marginal), [False] * 6 + [True] * 3)
    parameters = emission.from_raw(rng.normal(size=(5, 9)), marginal).components
    np.testing.assert_array_equal(parameters.covariances[:, 0], parameters.covariances[:, 1])
    assert not np.allclose(parameters.means[:, 0], parameters.means[:, 1])


@pytest.mark.parametrize("gap", [False, True])
def test_a_cholesky_factor_has_limits(gap):
    """As of any scale: a thousandth of the marginal's, and a thousand times it for all entries."""
    marginal = GaussianParameters(np.zeros(2), np.array([[4.0, 1.0], [1.0, 9.0]]))
    raw = np.array([[0.0, 0.0, -50.0, 0.1, 0.2], [0.0, 0.0, 0.1, 50.0, 0.2], [0.0, 0.0, 0.1, 0.1, 2e3]])
    values, out = np.array([[1.0, -2.0]] * 3), np.empty_like(raw)
    if gap:
        values[:, 0] = np.nan
    value = Gaussian("full").value_and_gradient(values, raw, marginal, out)
    np.testing.assert_allclose(value, Gaussian("full").log_density(values, Gaussian("full").from_raw(raw, marginal)))
    assert out[0, 2] == out[1, 3] == out[2, 4] == 0
    assert np.all(out[[0, 1, 2], [3, 2, 2]] != 0)


# -------------------------------------------------------------------- observations by the columns that they have


@pytest.mark.parametrize("D", [1, 3, 8, 9, 20])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_observations_are_gathered_by_their_columns(D, share, rng):
    missing = rng.random((40, D)) < share
    found = by_columns(missing)
    for which, seen in found:
        assert seen.any()
        assert np.all(np.diff(which) > 0)
        np.testing.assert_array_equal(missing[which], np.broadcast_to(~seen, (len(which), D)))
    assert len({seen.tobytes() for _, seen in found}) == len(found)
    some = np.flatnonzero(~missing.all(axis=1))
    np.testing.assert_array_equal(np.sort(np.concatenate([which for which, _ in found] or [[]])), some)


@pytest.mark.parametrize(("K", "D", "n"), [(1, 1, 1), (3, 2, 17), (5, 9, 30), (40, 6, 3)])
@pytest.mark.parametrize("gaps", [False, True])
def test_tiles_equal_plain_sums(K, D, n, gaps, rng):
    """Log densities, and moments of what is expected: entry by entry, for several vectors of states."""
    means, matrices = rng.normal(size=(K, D)), random_covariances("full", D, (K,), rng)
    values, visits = rng.normal(size=(n, D)), rng.random((n, K))
    if gaps:
        values[rng.random((n, D)) < 0.4] = np.nan
    parameters = GaussianParameters(means, matrices)
    found = Gaussian("full").sufficient_statistics(values, visits, parameters)
    mass, sums, seconds = np.zeros(K), np.zeros((K, D)), np.zeros((K, D, D))
    table = np.zeros((n, K))
    for i, k in np.ndindex(n, K):
        seen = ~np.isnan(values[i])
        if not seen.any():
            continue
        own = matrices[k][np.ix_(seen, seen)]
        table[i, k] = stats.multivariate_normal(means[k, seen], own).logpdf(values[i, seen])
        slopes = matrices[k][:, seen] @ np.linalg.inv(own)
        expected = slopes @ (values[i, seen] - means[k, seen])
        left = matrices[k] - slopes @ matrices[k][seen]
        mass[k] += visits[i, k]
        sums[k] += visits[i, k] * expected
        seconds[k] += visits[i, k] * (np.outer(expected, expected) + left)
    np.testing.assert_allclose(Gaussian("full").log_table(values, parameters), table, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.mass, np.repeat(mass[:, None], D, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.sums, sums, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.seconds, seconds, rtol=1e-9, atol=1e-9)
