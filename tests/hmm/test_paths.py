"""Paths and predictions of the chain against enumeration: k best, sampled ones, filters, forecasts, streams."""

import itertools

import numpy as np
import pytest
from reference import (
    chain_by_enumeration,
    chi_square,
    log_path_probability,
    path_probability,
    paths_by_enumeration,
)

from seqmodels import HMM
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.hmm.k_best import k_best
from seqmodels.hmm.path_sampling import sample_paths
from seqmodels.hmm.tables import FewRows

from .cases import INITIAL, PROBABILITIES, UNLIKELY, as_tuples, assert_forecasts, continuations, densities_of
from .test_inference import CHAINS, LN10, SHAPES, random_chain, random_table

TRANSITION = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.0, 0.7]])
SYMBOLS = [list("adb"), list("c"), ["b", None, "a", None]]


def symbols_model():
    return HMM.from_parameters(INITIAL, TRANSITION, {"probabilities": PROBABILITIES}, Categorical(), "abcd")


def truth_of(x):
    return chain_by_enumeration(INITIAL, TRANSITION, densities_of(x))


# -------------------------------------------------------------------- k best


def check_k_best(initial, transition, densities, found, k):
    """The paths are as probable as they are said to be and as the best ones, and no path comes twice."""
    paths, log_probabilities = found
    _, best = paths_by_enumeration(initial, transition, densities)
    assert len(paths) == len(log_probabilities) == min(k, len(best))
    np.testing.assert_allclose(log_probabilities, best[:k], rtol=1e-12, atol=1e-12)
    own = [log_path_probability(initial, transition, densities, path) for path in paths]
    np.testing.assert_allclose(own, log_probabilities, rtol=1e-12, atol=1e-12)
    assert len({tuple(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(("K", "T"), SHAPES)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("k", [1, 2, 7, 1000])
def test_k_best_paths_equal_enumeration(rng, K, T, zeros, k):
    initial, transition = random_chain(rng, K, zeros)
    log_table = random_table(rng, 3, K, missing=True, impossible=zeros)
    rows = rng.integers(3, size=T)
    (found,) = k_best(initial, transition, FewRows(log_table, rows), np.array([0, T]), k)
    check_k_best(initial, transition, log_table[rows], found, k)


def test_k_best_paths_far_beyond_underflow(rng):
    initial, transition = random_chain(rng, 3, zeros=True)
    log_table = -1e5 * rng.random((5, 3))
    log_table[0, 2] = -np.inf
    rows = np.array([0, 4, 1, 2, 3, 0])
    (found,) = k_best(initial, transition, FewRows(log_table, rows), np.array([0, 6]), 9)
    check_k_best(initial, transition, log_table[rows], found, 9)


def test_equally_probable_paths_come_in_the_order_of_their_last_states():
    source = FewRows(np.zeros((1, 3)), np.zeros(3, dtype=int))
    ((paths, log_probabilities),) = k_best(np.full(3, 1 / 3), np.full((3, 3), 1 / 3), source, np.array([0, 3]), 27)
    expected = sorted(itertools.product(range(3), repeat=3), key=lambda path: path[::-1])
    np.testing.assert_array_equal(paths, expected)
    np.testing.assert_allclose(log_probabilities, -3 * np.log(3), rtol=1e-14)


def test_the_first_of_many_paths_of_a_long_sequence_is_the_most_probable_one():
    model = symbols_model()
    X = model.sample(3, 60, random_state=0)
    paths, log_probabilities = model.k_best(X, 4)
    best, log_probability = model.decode(X, return_log_probability=True)
    np.testing.assert_allclose([each[0] for each in log_probabilities], log_probability, rtol=1e-12)
    np.testing.assert_array_equal([each[0] for each in paths], best)
    assert all((np.diff(each) <= 0).all() for each in log_probabilities)


def test_wish_22_k_best_paths():
    model = symbols_model()
    paths, log_probabilities = model.k_best(SYMBOLS, 20)
    for x, *found in zip(SYMBOLS, paths, log_probabilities, strict=True):
        check_k_best(INITIAL, TRANSITION, densities_of(x), found, 20)
    paths, log_probabilities = model.k_best([["d", "z"], ["d"]], 5)  # no state makes a z
    assert [each.shape for each in paths] == [(0, 2), (2, 1)]
    assert [each.shape for each in log_probabilities] == [(0,), (2,)]
    for k in (0, 1.5, "2"):
        with pytest.raises(ValueError, match=r"k is .*; integers from 1 are accepted"):
            model.k_best(SYMBOLS, k)


# -------------------------------------------------------------------- sampled paths


def posterior_of_paths(initial, transition, densities):
    """p(path given x), by enumeration."""
    paths, scores = paths_by_enumeration(initial, transition, densities)
    shares = np.exp(scores - scores.max())
    return dict(zip(paths, shares / shares.sum(), strict=True))


@pytest.mark.parametrize(("K", "T"), [(1, 3), (2, 1), (2, 5), (3, 4), (4, 3)])
@pytest.mark.parametrize("zeros", [False, True])
def test_sampled_paths_follow_their_distribution(rng, K, T, zeros):
    initial, transition = random_chain(rng, K, zeros)
    log_table = rng.normal(0, 1, (3, K))
    if zeros:
        log_table[0, 1:] = -np.inf
    log_table[2] = 0.0
    rows = rng.integers(3, size=T)
    uniforms = rng.random((T, 3000))
    (paths,) = sample_paths(initial, transition, FewRows(log_table, rows), np.array([0, T]), uniforms)
    assert paths.shape == (3000, T)
    expected = posterior_of_paths(initial, transition, log_table[rows])
    assert len(expected) == 1 or chi_square(as_tuples(paths), expected) > UNLIKELY


@pytest.mark.parametrize("chain", ["identity", "ergodic, 1e-150", "upwards", "cyclic with stays"])
def test_paths_go_back_to_states_that_had_underflowed(rng, chain):
    """One state is better by 1e-320 at first, and worse by more than that later."""
    initial, transition = CHAINS[chain]
    log_table = LN10 * np.array([[0.0, -320.0, -321.0], [-330.0, -9.0, -8.0]])
    rows = np.array([0, 0, 1, 1, 1])
    uniforms = rng.random((5, 2000))
    (paths,) = sample_paths(initial, transition, FewRows(log_table, rows), np.array([0, 5]), uniforms)
    expected = posterior_of_paths(initial, transition, log_table[rows])
    expected = {path: p for path, p in expected.items() if p > 1e-12}
    assert set(as_tuples(paths)) <= set(expected)
    assert len(expected) == 1 or chi_square(as_tuples(paths), expected) > UNLIKELY


def test_the_extreme_random_numbers_choose_possible_states():
    """The largest number below 1 goes to the last state that has a share, and 0 to the first."""
    table = np.log(np.array([[0.0, 0.5, 0.5, 0.0]]), where=[[False, True, True, False]], out=np.full((1, 4), -np.inf))
    uniforms = np.repeat([[0.0, np.nextafter(1, 0)]], 3, axis=0)
    source = FewRows(table, np.zeros(3, dtype=int))
    (paths,) = sample_paths(np.full(4, 0.25), np.full((4, 4), 0.25), source, np.array([0, 3]), uniforms)
    np.testing.assert_array_equal(paths, [[1, 1, 1], [2, 2, 2]])


def test_sampled_paths_of_a_model():
    model = symbols_model()
    first, again, other = (model.sample_paths(SYMBOLS, 2000, random_state=seed) for seed in (0, 0, 1))
    for x, paths, same in zip(SYMBOLS, first, again, strict=True):
        assert paths.shape == (2000, len(x)) and paths.dtype.kind == "i"
        np.testing.assert_array_equal(paths, same)
        assert chi_square(as_tuples(paths), posterior_of_paths(INITIAL, TRANSITION, densities_of(x))) > UNLIKELY
    assert not np.array_equal(first[0], other[0])
    assert model.sample_paths(SYMBOLS)[1].shape == (1, 1)
    with pytest.raises(ValueError, match=r"X\[1\] has probability zero under the model"):
        model.sample_paths([["a"], ["z"]], 3)
    with pytest.raises(ValueError, match="n is 0; integers from 1"):
        model.sample_paths(SYMBOLS, 0)


def test_threads_change_no_path(rng):
    """Nor does it matter whether likelihoods come as one table or as a row each."""
    parameters = Gaussian.Parameters(rng.normal(0, 2, (3, 1)), np.ones((3, 1)))
    models = [HMM.from_parameters(INITIAL, TRANSITION, parameters, Gaussian()) for _ in range(2)]
    models[1].set_params(n_jobs=2)
    X = [rng.normal(0, 2, n) for n in (30, 1, 12, 5)]
    X[0][3] = np.nan
    for one, two in zip(*(model.sample_paths(X, 3, random_state=0) for model in models), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(*(model.k_best(X, 3)[0] for model in models), strict=True):
        np.testing.assert_array_equal(one, two)
    densities = Gaussian().log_table(X[3][:, None], parameters)
    found = [part[3] for part in models[1].k_best(X, 3)]
    check_k_best(INITIAL, TRANSITION, densities, found, 3)


# -------------------------------------------------------------------- what users of the peers ask for


def test_fault_02_posterior_decoding_has_the_probability_of_its_path():
    """Not the sum of the posteriors; and a path of the most probable states may be impossible."""
    model = symbols_model()
    for method in ("viterbi", "posterior"):
        paths, log_probability = model.decode(SYMBOLS, method, return_log_probability=True)
        for x, path, own in zip(SYMBOLS, paths, log_probability, strict=True):
            expected = log_path_probability(INITIAL, TRANSITION, densities_of(x), path)
            np.testing.assert_allclose(own, expected, rtol=1e-12)
    paths, log_probability = model.decode(SYMBOLS, return_log_probability=True)
    best = [paths_by_enumeration(INITIAL, TRANSITION, densities_of(x))[1][0] for x in SYMBOLS]
    np.testing.assert_allclose(log_probability, best, rtol=1e-12)
    never = HMM.from_parameters(
        [0.4, 0.3, 0.3], [[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]], {"rates": [[1.0], [1.0], [1.0]]}, Poisson()
    )
    paths, log_probability = never.decode([[1, 1]], "posterior", return_log_probability=True)
    np.testing.assert_array_equal(paths[0], [0, 0])
    assert log_probability[0] == -np.inf
    parameters = Gaussian.Parameters(np.array([[0.0], [1.0], [2.0]]), np.ones((3, 1)))
    model, x = HMM.from_parameters(INITIAL, TRANSITION, parameters, Gaussian()), np.array([0.3, 1.8])
    (path,), (own,) = model.decode([x], "posterior", return_log_probability=True)
    densities = Gaussian().log_table(x[:, None], parameters)
    np.testing.assert_allclose(own, log_path_probability(INITIAL, TRANSITION, densities, path), rtol=1e-12)


def test_wish_01_missing_observations_are_summed_over():
    """In every path quantity: a gap has no likelihood of its own."""
    model, x = symbols_model(), SYMBOLS[2]
    truth = truth_of(x)
    np.testing.assert_allclose(model.posterior([x])[0], truth.posteriors, rtol=1e-12)
    np.testing.assert_allclose(model.filter([x])[0], truth.filters, rtol=1e-12)
    np.testing.assert_allclose(model.log_likelihoods([x])[0], truth.terms, rtol=1e-12, atol=1e-14)
    filled = [[*x[:1], first, x[2], second] for first, second in itertools.product("abcd", repeat=2)]
    total = np.exp(model.log_likelihood(filled)).sum()
    np.testing.assert_allclose(np.exp(model.log_likelihood([x])), [total], rtol=1e-12)


def test_wish_03_filtered_probabilities_do_not_use_the_future():
    model = symbols_model()
    for x, filtered, posterior in zip(SYMBOLS, model.filter(SYMBOLS), model.posterior(SYMBOLS), strict=True):
        truth = truth_of(x)
        np.testing.assert_allclose(filtered, truth.filters, rtol=1e-12)
        np.testing.assert_allclose(posterior, truth.posteriors, rtol=1e-12)
        for t in range(1, len(x)):
            np.testing.assert_allclose(model.filter([x[:t]])[0], filtered[:t], rtol=1e-12)


@pytest.mark.parametrize("prefix", [["a", "d"], ["b", None]], ids=str)
@pytest.mark.parametrize("return_states", [False, True])
def test_wish_04_samples_and_predictions_continue_a_given_history(prefix, return_states):
    model, expected = symbols_model(), continuations(truth_of, prefix, 2)
    samples = model.sample(2500, 2, prefix=prefix, return_states=return_states, random_state=3)
    samples = samples[0] if return_states else samples
    assert chi_square([tuple(x) for x in samples], expected) > UNLIKELY
    assert_forecasts(model, prefix, expected)
    following = model.predict_next([prefix])
    np.testing.assert_allclose(following.probabilities(), model.forecast([prefix], 1)[0].probabilities(), rtol=1e-15)


def test_states_of_samples_after_a_history_follow_their_distribution():
    model, prefix = symbols_model(), ["a", "d"]
    samples, states = model.sample(2500, 2, prefix=prefix, return_states=True, random_state=4)
    joint = {}
    for more in itertools.product("abcd", repeat=2):
        densities = densities_of([*prefix, *more])
        for path in itertools.product(range(3), repeat=4):
            own = path_probability(INITIAL, TRANSITION, densities, path)
            joint[more, path[2:]] = joint.get((more, path[2:]), 0.0) + own
    joint = {each: p / sum(joint.values()) for each, p in joint.items()}
    found = [(tuple(x), path) for x, path in zip(samples, as_tuples(states), strict=True)]
    assert chi_square(found, joint) > UNLIKELY


def test_wish_06_one_log_likelihood_for_each_sequence():
    model = symbols_model()
    expected = [truth_of(x).log_likelihood for x in SYMBOLS]
    np.testing.assert_allclose(model.log_likelihood(SYMBOLS), expected, rtol=1e-12)
    for terms, x in zip(model.log_likelihoods(SYMBOLS), SYMBOLS, strict=True):
        np.testing.assert_allclose(terms, truth_of(x).terms, rtol=1e-12, atol=1e-14)


def test_wish_07_states_step_by_step():
    model = symbols_model()
    for x in SYMBOLS:
        stream, truth = model.stream(), truth_of(x)
        assert stream.filter is None
        for t, symbol in enumerate(x):
            np.testing.assert_allclose(stream.update(symbol), truth.terms[t], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(stream.filter, truth.filters[t], rtol=1e-12)
            np.testing.assert_allclose(stream.predictive.weights[0], truth.filters[t] @ TRANSITION, rtol=1e-12)
    counts = HMM.from_parameters(INITIAL, TRANSITION, {"rates": [[1.0], [5.0], [9.0]]}, Poisson()).stream()
    counts.update(3)
    before = counts.filter
    with pytest.raises(ValueError, match="counts"):
        counts.update(-1)
    np.testing.assert_array_equal(counts.filter, before)
