"""The regulariser of Jacobians against its definition, worked out step by step."""

import math

import numpy as np
import pytest

from seqmodels.emissions import Gaussian
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Elman

from .cases import network_with_random_weights, sequences_for
from .test_gradients import central_differences
from .variants import interpreted

STRENGTH = 0.7


def gradient_of(network, vector, sequences):
    _, mass, gradient = network.loss_and_gradient(vector, network.weighted(sequences), np.arange(len(sequences)))
    return mass, network.named(gradient.copy())


SLOPES = {
    "tanh": lambda h: 1 - h * h, "relu": lambda h: (h > 0) * 1.0, "sigmoid": lambda h: h * (1 - h),
}  # fmt: skip


def lengths_of_one_sequence(network, weights, reading, which, activation):
    """|d|, and what is sent back, p in ``u = p W^T``, at each step but the first; all by numpy, in double precision."""
    rows = slice(reading.offsets[which], reading.offsets[which + 1])
    f = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}[activation]
    W, h, hidden = weights[0, "recurrent"], 0.0, []
    bias = weights.get((0, "bias"), 0.0)
    for x in reading.encoded[rows]:
        h = f(x @ weights[0, "input"] + (h @ W if hidden else 0.0) + bias)
        hidden.append(h)
    raw = np.array(hidden) @ weights["output", "weight"] + weights["output", "bias"]
    d_raw = np.empty_like(raw)
    network.family.value_and_gradient(reading.values[rows], raw, network.marginal, d_raw)
    d_above, later, found = d_raw @ weights["output", "weight"].T, 0.0, []
    for t in range(len(hidden) - 1, -1, -1):
        d = d_above[t] + later
        p = d * SLOPES[activation](hidden[t])
        later = p @ W.T
        if t > 0:
            found.append((math.sqrt(d @ d), p))
    return found


def penalty(W, found):
    """Sum of the squares by which the lengths of gradients change, given all but W."""
    terms = [(np.linalg.norm(p @ W.T) / length - 1) ** 2 for length, p in found if length > 0 and p.any()]
    return math.fsum(terms)


@pytest.mark.parametrize("H", [3, 17])
@pytest.mark.parametrize(
    "activation", ["tanh", pytest.param("relu", marks=interpreted), pytest.param("sigmoid", marks=interpreted)]
)
def test_the_penalty_moves_recurrent_weights_as_its_definition_says(activation, H):
    X = sequences_for(Gaussian())
    model = network_with_random_weights(Elman(H, activation), Gaussian(), X)
    network, vector, sequences = model._network, 0.7 * model._weights, model._known(X)
    mass, plain = gradient_of(network, vector, sequences)
    _, held = gradient_of(network.with_penalty(STRENGTH), vector, sequences)
    for key, array in held.items():
        if key != (0, "recurrent"):
            np.testing.assert_array_equal(array, plain[key])
    reading, weights = network.read(sequences), network.named(vector)
    found = [own for n in range(len(X)) for own in lengths_of_one_sequence(network, weights, reading, n, activation)]
    assert len(found) == sum(len(x) - 1 for x in X)
    W = weights[0, "recurrent"].copy()
    expected = central_differences(lambda W: STRENGTH * penalty(W, found) / mass, W)
    own = held[0, "recurrent"] - plain[0, "recurrent"]
    assert np.abs(expected).max() > 1e-3
    assert np.abs(own - expected).max() <= 1e-7 * np.abs(expected).max()


@interpreted
def test_each_layer_holds_the_lengths_of_its_own_gradients(rng):
    """In a stack too; and twice the strength moves them twice as far."""
    X = sequences_for(Gaussian())
    model = network_with_random_weights([Elman(3), Elman(2, "sigmoid")], Gaussian(), X)
    network, sequences = model._network, model._known(X)
    _, plain = gradient_of(network, model._weights, sequences)
    _, once = gradient_of(network.with_penalty(0.5), model._weights, sequences)
    _, twice = gradient_of(network.with_penalty(1.0), model._weights, sequences)
    for key, array in plain.items():
        moved = once[key] - array
        assert moved.any() == (key[1] == "recurrent")
        np.testing.assert_allclose(twice[key] - array, 2 * moved, rtol=1e-9, atol=1e-14)


@interpreted
def test_gradients_that_have_vanished_are_left_alone():
    X = sequences_for(Gaussian())
    model = network_with_random_weights(Elman(3), Gaussian(), X)
    network, vector = model._network, model._weights.copy()
    network.named(vector)["output", "weight"][...] = 0  # nothing comes back
    _, plain = gradient_of(network, vector, model._known(X))
    _, held = gradient_of(network.with_penalty(STRENGTH), vector, model._known(X))
    for key, array in held.items():
        np.testing.assert_array_equal(array, plain[key])


# -------------------------------------------------------------------- as a hyperparameter


@interpreted
def test_training_goes_down_the_loss_with_its_penalty(rng):
    """And goes on without it, from the same weights, where it is taken away."""
    X = [rng.normal(size=(length, 1)) for length in (4, 2, 3)]
    options = {"dtype": "float64", "clip_norm": None, "validation_fraction": 0, "random_state": 0}
    model = RNN(Elman(3), Gaussian(), optimizer=SGD(0.1), max_epochs=0, **options).fit(X)
    start, sequences = model._weights.copy(), model._known(X)
    model._network.named(start)["output", "weight"][...] = rng.normal(size=(3, 2))
    for strength in (STRENGTH, 0.0):
        model._weights = start.copy()
        model.set_params(warm_start=True, max_epochs=1, jacobian_penalty=strength).fit(X)
        network = model._network
        assert network.jacobian_penalty == strength
        _, _, gradient = network.loss_and_gradient(start, network.weighted(sequences), np.arange(3))
        np.testing.assert_allclose(model._weights, start - 0.1 * gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cell", [LSTM(2), [Elman(2), GRU(2)]], ids=str)
def test_cells_with_other_ways_back_say_so(cell):
    model = RNN(cell, jacobian_penalty=0.1)
    with pytest.raises(ValueError, match=r"jacobian_penalty is 0.1, and cell has .*; layers of Elman cells"):
        model.fit(["abcab", "cab"])


@pytest.mark.parametrize("strength", [-1.0, np.inf, np.nan])
def test_the_strength_is_checked(strength):
    with pytest.raises(ValueError, match=r"jacobian_penalty is .*; finite numbers from 0 are accepted"):
        RNN(Elman(2), jacobian_penalty=strength).fit(["abcab", "cab"])
