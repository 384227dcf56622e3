import numpy as np
import pytest
from scipy import special, stats

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import (
    Bernoulli,
    BernoulliParameters,
    Categorical,
    CategoricalParameters,
    Gaussian,
    GaussianParameters,
    Mixture,
    MixtureParameters,
    Poisson,
    PoissonParameters,
)


@pytest.mark.parametrize("emission", [None, "gaussian", Gaussian])
def test_what_is_mixed_has_to_be_an_emission(emission):
    with pytest.raises(TypeError, match=r"Mixture\(emission=.*an emission such as Gaussian\(\) is accepted"):
        Independent(Mixture(emission)).fit([[1.0, 2.0]])


@pytest.mark.parametrize("n", [0, 1.5, "2"])
def test_the_number_of_components_is_checked(n):
    with pytest.raises(ValueError, match=r"Mixture\(n=.*integers from 1 are accepted"):
        Independent(Mixture(Gaussian(), n)).fit([[1.0, 2.0]])


def test_the_mixed_family_checks_the_data():
    with pytest.raises(ValueError, match=r"X\[0\], position 1 is -2.0; counts"):
        Independent(Mixture(Poisson())).fit([[1.0, -2.0]])


def test_one_component_is_the_family_itself(rng):
    X = [rng.normal(3, 2, 50)]
    assert Independent(Mixture(Gaussian(), 1)).fit(X).score(X) == pytest.approx(Independent(Gaussian()).fit(X).score(X))


def test_two_clusters_are_found(rng):
    n = 2000
    x = np.where(rng.random(n) < 0.3, rng.normal(-4, 1, n), rng.normal(5, 2, n))
    marginal = Mixture(Gaussian(), 2).fit_marginal(Sequences.wrap([x]))
    order = np.argsort(marginal.components.means[:, 0])
    np.testing.assert_allclose(marginal.weights[order], [0.3, 0.7], atol=0.04)
    np.testing.assert_allclose(marginal.components.means[order, 0], [-4, 5], atol=0.25)
    np.testing.assert_allclose(np.sqrt(marginal.components.covariances[order, 0]), [1, 2], atol=0.15)


def test_data_of_fewer_distinct_values_than_components():
    model = Independent(Mixture(Poisson(), 3)).fit([[2, 2, 7, 7, 7]])
    expected = np.log(0.5 * stats.poisson([2, 7]).pmf(7).sum())
    assert np.isfinite(model.score([[2, 7]]))
    assert model.log_likelihoods([[7]])[0][0] > expected - 1


def test_a_weight_of_zero_and_impossible_symbols():
    components = CategoricalParameters(np.array([[[1.0, 0.0], [0.0, 1.0]]]))
    parameters = MixtureParameters(np.array([[1.0, 0.0]]), components)
    table = Mixture(Categorical(), 2).log_table(np.array([[0], [1], [-1]]), parameters)
    np.testing.assert_array_equal(table[:, 0], [0, -np.inf, 0])
    statistics = Mixture(Categorical(), 2).sufficient_statistics(np.array([[0], [1]]), np.ones((2, 1)), parameters)
    np.testing.assert_array_equal(statistics.mass, [[1, 0]])  # what no component can have made counts for none


def test_an_outlier_far_out_is_given_to_the_nearest_component():
    components = Gaussian().rough(Sequences.wrap([[0.0, 1.0]]))
    components = type(components)(np.array([[[0.0], [10.0]]]), np.array([[[1.0], [1.0]]]))
    parameters = MixtureParameters(np.array([[0.5, 0.5]]), components)
    statistics = Mixture(Gaussian(), 2).sufficient_statistics(np.array([[1000.0]]), np.ones((1, 1)), parameters)
    np.testing.assert_allclose(statistics.mass, [[0, 1]], atol=1e-300)


def test_symbols_have_no_mean():
    components = CategoricalParameters(np.array([[0.5, 0.5], [0.1, 0.9]]))
    parameters = MixtureParameters(np.array([0.3, 0.7]), components)
    with pytest.raises(TypeError, match="symbols have no mean"):
        Mixture(Categorical()).mean(parameters)
    assert Mixture(Categorical()).mode(parameters) == [1]


def test_unknown_symbols_are_refused_where_the_mixed_family_refuses_them():
    model = Independent(Mixture(Categorical(unknown="error"))).fit(["aab"])
    with pytest.raises(ValueError, match=r"X\[0\], position 1 is the symbol 'z'"):
        model.score(["az"])
    assert np.isfinite(Independent(Mixture(Categorical())).fit(["aab"]).score(["az"]))


@pytest.mark.parametrize("K", [1, 4, 5, 17, 40])
@pytest.mark.parametrize("C", [1, 3])
def test_tiles_of_any_width(K, C, rng):
    """A vector of states begins at any component, and holds more than these states."""
    emission = Mixture(Gaussian(), C)
    components = GaussianParameters(rng.normal(size=(K, C, 2)), rng.uniform(0.5, 2, (K, C, 2)))
    parameters = MixtureParameters(rng.dirichlet(np.ones(C), K), components)
    parameters.weights[0] = np.eye(C)[0]  # components of weight zero
    values, visits = rng.normal(size=(7, 2)), rng.random((7, K))
    values[2, 0] = values[5] = np.nan
    densities = Gaussian().log_density(values[:, None, None], components)
    with np.errstate(divide="ignore"):
        joint = np.log(parameters.weights) + densities  # (7, K, C)
    expected = special.logsumexp(joint, axis=2)
    np.testing.assert_allclose(emission.log_table(values, parameters), expected, rtol=1e-12, atol=1e-14)
    split = visits[:, :, None] * np.exp(joint - expected[:, :, None])
    split[5] = 0
    own = emission.sufficient_statistics(values, visits, parameters)
    np.testing.assert_allclose(own.mass, split.sum(axis=0), rtol=1e-12)
    flat = GaussianParameters(*(array.reshape(K * C, 2) for array in components))
    moments = Gaussian().sufficient_statistics(values, split.reshape(7, -1), flat)
    for a, b in zip(own.components, moments, strict=True):
        np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-10, atol=1e-14)


# -------------------------------------------------------------------- under networks


def test_raw_outputs_are_logits_and_those_of_the_components():
    marginal = MixtureParameters(np.array([0.2, 0.8]), PoissonParameters(np.array([[1.0], [4.0]])))
    parameters = Mixture(Poisson(), 2).from_raw(np.array([np.log(2.0), 0.0, np.log(3.0), np.log(0.5)]), marginal)
    np.testing.assert_allclose(parameters.weights, [1 / 3, 2 / 3])
    np.testing.assert_allclose(parameters.components.rates, [[3.0], [2.0]])


def test_gradients_are_those_of_components_times_responsibilities():
    marginal = MixtureParameters(np.array([0.25, 0.75]), PoissonParameters(np.array([[1.0], [5.0]])))
    x, raw, out = np.array([[3.0]]), np.zeros((1, 4)), np.empty((1, 4))
    value = Mixture(Poisson(), 2).value_and_gradient(x, raw, marginal, out)
    joint = np.array([0.25, 0.75]) * stats.poisson([1, 5]).pmf(3)
    shares = joint / joint.sum()
    np.testing.assert_allclose(value, np.log(joint.sum()))
    np.testing.assert_allclose(out[0], [*(shares - [0.25, 0.75]), *(shares * [3 - 1, 3 - 5])])


def test_what_no_component_can_have_made_has_no_gradient():
    marginal = MixtureParameters(np.array([0.5, 0.5]), CategoricalParameters(np.array([[0.5, 0.5], [0.1, 0.9]])))
    out = np.full((2, 6), np.nan)
    value = Mixture(Categorical(), 2).value_and_gradient(np.array([[2], [1]]), np.zeros((2, 6)), marginal, out)
    np.testing.assert_allclose(value, [-np.inf, np.log(0.7)])
    assert not out[0].any() and out[1].any()


def test_a_component_of_zeros_alone_can_still_become_likely():
    """Its rate is not zero, where no raw output could move it."""
    marginal = Mixture(Poisson(), 2).fit_marginal(Sequences.wrap([[0, 0, 0, 0, 9, 11, 10]]))
    assert marginal.components.rates.min() > 0
    out = np.empty((1, 4))
    assert np.isfinite(Mixture(Poisson(), 2).value_and_gradient(np.array([[9.0]]), np.zeros((1, 4)), marginal, out)[0])
    assert np.isfinite(out).all()


@pytest.mark.compiled
@pytest.mark.parametrize("D", [1, 15, 16, 88, 700])
def test_columns_of_bits_in_vectors(D, rng):
    """Whole vectors, rests of vectors and more than one block; against the density, value and gradient."""
    marginal = BernoulliParameters(rng.uniform(0.05, 0.95, D))
    values, raw = (rng.random((9, D)) < 0.5) * 1.0, rng.normal(0, 4, (9, D))
    values[rng.random(values.shape) < 0.1] = np.nan
    out = np.empty_like(raw)
    value = Bernoulli().value_and_gradient(values, raw, marginal, out)
    p = Bernoulli().from_raw(raw, marginal).probabilities
    np.testing.assert_allclose(value, Bernoulli().log_density(values, BernoulliParameters(p)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(out, np.where(np.isnan(values), 0, np.nan_to_num(values) - p), rtol=1e-9, atol=1e-15)
