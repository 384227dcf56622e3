"""Every cell against its published equations, worked out one number at a time."""

import math

import numpy as np
import pytest
import reference
from sklearn.base import clone

from seqmodels.rnn import GRU, LSTM, Cell, Elman
from seqmodels.rnn.packing import Batch

from .stacks import Driven, run

STEPS = [
    (Elman(3), reference.elman_step(math.tanh)),
    (Elman(3, "relu"), reference.elman_step(lambda x: max(x, 0.0))),
    (Elman(3, "sigmoid"), reference.elman_step(reference.logistic)),
    (LSTM(3), reference.lstm_step),
    (GRU(3), reference.gru_step_reset_after),
    (GRU(3, "before"), reference.gru_step_reset_before),
]
CELLS = [cell for cell, _ in STEPS]


def random_weights(cell, n_inputs, rng):
    return {name: rng.normal(size=shape) for name, shape in cell.weight_shapes(n_inputs).items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("cell", "step"), STEPS, ids=[str(cell) for cell in CELLS])
def test_cells_equal_their_published_equations(cell, step, bias, rng):
    cell = clone(cell).set_params(bias=bias)
    sequences = [rng.normal(size=(length, 2)) for length in (3, 6, 1)]
    weights = random_weights(cell, 2, rng)
    assert ("bias" in weights) == bias
    own = run(cell, weights, sequences)
    for x, hidden, memory in zip(sequences, *own, strict=True):
        lists = weights["input"].T.tolist(), weights["recurrent"].T.tolist()
        b = weights["bias"].tolist() if bias else [0.0] * (cell.n_gates * 3)
        others = [weights[name].T.tolist() for name in list(cell.recurrent_axes())[1:]]
        expected_hidden, expected_memory = reference.run_layer(step, x.tolist(), *lists, b, *others)
        np.testing.assert_allclose(hidden, expected_hidden, rtol=1e-13, atol=1e-15)
        if cell.n_memories:
            np.testing.assert_allclose(memory, expected_memory, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_single_precision_stays_single_and_close(cell, rng):
    weights = random_weights(cell, 2, rng)
    sequences = [rng.normal(size=(length, 2)) for length in (5, 2)]
    exact, _ = run(cell, weights, sequences)
    single = {name: array.astype(np.float32) for name, array in weights.items()}
    rounded, _ = run(cell, single, [x.astype(np.float32) for x in sequences])
    for a, b in zip(exact, rounded, strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(b, a, atol=3e-6)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_saturated_units_are_exact_and_have_finite_derivatives(cell):
    weights = {(0, name): np.full(shape, 1e3) for name, shape in cell.weight_shapes(1).items()}
    batch = Batch.of(np.array([0, 3]), np.arange(1))
    for sign in (-1, 1):
        driven = Driven([cell], weights)
        (layer,) = driven.forward(np.full((3, cell.n_gates * 3), sign * 1e3), batch.sizes)
        d_projected, gradient = driven.backward(np.ones((3, 3)), batch)
        assert np.isfinite(layer.hidden).all()
        assert np.isfinite(d_projected).all() and all(np.isfinite(array).all() for array in gradient.values())
        if not (isinstance(cell, Elman) and cell.activation == "relu"):
            assert np.abs(layer.hidden).max() <= 1


def test_the_update_gate_keeps_in_one_form_of_the_gru_and_replaces_in_the_other():
    before = np.array([[0.3, -0.2, 0.9]])
    for reset, kept in (("after", 1e3), ("before", -1e3)):
        cell = GRU(3, reset)
        weights = {name: np.zeros(shape) for name, shape in cell.weight_shapes(1).items()}
        weights["bias"][3:6] = kept
        weights["bias"][6:] = 0.5
        (hidden,), _ = run(cell, weights, [np.ones((2, 1))], before)
        np.testing.assert_allclose(hidden, np.repeat(before, 2, axis=0))
        weights["bias"][3:6] = -kept
        (hidden,), _ = run(cell, weights, [np.ones((2, 1))], before)
        np.testing.assert_allclose(hidden, np.tanh(0.5) * np.ones((2, 3)))


def test_an_open_forget_gate_carries_the_memory_through_any_time():
    cell = LSTM(1)
    weights = {name: np.zeros(shape) for name, shape in cell.weight_shapes(1).items()}
    weights["bias"][:] = [-1e3, 1e3, 0, 1e3]  # nothing in, nothing forgotten, everything out
    (hidden,), (memory,) = run(cell, weights, [np.ones((50, 1))], np.array([[0.0, 0.7]]))
    np.testing.assert_array_equal(memory, 0.7)
    np.testing.assert_allclose(hidden, np.tanh(0.7))


# -------------------------------------------------------------------- hyperparameters


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Elman(0), "n_hidden is 0; integers from 1"),
        (LSTM(2.5), "n_hidden is 2.5; integers from 1"),
        (GRU(-1), "n_hidden is -1; integers from 1"),
        (Elman(2, "softmax"), "activation is 'softmax'; 'tanh', 'relu', 'sigmoid' are accepted"),
        (GRU(2, "never"), "reset is 'never'; 'after', 'before' are accepted"),
    ],
)
def test_hyperparameters_are_checked(cell, message):
    with pytest.raises(ValueError, match=message):
        cell.check()


def test_a_cell_without_equations_says_so():
    with pytest.raises(TypeError, match="Cell does not define kernels"):
        Cell().kernels()
