"""Sequences conditioned on a vector: the same as reading it at every step, by a bias that is computed once."""

import pickle

import numpy as np
import pytest
import reference
from sklearn.model_selection import cross_val_score

from seqmodels import HMM, RNN, Independent, MarkovChain, Sequences
from seqmodels.base import SequenceModel
from seqmodels.emissions import Gaussian, Poisson
from seqmodels.hmm import SemiMarkovHMM
from seqmodels.rnn import GRU, LSTM, Adam

from .cases import EMISSIONS, LENGTHS, network_with_random_weights, sequences_for
from .test_gradients import assert_gradient_is_right
from .test_network import plain_input, plain_output, plain_step

CONTEXT = np.array([[20.0, 1.0], [-10.0, 0.5], [0.0, -2.0], [14.0, 0.0]])
CELLS = {
    "pointwise": LSTM(2),
    "row steps": GRU(2, "before"),
    "stack without biases": [GRU(3, bias=False), LSTM(2)],
    "whole vectors": LSTM(16),
}
CASES = [(cell, emission) for cell in list(CELLS)[:3] for emission in ("Categorical", "Gaussian diagonal")]
CASES.append(("pointwise", "Poisson"))
every_case = pytest.mark.parametrize(("cell", "emission"), CASES, ids=["-".join(case) for case in CASES])


def network(cell, emission):
    """A network with random weights, and sequences with their contexts."""
    X = Sequences.wrap(sequences_for(EMISSIONS[emission])).with_context(CONTEXT)
    return network_with_random_weights(CELLS[cell], EMISSIONS[emission], X), X


@pytest.fixture(scope="module", params=["Categorical", "Gaussian diagonal"])
def conditioned(request):
    return network("stack without biases", request.param)


# -------------------------------------------------------------------- against plain equations


@pytest.mark.parametrize(("cell", "emission"), [*CASES, ("whole vectors", "Categorical")])
def test_a_context_is_like_an_input_that_stays(cell, emission):
    model, _ = network(cell, emission)
    emission, layers = EMISSIONS[emission], CELLS[cell] if isinstance(CELLS[cell], list) else [CELLS[cell]]
    X, weights = sequences_for(emission), model.weights_
    weights["weight_ih_l0"] = np.hstack([weights["weight_ih_l0"], weights.pop("weight_context_l0")])
    read, start = plain_input(emission, X)
    standardised = (CONTEXT - CONTEXT.mean(axis=0)) / CONTEXT.std(axis=0)
    found = model.log_likelihoods(X, context=CONTEXT)
    for x, context, own in zip(X, standardised.tolist(), found, strict=True):
        expected = reference.network_terms(
            list(x), [plain_step(layer) for layer in layers], weights, lambda value, c=context: [*read(value), *c],
            [*start, *context], plain_output(emission, model.marginal_),
        )  # fmt: skip
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


@every_case
def test_gradients_equal_central_differences(cell, emission):
    assert_gradient_is_right(*network(cell, emission))


# -------------------------------------------------------------------- fast ways against the generic ones


def test_a_ragged_batch_equals_one_sequence_at_a_time(conditioned):
    model, X = conditioned
    for n, terms in enumerate(model.log_likelihoods(X)):
        own = X[np.array([n])]
        np.testing.assert_allclose(model.log_likelihoods(own)[0], terms, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(model.log_likelihoods([X[n]], context=CONTEXT[[n]])[0], terms, rtol=1e-12)
        stream = model.stream(context=CONTEXT[n])
        np.testing.assert_allclose([stream.update(x) for x in X[n]], terms, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(SequenceModel._terms(model, model._known(X)), model._terms(model._known(X)), rtol=1e-12)


def test_windows_and_threads_do_not_matter(conditioned):
    model, X = conditioned
    X, net, ready = model._known(X), model._network, model._ready
    terms, states = net.terms(ready, X), net.states_after(ready, X)
    np.testing.assert_allclose(states, SequenceModel._beliefs_after(model, X), rtol=1e-12)
    for n_rows in (1, 3, 4):
        np.testing.assert_allclose(net.terms(ready, X, 3, n_rows), terms, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(net.states_after(ready, X, 3, n_rows), states, rtol=1e-12, atol=1e-14)
    which, many = np.tile(np.arange(4), 20), net.weighted(X)
    one, two = (net.loss_and_gradient(model._weights, many, which, n_jobs=n_jobs)[2].copy() for n_jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_every_method_takes_the_context(conditioned):
    model, X = conditioned
    plain = [X[n] for n in range(4)]
    flat = np.concatenate(plain)
    terms = model.log_likelihoods(X)
    sums = np.array([own.sum() for own in terms])
    np.testing.assert_allclose(model.log_likelihood(flat, LENGTHS, CONTEXT), sums, rtol=1e-12)
    assert model.score(plain, None, context=CONTEXT) == pytest.approx(sums.sum() / X.n_scored)
    assert model.aic(plain, context=CONTEXT) == pytest.approx(2 * model.n_parameters_ - 2 * sums.sum())
    assert model.bic(plain, context=CONTEXT) == pytest.approx(model.n_parameters_ * np.log(X.n_scored) - 2 * sums.sum())
    following = model.predict_next(plain, context=CONTEXT)
    points = np.concatenate(model.predict(plain, context=CONTEXT))
    np.testing.assert_array_equal(points, following.mode() if X.alphabet else following.mean())
    ahead = model.forecast(plain, 2, n_samples=3, context=CONTEXT)
    assert [len(each) for each in ahead] == [4, 4]
    if X.alphabet:
        assert len(model.predict(plain, 3, beam_width=2, context=CONTEXT)[0]) == 3


@pytest.mark.parametrize("prefix", [None, 0])
def test_samples_are_made_in_their_contexts(prefix, conditioned):
    """Each sample is worth under its own context what it was when it was drawn."""
    model, X = conditioned
    prefix = None if prefix is None else X[prefix]
    samples = model.sample(2, 3, prefix=prefix, random_state=0, context=CONTEXT[:2])
    again = model.sample(2, 3, prefix=prefix, random_state=0, context=CONTEXT[:2])
    np.testing.assert_array_equal(samples, again)
    beliefs = model._start_sampling(2, 3, prefix, CONTEXT[:2])
    for n, belief in enumerate(beliefs):
        stream = model.stream(context=CONTEXT[n])
        for x in [] if prefix is None else prefix:
            stream.update(x)
        np.testing.assert_allclose(belief[None], stream._belief, rtol=1e-12)


def test_symbols_drawn_in_one_kernel_are_those_of_the_generic_way():
    model, _ = network("pointwise", "Categorical")
    samples = model.sample(3, 4, random_state=1, context=CONTEXT[:3])
    generator = np.random.default_rng(1)
    expected = SequenceModel._draw(model, model.start(3, CONTEXT[:3]), 4, generator, 1.0, None, None)
    np.testing.assert_array_equal(samples, [model._template.outside(values) for values in expected])


def test_a_pickled_model_knows_its_context(conditioned):
    model, X = conditioned
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.log_likelihood(X), model.log_likelihood(X))


# -------------------------------------------------------------------- training


def rates(rng, n):
    """Counts whose rate the context tells, and nothing else does at the first step."""
    context = rng.integers(2, size=(n, 1))
    return [rng.poisson(1.0 + 7.0 * c[0], rng.integers(1, 5)) for c in context], context


@pytest.mark.compiled
def test_what_the_context_tells_is_learnt(rng):
    X, context = rates(rng, 300)
    options = {"optimizer": Adam(1e-2), "max_epochs": 15, "random_state": 0}
    model = RNN(LSTM(4), Poisson(), **options).fit(X[:200], context=context[:200])
    plain = RNN(LSTM(4), Poisson(), **options).fit(X[:200])
    assert model.weights_["weight_context_l0"].shape == (16, 1)
    first = [x[:1] for x in X[200:]]
    assert model.score(first, context=context[200:]) > plain.score(first) + 0.5
    samples = model.sample(400, 2, random_state=0, context=np.repeat([[0], [1]], 200, axis=0))
    np.testing.assert_allclose([np.mean(samples[:200]), np.mean(samples[200:])], [1, 8], rtol=0.15)


def test_the_training_contexts_set_the_scale(rng):
    X, context = rates(rng, 12)
    context = np.hstack([context + rng.normal(size=(12, 1)), rng.normal(size=(12, 1))])
    options = {"dtype": "float64", "max_epochs": 2, "batch_size": 4, "random_state": 0}
    model = RNN(LSTM(2), Poisson(), **options).fit(X, context=context)
    other = RNN(LSTM(2), Poisson(), **options).fit(X, context=context * [1e6, 1e-3] + [3e6, 7.0])
    np.testing.assert_allclose(
        other.log_likelihood(X, context=context * [1e6, 1e-3] + [3e6, 7.0]), model.log_likelihood(X, context=context)
    )
    zeros = RNN(LSTM(2), Poisson(), **options).fit(X, context=np.full((12, 1), 5.0))  # says nothing, does no harm
    assert np.isfinite(zeros.score(X, context=np.full((12, 1), 1e30)))


def test_sequences_with_a_context_go_through_scikit_learn(rng):
    X, context = rates(rng, 12)
    X = Sequences.wrap(X).with_context(context)
    model = RNN(LSTM(2), Poisson(), max_epochs=1, random_state=0)
    assert np.isfinite(cross_val_score(model, X, cv=2, error_score="raise")).all()
    validation = X[np.arange(4)]
    model.fit(X[np.arange(4, 12)], validation=validation)
    best = max(record["validation"] for record in model.history_)
    assert model.score(validation) == pytest.approx(best)
    single = RNN(LSTM(2), Poisson(), max_epochs=1).fit([np.arange(20) % 3], context=[[1.0]])  # its tail is held out
    assert single.history_[-1]["validation"] is not None


def test_contexts_go_with_their_sequences():
    X = Sequences.wrap([[0, 1, 2], [1, 2], [2, 0, 1, 1]]).with_context([[0.0], [1.0], [2.0]])
    np.testing.assert_array_equal(X[np.array([2, 0])].context, [[2.0], [0.0]])
    np.testing.assert_array_equal(X.first([0, 1, 2]).context, [[1.0], [2.0]])
    np.testing.assert_array_equal(X.given_past(1).context, X.context)


# -------------------------------------------------------------------- errors


WRONG = [
    ([1.0, 2.0, 3.0, 4.0], ValueError, r"context has shape \(4,\); a vector of numbers for each of the 4 sequences"),
    (CONTEXT[:3], ValueError, r"context has shape \(3, 2\); a vector of numbers for each of the 4 sequences, \(4, C\)"),
    (np.empty((4, 0)), ValueError, r"context has shape \(4, 0\)"),
    (np.where(CONTEXT == 0.5, np.nan, CONTEXT), ValueError, r"context\[1\], column 1 is nan; finite numbers"),
    (np.where(CONTEXT == 0.5, np.inf, CONTEXT), ValueError, r"context\[1\], column 1 is inf; finite numbers"),
    ([["a"]] * 4, TypeError, r"context is \[\['a'\], .*; a vector of numbers for each of the 4 sequences"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG, ids=[case[2][:30] for case in WRONG])
def test_wrong_contexts_are_refused_and_change_nothing(wrong, error, message):
    model, X = network("pointwise", "Poisson")
    plain, before = [X[n] for n in range(4)], model.log_likelihood(X)
    for method in (model.fit, model.score, model.log_likelihoods, model.predict, model.predict_next):
        with pytest.raises(error, match=message):
            method(plain, context=wrong)
    with pytest.raises(error, match=message):
        model.sample(4, context=wrong)
    np.testing.assert_array_equal(model.log_likelihood(X), before)


def test_a_network_demands_the_context_it_was_fitted_with():
    model, X = network("pointwise", "Poisson")
    plain = [X[n] for n in range(4)]
    message = r"has no context, and the model was fitted with one: context=, an array \({}, 2\), or Sequences"
    for method in (model.score, model.log_likelihoods, model.log_likelihood, model.predict, model.predict_next,
                   model.aic, model.bic, lambda X: model.forecast(X, 2)):  # fmt: skip
        with pytest.raises(ValueError, match="X " + message.format(4)):
            method(plain)
        with pytest.raises(ValueError, match="context has 1 columns; the model was fitted to 2"):
            method(X.with_context(CONTEXT[:, :1]))
    with pytest.raises(ValueError, match="sample " + message.format(3)):
        model.sample(3)
    with pytest.raises(ValueError, match="stream " + message.format(1)):
        model.stream()
    with pytest.raises(ValueError, match="start " + message.format(2)):
        model.start(2)
    with pytest.raises(ValueError, match="validation " + message.format(4)):
        model.fit(plain, context=CONTEXT, validation=plain)


def test_a_network_fitted_without_a_context_refuses_one():
    X = sequences_for(Poisson())
    model = network_with_random_weights(LSTM(2), Poisson(), X)
    assert model._network.n_context == 0
    message = "context is given, and the model was fitted without one; None is accepted"
    for call in (
        lambda: model.score(X, context=CONTEXT),
        lambda: model.sample(4, context=CONTEXT),
        lambda: model.stream(context=CONTEXT[0]),
        lambda: model.fit(X, validation=Sequences.wrap(X).with_context(CONTEXT)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("model", [HMM(2), SemiMarkovHMM(2), MarkovChain(2), Independent()], ids=str)
def test_other_models_take_no_context(model):
    X = [[0, 1, 2, 1], [1, 2], [2, 0, 0], [1, 1]]
    message = f"{type(model).__name__} takes no context; a network, such as RNN"
    with pytest.raises(ValueError, match=message):
        model.fit(X, context=CONTEXT)
    model.fit(X)
    for call in (
        lambda: model.score(X, context=CONTEXT),
        lambda: model.log_likelihood(Sequences.wrap(X).with_context(CONTEXT)),
        lambda: model.forecast(X, 2, context=CONTEXT),
        lambda: model.sample(4, context=CONTEXT),
        lambda: model.stream(context=CONTEXT[0]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_families_that_networks_compute_in_parts_have_contexts_too(rng):
    X, context = [rng.normal(size=(length, 2)) for length in LENGTHS], CONTEXT
    X = Sequences.wrap(X).with_context(context)
    assert_gradient_is_right(network_with_random_weights(LSTM(2), Gaussian("tied"), X), X)
