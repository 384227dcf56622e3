import numpy as np
import pytest
from emission_cases import random_covariances
from scipy import stats

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import Gaussian, GaussianParameters, Mixture
from seqmodels.emissions.covariance import COVARIANCES, VARIANCE_FLOOR

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
