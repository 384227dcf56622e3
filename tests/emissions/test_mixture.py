import numpy as np
import pytest
from scipy import stats

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import (
    Categorical,
    CategoricalParameters,
    Gaussian,
    Mixture,
    MixtureParameters,
    Poisson,
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
