"""Backpropagation through time against central differences: every cell under every family."""

import numpy as np
import pytest

from seqmodels.emissions import Categorical, Gaussian
from seqmodels.rnn.layers import OUTPUT

from .cases import CELLS, every_case, network_with_random_weights, sequences_for

STEP = 1e-5


def central_differences(value, array):
    """Gradient of the sum of what `value` gives for an array: terms, or one number.

    Each term is differenced by itself, which avoids cancellation. The array is shifted in place, one entry at a time.
    """
    gradient = np.empty_like(array)
    for place in np.ndindex(array.shape):
        kept, found = array[place], []
        for step in (STEP, -STEP):
            array[place] = kept + step
            found.append(value(array))
        array[place] = kept
        gradient[place] = np.sum(found[0] - found[1]) / (2 * STEP)
    return gradient


def gradient_by_differences(network, weights, sequences, counted):
    """That of the loss, the mean of `counted` terms."""
    share = -counted / counted.sum()
    return central_differences(lambda vector: share * network.terms(network.ready(vector), sequences), weights.copy())


def assert_same_gradient(network, own, expected, every_array_has_one=True):
    """In each array of weights; unless `every_array_has_one`, those that are expected to have none have none at all."""
    for key, array in network.named(own).items():
        truth = network.named(expected)[key]
        if key == (OUTPUT, "weight"):  # raw outputs that are constant have none
            constant = network.family.constant_raw(network.marginal)
            assert not array[:, constant].any()
            array, truth = array[:, ~constant], truth[:, ~constant]
        largest = np.abs(truth).max()
        if largest == 0 and not every_array_has_one:
            assert not array.any(), key
            continue
        assert largest > 0, f"{key} has no gradient: nothing is tested"
        assert np.abs(array - truth).max() <= 1e-7 * largest, key


def assert_gradient_is_right(model, X):
    """That of the loss equals central differences, and the value is the model's."""
    network, weights, sequences = model._network, model._weights, model._known(X)
    counted = sequences.scored.astype(float)
    log_likelihood, mass, gradient = network.loss_and_gradient(weights, network.weighted(sequences), np.arange(len(X)))
    assert log_likelihood == pytest.approx(model.log_likelihood(X).sum(), rel=1e-12)
    assert mass == counted.sum()
    assert_same_gradient(network, gradient, gradient_by_differences(network, weights, sequences, counted))


def assert_gradient_is_right_along_a_direction(model, X, rng, which=None):
    """Of the sequences `which`, or all: a random direction in each array, so that an error in any entry shows."""
    network, sequences = model._network, model._known(X)
    vector, which = 0.5 * model._weights, np.arange(len(X)) if which is None else which
    log_likelihood, mass, gradient = network.loss_and_gradient(vector, network.weighted(sequences), which)
    batch = sequences[which]
    assert log_likelihood == pytest.approx(network.terms(network.ready(vector), batch).sum(), rel=1e-12)
    for key, own in network.named(gradient).items():
        direction = np.zeros_like(vector)
        network.named(direction)[key][...] = rng.normal(size=own.shape)
        shifted = (network.ready(vector + sign * STEP * direction) for sign in (1, -1))
        up, down = (network.terms(ready, batch) for ready in shifted)
        expected = -(up - down).sum() / (2 * STEP) / mass
        size = np.linalg.norm(own) * np.linalg.norm(network.named(direction)[key])
        assert size > 0
        assert abs(gradient @ direction - expected) <= 1e-7 * size, key


@every_case
def test_gradients_equal_central_differences(cell, emission):
    X = sequences_for(emission)
    model = network_with_random_weights(cell, emission, X)
    assert_gradient_is_right(model, X)


@pytest.mark.parametrize("cell", [CELLS["LSTM above GRU above Elman"]], ids=str)
def test_weights_of_observations_and_given_pasts_enter_the_gradient(cell, rng):
    X = sequences_for(Gaussian())
    model = network_with_random_weights(cell, Gaussian(), X)
    sequences = model._known(X).given_past([1, 0, 3, 1])
    row_weights = rng.uniform(0, 3, sequences.n_observations)
    counted = row_weights * sequences.scored
    reading = model._network.weighted(sequences, row_weights)
    value, mass, gradient = model._network.loss_and_gradient(model._weights, reading, np.arange(4))
    assert value == pytest.approx(counted @ model._terms(sequences))
    assert mass == pytest.approx(counted.sum())
    expected = gradient_by_differences(model._network, model._weights, sequences, counted)
    assert_same_gradient(model._network, gradient, expected)


def test_a_symbol_that_is_unknown_is_read_and_predicted():
    model = network_with_random_weights(CELLS["GRU after"], Categorical(), [[0, 1, 2, None, 1]])
    X = [[0, 9, 1, 9, 9, None, 2, 1]]  # every row of the input weights is read
    sequences = model._known(X)
    _, _, gradient = model._network.loss_and_gradient(model._weights, model._network.weighted(sequences), np.arange(1))
    expected = gradient_by_differences(model._network, model._weights, sequences, sequences.scored * 1.0)
    assert_same_gradient(model._network, gradient, expected)
