"""What is known about the chain: priors and zeros."""

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import dirichlet
from sklearn.base import clone

from seqmodels import HMM
from seqmodels.emissions import Poisson
from seqmodels.hmm import Ergodic, LeftToRight, Sticky

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


@pytest.mark.parametrize("prior", [0.5, -1, np.nan, np.inf, "much", None, [1.0, 2.0]])
def test_a_prior_out_of_range_is_named(prior):
    with pytest.raises(ValueError, match=r"prior is .*; numbers from 1"):
        HMM(2, transitions=Ergodic(prior)).fit(["abab"])


def test_only_a_chain_is_taken():
    with pytest.raises(TypeError, match=r"transitions is 'ergodic'; Ergodic\(\), .* or None"):
        HMM(2, transitions="ergodic").fit(["abab"])


def test_its_parameters_are_those_of_the_model():
    model = clone(HMM(transitions=Ergodic())).set_params(transitions__prior=2.0)
    assert model.get_params()["transitions__prior"] == 2.0
    assert HMM().transitions is None


# -------------------------------------------------------------------- known entries

NAN = np.nan
SOME = np.array([[NAN, 0.25, NAN], [0.0, NAN, NAN], [0.2, 0.3, 0.5]])


def test_free_entries_share_what_the_known_ones_leave():
    counts = np.array([[3.0, 100.0, 1.0], [9.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    found = Ergodic(fixed=SOME).maximize(counts, np.full((3, 3), 1 / 3))
    np.testing.assert_allclose(found, [[0.75 * 3 / 4, 0.25, 0.75 / 4], [0, 0.5, 0.5], SOME[2]], rtol=1e-15)
    with_prior = Ergodic(2.0, fixed=SOME).maximize(counts, np.full((3, 3), 1 / 3))
    np.testing.assert_allclose(with_prior[0], [0.75 * 4 / 6, 0.25, 0.75 * 2 / 6], rtol=1e-15)


@pytest.mark.parametrize("chain", [Ergodic(fixed=SOME), Ergodic(1.7, SOME), Sticky(3.0, 1.2, SOME)])
def test_the_maximum_beside_known_entries_cannot_be_improved(rng, chain):
    counts, free = rng.gamma(1.0, size=(3, 3)), np.isnan(SOME)
    best = chain.maximize(counts, np.full((3, 3), 1 / 3))
    np.testing.assert_allclose(best[~free], SOME[~free], rtol=1e-15)
    np.testing.assert_allclose(best.sum(axis=1), 1, rtol=1e-15)

    def gain(transition):
        return xlogy(counts, transition).sum() + chain.log_prior(transition)

    for scale in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(20):
            other = np.where(free, best * np.exp(scale * rng.normal(size=(3, 3))), 0.0)
            total = np.maximum(other.sum(axis=1, keepdims=True), 1e-300)
            other = np.where(free, other / total * (1 - np.nansum(SOME, axis=1, keepdims=True)), SOME)
            assert gain(other) <= gain(best) + 1e-12


def test_a_known_transition_may_be_as_small_as_it_likes():
    known = np.array([[NAN, 1e-120], [NAN, NAN]])
    found = Ergodic(fixed=known).maximize(np.array([[5.0, 0.0], [1e-119, 1.0]]), np.full((2, 2), 0.5))
    np.testing.assert_array_equal(found, [[1.0, 1e-120], [0.0, 1.0]])


def test_known_transitions_hold_from_the_start_to_the_end(rng):
    X, seen = [rng.poisson(rng.choice([2, 9, 30], 40)) for _ in range(3)], []
    model = HMM(
        3, Poisson(), transitions=Ergodic(1.1, SOME), max_iter=5, tol=0, random_state=0,
        callbacks=[lambda model, _: seen.append(model.transition_)],
    ).fit(X)  # fmt: skip
    for transition in seen:
        np.testing.assert_array_equal(transition[~np.isnan(SOME)], SOME[~np.isnan(SOME)])
        np.testing.assert_allclose(transition.sum(axis=1), 1, rtol=1e-14)
    assert model.n_parameters_ == 2 + (1 + 1 + 0) + 3


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (Ergodic(fixed=np.eye(3)), r"fixed has shape \(3, 3\); 2 states take \(2, 2\)"),
        (Ergodic(fixed=[[1.5, NAN], [NAN, NAN]]), r"fixed\[0, 0\] is 1.5; probabilities and NaN"),
        (Ergodic(fixed=[[NAN, NAN], [-0.5, NAN]]), r"fixed\[1, 0\] is -0.5; probabilities and NaN"),
        (Ergodic(fixed=[[NAN, NAN], [1.0, NAN]]), r"fixed\[1\] sums to 1.0; a sum below 1"),
        (Ergodic(fixed=[[0.3, 0.3], [NAN, NAN]]), r"fixed\[0\] sums to 0.6; a sum of 1"),
        (LeftToRight(fixed=[[NAN, NAN], [0.1, NAN]]), r"fixed\[1, 0\] is 0.1; by LeftToRight\(.*\), 0 and NaN"),
        (LeftToRight(fixed=[[NAN, NAN], [NAN, 0.9]]), r"fixed\[1\] sums to 0.9; a sum of 1"),
        (LeftToRight(-1), "skip is -1; integers from 0"),
        (LeftToRight(0.5), "skip is 0.5; integers from 0"),
        (Sticky(-1), "strength is -1; numbers from 0"),
        (Sticky(NAN), "strength is nan; numbers from 0"),
        (Sticky(np.inf), "strength is inf; numbers from 0"),
        (Sticky(1.0, 0.5), "prior is 0.5; numbers from 1"),
        (Ergodic(stationary="yes"), "stationary is 'yes'; True and False"),
    ],
)
def test_what_is_known_has_to_make_sense(chain, message):
    with pytest.raises(ValueError, match=message):
        HMM(2, transitions=chain).fit(["abab"])


def test_known_probabilities_may_be_rounded():
    known = np.array([[0.333333, 0.333333, 0.333334], [0.333333, 0.333333, 0.333333], [NAN] * 3])
    found = Ergodic(fixed=known).maximize(np.ones((3, 3)), np.ones((3, 3)) / 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"transition": [[0.5, 0.5], [0.25, 0.75]]}, r"transition\[0, 0\] is 0.5; by Ergodic\(.*\), 0.9 is accepted"),
        ({"transition": [[0.9, 0.1], [0.25, 0.75]]}, None),
    ],
)
def test_a_start_that_contradicts_known_entries_is_refused(init, message):
    model = HMM(2, transitions=Ergodic(fixed=[[0.9, NAN], [NAN, NAN]]), init=init, max_iter=0)
    if message is None:
        np.testing.assert_allclose(model.fit(["abab"]).transition_, init["transition"], rtol=1e-15)
    else:
        with pytest.raises(ValueError, match=message):
            model.fit(["abab"])


# -------------------------------------------------------------------- left to right


@pytest.mark.parametrize(("skip", "band"), [(0, 1), (1, 2), (5, 6)])
def test_a_left_to_right_chain_goes_on_or_stays(rng, skip, band):
    X = [rng.poisson(np.repeat([2, 9, 30, 60], rng.integers(1, 6, 4))) for _ in range(4)]
    model = HMM(4, Poisson(), transitions=LeftToRight(skip, prior=1.5), max_iter=4, tol=0, random_state=0).fit(X)
    i, j = np.indices((4, 4))
    np.testing.assert_array_equal(model.transition_ > 0, (j >= i) & (j <= i + band))
    np.testing.assert_array_equal(model.initial_, [1, 0, 0, 0])
    assert model.n_parameters_ == ((j >= i) & (j <= i + band)).sum() - 4 + 4
    np.testing.assert_array_equal(model.stationary_distribution_, [0, 0, 0, 1])
    for path in model.decode(X):
        assert path[0] == 0
        assert (np.diff(path) >= 0).all()


@pytest.mark.parametrize("init", ["kmeans", "random"])
def test_segments_are_found_in_their_order(rng, init):
    """Levels that come back: clusters of the observations would not tell the parts apart."""
    X = [rng.normal(np.repeat([0.0, 5.0, 0.0, -5.0], [9, 12, 8, 11])) for _ in range(6)]
    model = HMM(4, transitions=LeftToRight(), init=init, n_init=4, random_state=0).fit(X)
    np.testing.assert_allclose(model.emission_.means[:, 0], [0, 5, 0, -5], atol=0.5)
    for path in model.decode(X):
        np.testing.assert_array_equal(path, np.repeat(range(4), [9, 12, 8, 11]))


def test_sequences_may_be_shorter_than_a_left_to_right_chain():
    model = HMM(5, transitions=LeftToRight(), max_iter=5, random_state=0).fit(["abc", "a", "abcabc", "ab"])
    assert np.isfinite(model.log_likelihood(["abc", "a"])).all()
    model = HMM(2, transitions=LeftToRight(), max_iter=5).fit(["ab", "b"])  # the middle of "b" is in the second half
    np.testing.assert_allclose(model.initial_, [1, 0])


def test_a_start_that_goes_back_is_refused():
    with pytest.raises(ValueError, match=r"transition\[1, 0\] is 0.5; by LeftToRight\(\), 0 is accepted"):
        HMM(2, transitions=LeftToRight(), init={"transition": [[0.5, 0.5], [0.5, 0.5]]}).fit(["abab"])
    with pytest.raises(ValueError, match=r"initial is \[0.5 0.5\]; by LeftToRight\(\), \[1. 0.\] is accepted"):
        HMM(2, transitions=LeftToRight(), init={"initial": [0.5, 0.5]}).fit(["abab"])


# -------------------------------------------------------------------- sticky


def test_a_sticky_prior_counts_in_favour_of_staying():
    counts = np.array([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0], [1.0, 1.0, 2.0]])
    found = Sticky(4.0, prior=1.5).maximize(counts, np.full((3, 3), 1 / 3))
    more = counts + 0.5 + 4 * np.eye(3)
    np.testing.assert_allclose(found, more / more.sum(axis=1, keepdims=True), rtol=1e-15)
    first = Sticky(4.0, prior=1.5).maximize(counts[0], np.full(3, 1 / 3))
    np.testing.assert_allclose(first, (counts[0] + 0.5) / 9.5, rtol=1e-15)


def test_the_log_prior_of_a_sticky_chain_is_that_of_dirichlet(rng):
    first, second = rng.dirichlet(np.ones(3), (2, 3))
    chain, parameters = Sticky(2.5, prior=1.5), 1.5 + 2.5 * np.eye(3)
    logs = [sum(map(dirichlet.logpdf, transition, parameters)) for transition in (first, second)]
    np.testing.assert_allclose(chain.log_prior(first) - chain.log_prior(second), logs[0] - logs[1], rtol=1e-10)


def test_strength_makes_states_last(rng):
    X = [rng.normal(size=200)]
    durations = [
        HMM(2, transitions=Sticky(strength), max_iter=20, random_state=0).fit(X).expected_durations_.min()
        for strength in (0, 50, 5000)
    ]
    assert durations[0] < durations[1] < durations[2]
    assert durations[2] > 20


@pytest.mark.parametrize("chain", [Sticky(2.0), LeftToRight(1), Ergodic(2.0, SOME, True), LeftToRight(fixed=SOME)])
def test_chains_are_estimators(chain):
    again = clone(chain)
    assert again.get_params().keys() == chain.get_params().keys()
    assert repr(again) == repr(chain)
