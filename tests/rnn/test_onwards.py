"""Training that goes on: partial_fit, warm_start, and what a run that diverges leaves behind."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Adam, Elman, ExponentialDecay

from .test_batches import ragged_numbers, ragged_symbols

WORDS = ["abcab", "cabca", "bc", "abcabcab", "a", "cab", "bcabc", "abca", "cabc", "bca"]


def small(cell=None, emission=None, **options):
    options = {"dtype": "float64", "max_epochs": 2, "batch_size": 4, "random_state": 0} | options
    return RNN(Elman(2) if cell is None else cell, emission, **options)


def same_state(model, other):
    np.testing.assert_array_equal(model._weights, other._weights)
    for record, own in zip(model.history_, other.history_, strict=True):
        assert record | {"seconds": 0} == own | {"seconds": 0}


# -------------------------------------------------------------------- partial_fit


@pytest.mark.parametrize(
    "options", [{}, {"truncation": 2}, {"dropout": 0.3, "recurrent_dropout": 0.2}, {"weight_decay": 0.1}], ids=str
)
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.01)], ids=str)
def test_passes_are_the_epochs_of_one_fit(optimizer, options):
    """Bit by bit: what the optimizer, the schedule and the generator keep goes on from call to call."""
    options = options | {"optimizer": optimizer, "schedule": ExponentialDecay(0.5), "validation_fraction": 0}
    expected, own = small(max_epochs=3, **options).fit(WORDS), small(max_epochs=3, **options)
    for number in range(1, 4):
        assert own.partial_fit(WORDS) is own
        assert own.n_iter_ == number and not own.converged_
    np.testing.assert_array_equal(own._weights, expected._weights)
    for record, epoch in zip(own.history_, expected.history_[1:], strict=True):
        assert record | {"seconds": 0} == epoch | {"seconds": 0}


def test_a_model_goes_on_after_it_was_pickled_or_copied():
    model = small(optimizer=Adam(0.01), dropout=0.2, recurrent_dropout=0.3).partial_fit(WORDS)
    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    model.partial_fit(WORDS)
    for each in copies:
        same_state(each.partial_fit(WORDS), model)


def test_the_first_batch_sets_the_alphabet_and_later_ones_are_read_with_it():
    model = small(emission=Categorical()).partial_fit(["abab", "ba"])
    marginal, weights = model.marginal_.probabilities.copy(), model._weights.copy()
    model.partial_fit(["abcz"])
    assert model.alphabet_ == ("a", "b")
    np.testing.assert_array_equal(model.marginal_.probabilities, marginal)
    assert not np.array_equal(model._weights, weights)
    model = small(emission=Gaussian()).partial_fit(ragged_numbers(5))
    centre = model._network.inputs.centre.copy()
    model.partial_fit([x + 100 for x in ragged_numbers(5)])
    np.testing.assert_array_equal(model._network.inputs.centre, centre)
    with pytest.raises(ValueError, match="X has 3 columns; the model was fitted to 2"):
        model.partial_fit([np.zeros((4, 3))])


def test_passes_over_a_stream_of_batches_learn():
    X = [("ab" * 10)[start:] for start in (0, 1)] * 4
    model = small(GRU(4), optimizer=Adam(0.05))
    scores = [model.partial_fit(X).score(X) for _ in range(12)]
    assert scores[0] < scores[5] < scores[-1]


def test_a_fitted_model_goes_on_from_its_weights():
    model = small(optimizer=SGD(1e-300)).fit(WORDS)
    weights = model._weights.copy()
    model.partial_fit(WORDS)
    np.testing.assert_allclose(model._weights, weights, rtol=0, atol=1e-299)
    assert [record["epoch"] for record in model.history_] == [1]
    refitted = model.fit(WORDS)  # starts anew
    same_state(refitted, small(optimizer=SGD(1e-300)).fit(WORDS))


def test_a_new_kind_of_optimizer_starts_from_its_own_state():
    model = small(optimizer=Adam(0.01)).partial_fit(WORDS)
    for optimizer in (SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.5)):
        model.set_params(optimizer=optimizer).partial_fit(WORDS)
        assert model.history_[-1]["learning_rate"] == optimizer.learning_rate
    assert model.n_iter_ == 4


def test_weights_of_sequences_and_their_context_enter_a_pass(rng):
    X, context = ragged_numbers(6), rng.normal(size=(6, 2))
    zero = small(optimizer=SGD(0.1)).partial_fit(X, sample_weight=[1, 0, 2, 1, 0, 1], context=context)
    kept = [0, 2, 3, 5]
    other = small(optimizer=SGD(0.1)).partial_fit(
        [X[n] for n in kept], sample_weight=[1, 2, 1, 1], context=context[kept]
    )
    np.testing.assert_array_equal(zero._weights, other._weights)
    with pytest.raises(ValueError, match="X has no context, and the model was fitted with one"):
        zero.partial_fit(X)


# -------------------------------------------------------------------- warm_start


def test_a_warm_start_goes_on_from_the_weights_that_are_there():
    model = small(warm_start=True, optimizer=SGD(0.1)).fit(WORDS)  # the first one is as any other
    same_state(model, small(optimizer=SGD(0.1)).fit(WORDS))
    weights, score = model._weights.copy(), model.history_[-1]["validation"]
    model.set_params(max_epochs=0).fit(WORDS[:5])
    np.testing.assert_array_equal(model._weights, weights)
    model.set_params(max_epochs=4).fit(WORDS)
    assert model.history_[0]["validation"] >= score
    assert model.alphabet_ == ("a", "b", "c")


def test_a_warm_start_keeps_alphabet_and_scales():
    model = small(emission=Gaussian(), warm_start=True).fit(ragged_numbers(6))
    marginal, centre = model.marginal_, model._network.inputs.centre
    model.fit([x * 10 for x in ragged_numbers(6)])
    assert model.marginal_ is marginal and model._network.inputs.centre is centre


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": LSTM(2)}, r"cell is \[LSTM\(n_hidden=2\)\]; the weights from .* are of \[Elman\(n_hidden=2\)\]"),
        ({"cell__n_hidden": 3}, r"cell is \[Elman\(n_hidden=3\)\]"),
        ({"dtype": "float32"}, "dtype is 'float32'; the weights from which training goes on are of 'float64'"),
        ({"emission": Gaussian()}, r"emission is Gaussian\(\); .* are of Poisson\(\)"),
    ],
)
def test_weights_do_not_go_on_as_those_of_another_network(method, change, message, rng):
    X = [rng.poisson(5, (6, 2)) for _ in range(5)]
    model = small(Elman(2), Poisson(), warm_start=True).fit(X)
    expected = model.log_likelihood(X)
    model.set_params(**change)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(X)
    np.testing.assert_array_equal(model.log_likelihood(X), expected)  # it is still the network that was fitted
    model.set_params(warm_start=False, cell=LSTM(1), emission=Poisson(), dtype="float32").fit(X)


# -------------------------------------------------------------------- runs that diverge


def spoiling(model, n_good):
    """The optimizer's weights turn to NaN after so many good updates."""

    class Spoiling(SGD):
        n_updates = 0

        def update(self, weights, gradient, state):
            super().update(weights, gradient, state)
            Spoiling.n_updates += 1
            if Spoiling.n_updates > n_good:
                weights[0] = np.nan

    return model.set_params(optimizer=Spoiling(0.1, momentum=0.5))


@pytest.mark.parametrize("truncation", [None, 2])
@pytest.mark.parametrize("how", ["fit", "warm start", "partial_fit"])
def test_a_run_that_diverges_keeps_the_last_good_weights(how, truncation):
    X = ragged_symbols(12)
    model = small(GRU(2), optimizer=SGD(0.1, momentum=0.5), truncation=truncation)
    model = model.partial_fit(X).partial_fit(X) if how == "partial_fit" else model.fit(X)
    model.set_params(warm_start=how == "warm start")
    terms, untouched, good = model.log_likelihood(X), copy.deepcopy(model), model.optimizer
    before = dict(vars(model))
    with pytest.raises(FloatingPointError, match="infinite or NaN in epoch 1; a smaller learning_rate or clip_norm"):
        getattr(spoiling(model, n_good=1), "partial_fit" if how == "partial_fit" else "fit")(X)
    model.set_params(optimizer=good)
    assert vars(model) == before
    np.testing.assert_array_equal(model.log_likelihood(X), terms)
    assert len(model.sample(2, 5, random_state=0)) == 2
    # and it goes on as if nothing had happened
    same_state(model.partial_fit(X), untouched.partial_fit(X))


def test_a_new_model_that_diverges_is_not_fitted():
    model = spoiling(small(), n_good=0)
    with pytest.raises(FloatingPointError, match="infinite or NaN in epoch 1"):
        model.partial_fit(WORDS)
    assert not hasattr(model, "family_") and not hasattr(model, "history_")
    same_state(clone(model).set_params(optimizer=SGD(0.1)).fit(WORDS), small(optimizer=SGD(0.1)).fit(WORDS))
