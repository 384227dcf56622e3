"""States that are known, all or some of them."""

import itertools

import numpy as np
import pytest
from reference import chain_by_logarithms

from seqmodels import HMM, Sequences
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.hmm import Ergodic, LeftToRight, tables
from seqmodels.hmm.states import agreeing, best_match, checked_states, segments

from .cases import FAMILIES, ruled_out, sequences

WORDS = ["abba", "b", "abc"]
STATES = [[0, 1, 1, 0], [1], [0, 1, 2]]


def paths_for(X, n_states, generator, share=1.0):
    """Random states, of which a share is known."""
    lengths = Sequences.wrap(X).lengths
    return [np.where(generator.random(T) < share, generator.integers(n_states, size=T), -1) for T in lengths]


# -------------------------------------------------------------------- all known: counting


def test_counting_by_hand():
    """Both sequences are given, and the two matrices come out."""
    model = HMM(3, Categorical(), random_state=0).fit(WORDS, states=STATES)
    np.testing.assert_allclose(model.initial_, [2 / 3, 1 / 3, 0], rtol=1e-14)
    np.testing.assert_allclose(model.transition_[0], [0, 1, 0], rtol=1e-14)
    np.testing.assert_allclose(model.transition_[1], [1 / 3, 1 / 3, 1 / 3], rtol=1e-14)
    np.testing.assert_allclose(model.emission_.probabilities, np.eye(3), rtol=1e-14)
    assert model.converged_
    assert model.n_iter_ == 2


def test_counting_with_weights_gaps_and_priors():
    X, states, weights = [["a", None, "b"], ["b", "b"]], [[0, 0, 1], [1, 0]], [2.0, 0.5]
    model = HMM(2, Categorical(0.5, "error"), transitions=Ergodic(2.0), random_state=0)
    model.fit(X, states=states, sample_weight=weights)
    np.testing.assert_allclose(model.initial_, np.array([3, 1.5]) / 4.5, rtol=1e-12)
    np.testing.assert_allclose(model.transition_, [[3 / 6, 3 / 6], [1.5 / 2.5, 1 / 2.5]], rtol=1e-12)
    counts = np.array([[2.5, 1.0], [0.5, 3.0]])  # a and b in each state, half a count added
    np.testing.assert_allclose(model.emission_.probabilities, counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("training", ["baum-welch", "viterbi"])
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_moments_of_each_state(rng, training, covariance):
    X, states = [rng.normal(size=(9, 2)), rng.normal(size=(6, 2))], [[0, 1, 1, 0, 1, 0, 0, 1, 1], [1, 0, 1, 1, 0, 0]]
    model = HMM(2, Gaussian(covariance), training=training).fit(X, states=states)
    values, path = np.concatenate(X), np.concatenate(states)
    for k in range(2):
        np.testing.assert_allclose(model.emission_.means[k], values[path == k].mean(axis=0), rtol=1e-10)
        expected = np.cov(values[path == k].T, bias=True)
        expected = np.diag(expected) if covariance == "diagonal" else expected
        np.testing.assert_allclose(model.emission_.covariances[k], expected, rtol=1e-10)


def test_a_state_that_never_occurs_is_left_as_it_starts():
    init = {"transition": [[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.3, 0.5]]}
    model = HMM(3, init=init).fit(["abab"], states=[[0, 1, 0, 1]])
    np.testing.assert_allclose(model.transition_, [[0, 1, 0], [1, 0, 0], init["transition"][2]], rtol=1e-14)
    assert np.isfinite(model.emission_.probabilities).all()
    np.testing.assert_allclose(model.emission_.probabilities.sum(axis=1), 1, rtol=1e-14)


# -------------------------------------------------------------------- some known


@pytest.mark.parametrize("family", ["Poisson", "Gaussian, diagonal", "Gaussian, full", "Categorical"])
@pytest.mark.parametrize("memory", ["fast", "low"])
def test_known_states_in_tiles_of_long_sequences(monkeypatch, family, memory):
    """In tiles of 64 steps, and by logarithms where likelihood ratios are out of reach of the fast passes."""
    generator = np.random.default_rng(0)
    X = sequences(family, generator, lengths=(150, 20, 3), gaps=True)
    states = paths_for(X, 2, generator, 0.2)
    options = {"max_iter": 2, "tol": 0, "random_state": 0}
    expected = HMM(2, FAMILIES[family], **options).fit(X, states=states)
    monkeypatch.setattr(tables, "NUMBERS_IN_A_TILE", 1)
    found = HMM(2, FAMILIES[family], memory=memory, n_jobs=2, **options).fit(X, states=states)
    np.testing.assert_allclose(found.history_[-1]["objective"], expected.history_[-1]["objective"], rtol=1e-11)
    np.testing.assert_allclose(found.transition_, expected.transition_, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("change", [0.5, 1e-12, 1e-120])
@pytest.mark.parametrize("counts", [False, True])
def test_states_that_are_known_against_all_evidence(counts, change):
    """Likelihood ratios of e-1800 and more, which only logarithms take."""
    X = [np.array([0.0, 60.0, 0.0, 60.0, 0.0, 60.0]) * (20 if counts else 1)]
    family, emission = Gaussian(), Gaussian.Parameters([[0.0], [60.0]], [[1.0], [1.0]])
    if counts:
        family, emission = Poisson(), Poisson.Parameters([[0.1], [1200.0]])
    states, transition = [[-1, 0, -1, 1, -1, -1]], np.array([[1 - change, change], [change, 1 - change]])
    init = {"emission": emission, "transition": transition}
    model = HMM(2, family, init=init, max_iter=1, tol=0).fit(X, states=states)
    parameters = family.parameters_from(emission)
    densities = family.log_table(X[0][:, None], parameters)
    left = np.where(ruled_out(states[0], 2), -np.inf, densities)
    truth = chain_by_logarithms(np.full(2, 0.5), transition, left)
    np.testing.assert_allclose(model.history_[0]["objective"], truth.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(model.initial_, truth.posteriors[0], rtol=1e-10, atol=1e-30)
    pairs = truth.pairs / truth.pairs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.transition_, pairs, rtol=1e-9, atol=1e-30)
    expected = family.maximize(family.sufficient_statistics(X[0][:, None], truth.posteriors, parameters), parameters)
    for found, right in zip(model.emission_, expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9)


def test_few_known_states_name_all_of_them(rng):
    path = [np.repeat(rng.permutation(3), 6) for _ in range(8)]
    X = [rng.normal(10.0 * states, 1.0) for states in path]
    known = [np.where(np.arange(18) % 9 == 4, states, -1) for states in path]
    for seed in range(3):
        model = HMM(3, random_state=seed).fit(X, states=known)
        np.testing.assert_allclose(model.emission_.means[:, 0], [0, 10, 20], atol=0.5)


@pytest.mark.filterwarnings("ignore:.* fell to its floor")
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_known_is_as_without(family):
    X = sequences(family, np.random.default_rng(0), gaps=True)
    unknown = [np.full(len(x), -1) for x in X]
    options = {"max_iter": 2, "tol": 0, "random_state": 0}
    model, same = HMM(2, FAMILIES[family], **options).fit(X, states=unknown), HMM(2, FAMILIES[family], **options).fit(X)
    np.testing.assert_array_equal(model.transition_, same.transition_)


def test_known_states_of_one_array_with_lengths():
    X, lengths = np.array([3, 1, 4, 1, 5, 9.0]), [4, 2]
    flat = np.array([0, 0, 1, -1, 1, 1])
    found = HMM(2, Poisson(), random_state=0).fit(X, states=flat, lengths=lengths)
    right = HMM(2, Poisson(), random_state=0).fit([X[:4], X[4:]], states=[flat[:4], flat[4:]])
    np.testing.assert_array_equal(found.emission_.rates, right.emission_.rates)


# -------------------------------------------------------------------- how they are given


@pytest.mark.parametrize(
    ("states", "error", "message"),
    [
        (3, ValueError, r"states is 3; one array .* each of the 2 of X"),
        ([[0, 1]], ValueError, r"states is 1 sequences; one array .* each of the 2 of X"),
        ([[0, 1], [0, 1]], ValueError, r"states\[1\] has shape \(2,\); .* each step of X\[1\], \(1,\)"),
        ([[0.0, 1.0], [0]], TypeError, r"states\[0\] holds float64; integers"),
        ([[True, False], [0]], TypeError, r"states\[0\] holds bool; integers"),
        ([[0, 2], [0]], ValueError, r"states\[0\], position 1 is 2; 0 to 1 and -1"),
        ([[0, 1], [-2]], ValueError, r"states\[1\], position 0 is -2; 0 to 1 and -1"),
    ],
)
def test_states_that_cannot_be_taken_are_named(states, error, message):
    model = HMM(2, random_state=0).fit(["ab", "a"])
    before = dict(model.__dict__)
    with pytest.raises(error, match=message):
        model.fit(["ab", "a"], states=states)
    assert all(model.__dict__[name] is before[name] for name in before)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([[0, 0], [1, 1]], r"states\[1\], position 0 is 1, in which the chain never starts"),
        ([[-1, 0], [0, 1, -1, 1, 0]], r"states\[1\], position 4 is 0 after 1, a transition of probability zero"),
    ],
)
def test_states_that_the_chain_rules_out_are_named(states, message):
    X = ["ab" * 4, "ab" * 4]
    X = [x[: len(path)] for x, path in zip(X, states, strict=True)]
    with pytest.raises(ValueError, match=message):
        HMM(2, transitions=LeftToRight()).fit(X, states=states)


def test_states_of_sequences_that_do_not_count():
    options = {"transitions": LeftToRight(), "max_iter": 2}
    found = HMM(2, **options).fit(["aab", "ba"], states=[[0, 0, 1], [1, 0]], sample_weight=[1, 0])
    right = HMM(2, **options).fit(["aab"], states=[[0, 0, 1]])
    np.testing.assert_allclose(found.transition_[0], right.transition_[0], rtol=1e-12)
    np.testing.assert_allclose(found.transition_[0], [0.5, 0.5], rtol=1e-12)


def test_states_that_the_emission_rules_out():
    init = {"emission": {"probabilities": [[1.0, 0.0], [0.5, 0.5]]}}
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero .* and the states that are given"):
        HMM(2, init=init).fit(["ab", "ab"], states=[[0, 1], [1, 0]])


def test_checked_states_are_one_array():
    data = Sequences.wrap(["ab", "c"])
    np.testing.assert_array_equal(checked_states([np.array([1, -1], np.int8), [2]], data, 3), [1, -1, 2])


# -------------------------------------------------------------------- the start


def test_clusters_take_the_names_of_known_states():
    shares = np.eye(3)[[0, 0, 1, 2, 2, 1]]
    known = np.array([2, -1, 0, -1, 1, 1])
    found = agreeing(shares, known, np.array([1.0, 1.0, 5.0, 1.0, 1.0, 1.0]))
    np.testing.assert_array_equal(found.argmax(axis=1), [2, 2, 0, 1, 1, 1])


def test_the_best_match_has_the_largest_sum(rng):
    for _ in range(10):
        overlap = rng.random((4, 4))
        found = best_match(overlap)
        best = max(sum(overlap[p[j], j] for j in range(4)) for p in itertools.permutations(range(4)))
        np.testing.assert_allclose(sum(overlap[found[j], j] for j in range(4)), best)


def test_segments_follow_each_other(rng):
    data = Sequences.wrap(["abcdefgh", "a", "abc"])
    np.testing.assert_array_equal(segments(data, 4)[:8], [0, 0, 1, 1, 2, 2, 3, 3])
    for found in (segments(data, 4), segments(data, 4, rng)):
        for own in data.split(found):
            assert (np.diff(own) >= 0).all()
            assert own.min() >= 0
            assert own.max() <= 3
    assert not np.array_equal(segments(data, 4, rng), segments(data, 4, rng))
