"""Every variant of the LSTM against its published equations and against central differences."""

import numpy as np
import pytest
import reference
from sklearn.base import clone

from seqmodels.emissions import Gaussian
from seqmodels.rnn import LSTM, CoupledLSTM, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM
from seqmodels.rnn.layers import Stack
from seqmodels.rnn.units import Axis

from .cases import network_with_random_weights, sequences_for
from .stacks import LENGTHS, assert_beyond_never_matters, random_weights, run
from .test_gradients import assert_gradient_is_right, assert_gradient_is_right_along_a_direction
from .variants import COMPILED, VARIANTS, each_variant, interpreted


def of_width(cell, H):
    """A cell of H units, and of projections that have other widths."""
    cell = clone(cell).set_params(n_hidden=H)
    if isinstance(cell, ProjectedLSTM):
        cell.set_params(n_projected=H + 1 if cell.n_projected > 3 else H - 2)
    return cell


def twin_of(name, cell, weights, inputs):
    """Hidden state and memory after each of some input vectors, side by side, by the plain twin."""
    lists = [weights[key].T.tolist() for key in ("input", "recurrent")]
    b = weights["bias"].tolist() if "bias" in weights else [0.0] * (cell.n_gates * cell.n_hidden)
    others = [weights[key].T.tolist() for key in list(cell.recurrent_axes())[1:]]
    widths = {"n_outputs": cell.n_outputs, "n_memory": cell.memory.length}
    states = reference.run_layer(VARIANTS[name].step, inputs, *lists, b, *others, **widths)
    return np.concatenate(states, axis=1)


def assert_states_are_those_of_the_twin(name, cell, rng):
    """After reading the start and sequences of several lengths."""
    X = [rng.normal(size=(length, 2)) for length in (3, 5, 1)]
    model = network_with_random_weights(cell, Gaussian(), X)
    network = model._network
    states = network.states_after(model._ready, model._known(X))
    weights = {key: array for (layer, key), array in network.named(model._weights).items() if layer == 0}
    columns = np.concatenate([axis.entries >= 0 for axis in (Axis(1, cell.n_outputs), cell.memory)])
    for x, own in zip(X, states[:, columns], strict=True):
        inputs = np.concatenate([network.inputs.start(1), network.inputs.encode(x)]).tolist()
        np.testing.assert_allclose(own, twin_of(name, cell, weights, inputs)[-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("H", [3, 17])
@each_variant
def test_variants_equal_their_published_equations(name, H, rng):
    assert_states_are_those_of_the_twin(name, of_width(VARIANTS[name].cell, H), rng)


@interpreted
@pytest.mark.parametrize("name", COMPILED)
def test_variants_without_biases_equal_their_published_equations(name, rng):
    cell = clone(VARIANTS[name].cell).set_params(bias=False)
    assert not any("bias" in key for key in cell.weight_shapes(2))
    assert_states_are_those_of_the_twin(name, cell, rng)


@interpreted
@pytest.mark.parametrize("name", COMPILED)
def test_every_step_of_a_ragged_batch_equals_the_published_equations(name, rng):
    cell = VARIANTS[name].cell
    weights = {key: array for (_, key), array in random_weights([cell], 2, rng).items()}
    sequences = [rng.normal(size=(length, 2)) for length in (3, 5, 1)]
    for x, *own in zip(sequences, *run(cell, weights, sequences), strict=True):
        expected = twin_of(name, cell, weights, x.tolist())
        np.testing.assert_allclose(np.concatenate(own, axis=1), expected, rtol=1e-12, atol=1e-14)


@each_variant
def test_gradients_of_variants_equal_central_differences(name):
    X = sequences_for(Gaussian())
    cell = VARIANTS[name].cell
    assert_gradient_is_right(network_with_random_weights(cell, Gaussian(), X), X)


@interpreted
@pytest.mark.parametrize("name", COMPILED)
def test_gradients_of_variants_without_biases_equal_central_differences(name):
    X = sequences_for(Gaussian())
    cell = clone(VARIANTS[name].cell).set_params(bias=False)
    assert_gradient_is_right(network_with_random_weights(cell, Gaussian(), X), X)


@interpreted
@pytest.mark.parametrize(
    "cells",
    [
        [LSTM(2, full_gate_recurrence=True), ProjectedLSTM(3, 2, 1)],
        [LayerNormLSTM(2), PeepholeLSTM(3, "full")],
        [ProjectedLSTM(2, 3), CoupledLSTM(2)],
    ],
    ids=str,
)
def test_gradients_of_stacked_variants_equal_central_differences(cells):
    X = sequences_for(Gaussian())
    assert_gradient_is_right(network_with_random_weights(cells, Gaussian(), X), X)


@pytest.mark.parametrize("H", [5, 17])
@each_variant
def test_gradients_of_variants_of_any_width_equal_central_differences(name, H, rng):
    X = [rng.normal(size=(length, 1)) for length in LENGTHS]
    model = network_with_random_weights(of_width(VARIANTS[name].cell, H), Gaussian(), X)
    assert_gradient_is_right_along_a_direction(model, X, rng)


@interpreted
@pytest.mark.parametrize("H", [3, 17])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_beyond_the_units_never_matters(name, H, rng):
    """Neither in inputs, states and gradients that are given, nor in memory that is used again."""
    assert_beyond_never_matters([of_width(VARIANTS[name].cell, H)], -1e6, rng)


@each_variant
def test_windows_of_any_size_give_the_same_terms_and_states(name, rng):
    X = [rng.normal(size=(length, 2)) for length in (7, 2, 5, 5, 1)]
    model = network_with_random_weights(VARIANTS[name].cell, Gaussian(), X)
    X, network, ready = model._known(X), model._network, model._ready
    expected = network.terms(ready, X), network.states_after(ready, X)
    for n_rows in (1, 7):
        for own, truth in zip(
            (network.terms(ready, X, n_rows=n_rows), network.states_after(ready, X, n_rows=n_rows)),
            expected, strict=True,
        ):  # fmt: skip
            np.testing.assert_allclose(own, truth, rtol=1e-12, atol=1e-13)


# -------------------------------------------------------------------- weights and hyperparameters


def test_weights_have_names_and_widths_of_their_own():
    shapes = Stack([ProjectedLSTM(5, 3, 2, peepholes=True), LayerNormLSTM(2)]).weight_shapes(4)
    assert shapes == {
        (0, "input"): (4, 20), (0, "recurrent"): (3, 20), (0, "projection"): (5, 5), (0, "peephole"): (15,),
        (0, "bias"): (20,),
        (1, "input"): (5, 8), (1, "recurrent"): (2, 8), (1, "gain_input"): (8,), (1, "gain_recurrent"): (8,),
        (1, "gain_memory"): (2,), (1, "gate_bias"): (8,), (1, "memory_bias"): (2,),
    }  # fmt: skip
    full = LSTM(2, full_gate_recurrence=True).weight_shapes(1)
    assert full == {"input": (1, 8), "recurrent": (2, 8), "gate_recurrent": (6, 6), "bias": (8,)}
    assert LSTM(2, without="output_gate").weight_shapes(1) == {"input": (1, 6), "recurrent": (2, 6), "bias": (6,)}
    assert PeepholeLSTM(2, "full", bias=False).weight_shapes(1).keys() == {"input", "recurrent", "peephole"}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (LSTM(2, gate_activation="tanh"), "gate_activation is 'tanh'; 'sigmoid', 'hard_sigmoid' are accepted"),
        (LSTM(2, input_activation="softmax"), "input_activation is 'softmax'; 'tanh', 'sigmoid', 'relu', 'identity'"),
        (LSTM(2, output_activation=None), "output_activation is None; 'tanh'"),
        (LSTM(2, without="peepholes"), "without is 'peepholes'; None, 'input_gate'"),
        (LSTM(2, without="input_gate", full_gate_recurrence=True), "full_gate_recurrence needs all gates"),
        (PeepholeLSTM(2, "half"), "peepholes is 'half'; 'diagonal', 'full' are accepted"),
        (ProjectedLSTM(2, 0), "n_projected is 0; integers from 1"),
        (ProjectedLSTM(2, 1, -1), "n_unrecurrent is -1; integers from 0"),
        (CoupledLSTM(0), "n_hidden is 0; integers from 1"),
    ],
)
def test_hyperparameters_are_checked(cell, message):
    with pytest.raises(ValueError, match=message):
        cell.check()
