"""What is known about the chain: priors and zeros."""

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import dirichlet
from sklearn.base import clone

from seqmodels import HMM
from seqmodels.hmm import Ergodic

UNIFORM = np.full((2, 3), 1 / 3)


def test_maximum_likelihood_is_relative_frequencies():
    counts = np.array([[1.0, 2.0, 5.0], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(Ergodic().maximize(counts, UNIFORM), [[1 / 8, 2 / 8, 5 / 8], [0, 1 / 2, 1 / 2]])
    np.testing.assert_allclose(Ergodic().maximize(counts[0], UNIFORM[0]), [1 / 8, 2 / 8, 5 / 8])


def test_a_prior_adds_to_the_counts():
    counts = np.array([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(Ergodic(2.5).maximize(counts, UNIFORM), [(counts[0] + 1.5) / 12.5, UNIFORM[1]])


@pytest.mark.parametrize("prior", [1.0, 1.2, 3.0])
def test_the_maximum_cannot_be_improved(rng, prior):
    counts, chain = rng.gamma(1.0, size=4), Ergodic(prior)
    best = chain.maximize(counts, np.full(4, 0.25))

    def gain(probabilities):
        return xlogy(counts, probabilities).sum() + chain.log_prior(probabilities)

    for scale in (1e-3, 1e-2, 0.1, 1.0):
        for other in rng.dirichlet(best / scale**2 + 1e-3, 20):
            assert gain(other) <= gain(best)


def test_what_is_zero_stays_zero():
    old = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    new = Ergodic(3.0).maximize(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), old)
    np.testing.assert_allclose(new, [[0, 4 / 6, 2 / 6], [1, 0, 0]])


def test_a_state_that_is_never_left_keeps_its_transitions():
    old = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_array_equal(Ergodic().maximize(np.zeros((1, 3)), old), old)


def test_what_all_but_vanishes_becomes_zero():
    new = Ergodic().maximize(np.array([1.0, 1e-99, 1e-150]), np.full(3, 1 / 3))
    assert new[1] > 0
    assert new[2] == 0


def test_the_log_prior_is_that_of_dirichlet(rng):
    first, second = rng.dirichlet(np.ones(3), 2)
    prior = Ergodic(2.5)
    difference = dirichlet.logpdf(first, np.full(3, 2.5)) - dirichlet.logpdf(second, np.full(3, 2.5))
    np.testing.assert_allclose(prior.log_prior(first) - prior.log_prior(second), difference, rtol=1e-10)
    both = prior.log_prior(np.stack([first, second]))
    np.testing.assert_allclose(both, prior.log_prior(first) + prior.log_prior(second))
    assert Ergodic().log_prior(first) == 0
    np.testing.assert_allclose(prior.log_prior(np.array([0.0, 0.5, 0.5])), 2 * 1.5 * np.log(0.5))


@pytest.mark.parametrize("prior", [0.5, -1, np.nan, "much", None, [1.0, 2.0]])
def test_a_prior_out_of_range_is_named(prior):
    with pytest.raises(ValueError, match=r"prior is .*; numbers from 1"):
        HMM(2, transitions=Ergodic(prior)).fit(["abab"])


def test_only_a_chain_is_taken():
    with pytest.raises(TypeError, match=r"transitions is 'ergodic'; Ergodic\(\) or None"):
        HMM(2, transitions="ergodic").fit(["abab"])


def test_its_parameters_are_those_of_the_model():
    model = clone(HMM(transitions=Ergodic())).set_params(transitions__prior=2.0)
    assert model.get_params()["transitions__prior"] == 2.0
    assert HMM().transitions is None
