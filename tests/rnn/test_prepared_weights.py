"""Weights are prepared once for use, and never outlive the weights they were made of."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from seqmodels.emissions import Gaussian
from seqmodels.rnn import GRU, LSTM, RNN, Elman

WORDS = ["abcab", "cabca", "bc", "abcabcab", "a", "cab"]
CELLS = [Elman(2, "sigmoid"), LSTM(17), GRU(16), [GRU(3, "before"), LSTM(2)]]

each_cell = pytest.mark.parametrize("cell", CELLS, ids=str)


def fitted(cell, **options):
    options = {"dtype": "float64", "max_epochs": 1, "validation_fraction": 0, "random_state": 0} | options
    return RNN(cell, **options).fit(WORDS)


def scores(model):
    """Everything that a model finds by its weights."""
    return [
        model.log_likelihood(WORDS),
        model.predict_next(WORDS).probabilities(),
        model.predictive(model.update(model.start(2), np.array([[0], [2]]))).probabilities(),
    ]


def assert_same(own, expected, same=True):
    for a, b in zip(own, expected, strict=True):
        assert np.array_equal(a, b) == same


@each_cell
def test_preparation_is_done_once(cell):
    model = fitted(cell)
    ready = model._ready
    scores(model)
    assert model._ready is ready


@each_cell
def test_new_weights_are_prepared_anew(cell):
    model, other = fitted(cell), fitted(cell, random_state=1)
    before = scores(model)
    model._weights = other._weights
    assert_same(scores(model), scores(other))
    assert_same(scores(model), before, same=False)
    model.fit(WORDS)
    assert_same(scores(model), before)


@each_cell
def test_a_pickle_holds_the_weights_once(cell):
    model = fitted(cell, max_epochs=0)
    new, expected = pickle.dumps(model), scores(model)
    used = pickle.dumps(model)
    assert len(used) == len(new)
    assert model._ready_for is not None
    read = pickle.loads(used)
    assert read._ready_for is None
    assert_same(scores(read), expected)
    assert_same(scores(copy.deepcopy(model)), expected)
    assert "_ready_for" not in vars(clone(model))
    pickle.loads(pickle.dumps(RNN(cell)))  # which has none yet


def test_scores_in_a_callback_are_those_of_the_weights_then(rng):
    """Also within an epoch, where weights are changed in place between two reports."""
    X = [rng.normal(size=(50, 1)) for _ in range(500)]
    seen = []

    def callback(model, record):
        model.score(X[:3])
        fresh = model._network.ready(model._weights.copy())
        sequences = model._known(X[:3])
        np.testing.assert_array_equal(model._terms(sequences), model._network.terms(fresh, sequences))
        seen.append(record["epoch"])

    options = {"max_epochs": 1, "batch_size": 400, "validation_fraction": 0, "random_state": 0}
    RNN(Elman(1), Gaussian(), callbacks=[callback], **options).fit(X)
    assert seen == [0, 0.8, 1]


def test_a_score_after_a_failed_fit_is_that_of_the_weights_before():
    model = fitted(LSTM(3))
    expected = scores(model)
    model.set_params(callbacks=[lambda model, record: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        model.fit(WORDS)
    assert_same(scores(model), expected)
