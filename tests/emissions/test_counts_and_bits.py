"""Poisson and Bernoulli at the edges of their parameters."""

import numpy as np
import pytest
from scipy import stats

from seqmodels import Sequences
from seqmodels.baselines import Independent
from seqmodels.emissions import (
    Bernoulli,
    BernoulliParameters,
    Geometric,
    Multinomial,
    NegativeBinomial,
    Poisson,
    PoissonParameters,
)


def test_structural_zeros_and_ones_of_bits():
    parameters = BernoulliParameters(np.array([[0.0, 1.0, 0.5], [0.2, 0.3, 0.4]]))
    values = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, np.nan, 0.0], [0.0, 0.0, 1.0]])
    with np.errstate(divide="ignore"):
        expected = np.log([[0.5, 0.8 * 0.3 * 0.4], [0, 0.2 * 0.3 * 0.4], [0.5, 0.8 * 0.6], [0, 0.8 * 0.7 * 0.4]])
    np.testing.assert_allclose(Bernoulli().log_density(values[:, None], parameters), expected)
    np.testing.assert_allclose(Bernoulli().log_table(values, parameters), expected)


def test_pseudo_counts_of_bits():
    sequences = Sequences.wrap([[[1, 0], [1, 0], [0, 0]]])
    ones = np.ones((3, 1))
    plain = Bernoulli().initial_parameters(sequences.values, ones, Bernoulli().rough(sequences), None)
    np.testing.assert_allclose(plain.probabilities, [[2 / 3, 0]])
    prior = Bernoulli(0.5).initial_parameters(sequences.values, ones, Bernoulli().rough(sequences), None)
    np.testing.assert_allclose(prior.probabilities, [[2.5 / 4, 0.5 / 4]])
    expected = 0.5 * (np.log(prior.probabilities) + np.log(1 - prior.probabilities)).sum()
    assert Bernoulli(0.5).log_prior(prior) == pytest.approx(expected)
    np.testing.assert_allclose(Bernoulli().fit_marginal(sequences).probabilities, prior.probabilities[0])


def test_a_rate_of_zero_gives_zero_for_sure(rng):
    parameters = PoissonParameters(np.array([[0.0], [2.0]]))
    values = np.array([[0.0], [3.0], [np.nan]])
    with np.errstate(divide="ignore"):
        expected = np.log([[1, np.exp(-2)], [0, stats.poisson(2).pmf(3)], [1, 1]])
    np.testing.assert_allclose(Poisson().log_table(values, parameters), expected)
    np.testing.assert_array_equal(Poisson().sample(parameters._replace(rates=np.zeros((5, 1))), rng), 0)


def test_counts_never_seen_above_zero_do_not_become_impossible():
    X = [np.zeros((10, 1)), np.zeros((10, 1))]
    model = Independent(Poisson()).fit(X)
    np.testing.assert_allclose(model.emission_.rates, [0.5 / 20])
    assert np.isfinite(model.score([np.array([[1.0]])]))


def test_large_counts_are_exact():
    x = np.array([[1e6], [1e6 + 3000]])
    parameters = PoissonParameters(np.array([1e6]))
    np.testing.assert_allclose(Poisson().log_density(x, parameters), stats.poisson(1e6).logpmf(x[:, 0]), rtol=1e-6)


def test_cdf_below_zero_is_zero():
    parameters = PoissonParameters(np.array([2.0]))
    np.testing.assert_array_equal(Poisson().cdf(np.array([[-3.0], [-0.5]]), parameters), 0)


@pytest.mark.parametrize("emission", [Poisson(), Bernoulli(), NegativeBinomial(), Geometric(), Multinomial()], ids=str)
def test_samples_of_integer_data_are_integers(emission):
    model = Independent(emission).fit([np.array([[0, 1], [1, 1]])])
    assert model.sample(1, 4, random_state=0)[0].dtype == np.int64
