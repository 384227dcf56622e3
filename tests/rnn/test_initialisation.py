"""What weights start from, by what defines it."""

import numpy as np
import pytest

from seqmodels.rnn import GRU, LSTM, RNN, Elman
from seqmodels.rnn.initialisation import initial
from seqmodels.rnn.units import Axis

from .cases import KINDS

each_cell = pytest.mark.parametrize("cell", KINDS, ids=lambda cell: cell.__name__)


def matrices(weights, cell, name):
    """Each gate's own matrix."""
    return np.split(weights[name], cell.n_gates, axis=1)


def start(cell, seed=0, n_inputs=20):
    return cell.initial_weights(n_inputs, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["uniform", "glorot", "orthogonal", "sparse"])
@each_cell
def test_every_cell_takes_every_kind_and_its_seed(cell, kind):
    cell = cell(n_hidden=5, init=kind)
    cell.check()
    weights, again, other = start(cell), start(cell), start(cell, seed=1)
    assert {name: array.shape for name, array in weights.items()} == cell.weight_shapes(20)
    for name, array in weights.items():
        assert np.isfinite(array).all()
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(weights["input"], other["input"])


@each_cell
def test_other_kinds_are_refused(cell):
    with pytest.raises(ValueError, match="init is 'identity'; 'uniform', 'glorot', 'orthogonal', 'sparse' are"):
        cell(n_hidden=5, init="identity").check()


@pytest.mark.parametrize(
    "cell", [Elman(64), Elman(64, "relu"), Elman(64, "sigmoid"), GRU(64), GRU(64, "before"), LSTM(64)], ids=str
)
def test_uniform_weights_are_those_of_pytorch(cell):
    weights = start(cell)
    for name, array in weights.items():
        if name == "bias" and isinstance(cell, LSTM):
            array = np.delete(array, slice(64, 128))
        assert np.abs(array).max() <= 1 / 8
        assert np.abs(array).max() > 0.11
        if array.ndim == 2:
            assert array.std() == pytest.approx(1 / 8 / np.sqrt(3), rel=0.05)
            assert abs(array.mean()) < 5 * array.std() / np.sqrt(array.size)


def test_glorot_keeps_the_variance_of_signals(rng):
    """On average over both directions: n_in var(w) and n_out var(w) have the mean 1 of (n_in + n_out) var(w) / 2."""
    cell = LSTM(300, init="glorot")
    weights = start(cell, n_inputs=100)
    for name, n_inputs in (("input", 100), ("recurrent", 300)):
        for own in matrices(weights, cell, name):
            assert np.abs(own).max() <= np.sqrt(6 / (n_inputs + 300))
            assert (n_inputs + 300) / 2 * own.var() == pytest.approx(1, rel=0.03)
            assert abs(own.mean()) < 5 * own.std() / np.sqrt(own.size)
    bias = weights["bias"].reshape(4, 300)
    assert not bias[[0, 2, 3]].any() and (bias[1] == 1).all()  # the forget gate's is the cell's own choice


@pytest.mark.parametrize("n_hidden", [1, 2, 17, 40])
@pytest.mark.parametrize("cell", [Elman, LSTM, GRU])
def test_orthogonal_recurrent_matrices_keep_every_length(cell, n_hidden):
    cell = cell(n_hidden, init="orthogonal")
    for own in matrices(start(cell), cell, "recurrent"):
        np.testing.assert_allclose(own @ own.T, np.eye(n_hidden), atol=1e-13)


def test_orthogonal_matrices_are_of_no_preferred_direction():
    """Traces of rotations drawn uniformly have mean 0 and variance 1; without the signs of R they have not."""
    traces = [np.trace(start(Elman(4, init="orthogonal"), seed)["recurrent"]) for seed in range(2000)]
    assert np.mean(traces) == pytest.approx(0, abs=0.1)
    assert np.var(traces) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("n_hidden", [1, 3, 15, 16, 60])
@pytest.mark.parametrize("cell", [Elman, LSTM, GRU])
def test_sparse_units_have_fifteen_connections_and_the_spectral_radius(cell, n_hidden):
    cell = cell(n_hidden, init="sparse")
    weights = start(cell, n_inputs=500)
    for own in matrices(weights, cell, "recurrent"):
        assert (np.count_nonzero(own, axis=0) == min(15, n_hidden)).all()
        assert np.abs(np.linalg.eigvals(own)).max() == pytest.approx(0.95, rel=1e-9)
    assert weights["input"].std() == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("kind", ["orthogonal", "sparse", "glorot"])
def test_matrices_that_are_not_square(kind, rng):
    own = initial(kind, "recurrent", (Axis(1, 20), Axis(2, 30)), 1.0, rng)
    assert own.shape == (20, 60)
    for matrix in np.split(own, 2, axis=1):
        if kind == "orthogonal":
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(20), atol=1e-13)
        if kind == "sparse":
            assert (np.count_nonzero(matrix, axis=0) == 15).all()
            assert np.linalg.norm(matrix, 2) == pytest.approx(0.95)
    tall = initial("orthogonal", "projection", (Axis(1, 30), Axis(1, 20)), 1.0, rng)
    np.testing.assert_allclose(tall.T @ tall, np.eye(20), atol=1e-13)


def test_a_network_starts_from_what_its_cells_say():
    X = ["abcab", "bca"]
    model = RNN([LSTM(17, init="orthogonal"), Elman(20, init="sparse")], max_epochs=0, dtype="float64", random_state=0)
    weights = model.fit(X).weights_
    first = weights["weight_hh_l0"].reshape(4, 17, 17)
    np.testing.assert_allclose(first @ first.transpose(0, 2, 1), np.eye(17)[None].repeat(4, 0), atol=1e-13)
    assert (np.count_nonzero(weights["weight_hh_l1"], axis=1) == 15).all()  # rows are units, as in PyTorch
    assert not weights["weight_out"].any()
