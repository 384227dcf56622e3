"""The kernels against enumeration of all paths, and against recursions on logarithms where it is hard."""

from itertools import pairwise

import numpy as np
import pytest
from reference import (
    best_path_by_enumeration,
    chain_by_enumeration,
    chain_by_logarithms,
    path_probability,
)

from seqmodels.hmm import inference, logarithms, rescaled

LN10 = np.log(10)


def random_chain(generator, K, zeros=False):
    """Initial distribution and transition matrix; with `zeros`, only the first state is always in reach."""
    chain = generator.dirichlet(np.ones(K), K + 1)
    if zeros:
        allowed = generator.random(chain.shape) < 0.6
        allowed[:, 0] = True
        chain = np.where(allowed, chain, 0.0)
        chain /= chain.sum(axis=1, keepdims=True)
    return chain[0], chain[1:]


def random_table(generator, S, K, missing=False, impossible=False):
    """Log likelihoods (S, K); the last row is that of missing observations, if so wanted."""
    log_table = generator.normal(0, 2, (S, K)) + generator.normal(0, 5, (S, 1))
    if impossible:
        log_table[generator.random((S, K)) < 0.3] = -np.inf
        log_table[:, 0] = np.where(np.isneginf(log_table[:, 0]), -1.0, log_table[:, 0])
    if missing:
        log_table[-1] = 0.0
    return log_table


def everything(initial, transition, log_table, rows, offsets=None, weights=None):
    """What all kernels say."""
    rows = np.asarray(rows)
    offsets = np.array([0, len(rows)]) if offsets is None else offsets
    weights = np.ones(len(offsets) - 1) if weights is None else weights
    expected = inference.expectations(initial, transition, log_table, rows, offsets, weights)
    terms, filters = inference.filtered(initial, transition, log_table, rows, offsets)
    return expected, terms, filters, inference.posterior(initial, transition, log_table, rows, offsets)


def assert_equal_to(truth, found, rows):
    """All that the kernels say about one sequence is the truth, a `Chain`.

    To 1e-12; a difference of logarithms of the size of -10,000 cannot be known better than to 1e-12 itself.
    """
    expected, terms, filters, posteriors = found
    atol = 1e-12 + 1e-15 * abs(truth.log_likelihood)
    np.testing.assert_allclose(expected.log_likelihood[0], truth.log_likelihood, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(terms, truth.terms, rtol=1e-12, atol=atol)
    np.testing.assert_allclose(filters, truth.filters, rtol=1e-12, atol=atol)
    np.testing.assert_allclose(posteriors, truth.posteriors, rtol=1e-12, atol=atol)
    np.testing.assert_allclose(expected.starts, truth.posteriors[0], rtol=1e-12, atol=atol)
    np.testing.assert_allclose(expected.pairs, truth.pairs, rtol=1e-12, atol=atol * len(rows))
    visits = np.zeros_like(expected.visits)
    np.add.at(visits, rows, truth.posteriors)
    np.testing.assert_allclose(expected.visits, visits, rtol=1e-12, atol=atol * len(rows))


# -------------------------------------------------------------------- against enumeration

SHAPES = [(1, 1), (1, 4), (2, 1), (2, 2), (2, 7), (3, 5), (4, 4)]


@pytest.mark.parametrize(("K", "T"), SHAPES)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_all_results_equal_enumeration(rng, K, T, zeros, missing):
    for _ in range(3):
        initial, transition = random_chain(rng, K, zeros)
        log_table = random_table(rng, 3, K, missing, impossible=zeros)
        rows = rng.integers(3, size=T)
        truth = chain_by_enumeration(initial, transition, log_table[rows])
        assert_equal_to(truth, everything(initial, transition, log_table, rows), rows)


@pytest.mark.parametrize(("K", "T"), SHAPES)
@pytest.mark.parametrize("zeros", [False, True])
def test_viterbi_finds_the_most_probable_path(rng, K, T, zeros):
    for _ in range(3):
        initial, transition = random_chain(rng, K, zeros)
        log_table = random_table(rng, 3, K, missing=True, impossible=zeros)
        rows = rng.integers(3, size=T)
        states, log_probability = inference.decode(initial, transition, log_table, rows, np.array([0, T]))
        largest, alone = best_path_by_enumeration(initial, transition, log_table[rows])
        assert alone
        np.testing.assert_allclose(log_probability, [largest], rtol=1e-12)
        own = path_probability(initial, transition, log_table[rows], states)
        np.testing.assert_allclose(np.log(own), largest, rtol=1e-12)


def test_the_references_agree(rng):
    initial, transition = random_chain(rng, 3, zeros=True)
    densities = random_table(rng, 6, 3, impossible=True)
    one, other = (f(initial, transition, densities) for f in (chain_by_enumeration, chain_by_logarithms))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_several_sequences_add_up_by_their_weights(rng):
    initial, transition = random_chain(rng, 3)
    log_table = random_table(rng, 4, 3, missing=True)
    lengths, weights = np.array([1, 5, 3, 1, 6]), np.array([1.0, 2.5, 0.0, 1.0, 0.25])
    offsets, rows = np.append(0, np.cumsum(lengths)), rng.integers(4, size=lengths.sum())
    expected, terms, filters, posteriors = everything(initial, transition, log_table, rows, offsets, weights)
    starts, pairs, visits = np.zeros(3), np.zeros((3, 3)), np.zeros((4, 3))
    for n, (start, end) in enumerate(pairwise(offsets)):
        truth = chain_by_enumeration(initial, transition, log_table[rows[start:end]])
        np.testing.assert_allclose(expected.log_likelihood[n], truth.log_likelihood, rtol=1e-12)
        np.testing.assert_allclose(terms[start:end], truth.terms, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(filters[start:end], truth.filters, rtol=1e-12)
        np.testing.assert_allclose(posteriors[start:end], truth.posteriors, rtol=1e-12)
        starts += weights[n] * truth.posteriors[0]
        pairs += weights[n] * truth.pairs
        np.add.at(visits, rows[start:end], weights[n] * truth.posteriors)
    np.testing.assert_allclose(expected.starts, starts, rtol=1e-12)
    np.testing.assert_allclose(expected.pairs, pairs, rtol=1e-12)
    np.testing.assert_allclose(expected.visits, visits, rtol=1e-12)


def test_decoding_keeps_sequences_apart(rng):
    initial, transition = random_chain(rng, 3)
    log_table, rows, offsets = random_table(rng, 4, 3), rng.integers(4, size=9), np.array([0, 4, 5, 9])
    states, log_probability = inference.decode(initial, transition, log_table, rows, offsets)
    for n, (start, end) in enumerate(pairwise(offsets)):
        largest, _ = best_path_by_enumeration(initial, transition, log_table[rows[start:end]])
        own = path_probability(initial, transition, log_table[rows[start:end]], states[start:end])
        np.testing.assert_allclose([log_probability[n], np.log(own)], largest, rtol=1e-12)


# -------------------------------------------------------------------- sequences of probability zero

IMPOSSIBLE = {
    "in every state": ([0.5, 0.5], np.full((2, 2), 0.5), [0, 2, 1]),
    "in the only first state": ([1.0, 0.0], np.full((2, 2), 0.5), [1, 0, 0]),
    "in the states that can follow": ([0.5, 0.5], np.eye(2), [0, 1, 0]),
    "alone": ([1.0, 0.0], np.eye(2), [1]),
}
SURE = np.array([[0.0, -np.inf], [-np.inf, 0.0], [-np.inf, -np.inf], [0.0, 0.0]])  # A, B, neither, missing


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_sequence_has_minus_infinity_and_adds_nothing(case):
    initial, transition, rows = IMPOSSIBLE[case]
    initial, rows = np.array(initial), np.array([0, 0, *rows])
    offsets = np.array([0, 2, len(rows)])  # a possible sequence stands before it
    expected, terms, filters, posteriors = everything(initial, transition, SURE, rows, offsets)
    alone = inference.expectations(initial, transition, SURE, rows[:2], offsets[:2], np.ones(1))
    assert expected.log_likelihood[1] == -np.inf
    assert np.isfinite(expected.log_likelihood[0])
    for both, first in zip(expected[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(both, first)
    for array in (filters, posteriors):
        np.testing.assert_allclose(array.sum(axis=1), 1, rtol=1e-12)
    assert not np.isnan(terms).any()
    assert np.isneginf(terms[2:]).sum() >= 1
    states, log_probability = inference.decode(initial, transition, SURE, rows, offsets)
    assert log_probability[1] == -np.inf
    assert set(states) <= {0, 1}


def test_an_impossible_observation_is_passed_over_by_the_filter():
    initial, transition = np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.2, 0.8]])
    with_it = inference.filtered(initial, transition, SURE, np.array([0, 2, 0, 1]), np.array([0, 4]))
    missing = inference.filtered(initial, transition, SURE, np.array([0, 3, 0, 1]), np.array([0, 4]))
    assert with_it[0][1] == -np.inf
    np.testing.assert_allclose(np.delete(with_it[0], 1), np.delete(missing[0], 1), rtol=1e-12)
    np.testing.assert_allclose(with_it[1], missing[1], rtol=1e-12)


def test_missing_observations_are_as_if_there_were_none():
    """Between two observations a gap is a power of the transition matrix; a sequence of gaps says nothing."""
    initial, transition = np.array([0.3, 0.7]), np.array([[0.9, 0.1], [0.2, 0.8]])
    found = everything(initial, transition, SURE, [0, 3, 3, 1])
    np.testing.assert_allclose(
        found[0].log_likelihood, np.log(0.3 * np.linalg.matrix_power(transition, 3)[0, 1]), rtol=1e-12
    )
    found = everything(initial, transition, SURE, [3, 3, 3])
    np.testing.assert_allclose(found[0].log_likelihood, 0, atol=1e-15)
    np.testing.assert_allclose(found[1], 0, atol=1e-15)
    prior = [initial, initial @ transition, initial @ transition @ transition]
    np.testing.assert_allclose(found[2], prior, rtol=1e-12)
    np.testing.assert_allclose(found[3], prior, rtol=1e-12)


# -------------------------------------------------------------------- where likelihoods underflow

A, B, C = 0, 1, 2


def chains():
    """Three states: transitions between them, from none to tiny to all."""
    uniform, first = np.full(3, 1 / 3), np.array([1.0, 0.0, 0.0])
    ergodic = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    yield "identity", uniform, np.eye(3)
    yield "left to right", first, np.array([[0.5, 0.5, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])
    yield "upwards", uniform, np.array([[0.5, 0.25, 0.25], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])
    yield "cyclic", uniform, np.roll(np.eye(3), 1, axis=1)
    yield "cyclic with stays", uniform, 0.5 * np.eye(3) + 0.5 * np.roll(np.eye(3), 1, axis=1)
    yield "ergodic", uniform, ergodic
    for exponent in (20, 99, 150, 320):
        tiny = 10.0**-exponent
        yield f"ergodic, 1e-{exponent}", uniform, np.eye(3) + tiny * (1 - np.eye(3))
    yield "ergodic, a first state of 1e-320", np.array([1.0, 1e-320, 1e-200]), ergodic
    yield "identity, a first state of 1e-320", np.array([1.0, 1e-320, 1e-200]), np.eye(3)


CHAINS = {name: chain for name, *chain in chains()}
PATTERNS = {
    "one change": [A] * 6 + [B] * 12 + [A] * 24,
    "both passes lose the winner": [B] * 6 + [A] * 13 + [B] * 6,
    "there and back": [A, B, C] * 3 + [C, B, A] * 3,
    "once": [A] * 3 + [B] + [A] * 3,
    "long stays": [C] * 5 + [A] * 20 + [B] * 20 + [C] * 12,
    "gaps": [A, 3, 3, B, 3, B, B, 3, A, 3],
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("exponent", [1, 60, 240, 320])
def test_likelihood_ratios_that_underflow(chain, pattern, exponent):
    """Each step favours one state by 10 to the `exponent`, and the second of the others by a bit more."""
    initial, transition = CHAINS[chain]
    log_table = np.zeros((4, 3))
    for state in (A, B, C):
        log_table[state] = -exponent * LN10
        log_table[state, state] = 0.0
        log_table[state, (state + 1) % 3] -= 0.1
    rows = np.array(PATTERNS[pattern])
    truth = chain_by_logarithms(initial, transition, log_table[rows])
    assert_equal_to(truth, everything(initial, transition, log_table, rows), rows)


def identity_case(log10_table, rows):
    """Two states that never change."""
    chain, log_table = (np.array([0.5, 0.5]), np.eye(2)), LN10 * np.array(log10_table, dtype=float)
    return (*chain, log_table, np.array(rows)), chain_by_logarithms(*chain, log_table[rows])


@pytest.mark.parametrize(
    ("log10_table", "rows"),
    [
        pytest.param([[0, -240], [-330, 0]], [0, 1, 0], id="lost forward and backward at the same step"),
        pytest.param([[-330, 0], [0, -150]], [0, *[1] * 5, 0], id="lost at both ends"),
        pytest.param([[-110, 0], [0, -110]], [*[0] * 4, *[1] * 9, *[0] * 4], id="lost little by little"),
        pytest.param([[0, -150], [-150, 0]], [*[0] * 9, *[1] * 18, *[0] * 3], id="the bound underflows"),
        pytest.param([[0, -195], [-67, 0]], [0, 1, 1, 1], id="lost backward only"),
        pytest.param([[0, -67], [-195, 0]], [0, 0, 0, 1], id="lost forward only"),
        pytest.param([[0, -199], [-199, 0]], [0, 1] * 10, id="on the brink"),
        pytest.param([[0, -201], [-201, 0]], [0, 1] * 10, id="beyond the brink"),
    ],
)
def test_a_state_that_underflowed_and_is_needed_later_is_found_again(log10_table, rows):
    arguments, truth = identity_case(log10_table, rows)
    assert_equal_to(truth, everything(*arguments), arguments[-1])


def test_a_left_to_right_state_is_found_again_after_a_hundred_steps():
    """The second state loses 1e-10 a step while the first one lasts, and is the better one in the end."""
    initial, transition = np.array([0.5, 0.5]), np.array([[0.999, 0.001], [0.0, 1.0]])
    log_table = np.array([[0.0, -10.0], [-3000.0, 0.0]]) * LN10
    rows = np.array([0] * 100 + [1])
    found = everything(initial, transition, log_table, rows)
    assert_equal_to(chain_by_logarithms(initial, transition, log_table[rows]), found, rows)


def test_a_state_that_is_reached_by_two_hardly_possible_ways():
    """From A by way of B, 1e-198; from C, which underflows at first, 1e-201: the sum has four digits of both."""
    tiny = 1e-99
    initial = np.array([0.5, 0.0, 0.5, 0.0])
    transition = np.array([[1 - tiny, tiny, 0, 0], [0, 1 - tiny, 0, tiny], [0, 0, 0.5, 0.5], [0, 0, 0, 1]])
    impossible = -np.inf
    log_table = np.array([[0, 0, -200.5 * LN10, 0], [0, 0, 0, 0], [impossible, impossible, impossible, 0]])
    rows = np.array([0, 1, 1, 2, 2])
    found = everything(initial, transition, log_table, rows)
    assert_equal_to(chain_by_logarithms(initial, transition, log_table[rows]), found, rows)
    assert 1e-4 < found[3][0, 2] < 1e-1


def test_a_product_of_tiny_transition_and_tiny_state_is_not_taken_for_zero():
    """From the second state, of 1e-150, to the third by 1e-180; nothing is ever flushed."""
    initial, transition = np.array([0.5, 0.5, 0.0]), np.array([[1, 0, 0], [0, 1 - 1e-180, 1e-180], [0, 0, 1]])
    log_table = LN10 * np.array([[0.0, -150.0, 0.0], [0.0, 0.0, 0.0], [-40.0, -40.0, 0.0]])
    rows = np.array([0, 1, *[2] * 11])
    found = everything(initial, transition, log_table, rows)
    assert_equal_to(chain_by_logarithms(initial, transition, log_table[rows]), found, rows)
    np.testing.assert_allclose(found[3][-1], [0, 0, 1], atol=1e-12)


def random_hard_case(generator):
    K, S = generator.integers(2, 5), generator.integers(2, 5)
    kinds = [
        lambda: np.eye(K),
        lambda: np.triu(10.0 ** -generator.choice([0, 1, 30, 80], (K, K))),
        lambda: np.roll(np.eye(K), 1, axis=1),
        lambda: generator.dirichlet(np.ones(K), K),
        lambda: 10.0 ** -generator.uniform(0, 330, (K, K)),
        lambda: 10.0 ** -generator.uniform(0, 99, (K, K)) * (generator.random((K, K)) < 0.7),
        lambda: 1.0 * (generator.random((K, K)) < 0.6),
    ]
    transition = kinds[generator.integers(len(kinds))]()
    transition[transition.sum(axis=1) == 0] = 1.0
    transition /= transition.sum(axis=1, keepdims=True)
    starts = [np.ones(K), np.eye(K)[0], 10.0 ** -generator.choice([0, 1, 150, 250, 320], K)]
    initial = starts[generator.integers(3)]
    scales = np.array([0, 0.5, 3, 20, 60, 99, 101, 150, 199, 201, 240, 300, 308, 320, 330, 500])
    scale = generator.choice(scales, (S, K) if generator.random() < 0.5 else 1)
    log_table = -LN10 * scale * (generator.random((S, K)) < 0.5)
    if generator.random() < 0.5:
        log_table -= generator.random((S, K))
    if generator.random() < 0.3:
        log_table[generator.random((S, K)) < 0.2] = -np.inf
    rows = np.repeat(generator.integers(S, size=6), generator.integers(1, generator.choice([3, 15]), size=6))
    return initial / initial.sum(), transition, log_table, rows


def check_hard_cases(generator, n):
    for _ in range(n):
        initial, transition, log_table, rows = random_hard_case(generator)
        found = everything(initial, transition, log_table, rows)
        with np.errstate(invalid="ignore"):
            truth = chain_by_logarithms(initial, transition, log_table[rows])
        if np.isfinite(truth.log_likelihood):
            assert_equal_to(truth, found, rows)
        else:
            assert found[0].log_likelihood[0] == -np.inf
            assert not any(np.isnan(array).any() for array in (*found[0], *found[1:]))


def test_random_hard_cases(rng):
    check_hard_cases(rng, 40)


@pytest.mark.compiled
def test_many_random_hard_cases(rng):
    check_hard_cases(rng, 600)


@pytest.mark.compiled
@pytest.mark.parametrize(("chain", "T"), [("ergodic", 100_000), ("upwards", 20_000)])
def test_a_hundred_thousand_steps(rng, chain, T):
    initial, transition = CHAINS[chain]
    log_table, rows = random_table(rng, 20, 3, missing=True), rng.integers(20, size=T)
    found = everything(initial, transition, log_table, rows)
    assert_equal_to(chain_by_logarithms(initial, transition, log_table[rows]), found, rows)
    assert np.abs(found[3].sum(axis=1) - 1).max() < 1e-12


# -------------------------------------------------------------------- which recursions are used


@pytest.fixture
def without_logarithms(monkeypatch):
    """Only Viterbi may fall back to logarithms."""

    def refuse(*_):
        raise AssertionError("probabilities would have been enough")

    for name in ("expectations", "filtered", "posterior"):
        monkeypatch.setattr(logarithms, name, refuse)


@pytest.mark.parametrize("chain", ["ergodic", "upwards", "left to right", "cyclic with stays"])
@pytest.mark.usefixtures("without_logarithms")
def test_probabilities_are_enough_for_ordinary_data(rng, chain):
    initial, transition = CHAINS[chain]
    log_table = random_table(rng, 10, 3, missing=True)
    everything(initial, transition, log_table, rng.integers(10, size=200))


@pytest.mark.usefixtures("without_logarithms")
def test_probabilities_are_enough_for_an_outlier_where_states_mix(rng):
    """What is flushed at one step does not matter at the next; zeros are not flushed at all."""
    initial, transition = CHAINS["ergodic"]
    log_table = np.array([[0, -1, -2], [-800, -900, 0], [0, -800, -3000], [0, -np.inf, -np.inf]])
    rows = np.array([0, 0, 1, 0, 2, 2, 3, 1, 0])
    truth = chain_by_logarithms(initial, transition, log_table[rows])
    assert_equal_to(truth, everything(initial, transition, log_table, rows), rows)


@pytest.mark.usefixtures("without_logarithms")
def test_probabilities_are_enough_for_states_that_are_left_for_good():
    """The first state's probability falls for ever, and is lost without harm."""
    initial, transition = np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.0, 1.0]])
    log_table, rows = np.array([[0.0, -100.0], [-200.0, 0.0]]), np.array([0] * 5 + [1] * 60)
    truth = chain_by_logarithms(initial, transition, log_table[rows])
    assert_equal_to(truth, everything(initial, transition, log_table, rows), rows)


def test_nothing_is_hidden_by_the_rescaling():
    """A log likelihood that is not a number gives a result that is none, and not a probability of zero."""
    table, shift = rescaled.likelihoods(np.array([[0.0, np.nan], [-np.inf, -np.inf], [-5000.0, -9000.0]]))
    assert np.isnan(table[0, 1])
    np.testing.assert_array_equal(table[1:], [[0, 0], [1, np.finfo(float).tiny]])
    np.testing.assert_array_equal(shift[1:], [0, -5000])
