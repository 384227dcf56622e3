"""What holds for any model and any data (found by hypothesis, always the same examples)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqmodels import HMM
from seqmodels.arrays import take
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.hmm import Ergodic, Sticky

from .cases import assert_same_parameters

pytestmark = pytest.mark.filterwarnings("ignore:.* fell to its floor")
always_the_same = settings(derandomize=True, deadline=None, max_examples=25, database=None)

EMISSIONS = {"symbols": Categorical(0.5), "counts": Poisson(), "numbers": Gaussian()}


def parameters_of(kind, K, generator):
    if kind == "symbols":
        return Categorical.Parameters(generator.dirichlet(np.ones(3), K))
    if kind == "counts":
        return Poisson.Parameters(generator.uniform(0.5, 9.0, (K, 1)))
    return Gaussian.Parameters(generator.normal(0, 3, (K, 1)), generator.uniform(0.3, 2.0, (K, 1)))


def draw_sequence(kind, length, gaps, generator):
    if kind == "symbols":
        return [None if generator.random() < gaps else "abc"[generator.integers(3)] for _ in range(length)]
    values = generator.poisson(4.0, length) * 1.0 if kind == "counts" else generator.normal(0, 3, length)
    return np.where(generator.random(length) < gaps, np.nan, values)


@st.composite
def problems(draw, kinds=tuple(EMISSIONS), gaps=0.2, longest=12):
    """A model with given parameters, zeros in its chain among them, and sequences of any length."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    kind, K = draw(st.sampled_from(kinds)), draw(st.integers(1, 4))
    transition = generator.dirichlet(np.ones(K), K) * (generator.random((K, K)) > 0.2) + 1e-3 * np.eye(K)
    transition /= transition.sum(axis=1, keepdims=True)
    model = HMM.from_parameters(
        generator.dirichlet(np.ones(K)), transition, parameters_of(kind, K, generator), EMISSIONS[kind],
        "abc" if kind == "symbols" else None,
    )  # fmt: skip
    lengths = draw(st.lists(st.integers(1, longest), min_size=1, max_size=5))
    X = [draw_sequence(kind, length, gaps, generator) for length in lengths]
    X[0][0] = "a" if kind == "symbols" else 1.0  # something is seen
    return model, X, generator


def one_step(model, X, chain=None, **options):
    """The model after one step of EM from its parameters."""
    again = HMM.from_parameters(
        model.initial_, model.transition_, model.emission_, model.family_, model.alphabet_
    ).set_params(warm_start=True, max_iter=1, tol=0, transitions=chain)  # fmt: skip
    return again.fit(X, **options)


def permuted(model, order):
    return HMM.from_parameters(
        model.initial_[order], model.transition_[np.ix_(order, order)], take(model.emission_, order), model.family_,
        model.alphabet_,
    )  # fmt: skip


@always_the_same
@given(problems())
def test_permuting_states_permutes_results(problem):
    model, X, generator = problem
    order = generator.permutation(len(model.initial_))
    other = permuted(model, order)
    np.testing.assert_allclose(other.log_likelihood(X), model.log_likelihood(X), rtol=1e-11, atol=1e-11)
    for method in ("posterior", "filter"):
        for a, b in zip(getattr(other, method)(X), getattr(model, method)(X), strict=True):
            np.testing.assert_allclose(a, b[:, order], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.expected_durations_, model.expected_durations_[order], rtol=1e-12)
    np.testing.assert_allclose(other.predict_next(X).weights, model.predict_next(X).weights[:, order], atol=1e-12)
    chain = Sticky(0.7, 1.2)
    expected = one_step(model, X, chain).reorder(order)
    assert_same_parameters(one_step(other, X, chain), expected, rtol=1e-9, atol=1e-13)


@always_the_same
@given(problems(), st.integers(0, 2**32 - 1))
def test_splitting_a_batch_changes_nothing(problem, seed):
    """Each sequence by itself or all together: likelihoods, states, and the sums that make an M-step."""
    model, X, _ = problem
    order = np.random.default_rng(seed).permutation(len(X))
    together, apart = model.log_likelihood(X), np.concatenate([model.log_likelihood([x]) for x in X])
    np.testing.assert_allclose(together, apart, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(model.log_likelihood([X[n] for n in order]), together[order], rtol=1e-11, atol=1e-11)
    for n, gamma in enumerate(model.posterior(X)):
        np.testing.assert_allclose(gamma, model.posterior([X[n]])[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(model.decode(X)[n], model.decode([X[n]])[0])
    assert_same_parameters(one_step(model, X), one_step(model, [X[n] for n in order]), rtol=1e-9, atol=1e-13)


@always_the_same
@given(problems(), st.integers(0, 2**32 - 1))
def test_weights_of_two_equal_duplicated_sequences(problem, seed):
    model, X, _ = problem
    weights = np.random.default_rng(seed).integers(0, 3, len(X))
    weights[0] = max(weights[0], 1)
    repeated = [x for x, weight in zip(X, weights, strict=True) for _ in range(weight)]
    chain = Ergodic(1.3)
    weighted, duplicated = one_step(model, X, chain, sample_weight=weights), one_step(model, repeated, chain)
    assert_same_parameters(weighted, duplicated, rtol=1e-9, atol=1e-13)
    for record, same in zip(weighted.history_, duplicated.history_, strict=True):
        np.testing.assert_allclose(record["objective"], same["objective"], rtol=1e-10, atol=1e-10)


@always_the_same
@given(problems(kinds=("symbols",), gaps=0.0, longest=6), st.integers(0, 2**32 - 1))
def test_a_missing_symbol_equals_the_sum_over_all_symbols(problem, seed):
    model, X, _ = problem
    x = X[-1]
    missing = np.flatnonzero(np.random.default_rng(seed).random(len(x)) < 0.4)
    total = []
    for symbols in itertools.product("abc", repeat=len(missing)):
        filled = list(x)
        for t, symbol in zip(missing, symbols, strict=True):
            filled[t] = symbol
        total.append(model.log_likelihood([filled])[0])
    gapped = [None if t in missing else symbol for t, symbol in enumerate(x)]
    np.testing.assert_allclose(model.log_likelihood([gapped]), [np.logaddexp.reduce(total)], rtol=1e-10, atol=1e-10)


@always_the_same
@given(problems())
def test_reversing_time_with_the_reversed_chain_keeps_the_likelihood(problem):
    """From the stationary distribution d, the chain backwards has the transitions ``d_j A_ji / d_i``."""
    model, X, _ = problem
    mixed = 0.9 * model.transition_ + 0.1 / len(model.initial_)  # no state is left for good
    forward = HMM.from_parameters(model.initial_, mixed, model.emission_, model.family_, model.alphabet_)
    stationary = forward.stationary_distribution_
    forward.initial_ = stationary
    backward = HMM.from_parameters(
        stationary, stationary * mixed.T / stationary[:, None], model.emission_, model.family_, model.alphabet_
    )
    reverse = [x[::-1] for x in X]
    np.testing.assert_allclose(backward.log_likelihood(reverse), forward.log_likelihood(X), rtol=1e-10, atol=1e-10)
    for a, b in zip(backward.posterior(reverse), forward.posterior(X), strict=True):
        np.testing.assert_allclose(a[::-1], b, rtol=1e-8, atol=1e-11)


@always_the_same
@given(problems(), st.integers(0, 2**32 - 1))
def test_known_states_are_a_condition(problem, seed):
    """log p(x, states) sums, over all that a state may be, to log p(x)."""
    model, X, _ = problem
    K, n = len(model.initial_), int(np.random.default_rng(seed).integers(len(X)))
    t = int(np.random.default_rng(seed).integers(len(X[n])))
    parts = []
    for state in range(K):
        states = [np.full(len(x), -1) for x in X]
        states[n][t] = state
        again = permuted(model, np.arange(K)).set_params(warm_start=True, max_iter=0)
        try:
            parts.append(again.fit(X, states=states).history_[0]["train"] * n_observed(X))
        except ValueError as error:  # a state that cannot be at its step
            assert "probability zero" in str(error) or "never starts" in str(error)
    total = model.log_likelihood(X).sum()
    np.testing.assert_allclose(np.logaddexp.reduce(parts), total, rtol=1e-9, atol=1e-9)


def n_observed(X):
    """How many observations are not missing."""
    return sum(x is not None and x == x for sequence in X for x in sequence)
