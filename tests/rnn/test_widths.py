"""Layers as wide as a vector of units, one more and one fewer: what fills the last vector never matters."""

import math

import numpy as np
import pytest
import reference
from sklearn.base import clone

from seqmodels import Sequences
from seqmodels.emissions import Gaussian
from seqmodels.rnn import GRU, LSTM, RNN, Elman

from .cases import network_with_random_weights
from .stacks import LENGTHS, Driven, assert_beyond_never_matters, batch_of, inputs_for, random_weights, run
from .test_gradients import assert_gradient_is_right_along_a_direction

STEPS = {
    "Elman tanh": (Elman(), reference.elman_step(math.tanh)),
    "Elman relu": (Elman(activation="relu"), reference.elman_step(lambda x: max(x, 0.0))),
    "Elman sigmoid": (Elman(activation="sigmoid"), reference.elman_step(reference.logistic)),
    "LSTM": (LSTM(), reference.lstm_step),
    "GRU after": (GRU(), reference.gru_step_reset_after),
    "GRU before": (GRU(reset="before"), reference.gru_step_reset_before),
}
WIDTHS = [1, 15, 16, 17, 32, 33]

each_cell = pytest.mark.parametrize("name", STEPS)
each_width = pytest.mark.parametrize("H", WIDTHS)


def cell_of(name, H):
    return clone(STEPS[name][0]).set_params(n_hidden=H)


# -------------------------------------------------------------------- every width


@each_width
@each_cell
def test_states_of_any_width_equal_the_published_equations(name, H, rng):
    cell, (_, step) = cell_of(name, H), STEPS[name]
    sequences = [rng.normal(size=(length, 2)) for length in (3, 4, 1)]
    weights = {key: array for (_, key), array in random_weights([cell], 2, rng).items()}
    lists = [weights[key].T.tolist() for key in ("input", "recurrent", "bias")]
    lists += [weights[key].tolist() for key in list(cell.recurrent_axes())[1:]]
    for x, hidden, memory in zip(sequences, *run(cell, weights, sequences), strict=True):
        expected_hidden, expected_memory = reference.run_layer(step, x.tolist(), *lists)
        np.testing.assert_allclose(hidden, expected_hidden, rtol=1e-12, atol=1e-14)
        if cell.n_memories:
            np.testing.assert_allclose(memory, expected_memory, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("H", [15, 16, 17])
@each_cell
def test_gradients_of_any_width_equal_central_differences(name, H, rng):
    """Along a random direction in each array of weights, so that an error in any entry shows."""
    X = [rng.normal(size=(length, 1)) for length in LENGTHS]
    model = network_with_random_weights(cell_of(name, H), Gaussian(), X)
    assert_gradient_is_right_along_a_direction(model, X, rng)


@pytest.mark.parametrize("H", [1, 16, 17, 33])
@each_cell
def test_single_precision_of_any_width_is_close_to_double(name, H, rng):
    cells = [cell_of(name, H)]
    weights, batch = random_weights(cells, 2, rng), batch_of(LENGTHS)
    exact = Driven(cells, weights)
    single = Driven(cells, {key: array.astype(np.float32) for key, array in weights.items()})
    projected, d_top, state = inputs_for(exact, batch, rng)
    found = []
    for stack, dtype in ((exact, np.float64), (single, np.float32)):
        stack.forward(projected.astype(dtype), batch.sizes, state.astype(dtype))
        d_projected, gradient = stack.backward(d_top.astype(dtype), batch)
        found.append([stack.states(), d_projected, *gradient.values()])
    for a, b in zip(*found, strict=True):
        assert b.dtype == np.float32
        assert np.abs(b - a).max() <= 2e-6 * max(np.abs(a).max(), 1)


# -------------------------------------------------------------------- what is beyond the units


STACKS = {name: [(name, 3)] for name in STEPS} | {
    "three layers": [("GRU before", 5), ("LSTM", 17), ("Elman sigmoid", 2)],
    "two layers": [("Elman sigmoid", 1), ("GRU after", 15)],
}


@pytest.mark.parametrize("layers", STACKS.values(), ids=STACKS.keys())
@pytest.mark.parametrize("beyond", [1.0, -1e6])
def test_what_is_beyond_the_units_never_matters(layers, beyond, rng):
    """Neither in inputs, states and gradients that are given, nor in memory that is used again."""
    assert_beyond_never_matters([cell_of(*layer) for layer in layers], beyond, rng)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", [Elman(3, "sigmoid"), [LSTM(17), GRU(1, "before")], GRU(16)], ids=str)
def test_the_user_sees_units_only(cell, dtype, rng):
    X = [rng.normal(size=(5, 2)) for _ in range(3)]
    model = RNN(cell, dtype=dtype, max_epochs=1, validation_fraction=0, random_state=0).fit(X)
    layers, n_inputs, expected = cell if isinstance(cell, list) else [cell], 3, {}
    for number, layer in enumerate(layers):
        H, G = layer.n_hidden, layer.n_gates
        expected[f"weight_ih_l{number}"] = G * H, n_inputs
        expected[f"weight_hh_l{number}"] = G * H, H
        expected[f"bias_l{number}"] = (G * H,)
        if isinstance(layer, GRU) and layer.reset == "after":
            expected[f"bias_hn_l{number}"] = (H,)
        n_inputs = H
    expected |= {"weight_out": (4, n_inputs), "bias_out": (4,)}
    weights = model.weights_
    assert {name: array.shape for name, array in weights.items()} == expected
    assert {array.dtype for array in weights.values()} == {np.dtype(dtype)}
    assert model.n_parameters_ == sum(math.prod(shape) for shape in expected.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_cell
def test_more_units_without_weights_change_nothing(name, dtype, rng):
    """A network of 3 units and one of 18, of which 15 have no weights, give the same likelihoods and gradients."""
    X = [rng.normal(size=(length, 1)) for length in LENGTHS]
    small, large = (
        RNN(cell_of(name, H), dtype=dtype, max_epochs=0, validation_fraction=0).fit(X)._network for H in (3, 18)
    )
    vectors = [np.zeros(network.n_weights, small.dtype) for network in (small, large)]
    vectors[0][:] = rng.normal(size=small.n_weights)

    def own_part(vector, key):
        array = large.named(vector)[key]
        if key[0] == "output":
            return array[: small.shapes[key][0]]
        blocks = array.reshape(*array.shape[:-1], -1, 18)[..., :3]
        return blocks[:3] if key[1] == "recurrent" else blocks

    for key, array in small.named(vectors[0]).items():
        part = own_part(vectors[1], key)
        part[...] = array.reshape(part.shape)
    found, sequences = [], Sequences.wrap(X)
    for network, vector in zip((small, large), vectors, strict=True):
        reading = network.weighted(sequences)
        found.append(network.loss_and_gradient(vector, reading, np.arange(len(X))))
        found[-1] += (network.terms(network.ready(vector), sequences),)
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-12}
    np.testing.assert_allclose(found[1][3], found[0][3], **tolerance)
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6)
    for key, array in small.named(found[0][2]).items():
        own = own_part(found[1][2], key).reshape(array.shape)
        assert np.abs(own - array).max() <= tolerance["rtol"] * max(np.abs(array).max(), 1)
